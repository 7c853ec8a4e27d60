"""How codes, records and rows are protected. All pure: bytes in, bytes out, randomness handed in.

1. At rest there are only keyed digests and sealed records; each is bound to its place, and nothing here
   opens one in another place.
2. Keys are apart: every construction has a key of its own purpose and a label of its own in what it covers, so
   that nothing made by one is accepted by another even under the same key.
3. Each stored form begins with a format version and names the version of its key; decoders stay for ever.
4. Failures say one thing, and never show a code, a digest or a key.

It does not protect against someone who reads this process's memory, nor against whole rows being deleted or
rolled back with their tags: that is the audit's matter.

Primitives: AES-256-GCM (NIST SP 800-38D), HMAC-SHA-256 (RFC 2104, FIPS 180-4), and libsodium's X25519, Ed25519,
sealed box and secretstream. Nothing else.

Decided 2026-11-23: random 96-bit nonces, counted per key (SP 800-38D, section 8.3). Refused: AES-GCM-SIV, which
few HSMs have; one key for all purposes with labels alone; a wrapped data key without associated data.
"""
