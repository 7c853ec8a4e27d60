"""Writing a vault's rows bare, to a new database of the same schema and kind."""

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

from bench.rig import Rig
from bench.spool import Portion, write_spool
from vault.stores.protocol import Transaction

BARE_SECONDS_PER_ROW = 0.002


def bare_rate(rig: Rig, folder: Path, portions: Callable[[Transaction], Iterator[Portion]], *, leave: bool) -> float:
    """Write rows of a vault bare, and return what they count for a second.

    Args:
        rig: The vault; it may run.
        folder: A folder for the spool and a database file, both of which are gone afterwards.
        portions: Finds the rows.
        leave: Whether the vault's database is dropped before, if it is not a file.

    Raises:
        RuntimeError: Another number of them was written.
    """
    spool, ground = folder / "rows.spool", rig.ground
    count = write_spool(rig.config, spool, portions)
    if leave:
        ground.leave(rig.place.configuration)
    command = ground.bare_command(spool, folder)
    ground.begin()
    limit = 60 + count * BARE_SECONDS_PER_ROW
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=limit)  # noqa: S603
    for file in (spool, *folder.glob("bare.db*")):
        file.unlink()
    said = json.loads(done.stdout)
    if said["count"] != count or not count:
        message = f"{said['count']} of {count} rows were written bare"
        raise RuntimeError(message)
    return float(count / said["seconds"])
