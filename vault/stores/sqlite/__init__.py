"""The embedded store: one SQLite file, in WAL mode, for every process of one machine.

1. Everything that ``vault.stores.protocol`` promises, with one writing, one reading and one checkpointing
   thread in each process. The event loop waits for no lock and no disk.
2. Acknowledged work is on the disk: synchronous=FULL, one commit for the works that waited together.
3. The database, its WAL and the two lock files beside it are readable by their owner only (0600).
4. Columns of an ``IntEnum`` come back as plain ints, which compare equal to its members.

It does not protect against a network file system (WAL and flock need one machine's kernel), nor against a disk
that loses what it said it had written.

Files: ``<path>`` the database · ``<path>-wal``, ``<path>-shm`` SQLite's own · ``<path>.lock``, ``<path>.next``
the queue of writers (empty).

Decisions, 2026-11-23
    Two shared cores of a virtual machine, Debian 12, Python 3.11, SQLite 3.40.1. Writing means: rows of card
    (200 bytes), code (250), serial (70) with all their indexes, 2,000 cards a commit, each table's rows sorted
    by its key. Single runs, and others worked on the same cores during many of them, so that the same run gave
    24,000 and 13,000 cards/s: only the figures that are said to be of one sitting compare well.

    Every table has a rowid. At 200,000 cards, one quiet sitting, 64 MiB of cache, 4,000 pages a checkpoint:
    21,300 cards/s; serial alone WITHOUT ROWID 18,500; all three WITHOUT ROWID 14,100, since each random
    insertion then dirties a page of whole rows instead of one of short index entries.

    The page size stays 4,096 bytes; smaller pages showed no gain, though the runs differ in more than the page.
    At 300,000 cards 21,600 cards/s (256 MiB of cache, 16,000 pages a checkpoint) beside 19,300 with pages of
    2,048 and 18,300 with 1,024 (both 64 MiB); at 1,000,000 cards with 256 MiB 13,000 beside 11,400 with 1,024.

    Checkpoints run on a thread of their own, so that bulk work's checkpoints are not paid for inside some
    validation's commit. That is a choice by reasoning: it is not shown to be quicker. Bare statements reached
    1,000,000 cards at 15,800 cards/s with a thread (every 22,000 pages, a quiet machine), and at 13,000 and
    11,900 with wal_autocheckpoint = 16,000 (beside other work).

    The store keeps up with bare statements over the first 200,000 cards: 24,300 and 25,100 cards/s against
    24,700 and 25,500, in turn. 1,000,000 cards through the store were had beside other work only: 11,800,
    10,300, 8,500 and 8,100 cards/s with 256 MiB, 7,800 with 64 MiB. So 15,000 cards/s at that size is not
    shown. The slowest commits of these runs took 0.5 to 5.9 s; at 500,000 cards on a busy machine 0.7 s, bare
    ones 0.6 to 0.9.

    Look-ups of many keys use ``IN`` with the keys sorted and their number padded to a power of two. 1,000
    digests among 300,000: 6.6 µs each; a joined VALUES list 7.3; a recursive CTE over one blob 7.4; one
    statement a key 12.7 to 14.

    Refused by reasoning, not measured: mmap (checkpoints write by pwrite all the same, and a truncated file
    would become SIGBUS); journal_size_limit = 0 (growing the WAL anew costs each commit a change of the file's
    length). Refused though quicker by half a microsecond a value: ``IntEnum`` adapters, which are the
    process's, not the connection's.
"""

from vault.stores.sqlite.schema import check_schema, migrate
from vault.stores.sqlite.store import CACHE_MIB, SqliteStore
from vault.stores.sqlite.writer import GROUP_PIECES

__all__ = ["CACHE_MIB", "GROUP_PIECES", "SqliteStore", "check_schema", "migrate"]
