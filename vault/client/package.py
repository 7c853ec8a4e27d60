"""Opening a package of codes with its recipient's private key.

1. Every entry that is answered was sealed by someone who knew the package's key, and stands where it was put.
2. Only when the iteration ends without an error is the list of codes complete: act on none before.

It does not say who sealed the package; the manifest's SHA-256, got from the vault over mTLS, does.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

from google.protobuf.message import DecodeError

from vault.crypto.package import PackageReader, Unframer
from vault.errors import IntegrityFailure
from vault.formats.v1.package_entry_pb2 import PackageEntry
from vault.secret import Secret

READ_BYTES = 256 * 1024


def open_package(source: Path | Iterable[bytes], private_key: Secret) -> Iterator[PackageEntry]:
    """Open a package and answer its entries in order.

    Args:
        source: The package's file, or its bytes in chunks of any size.
        private_key: The recipient's X25519 private key, 32 bytes.

    Raises:
        IntegrityFailure: It was not sealed to this key, was changed, or is not whole.
    """
    reader, unframer = PackageReader(private_key), Unframer()
    for chunk in _blocks(source) if isinstance(source, Path) else source:
        yield from map(_parse, unframer.feed(reader.feed(chunk)))
    yield from map(_parse, unframer.feed(reader.finish()))
    unframer.finish()


def _parse(framed: bytes) -> PackageEntry:
    try:
        return PackageEntry.FromString(framed)
    except DecodeError:
        message = "the package holds something that is not an entry"
        raise IntegrityFailure(message, reason="PACKAGE_MALFORMED") from None


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(READ_BYTES):
            yield block
