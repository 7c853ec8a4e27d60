"""Custody by a file: the root key lies in a file that only the vault's user may read.

Format of the file, in ASCII, each line ended by a newline:
    cardvault-root-key-1
    <version> <base64 of the 32-byte root key>      one line for each root version; the highest one wraps
Format of a wrapped key:
    format         1   0x01
    root version   4   big-endian
    nonce         12   random
    ciphertext         as long as the key, 16 to 64 bytes
    tag           16   AES-256-GCM
    associated data: the first five bytes, then ``encoding`` of label "cardvault.v1.root" and context

1. A key unwraps only with the root key that wrapped it, for the same context, unchanged.
2. The file is refused when it is missing, when others can read it (see ``secretfile``), and when it is not of
   this format; it is never made by accident.
3. Nothing of a root key is ever shown: errors name the file and at most a line's number.

It does not protect against root on this machine, nor against a backup that holds the file beside the database:
keep them apart. A root key may wrap 2^32 keys (NIST SP 800-38D, section 8.3); a vault has hundreds.
"""

import os
import re
from base64 import b64decode, b64encode
from pathlib import Path
from typing import Final, NoReturn

from vault.crypto.encoding import encode
from vault.crypto.primitives import KEY_SIZE, NONCE_SIZE, GcmKey, Random
from vault.errors import AlreadyExists, FailedPrecondition, IntegrityFailure
from vault.secret import Secret
from vault.secretfile import read_secret_file

FIRST_LINE: Final = b"cardvault-root-key-1"

_LABEL: Final = "cardvault.v1.root"
_FORMAT: Final = 1
_HEAD_SIZE: Final = 5
_BODY: Final = _HEAD_SIZE + NONCE_SIZE
_VERSION: Final = re.compile(rb"[1-9][0-9]{0,9}")
_LARGEST_VERSION: Final = 2**32 - 1
_SHORTEST: Final = 16
_LONGEST: Final = 64


class FileCustody:
    """Holds the root keys of a file, read once."""

    def __init__(self, path: Path | str, random: Random = os.urandom) -> None:
        """Read the file; ``random`` is the source of nonces.

        Raises:
            FailedPrecondition: ROOT_KEY_FILE: it is missing, others can read it, or it is not of the format;
                the message says what to do.
        """
        self._path = Path(path)
        self._random = random
        self._keys = _read(self._path)
        self._version = max(self._keys)

    @classmethod
    def create(cls, path: Path | str, random: Random = os.urandom) -> "FileCustody":
        """Write a new file with root version 1, durable and readable by its owner alone, and hold it.

        Raises:
            AlreadyExists: ROOT_KEY_FILE: something is there already; it is left as it is.
            FailedPrecondition: ROOT_KEY_FILE: it cannot be written there.
        """
        path = Path(path)
        content = b"%s\n1 %s\n" % (FIRST_LINE, b64encode(random(KEY_SIZE)))
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(descriptor)
            # The name is durable only with its folder.
            folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except FileExistsError:
            message = f"there is a file at {path} already; a root key is never overwritten"
            raise AlreadyExists(message, reason="ROOT_KEY_FILE") from None
        except OSError as error:
            message = f"the root key file {path} cannot be written: {error.strerror}"
            raise FailedPrecondition(message, reason="ROOT_KEY_FILE") from None
        return cls(path, random)

    def __repr__(self) -> str:
        return f"<FileCustody {self._path}>"

    @property
    def root_version(self) -> int:
        """Version of the root key that ``wrap`` uses: the highest in the file."""
        return self._version

    def wrap(self, key: Secret, context: bytes) -> bytes:
        """Wrap a key for a context.

        Raises:
            ValueError: The key is not 16 to 64 bytes long.
        """
        if not _SHORTEST <= len(key) <= _LONGEST:
            message = f"a key to wrap has {_SHORTEST} to {_LONGEST} bytes"
            raise ValueError(message)
        head = bytes((_FORMAT,)) + self._version.to_bytes(4, "big")
        nonce = self._random(NONCE_SIZE)
        sealed = self._keys[self._version].seal(nonce, key.expose(), _bound(head, context))
        return head + nonce + sealed

    def unwrap(self, wrapped: bytes, context: bytes) -> Secret:
        """Return the key that was wrapped for this context.

        Raises:
            IntegrityFailure: ROOT_KEY: not by a root key of this file, not for this context, or changed since.
        """
        head = wrapped[:_HEAD_SIZE]
        root = self._keys.get(int.from_bytes(head[1:], "big")) if head[:1] == bytes((_FORMAT,)) else None
        if root is None:
            raise self._refused()
        try:
            return Secret(root.open(wrapped[_HEAD_SIZE:_BODY], wrapped[_BODY:], _bound(head, context)))
        except IntegrityFailure:
            raise self._refused() from None

    def _refused(self) -> IntegrityFailure:
        message = (
            f"a key cannot be unwrapped: the root key file {self._path} is not the one that this vault was made"
            " with, or the stored key was changed; give the vault its own root key file"
        )
        return IntegrityFailure(message, reason="ROOT_KEY")


def _bound(head: bytes, context: bytes) -> bytes:
    return head + encode((_LABEL, context))


def _read(path: Path) -> dict[int, GcmKey]:
    try:
        content = read_secret_file(path)
    except FailedPrecondition as error:
        message = (
            f"{error.message}. The vault's own root key file belongs there, a regular file of the user that"
            " runs the vault, with mode 0600; only a new vault gets a new one, from `scripts/serve --init`"
        )
        raise FailedPrecondition(message, reason="ROOT_KEY_FILE") from None
    first, *lines = content.removesuffix(b"\n").split(b"\n")
    if first != FIRST_LINE:
        _malformed(path, f"its first line is not {FIRST_LINE.decode()}")
    if not lines:
        _malformed(path, "it holds no key")
    keys: dict[int, GcmKey] = {}
    for number, line in enumerate(lines, 2):
        version, _, encoded = line.partition(b" ")
        if _VERSION.fullmatch(version) is None or int(version) > _LARGEST_VERSION:
            _malformed(path, f"line {number} does not begin with a version from 1 to {_LARGEST_VERSION}")
        if int(version) in keys:
            _malformed(path, f"line {number} has the version of an earlier line")
        keys[int(version)] = _root_key(path, number, encoded)
    return keys


def _root_key(path: Path, number: int, encoded: bytes) -> GcmKey:
    try:
        return GcmKey(b64decode(encoded, validate=True))
    except ValueError:
        _malformed(path, f"line {number} does not hold {KEY_SIZE} bytes in base64 after its version")


def _malformed(path: Path, problem: str) -> NoReturn:
    message = f"{path} is not a root key file: {problem}; give the vault the file that was made for it"
    raise FailedPrecondition(message, reason="ROOT_KEY_FILE") from None
