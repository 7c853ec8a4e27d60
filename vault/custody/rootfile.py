"""The file of root keys: its format, and how it is replaced so that nothing is lost and what is destroyed is gone.

Format of the file, in ASCII, each line ended by a newline:
    cardvault-root-key-1
    <version> <base64 of the 32-byte root key>      a line for each root version; the highest one wraps
    <version> destroyed                             a line for each that was destroyed

1. Whoever replaces the file waits for others who do; a reader sees the old content or the new one, whole.
2. Killed at any point, the file is the old one or the new one, durable; what was left beside it is destroyed by the
   next replacement.
3. The content replaced is overwritten where it lay, synchronized to the device and unlinked.

What that is worth: on a file system that overwrites in place, over a disk that does too, nobody can read the old
content afterwards. On solid-state disks, on file systems that copy on write (Btrfs, ZFS), that journal data, or that
take snapshots, the old bytes may live on until the device reuses them; and nothing here reaches backups of the file.
Keep it on an encrypted device whose key you can destroy, and destroy your copies yourself.
"""

import fcntl
import os
import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple, NoReturn

from vault.crypto.primitives import KEY_SIZE, Random
from vault.errors import AlreadyExists, FailedPrecondition
from vault.secret import Secret
from vault.secretfile import read_secret_file

FIRST_LINE: Final = b"cardvault-root-key-1"
LARGEST_VERSION: Final = 2**32 - 1

_DESTROYED: Final = b"destroyed"
_VERSION: Final = re.compile(rb"[1-9][0-9]{0,9}")
_ATTEMPTS: Final = 5

Stamp = tuple[int, int, int]
"""By which a file that was replaced is told from the one before: inode, time of its last change, size."""


class RootKeys(NamedTuple):
    """The keys of a file by version, None for one that was destroyed, and the file's stamp."""

    keys: Mapping[int, Secret | None]
    stamp: Stamp

    @property
    def live(self) -> dict[int, Secret]:
        """The keys that were not destroyed, by version."""
        return {version: key for version, key in self.keys.items() if key is not None}


def read(path: Path) -> RootKeys:
    """Read a file of root keys.

    Raises:
        FailedPrecondition: ROOT_KEY_FILE: it is missing, others can read it, or it is not of the format; the message
            says what to do.
    """
    for _ in range(_ATTEMPTS - 1):
        before = _stamp(path)
        try:
            return RootKeys(_parse(path, _content(path)), before)
        except FailedPrecondition:
            if before == _stamp(path):
                raise  # else it was replaced, and overwritten, between opening and reading
    before = _stamp(path)
    return RootKeys(_parse(path, _content(path)), before)


def changed(path: Path, keys: RootKeys) -> bool:
    """Return whether the file is another one than it was when these keys were read."""
    return _stamp(path) != keys.stamp


def create(path: Path, keys: Mapping[int, Secret | None]) -> None:
    """Write a new file, durable and readable by its owner alone.

    Raises:
        AlreadyExists: ROOT_KEY_FILE: something is there already; it is left as it is.
        FailedPrecondition: ROOT_KEY_FILE: it cannot be written there.
    """
    try:
        _write(path, _spell(keys))
        _sync_folder(path)  # the name is durable only with its folder
    except FileExistsError:
        message = f"there is a file at {path} already; a root key is never overwritten"
        raise AlreadyExists(message, reason="ROOT_KEY_FILE") from None
    except OSError as error:
        message = f"the root key file {path} cannot be written: {error.strerror}"
        raise FailedPrecondition(message, reason="ROOT_KEY_FILE") from None


Change = Callable[[dict[int, Secret | None]], dict[int, Secret | None] | None]
"""Says what keys there are to be instead of some; None: the same."""


def replace(path: Path, change: Change, random: Random) -> RootKeys:
    """Replace the content of a file, and return what it is then.

    Args:
        path: The file, or a link to it; the link stays.
        change: Called with the keys as they are when it is this process's turn.
        random: What the old content is overwritten with.

    Raises:
        FailedPrecondition: ROOT_KEY_FILE: the file cannot be used, or nothing can be written in its folder.
    """
    try:
        real = path.resolve()
        with _alone(real):
            old, new = real.with_name(f"{real.name}.old"), real.with_name(f"{real.name}.new")
            _clear(real, old, new, random)
            keys = change(dict(read(real).keys))
            if keys is not None:
                _write(new, _spell(keys))
                os.link(real, old)
                new.replace(real)
                _sync_folder(real)
                _wipe(old, random)
            return read(path)
    except OSError as error:
        message = (
            f"the root key file {path} cannot be replaced: {error.strerror}; its folder must be the vault's to write"
        )
        raise FailedPrecondition(message, reason="ROOT_KEY_FILE") from None


@contextmanager
def _alone(real: Path) -> Iterator[None]:
    """Wait until no other process replaces a file in the folder."""
    folder = os.open(real.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _clear(real: Path, old: Path, new: Path, random: Random) -> None:
    """Destroy what a replacement that was interrupted has left."""
    if old.exists() and old.samefile(real):
        old.unlink()  # killed before the new content took the name: this is the file itself
    for left in (old, new):
        if left.exists():
            _wipe(left, random)


def _write(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)


def _wipe(path: Path, random: Random) -> None:
    with path.open("r+b", buffering=0) as file:
        file.write(random(os.fstat(file.fileno()).st_size))
        os.fsync(file.fileno())
    path.unlink()
    _sync_folder(path)


def _sync_folder(path: Path) -> None:
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _stamp(path: Path) -> Stamp:
    try:
        status = path.stat()
    except OSError:
        return (0, 0, 0)
    return (status.st_ino, status.st_mtime_ns, status.st_size)


def _content(path: Path) -> bytes:
    try:
        return read_secret_file(path)
    except FailedPrecondition as error:
        message = (
            f"{error.message}. The vault's own root key file belongs there, a regular file of the user that"
            " runs the vault, with mode 0600; only a new vault gets a new one, from `scripts/serve --init`"
        )
        raise FailedPrecondition(message, reason="ROOT_KEY_FILE") from None


def _spell(keys: Mapping[int, Secret | None]) -> bytes:
    lines = [
        b"%d %s" % (version, _DESTROYED if key is None else b64encode(key.expose())) for version, key in keys.items()
    ]
    return b"\n".join([FIRST_LINE, *lines, b""])


def _parse(path: Path, content: bytes) -> dict[int, Secret | None]:
    first, *lines = content.removesuffix(b"\n").split(b"\n")
    if first != FIRST_LINE:
        _malformed(path, f"its first line is not {FIRST_LINE.decode()}")
    keys: dict[int, Secret | None] = {}
    for number, line in enumerate(lines, 2):
        version, _, encoded = line.partition(b" ")
        if _VERSION.fullmatch(version) is None or int(version) > LARGEST_VERSION:
            _malformed(path, f"line {number} does not begin with a version from 1 to {LARGEST_VERSION}")
        if int(version) in keys:
            _malformed(path, f"line {number} has the version of an earlier line")
        keys[int(version)] = None if encoded == _DESTROYED else _root_key(path, number, encoded)
    if not any(keys.values()):
        _malformed(path, "it holds no key")
    return keys


def _root_key(path: Path, number: int, encoded: bytes) -> Secret:
    try:
        key = b64decode(encoded, validate=True)
    except ValueError:
        key = b""
    if len(key) != KEY_SIZE:
        _malformed(path, f"line {number} does not hold {KEY_SIZE} bytes in base64 after its version")
    return Secret(key)


def _malformed(path: Path, problem: str) -> NoReturn:
    message = f"{path} is not a root key file: {problem}; give the vault the file that was made for it"
    raise FailedPrecondition(message, reason="ROOT_KEY_FILE") from None
