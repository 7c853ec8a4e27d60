"""What the service does: no gRPC, no SQL, no SDK.

Everything runs as *work*: a function of a ``Scope`` (transaction, catalogue snapshot, time) that returns a
result together with the audit event that describes it. ``Recorder`` runs work and writes the event in the same
transaction, so nothing can be done or answered without its event, and a request that comes a second time is
answered from what the first one left.

Decisions of 2026-11-23:

- Programs and keys are held in memory as an immutable snapshot, and every transaction first compares one number
   with the database; so all processes obey a stop or a new key on their next answer. Reading the rows each time
   was refused for its cost, notifications because they can be lost.
- Encryption of many cards happens before the transaction, outside every lock; the transaction only checks that
   the snapshot it was made from still stands.
- The count of codes that may become good is kept in slots, so that redemptions in several processes need not
   wait for each other.
"""
