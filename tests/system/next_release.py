"""A vault as the first release was: it knows one step of the schema. Runs commands as ``cardvault`` does.

Its processes are real ones. Before anything is opened their list of migrations is cut short, and what they
would do with the tables of later steps is left out.
"""

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from vault import supervisor
from vault.cli.commands import main
from vault.service.upkeep.presence import Presence
from vault.stores import migrations
from vault.stores.postgres import schema as postgres_schema
from vault.stores.sqlite import schema as sqlite_schema

FIRST = migrations.MIGRATIONS[:1]
MODULE = [sys.executable, "-m", "tests.system.old_release"]


async def _nothing(_: Presence) -> None:
    await asyncio.sleep(0)


def become_old() -> None:
    """Know nothing of the steps after the first."""
    for module in (migrations, sqlite_schema, postgres_schema):
        vars(module)["MIGRATIONS"] = FIRST
    for name in ("beat", "leave"):
        setattr(Presence, name, _nothing)


def run(configuration: Path, ready_file: Path) -> int:
    """Run the supervisor, whose children are of the first release too."""

    def command(kind: str, port: int) -> Sequence[str]:
        ours = [*MODULE, "serve", "--config", str(configuration), "--only", kind]
        return ours if kind == supervisor.JOBS else [*ours, "--port", str(port)]

    return supervisor.run(configuration, ready_file=ready_file, command=command)


if __name__ == "__main__":
    become_old()
    sys.exit(run(Path(sys.argv[2]), Path(sys.argv[3])) if sys.argv[1] == "run" else main(sys.argv[1:]))
