"""What stands beside a backup: ``BACKUP.json``, by which a restore knows what it must find.

1. It is written last, so a backup that has none was not finished.
2. It holds no key and no row: the content digest, the counts, and how the backup was made.

Whoever can change the backup can change this file too; the digest that the command printed, kept elsewhere and
given by ``--digest``, cannot be changed with them.
"""

import json
import os
from pathlib import Path
from typing import Any, Final, NamedTuple

from vault.errors import AlreadyExists, FailedPrecondition, InvalidInput

FORMAT: Final = 1


class Sidecar(NamedTuple):
    """How a backup was made and what it holds; ``bytes`` is the backup's size, ``made`` a time in UTC."""

    kind: str
    release: str
    made: str
    bytes: int
    tables: dict[str, int]
    content_sha256: str


def sidecar_path(backup: Path) -> Path:
    """Return where a backup's sidecar is."""
    return backup.with_name(f"{backup.name}.json")


def write_sidecar(backup: Path, sidecar: Sidecar) -> None:
    """Write a backup's sidecar, durable and readable by its owner alone.

    Raises:
        AlreadyExists: FILE_EXISTS: there is one.
    """
    text = json.dumps({"format": FORMAT, **sidecar._asdict()}, indent=2) + "\n"
    with os.fdopen(create(sidecar_path(backup)), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    sync_folder(backup)


def read_sidecar(backup: Path) -> Sidecar | None:
    """Return a backup's sidecar; None if there is none.

    Raises:
        InvalidInput: BACKUP: it cannot be understood.
    """
    path = sidecar_path(backup)
    if not path.exists():
        return None
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        return _parsed(document)
    except (ValueError, KeyError, TypeError, AttributeError):
        message = f"{path} is not what `cardvault backup` wrote"
        raise InvalidInput(message, reason="BACKUP") from None


def create(path: Path) -> int:
    """Make a new file of mode 0600 and return its descriptor, open for writing.

    Raises:
        AlreadyExists: FILE_EXISTS: there is something already.
        FailedPrecondition: FILE_UNWRITABLE: it cannot be made there.
    """
    try:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise AlreadyExists(f"{path} exists; nothing is overwritten", reason="FILE_EXISTS") from None
    except OSError as error:
        message = f"{path} cannot be written: {error.strerror}"
        raise FailedPrecondition(message, reason="FILE_UNWRITABLE") from None


def sync_folder(path: Path) -> None:
    """Make the name of a file durable."""
    folder = os.open(path.absolute().parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def parse_digest(text: str) -> bytes:
    """Read a content digest.

    Raises:
        InvalidInput: It is not 64 hexadecimal digits.
    """
    try:
        digest = bytes.fromhex(text)
    except ValueError:
        digest = b""
    if len(digest) != 32:  # noqa: PLR2004  SHA-256
        raise InvalidInput("a content digest has 64 hexadecimal digits", reason="CONTENT_DIGEST", field="digest")
    return digest


def _parsed(document: dict[str, Any]) -> Sidecar:
    if document["format"] != FORMAT:
        raise ValueError
    tables = {str(table): int(count) for table, count in document["tables"].items()}
    digest = parse_digest(document["content_sha256"]).hex()
    kind, release, made = (str(document[name]) for name in ("kind", "release", "made"))
    return Sidecar(kind, release, made, int(document["bytes"]), tables, digest)
