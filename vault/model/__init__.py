"""What the vault keeps, as plain data: states and outcomes, rows, and the shape of each table.

Times are whole milliseconds since 1970-01-01T00:00:00Z (names end in ``_ms``). Ids of cards, batches, jobs and
redemptions are the 16 bytes of a version 4 UUID (RFC 9562). Enum numbers are those of the protos; a test
compares them.
"""
