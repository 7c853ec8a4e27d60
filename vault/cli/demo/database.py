"""The incident's story on PostgreSQL: the vault is moved there for its run, and back into a file to be searched.

1. What is moved is every row; ``cardvault move`` proves it on both sides.
2. Afterwards every row stands, as PostgreSQL had it, in a SQLite file among what is searched for codes.

PostgreSQL's own files, its write-ahead log among them, are not searched.
"""

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vault.cli.demo.place import Place
from vault.cli.demo.processes import cardvault
from vault.errors import FailedPrecondition


@contextmanager
def moved(place: Place, dsn: str | None) -> Iterator[None]:
    """Have the vault of a place, which is stopped, in a PostgreSQL database while the block goes on.

    Args:
        place: Where the vault is.
        dsn: The database, empty, in libpq's key words; None: the vault stays where it is.

    Raises:
        FailedPrecondition: It could not be moved.
    """
    if dsn is None:
        yield
        return
    before = place.vault / "before.toml"
    shutil.copyfile(place.configuration, before)
    _change(place.configuration, kind="postgres", dsn=dsn)
    _move(before, place.configuration)
    yield
    searched = place.vault / "searched.toml"
    shutil.copyfile(before, searched)
    _change(searched, path="data/searched.db")
    _move(place.configuration, searched)


def _change(configuration: Path, **values: str) -> None:
    """Change values in the ``[store]`` of a configuration file."""
    head, store, rest = configuration.read_text(encoding="utf-8").partition("[store]")
    named = [(line.partition(" = ")[0], line) for line in rest.splitlines()]
    lines = [f"{name} = {json.dumps(values[name])}" if name in values else line for name, line in named]
    configuration.write_text(head + store + "\n".join(lines) + "\n", encoding="utf-8")


def _move(source: Path, target: Path) -> None:
    command = cardvault("move", "--config", str(source), "--to", str(target), "--json")
    done = subprocess.run(command, check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True)  # noqa: S603
    if done.returncode:
        message = f"the vault could not be moved: {done.stderr.strip()}"
        raise FailedPrecondition(message)
