"""What a code is: its digits, its check digit, its format, how it is drawn; and the serial printed beside it.

All pure: randomness is handed in as a function from a number of bytes to that many bytes.

1. Codes and serials are drawn uniformly, by rejection, from the randomness given and from nothing else: neither
   tells anything of the other, of earlier ones or of the card.
2. A code is bytes of ASCII digits, never an int: an int loses leading zeros, prints itself and is passed on.
3. A check digit guards against slips of the hand; it adds nothing against a guesser, and no odds here count it.

Uniqueness is not promised here: it is the store's constraint on the digest, with a retry.

Decided 2026-11-23: fifteen random digits and no prefix by default. Refused: an issuer prefix by default (six
fixed digits make guessing a million times easier), and codes made by a cipher over a counter (whoever gets its
key gets them all).
"""
