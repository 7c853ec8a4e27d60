"""Long work, in a process of its own beside the gRPC workers, a chunk at a time.

1. A chunk is one transaction: what it does, how far it is and its audit event are written together. A job
   killed at any point goes on where its last chunk ended; nothing is lost and nothing is done twice.
2. A chunk's size follows the time that chunks take, so that whoever waits for the database waits for a short one.
3. A job is leased by the database's clock. The lease says who should be at it; the cursor, compared in each chunk's
   transaction, makes sure that no two do the same chunk.
4. Several jobs take turns; a long one does not hold up a short one, nor does one that rests between its chunks.
5. A job is paused, resumed or cancelled by changing its row: a chunk whose job no longer runs is dropped.
"""
