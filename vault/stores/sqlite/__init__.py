"""The embedded store: one SQLite file, in WAL mode, for every process of one machine.

1. Everything that ``vault.stores.protocol`` promises, with one writing, one reading and one checkpointing thread
   in each process. The event loop waits for no lock and no disk.
2. Acknowledged work is on the disk: synchronous=FULL, one commit for the works that waited together.
3. The database, its WAL and the two lock files beside it are readable by their owner only (0600).
4. Columns of an ``IntEnum`` come back as plain ints, which compare equal to its members.

It does not protect against a network file system (WAL and flock need one machine's kernel), nor against a disk
that loses what it said it had written.

Files: ``<path>`` the database · ``<path>-wal``, ``<path>-shm`` SQLite's own · ``<path>.lock``, ``<path>.next`` the
queue of writers (empty).

Decisions, 2026-11-23
    Two shared cores of a virtual machine, Debian 12, Python 3.11, SQLite 3.40.1. Writing means: rows of card (200
    bytes), code (250), serial (70) with all their indexes, 2,000 cards a commit, each table's rows sorted by its
    key. Single runs; the machine's disk varied by half between them.

    Every table has a rowid. At 200,000 cards, 64 MiB of cache, 4,000 pages a checkpoint: 21,300 cards/s; serial
    alone WITHOUT ROWID 18,500; all three WITHOUT ROWID 14,100, since each random insertion then dirties a page of
    whole rows instead of one of short index entries.

    The page size stays 4,096 bytes. At 300,000 cards: 21,600 cards/s (256 MiB of cache, 16,000 pages a checkpoint)
    against 19,300 with pages of 2,048 and 18,300 with 1,024 (both 64 MiB); at 1,000,000 cards with 256 MiB for
    both 13,000 against 11,400 with 1,024.

    Checkpoints run on a thread of their own. At 1,000,000 cards, bare: 15,800 cards/s against 13,000 with
    wal_autocheckpoint = 16,000; SQLite's default of 1,000 makes nearly every bulk commit copy its own pages.
    The store itself does as well as the bare statements (24,300 to 25,100 cards/s against 24,700 to 25,500 over
    the first 200,000, in turn). A run of 1,000,000 through the store was only had beside other work on the same
    cores: 8,100 to 11,800 cards/s, so the quiet figure at that size is the bare one.

    Look-ups of many keys use ``IN`` with the keys sorted and their number padded to a power of two. 1,000 digests
    among 300,000: 6.6 µs each; a joined VALUES list 7.3; a recursive CTE over one blob 7.4; one statement a key
    12.7 to 14.

    Refused: mmap (checkpoints write by pwrite all the same, and a truncated file would become SIGBUS);
    ``IntEnum`` adapters (they are the process's, not the connection's, and save half a microsecond);
    journal_size_limit = 0 (growing the WAL anew costs each commit a change of the file's length).
"""

from vault.stores.sqlite.schema import check_schema, migrate
from vault.stores.sqlite.store import SqliteStore

__all__ = ["SqliteStore", "check_schema", "migrate"]
