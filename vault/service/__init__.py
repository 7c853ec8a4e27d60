"""What the service does: no gRPC, no SQL, no SDK.

Everything runs as *work*: a function of a ``Scope`` (transaction, catalogue snapshot, time) that returns a
result together with the audit event that describes it. ``Recorder`` runs work and writes the event in the same
transaction, so nothing can be done or answered without its event, and a request that comes a second time is
answered from what the first one left.

What everything stands on lies here: ``catalogue`` and ``measures`` (programs, keys, holds and blocks in force),
``recorder``, cards and their rules. Beside it, by what it is for: ``issuing`` (making cards and handing codes out),
``answering`` (is a code good; spending it), ``incidents``, ``rotation`` (new codes, new keys), ``exchanging`` (old
codes for new ones) and ``upkeep`` (making, verifying, moving, restoring a vault).

Decisions of 2026-11-23:

- Programs and keys are held in memory as an immutable snapshot, and every transaction first compares one number
   with the database; so all processes obey a stop or a new key on their next answer. Reading the rows each time
   was refused for its cost, notifications because they can be lost.
- Encryption of many cards happens before the transaction, outside every lock; the transaction only checks that
   the snapshot it was made from still stands.
- The count of codes that may become good is kept in slots, so that redemptions in several processes need not
   wait for each other.
- Holds, blocked principals and incidents that are not closed are read with programs and keys, under the same catalogue
   number; a freeze then waits until every writer that began before it has ended, so that every answer after
   FreezeIncident's obeys it. A number of their own was refused: one comparison in each look-up is enough.
- While a re-key runs two index versions are ACTIVE in the words of NIST SP 800-57, because new codes are still
   claimed under both; an index version that is DEACTIVATED is neither looked up nor claimed.
"""
