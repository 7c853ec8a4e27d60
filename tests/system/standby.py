"""A primary and its synchronous standby, which can be promoted when the primary is gone."""

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.postgres import Cluster, named

SETTINGS = {"wal_level": "replica", "max_wal_senders": "4", "hot_standby": "on", "wal_keep_size": "64MB"}
_NAME = "standby"
_SECONDS = 180.0


class Standby(Cluster):
    """A copy of a primary that follows it."""

    def __init__(self, primary: Cluster) -> None:
        """Copy a running primary; it follows once started."""
        self.bin = primary.bin
        self.folder = Path(tempfile.mkdtemp(prefix="pg"))
        self.data = self.folder / "data"
        self.log = self.folder / "log"
        self._prefix = primary._prefix
        self._settings = primary._settings
        self._process = None
        if self._prefix:
            shutil.chown(self.folder, "postgres", "postgres")
        source = f"host={primary.folder} user=cardvault application_name={_NAME}"
        self._run("pg_basebackup", "-D", str(self.data), "-d", source, "-X", "stream", "-c", "fast", "--no-sync")
        with (self.data / "postgresql.auto.conf").open("a") as settings:
            settings.write(f"primary_conninfo = '{source}'\n")
        (self.data / "standby.signal").touch()

    def promote(self) -> None:
        """Make a primary of it; when this returns, it takes writes."""
        self._run("pg_ctl", "promote", "-D", str(self.data), "-t", "600")


class Pair(NamedTuple):
    """A primary that waits for its standby with every commit."""

    primary: Cluster
    standby: Standby

    def dsn(self, database: str) -> str:
        """Return key words that name both, so that whoever takes writes is found."""
        return f"host={self.primary.folder},{self.standby.folder} {named(database)}"


@contextmanager
def pair() -> Iterator[Pair]:
    """Run a primary with a synchronous standby."""
    primary = Cluster(durable=True, **SETTINGS)
    standby = None
    try:
        primary.start()
        standby = Standby(primary)
        standby.start()
        primary.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{_NAME}'")
        primary.execute("SELECT pg_reload_conf()")
        deadline = time.monotonic() + _SECONDS
        while primary.execute("SELECT sync_state FROM pg_stat_replication") != [("sync",)]:
            assert time.monotonic() < deadline, standby.log.read_text()
            time.sleep(0.02)
        yield Pair(primary, standby)
    finally:
        for cluster in (standby, primary):
            if cluster is not None:
                cluster.stop()
