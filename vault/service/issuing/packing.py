"""Streaming a package: its size, its bytes from an offset on, and its manifest, in constant memory.

The bytes are those of ``crypto.package`` for the same head, key and entries, however the entries are sliced. To
begin at an offset the package is made again from its beginning, because each chunk's encryption depends on the
one before: what is skipped costs the opening of its codes, about 10 µs each, and no traffic.
"""

import hashlib
from collections.abc import AsyncIterator, Callable
from typing import NamedTuple

from vault.crypto.package import PackageWriter, package_size
from vault.errors import IntegrityFailure, InvalidInput
from vault.secret import Secret


class Manifest(NamedTuple):
    """What a package holds."""

    entries: int
    size: int
    sha256: bytes


class Contents(NamedTuple):
    """What goes into a package.

    Fields:
        entries: How many entries.
        slices: The framed entries in their order, some at a time.
        plain_size: Given the first slice (empty where there is none), the size of all entries in bytes.
    """

    entries: int
    slices: AsyncIterator[bytes]
    plain_size: Callable[[bytes], int]


async def pack(head: bytes, key: Secret, contents: Contents, offset: int) -> AsyncIterator[int | bytes | Manifest]:
    """Yield the package's size, its bytes from ``offset`` on, and its manifest.

    Raises:
        InvalidInput: OFFSET: it is beyond the end.
        IntegrityFailure: PACKAGE_SIZE: the entries are not as long as they should be.
    """
    writer = PackageWriter(head, key)
    digest = hashlib.sha256()
    size = sent = 0
    async for entries in contents.slices:
        if not size:
            size = package_size(contents.plain_size(entries))
            check_offset(offset, size)
            yield size
        piece = writer.write(entries)
        digest.update(piece)
        if wanted := piece[max(0, offset - sent) :]:
            yield wanted
        sent += len(piece)
    if not size:
        size = package_size(contents.plain_size(b""))
        check_offset(offset, size)
        yield size
    piece = writer.finish()
    digest.update(piece)
    if wanted := piece[max(0, offset - sent) :]:
        yield wanted
    sent += len(piece)
    if sent != size:
        raise IntegrityFailure("the package has not the size it should have", reason="PACKAGE_SIZE")
    yield Manifest(contents.entries, sent, digest.digest())


def check_offset(offset: int, size: int) -> None:
    """Check the offset that a caller resumes at.

    Raises:
        InvalidInput: OFFSET: it is beyond the package's end.
    """
    if offset > size:
        raise InvalidInput("the offset is beyond the package's end", reason="OFFSET", field="offset")
