"""Backups by PostgreSQL's own programs, pg_dump and pg_restore.

1. A dump is of the one moment that it is given, and of the vault's tables alone, in pg_dump's custom format.
2. What is restored is there whole or not at all (one transaction), save the vault's own row, which is handed
   over instead: until it is written, no process serves from what was restored.
3. The password travels in a file that only this user may read (libpq's passfile), never in an argument.
"""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

import psycopg
from psycopg.conninfo import make_conninfo

from vault.errors import FailedPrecondition, InvalidInput, Unavailable
from vault.model.rows import VaultRow
from vault.stores.postgres.address import Address
from vault.stores.postgres.fault import translated
from vault.stores.postgres.schema import tables

MAGIC: Final = b"PGDMP"
"""What a dump in pg_dump's custom format begins with."""

_VAULT_DATA: Final = re.compile(rb";.* TABLE DATA \S+ vault ")
_COPY: Final = re.compile(rb"^COPY \S+ \(vault_id, created_ms, tag\) FROM stdin;\n(.*)\n\\\.$", re.MULTILINE)


def dump(address: Address, moment: str, out: Path) -> None:
    """Write a dump of an exported moment into a file that is there, and have it on the disk.

    Raises:
        FailedPrecondition: PROGRAM_MISSING: pg_dump is not there.
        Unavailable: pg_dump failed; the message is its own first line.
    """
    schema, names = tables(address)
    wanted = [f'--table="{schema}"."{name}"' for name in names]
    with _connected(address) as database:
        options = ("--format=custom", "--no-password", f"--snapshot={moment}")
        with out.open("wb") as file:
            _run(["pg_dump", *options, *wanted, f"--dbname={database}"], file)
            os.fsync(file.fileno())


def restore(address: Address, backup: Path) -> VaultRow:
    """Restore a dump into a database without a vault's tables, and return the vault's row, which is left out.

    Raises:
        InvalidInput: BACKUP: the file is no dump of a vault.
        FailedPrecondition: PROGRAM_MISSING: pg_restore is not there; or the dump is of another schema's name.
        Unavailable: pg_restore failed; the message is its own first line.
    """
    listing = _output(["pg_restore", "--list", str(backup)])
    row = _vault_row(_output(["pg_restore", "--data-only", "--table=vault", "--file=-", str(backup)]))
    schema, _ = tables(address)
    if f" TABLE {schema} vault ".encode() not in listing:
        message = f"the backup is not of a schema named {schema}; restore it where search_path begins with its own"
        raise FailedPrecondition(message, reason="BACKUP")
    kept = b"\n".join(line for line in listing.split(b"\n") if not _VAULT_DATA.search(line))
    with tempfile.NamedTemporaryFile() as contents, _connected(address) as database:
        contents.write(kept)
        contents.flush()
        options = ("--no-password", "--no-owner", "--no-privileges", "--exit-on-error", "--single-transaction")
        _output(["pg_restore", *options, f"--use-list={contents.name}", f"--dbname={database}", str(backup)])
    return row


def drop_tables(address: Address) -> None:
    """Drop a vault's tables, empty or left by an interrupted restore.

    Raises:
        FailedPrecondition: VAULT_IN_USE: the database holds a vault.
        Unavailable: The database cannot be reached.
    """
    _, names = tables(address)
    try:
        with _connection(address) as connection, connection.transaction():
            if "vault" in names and connection.execute("SELECT 1 FROM vault").fetchone():
                raise FailedPrecondition("there is a vault in the database already", reason="VAULT_IN_USE")
            if names:
                connection.execute(f"DROP TABLE {', '.join(names)}".encode())
    except psycopg.Error as error:
        raise translated(error) from None


def _vault_row(script: bytes) -> VaultRow:
    """Read the vault's row from COPY's text format (PostgreSQL 15, COPY, "Text Format")."""
    found = _COPY.search(script)
    columns = found[1].split(b"\t") if found else []
    try:
        vault_id, created_ms, tag = columns
        return VaultRow(_bytea(vault_id), int(created_ms), _bytea(tag))
    except ValueError:
        raise InvalidInput("the backup holds no vault", reason="BACKUP") from None


def _bytea(text: bytes) -> bytes:
    return bytes.fromhex(text.removeprefix(rb"\\x").decode())


def _connection(address: Address) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(**address.words(), autocommit=True, prepare_threshold=None)  # type: ignore[arg-type]


@contextmanager
def _connected(address: Address) -> Iterator[str]:
    """Give the words by which libpq's programs connect, with a password only in a file of this moment."""
    words = address.words()
    password = words.pop("password", None)
    with tempfile.TemporaryDirectory() as folder:  # of mode 0700
        if password is not None:
            file = Path(folder) / "passfile"
            escaped = password.replace("\\", "\\\\").replace(":", "\\:")
            file.touch(mode=0o600)
            file.write_text(f"*:*:*:*:{escaped}\n", encoding="utf-8")
            words["passfile"] = str(file)
        yield make_conninfo("", **words)


def _output(command: Sequence[str]) -> bytes:
    with tempfile.TemporaryFile() as out:
        _run(command, out)
        out.seek(0)
        return out.read()


def _run(command: Sequence[str], out: IO[bytes]) -> None:
    program = shutil.which(command[0])
    if program is None:
        message = f"{command[0]} is not there: install PostgreSQL's client programs, of the server's version or newer"
        raise FailedPrecondition(message, reason="PROGRAM_MISSING")
    done = subprocess.run(  # noqa: S603  our own words; nothing goes through a shell
        [program, *command[1:]], stdout=out, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, check=False
    )
    if done.returncode != 0:
        # These programs name databases, users and tables; a row's values only after "DETAIL" or "CONTEXT".
        said = done.stderr.decode(errors="replace").splitlines()
        raise Unavailable(f"{command[0]} failed: {said[0] if said else f'status {done.returncode}'}")
