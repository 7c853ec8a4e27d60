"""What happened: events in their final bytes, chained per writer.

Decision of 2026-11-23, which stored bytes make dear to undo: an event is a ``vault.formats.v1.AuditEvent``,
serialized once. Its bytes are what is stored, chained and, later, the tree's leaf. Deterministic CBOR and
canonical JSON were refused: both would need a canonical form only if bytes were ever made again, and they are
not; protobuf gives any language a schema, and items of 50 bytes instead of 110.
"""
