"""A store of whichever kind: read at one moment, kept from being written, dumped into a file."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import vault
from vault.config import Config
from vault.service.upkeep.content import Watch
from vault.stores.protocol import Transaction
from vault.stores.sqlite import backup, check_schema, frozen
from vault.wiring.parts import postgres_address

# The modules of PostgreSQL are imported where they are used: psycopg belongs to an extra.


@contextmanager
def moment(config: Config) -> Iterator[Transaction]:
    """Read a store as it is now, whatever is written meanwhile.

    Raises:
        Unavailable: It cannot be read now.
    """
    if config.store.kind == "sqlite":
        with frozen.moment(config.store.path) as tx:
            yield tx
        return
    address = postgres_address(config)
    from vault.stores.postgres.frozen import moment as postgres_moment  # noqa: PLC0415

    with postgres_moment(address) as read:
        yield read


@contextmanager
def no_writers(config: Config) -> Iterator[None]:
    """Keep every process from writing to a store; they wait.

    Raises:
        Unavailable: It cannot be reached.
    """
    if config.store.kind == "sqlite":
        with frozen.no_writers(config.store.path):
            yield
        return
    address = postgres_address(config)
    from vault.stores.postgres.frozen import no_writers as no_postgres_writers  # noqa: PLC0415

    with no_postgres_writers(address):
        yield


def users_of(config: Config) -> str:
    """Return who else has a store open, in words; empty where nobody has.

    Raises:
        Unavailable: It cannot be reached.
    """
    if config.store.kind == "sqlite":
        process = frozen.process_using(config.store.path)
        return "" if process is None else f"process {process}"
    address = postgres_address(config)
    from vault.stores.postgres.frozen import processes_using  # noqa: PLC0415

    count = processes_using(address)
    return f"a vault with {count} connections" if count else ""


@contextmanager
def dump_moment(config: Config, out: Path, watch: Watch) -> Iterator[Transaction]:
    """Write a store as it is now into an empty file, on the disk, and read the same moment.

    Raises:
        FailedPrecondition: A program that it takes is missing.
        Unavailable: The store cannot be read, or the file not be written.
    """
    if config.store.kind == "sqlite":
        # What is read is the file itself.
        backup.copy(config.store.path, out, lambda done, total: watch("copying pages", done, total))
        with frozen.moment(out) as tx:
            yield tx
        return
    address = postgres_address(config)
    from vault.stores.postgres.dump import dump  # noqa: PLC0415
    from vault.stores.postgres.frozen import exported_moment  # noqa: PLC0415

    with exported_moment(address) as (read, name):
        dump(address, name, out)
        yield read


def check_store(config: Config) -> None:
    """Return if a store is there and of this release's schema.

    Raises:
        FailedPrecondition: It is not.
        Unavailable: It cannot be reached.
    """
    if config.store.kind == "sqlite":
        check_schema(config.store.path, vault.__version__)
        return
    address = postgres_address(config)
    from vault.stores.postgres import check_schema as check_postgres  # noqa: PLC0415

    check_postgres(address, vault.__version__)
