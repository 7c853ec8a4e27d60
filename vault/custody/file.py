"""Custody by a file: the root key lies in a file that only the vault's user may read (``rootfile`` has its format).

Format of a wrapped key:
    format         1   0x01
    root version   4   big-endian
    nonce         12   random
    ciphertext         as long as the key, 16 to 64 bytes
    tag           16   AES-256-GCM
    associated data: the first five bytes, then ``encoding`` of label "cardvault.v1.root" and context

1. A key unwraps only with the root key that wrapped it, for the same context, unchanged.
2. The file is refused when it is missing, when others can read it (see ``secretfile``), and when it is not of
   its format; it is never made by accident.
3. Nothing of a root key is ever shown: errors name the file and at most a line's number.
4. Every process wraps by the newest root version, and unwraps by every one that the file holds: a file that was
   replaced is read again before anything is wrapped, and when a version is met that was not known.
5. A root version that was destroyed is gone from the file and from every copy that the vault has made of it; what
   that is worth on a disk, ``rootfile`` says. It is forgotten by each other process when that reads the file again.

It does not protect against root on this machine, nor against a backup that holds the file beside the database:
keep them apart; and each vault has a file of its own. A root key may wrap 2^32 keys (NIST SP 800-38D, section 8.3);
a vault has hundreds.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from vault.crypto.encoding import encode
from vault.crypto.primitives import KEY_SIZE, NONCE_SIZE, GcmKey, Random
from vault.custody import rootfile
from vault.custody.rootfile import FIRST_LINE, LARGEST_VERSION, RootKeys
from vault.errors import FailedPrecondition, IntegrityFailure
from vault.secret import Secret

__all__ = ["FIRST_LINE", "FileCustody"]

_LABEL: Final = "cardvault.v1.root"
_FORMAT: Final = 1
_HEAD_SIZE: Final = 5
_BODY: Final = _HEAD_SIZE + NONCE_SIZE
_SHORTEST: Final = 16
_LONGEST: Final = 64


class _Held(NamedTuple):
    """What is held in memory: the file as it was read, its keys ready for use, and the version that wraps."""

    file: RootKeys
    keys: Mapping[int, GcmKey]
    version: int


class FileCustody:
    """Holds the root keys of a file."""

    def __init__(self, path: Path | str, random: Random = os.urandom) -> None:
        """Read the file; ``random`` is the source of nonces and new root keys.

        Raises:
            FailedPrecondition: ROOT_KEY_FILE: it is missing, others can read it, or it is not of the format;
                the message says what to do.
        """
        self._path = Path(path)
        self._random = random
        self._held = _hold(rootfile.read(self._path))

    @classmethod
    def create(cls, path: Path | str, random: Random = os.urandom) -> "FileCustody":
        """Write a new file with root version 1, durable and readable by its owner alone, and hold it.

        Raises:
            AlreadyExists: ROOT_KEY_FILE: something is there already; it is left as it is.
            FailedPrecondition: ROOT_KEY_FILE: it cannot be written there.
        """
        rootfile.create(Path(path), {1: Secret(random(KEY_SIZE))})
        return cls(path, random)

    def __repr__(self) -> str:
        return f"<FileCustody {self._path}>"

    @property
    def root_version(self) -> int:
        """Version of the root key that ``wrap`` uses: the highest in the file.

        Raises:
            FailedPrecondition: ROOT_KEY_FILE: the file was changed, and cannot be used any more.
        """
        return self._fresh().version

    @property
    def versions(self) -> frozenset[int]:
        """The root versions that the file holds and that were not destroyed.

        Raises:
            FailedPrecondition: ROOT_KEY_FILE: the file was changed, and cannot be used any more.
        """
        return frozenset(self._fresh().keys)

    def wrap(self, key: Secret, context: bytes) -> bytes:
        """Wrap a key for a context.

        Raises:
            ValueError: The key is not 16 to 64 bytes long.
            FailedPrecondition: ROOT_KEY_FILE: the file was changed, and cannot be used any more.
        """
        if not _SHORTEST <= len(key) <= _LONGEST:
            message = f"a key to wrap has {_SHORTEST} to {_LONGEST} bytes"
            raise ValueError(message)
        held = self._fresh()
        head = bytes((_FORMAT,)) + held.version.to_bytes(4, "big")
        nonce = self._random(NONCE_SIZE)
        return head + nonce + held.keys[held.version].seal(nonce, key.expose(), _bound(head, context))

    def unwrap(self, wrapped: bytes, context: bytes) -> Secret:
        """Return the key that was wrapped for this context.

        Raises:
            IntegrityFailure: ROOT_KEY: not by a root key of this file, not for this context, or changed since.
            FailedPrecondition: ROOT_KEY_FILE: the file was changed, and cannot be used any more.
        """
        head = wrapped[:_HEAD_SIZE]
        if head[:1] != bytes((_FORMAT,)):
            raise self._refused()
        version = int.from_bytes(head[1:], "big")
        root = self._held.keys.get(version) or self._fresh().keys.get(version)
        if root is None:
            raise self._destroyed(version) if version in self._held.file.keys else self._refused()
        try:
            return Secret(root.open(wrapped[_HEAD_SIZE:_BODY], wrapped[_BODY:], _bound(head, context)))
        except IntegrityFailure:
            raise self._refused() from None

    def create_version(self) -> int:
        """Make a root key of the next version, durable, by which every process wraps from now on; return its version.

        Raises:
            FailedPrecondition: ROOT_KEY_FILE: the file cannot be replaced.
        """

        def add(keys: dict[int, Secret | None]) -> dict[int, Secret | None]:
            version = max(keys) + 1
            if version > LARGEST_VERSION:
                message = f"{self._path} has no room for another root version"
                raise FailedPrecondition(message, reason="ROOT_KEY_FILE")
            return {**keys, version: Secret(self._random(KEY_SIZE))}

        self._held = _hold(rootfile.replace(self._path, add, self._random))
        return self._held.version

    def destroy_version(self, version: int) -> str:
        """Destroy a root key, unless it was, and return what was done, in words.

        Raises:
            FailedPrecondition: ROOT_VERSION: it is the one that wraps, or there never was one in this file;
                ROOT_KEY_FILE: the file cannot be replaced.
        """

        def strike(keys: dict[int, Secret | None]) -> dict[int, Secret | None] | None:
            if version not in keys or version == max(live for live, key in keys.items() if key is not None):
                message = f"root version {version} is the one in use, or none of {self._path}; it cannot be destroyed"
                raise FailedPrecondition(message, reason="ROOT_VERSION")
            return None if keys[version] is None else {**keys, version: None}

        self._held = _hold(rootfile.replace(self._path, strike, self._random))
        return (
            f"file custody: root key version {version} is no longer in the root key file; the file that held it was"
            " overwritten, synchronized and unlinked; copies of that file elsewhere are not reached by this"
        )

    def _fresh(self) -> _Held:
        """Return what is held, after reading a file that was replaced."""
        held = self._held
        if rootfile.changed(self._path, held.file):
            held = self._held = _hold(rootfile.read(self._path))
        return held

    def _refused(self) -> IntegrityFailure:
        message = (
            f"a key cannot be unwrapped: the root key file {self._path} is not the one that this vault was made"
            " with, or the stored key was changed; give the vault its own root key file"
        )
        return IntegrityFailure(message, reason="ROOT_KEY")

    def _destroyed(self, version: int) -> IntegrityFailure:
        message = (
            f"a key cannot be unwrapped: root version {version} of {self._path} was destroyed, and with it every older"
            " backup; `cardvault restore --keys-from` opens what must live with today's keys"
        )
        return IntegrityFailure(message, reason="ROOT_KEY")


def _hold(file: RootKeys) -> _Held:
    keys = {version: GcmKey(key.expose()) for version, key in file.live.items()}
    return _Held(file, keys, max(keys))


def _bound(head: bytes, context: bytes) -> bytes:
    return head + encode((_LABEL, context))
