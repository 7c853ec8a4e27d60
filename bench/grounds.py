"""Where a vault's records live while it is measured, and what is expected of it there: a ground for each kind.

1. Every vault, and every bare writing of its rows, gets a database of its own, made by the same migration.
2. Both begin with nothing left to be written back, and with no other vault's rows beside them.
"""

import contextlib
import itertools
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Protocol

from bench.cluster import Cluster, running_cluster
from bench.connections import Watch, watched
from bench.lookups import lookups
from vault import config
from vault.stores.postgres import Address, migrate

KINDS = ("sqlite", "postgres")
BARE_DATABASE = "bare"


class Reach(NamedTuple):
    """What calls have to reach beside the echo: ratios of rates."""

    validate: float
    batch: float


class Ground(Protocol):
    """A kind of store; ``bare`` names what writes rows bare there."""

    reach: Reach
    bare: str

    @property
    def watch(self) -> Watch | None:
        """What was counted of the vaults' connections; None where there are none."""

    def give(self, configuration: Path) -> None:
        """Have a vault that is not migrated yet use a database of its own."""

    @contextlib.contextmanager
    def watching(self, configuration: Path) -> Iterator[None]:
        """Count the connections of a vault that runs meanwhile, if there is anything to count."""

    def begin(self) -> None:
        """Be about to write much."""

    def leave(self, configuration: Path) -> None:
        """Forget the database of a vault that has stopped."""

    def bare_command(self, spool: Path, folder: Path) -> list[str]:
        """Return the command that writes a spool's rows bare to a new database, and says how long that took."""

    def pids(self) -> list[int]:
        """Return the process ids of the store's own server, if it has one."""

    def look_up(self, configuration: Path, at_once: int, seconds: float, processes: int) -> float | None:
        """Look codes of a vault up bare, and return how many a second; None where that is no yardstick."""


class SqliteGround:
    """Files beside the vaults."""

    reach = Reach(0.7, 10.0)
    bare = "the same rows bare"
    watch: None = None

    def give(self, configuration: Path) -> None:
        """Leave the configuration as it is: it names a file among the vault's data."""

    @contextlib.contextmanager
    def watching(self, configuration: Path) -> Iterator[None]:  # noqa: ARG002  nobody connects to a file
        """Count nothing."""
        yield

    def begin(self) -> None:
        """Write nothing back: SQLite does so itself when the last process lets go of a file."""

    def leave(self, configuration: Path) -> None:
        """Leave the file: it goes with the vault's folder."""

    def bare_command(self, spool: Path, folder: Path) -> list[str]:
        """Return the command that writes a spool's rows bare."""
        return [sys.executable, "-m", "bench.bare", str(spool), str(folder / "bare.db")]

    def pids(self) -> list[int]:
        """Return nobody: SQLite works in the vault's own processes."""
        return []

    def look_up(self, configuration: Path, at_once: int, seconds: float, processes: int) -> float | None:  # noqa: ARG002
        """Look nothing up: what SQLite does in a worker's own process stands beside no other server."""
        return None


class PostgresGround:
    """Databases of one cluster."""

    reach = Reach(0.6, 6.0)
    bare = "bare COPY"

    def __init__(self, cluster: Cluster) -> None:
        self.watch = Watch()
        self.cluster = cluster
        self._count = itertools.count(1)

    def give(self, configuration: Path) -> None:
        """Make a database and write it into the configuration."""
        name = f"vault{next(self._count)}"
        self.cluster.execute(f"CREATE DATABASE {name}")
        text = configuration.read_text(encoding="utf-8").replace('kind = "sqlite"', 'kind = "postgres"')
        dsn = f'dsn = "{self.cluster.dsn(name)}"'
        configuration.write_text(re.sub(r'^dsn = ".*"$', dsn, text, flags=re.MULTILINE), encoding="utf-8")

    @contextlib.contextmanager
    def watching(self, configuration: Path) -> Iterator[None]:
        """Count the vault's connections."""
        with watched(self.watch, self.cluster.dsn(), _database(configuration)):
            yield

    def begin(self) -> None:
        """Write back what is dirty, so that whoever writes next has the whole way to the next checkpoint."""
        self.cluster.execute("CHECKPOINT")

    def leave(self, configuration: Path) -> None:
        """Drop the database."""
        self.cluster.execute(f"DROP DATABASE {_database(configuration)} WITH (FORCE)")

    def bare_command(self, spool: Path, folder: Path) -> list[str]:  # noqa: ARG002  where SQLite's file goes
        """Return the command that writes a spool's rows bare."""
        self.cluster.execute(f"DROP DATABASE IF EXISTS {BARE_DATABASE}")
        self.cluster.execute(f"CREATE DATABASE {BARE_DATABASE}")
        dsn = self.cluster.dsn(BARE_DATABASE)
        migrate(Address(dsn))
        return [sys.executable, "-m", "bench.copy", str(spool), dsn]

    def pids(self) -> list[int]:
        """Return the cluster's processes, backends that are there now included."""
        return self.cluster.pids()

    def look_up(self, configuration: Path, at_once: int, seconds: float, processes: int) -> float:
        """Look codes up bare."""
        return lookups(self.cluster.dsn(_database(configuration)), at_once, seconds, processes)


def _database(configuration: Path) -> str:
    found = re.search(r"dbname=(\w+)", config.load(configuration).store.dsn)
    assert found is not None, "give() has written it"
    return found[1]


@contextlib.contextmanager
def ground_of(kind: str) -> Iterator[Ground]:
    """Yield the ground of a kind: ``sqlite``, or ``postgres`` with a cluster that runs meanwhile.

    Raises:
        RuntimeError: PostgreSQL is missing, or did not start.
    """
    if kind == "sqlite":
        yield SqliteGround()
    else:
        with running_cluster() as cluster:
            yield PostgresGround(cluster)
