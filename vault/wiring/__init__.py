"""From configuration to running objects: the only package that names a kind of store or custody.

The functions here import what they need when they are called, because gRPC reads the environment once, at its
import, and the job process does without gRPC altogether.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from vault.config import Config
from vault.hardening import harden
from vault.rpc.environment import prepare_environment

if TYPE_CHECKING:
    from vault.wiring.finding import Finding


def run_worker(config: Config, port: int) -> int:
    """Serve gRPC on a port until told to stop, and return the exit status."""
    prepare_environment()
    from vault.wiring.worker import run  # noqa: PLC0415  after the environment is prepared

    return run(config, port)


def run_jobs(config: Config) -> int:
    """Work jobs until told to stop, and return the exit status."""
    from vault.wiring.job_process import run  # noqa: PLC0415  only when it is needed

    return run(config)


def migrate(config: Config) -> list[str]:
    """Bring the store to this release's schema, make the vault's keys if it has none, and return what was done."""
    from vault.wiring.setup import migrate as work  # noqa: PLC0415  only when it is needed

    return work(config)


def examine(config: Config, *, thoroughly: bool) -> "list[Finding]":
    """Return what was found: whether a vault could start; thoroughly, also how it stands, and if it answers."""
    prepare_environment()
    from vault.wiring.examine import examine as work  # noqa: PLC0415  after the environment is prepared

    harden()
    return work(config, thoroughly=thoroughly)


def create_root_key(path: Path) -> None:
    """Make a new root key in a new file, for custody by a file.

    Raises:
        AlreadyExists: There is a file of this name.
    """
    from vault.custody.file import FileCustody  # noqa: PLC0415  only when it is needed

    FileCustody.create(path)
