"""Saving a package to a file.

1. The file appears under its name only when it is whole and its SHA-256 is that of the vault's manifest.
2. What was received before an interruption is kept beside it as ``NAME.part``, and the next try goes on there.
3. Both are created with mode 0600. The package is sealed to its recipient: the file holds no code in clear.
"""

import hashlib
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import BinaryIO, TypeAlias

from vault.client.channel import VaultClient
from vault.errors import AlreadyExists, IntegrityFailure
from vault.v1.resources_pb2 import Manifest

READ_BYTES = 1024 * 1024

Progress: TypeAlias = Callable[[int, int], None]
Part: TypeAlias = tuple[int | None, bytes, Manifest | None]
"""Of a package: the size of the whole where it is told, the next bytes, the manifest at the end."""


async def save_package(
    client: VaultClient,
    program: str,
    batch_id: str,
    path: Path,
    progress: Progress = lambda _done, _size: None,
) -> Manifest:
    """Save a batch's package to a new file and answer its manifest.

    Args:
        client: A client whose principal is an issuer of the program.
        program: The program.
        batch_id: The batch, a UUID.
        path: The file to make.
        progress: Told the bytes held so far and the bytes of the whole package.

    Raises:
        AlreadyExists: There is a file of this name.
        IntegrityFailure: What arrived is not what the manifest says; the part received is deleted.
        VaultError: The vault refused.
    """

    async def parts(offset: int) -> AsyncIterator[Part]:
        async for part in client.export_batch(program, batch_id, offset=offset):
            whole = part.size_bytes if part.HasField("size_bytes") else None
            yield whole, part.chunk, part.manifest if part.HasField("manifest") else None

    return await _save(parts, path, progress)


async def save_rotation_package(
    client: VaultClient,
    program: str,
    job_id: str,
    path: Path,
    progress: Progress = lambda _done, _size: None,
) -> Manifest:
    """Save the package of a re-issue's new codes to a new file and answer its manifest.

    Args:
        client: A client whose principal is an officer of the program.
        program: The program.
        job_id: The job, a UUID.
        path: The file to make.
        progress: Told the bytes held so far and the bytes of the whole package.

    Raises:
        AlreadyExists: There is a file of this name.
        IntegrityFailure: What arrived is not what the manifest says; the part received is deleted.
        VaultError: The vault refused.
    """

    async def parts(offset: int) -> AsyncIterator[Part]:
        async for part in client.export_rotation_package(program, job_id, offset=offset):
            whole = part.size if part.HasField("size") else None
            yield whole, part.content, part.manifest if part.HasField("manifest") else None

    return await _save(parts, path, progress)


async def _save(parts: Callable[[int], AsyncIterator[Part]], path: Path, progress: Progress) -> Manifest:
    part_path = path.with_name(path.name + ".part")
    digest = hashlib.sha256()
    found = Manifest()
    size = 0
    with _open_part(path, part_path) as file:
        while block := file.read(READ_BYTES):
            digest.update(block)
        async for whole, content, manifest in parts(file.tell()):
            size = size if whole is None else whole
            found = manifest or found
            file.write(content)
            digest.update(content)
            progress(file.tell(), size)
        file.flush()
        os.fsync(file.fileno())
        received = file.tell()
    if received != found.size_bytes or digest.digest() != found.sha256:
        part_path.unlink()
        message = "the package that arrived is not the one of its manifest; export it again from the start"
        raise IntegrityFailure(message, reason="PACKAGE_MISMATCH")
    part_path.rename(path)
    return found


def _open_part(path: Path, part_path: Path) -> BinaryIO:
    if path.exists():
        message = f"{path} exists"
        raise AlreadyExists(message, reason="FILE_EXISTS")
    descriptor = os.open(part_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    return open(descriptor, "r+b")  # noqa: PTH123  # from a descriptor
