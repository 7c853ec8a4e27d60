"""The schema's history: numbered steps, forward only, the same numbers in every store.

1. A step is applied whole or not at all, and only after all steps below it.
2. A step that has been released is never edited; what it got wrong is put right by a later one.
3. Each step names the oldest release that may run on a database that has it; older ones refuse to start.

Columns are added, backfilled, then relied on: a step leaves the last release working unless it says otherwise
by its ``oldest_release``. That is why the statements stand here as they were written, and are not made from
``vault.model.shape``, which moves on; a test compares the sum of all steps with it.
"""

from vault.stores.migrations import m0001, m0002, m0003, m0004, m0005
from vault.stores.migrations.step import Migration, release_number

MIGRATIONS: tuple[Migration, ...] = (
    m0001.MIGRATION,
    m0002.MIGRATION,
    m0003.MIGRATION,
    m0004.MIGRATION,
    m0005.MIGRATION,
)

__all__ = ["MIGRATIONS", "Migration", "release_number"]
