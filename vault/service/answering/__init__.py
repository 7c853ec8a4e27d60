"""Whether a code is good, and spending it.

``validation`` answers for codes in clear and keeps nothing of them; ``inquiries`` for sealed ones, and wherever
a receipt is asked for: ``judging`` opens and looks up before the transaction, ``settling`` answers in it.
``redemption`` spends. What a submission is worth is said by ``submissions`` and ``nonces``, whether a code is
good by ``judge``, for all of them.

Decisions of 2026-11-23:

- A nonce has a row beside that of its request. One row for both was refused: a batch is one request with up to
  1,000 nonces, and a nonce may go after an hour, a result after a day.
- Refused submissions are not spent, so that nobody who sees one pass can spoil it by presenting it first; each
  writes the row of a nonce that nobody has instead, so that all refusals cost the same.
- A kept answer is given again even where card, key or program have changed since: a caller whose answer was
  lost must not learn more from asking again, nor less. Its receipt does not count longer for that.
- Submissions wait for a commit of their own beside that of codes in clear, which the store puts together; one
  group for both was refused, since codes in clear would have waited for openings.
"""
