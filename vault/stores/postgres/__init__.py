"""The store for many vaults over one database: PostgreSQL 15 or newer, by psycopg 3.

1. Everything that ``vault.stores.protocol`` promises, for any number of processes on any number of machines. A
   process keeps nothing but what it can read again.
2. Each process has three connections, for good: one writes, one reads, one looks things up. Each has a thread
   of its own; the event loop waits for no network.
3. Acknowledged work is durable: PostgreSQL has confirmed the commit without a warning, and a database that is
   set to answer sooner (synchronous_commit off or local) is told to wait. A commit is never cancelled: past
   its deadline the connection is dropped, and the callers learn that the outcome is unknown.
4. A lost connection, a server that starts again and a change of the primary are survived: what had not begun to
   commit runs again on a new connection, by the same host list.
5. No digest, code or key gets into an error of this package or, by a collision, into the server's log;
   passwords are read from a file for each connection.

It does not protect against a server that loses what it confirmed (fsync off), nor against a failover that
brings up a standby which did not confirm: that takes synchronous_standby_names. The store must not be pointed at a
standby; only ``PostgresReplica`` may, for long lists.

Decisions, 2026-11-23
    Isolation is REPEATABLE READ, without row locks but on the few rows that everyone counts in (tallies, uses
    of keys: FOR NO KEY UPDATE, so that the second stops before its work rather than after). What work reads is
    one snapshot, the catalogue number and the look-up included; whoever replaces a row that was changed since
    gets 40001 and runs again on a new snapshot. Validations and plain reads lock nothing and never run again.
    A group ends at its first conflict, commits what it has, and the piece in question leads the next group:
    at most one piece is done over for each conflict. It begins again in the round trip that ends the old
    transaction: with one round trip more, of two processes that counted in the same row without pause one was
    refused twelve times in a row. Work of which part only reads (an activation reads its
    batch) is not kept from committing beside a change of what it read: it then counts as having come before.
    No rule of the vault needs more today; one that does must write a row that both sides write.
    Refused: READ COMMITTED with FOR UPDATE (each statement has its own snapshot, so keys and codes of
    different moments could meet, and a thousand cards are a thousand row locks to write); SERIALIZABLE
    (predicate locks for every look-up; the suite runs on it with injected 40001, for databases that have
    nothing else); FOR SHARE on the catalogue row by every transaction (it would keep out even an answer that
    began before a stop, but every pair of concurrent groups makes a multixact, and their wrap-around freezes
    whole tables).

    A row lock is waited for 0.25 s: on a snapshot the wait ends in 40001 anyway unless the other gives up,
    and it resolves deadlocks before deadlock_timeout. Rows written together are written in the order of their
    keys.

    Uniqueness is claimed by INSERT ... ON CONFLICT DO NOTHING from arrays, also in bulk. A binary COPY costs
    the server 8 to 10 µs a row against 11 (code, with its index), but one that collides has the server log
    the key, which here is a digest. COPY writes cards from 200 on, and tables that are moved, code apart.

    No pool: a lane holds its connection, so there is nothing to lend. PgBouncer in transaction mode works with
    ``prepared_statements = 0``: settings then travel with each BEGIN. LISTEN/NOTIFY is not used: the catalogue
    number is read in the same round trip as BEGIN.

    Settling compares two looks at pg_stat_activity: it waits for those transactions of writing sessions, known by
    their application_name, that the first look saw. Any other that could commit later took its snapshot after the
    first look. A role that may not see others' sessions cannot settle, and says so. Refused: a shared advisory lock
    held by every writing transaction (one more lock in the hot path, and none on distributed databases); comparing
    xact_start with the server's clock, which may be set back; pg_snapshot_xmin, which long reads keep from rising.

    At most 60 pieces share a commit: PostgreSQL keeps 64 subtransactions at hand.

    Statements go by libpq's own calls rather than psycopg's cursors (``statements``), and whoever has only read
    ends with a COMMIT that nobody waits for, not with ROLLBACK, at which a cursor forgets what it has prepared.
    In pairs of runs: ValidateCode came to 0.37 to 0.45 of the bare echo before and to 0.47 to 0.58 with it, for
    120 µs of the server's time a call instead of 170 and 590 µs of a worker's instead of 780.

    Refused: sending COMMIT behind the last statement, in one round trip. A statement's refusal is its own
    piece's alone, and the others of its group must still commit; so each answer is needed before COMMIT may
    leave. It is worth 25 µs of Python's time in a group of eight events, of 126 (psycopg's pipeline mode: 212),
    and 0.2 of 3.4 ms until it is durable. What shares a round trip without that: BEGIN and the catalogue number,
    the end of a refused transaction and the next BEGIN.

    Sequential scans, hash and merge joins are switched off for the vault's connections: a statement prepared
    while a table was empty would otherwise keep scanning it until the first ANALYZE after a bulk load.

    Measured once each, two shared cores, other work beside (load 5 to 14), so only figures of one sitting
    compare. Cards are rows of card, code and serial with all indexes, 2,000 a commit, fsync on. 1,000,000: bare
    by COPY 14,400 cards/s, through the store 9,700 (0.68), slowest commits 0.7 and 0.9 s. 200,000: bare 9,100
    and 10,300, through the store 7,900. 903 bytes a card (card 305, code 422, serial 174). 1,000 digests a
    look-up, each: 8.3 µs among 200,000, 22.5 among 1,000,000. 64 callers with pieces of five statements: 1,100
    and 1,600 pieces/s. A lone piece like a validation: 2.7 ms.
"""

from vault.stores.postgres.address import Address
from vault.stores.postgres.replica import PostgresReplica
from vault.stores.postgres.schema import check_schema, migrate
from vault.stores.postgres.store import PostgresStore

__all__ = ["Address", "PostgresReplica", "PostgresStore", "check_schema", "migrate"]
