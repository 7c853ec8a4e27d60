"""Opening packages."""

import os
from pathlib import Path

import pytest
from nacl.public import PrivateKey

from vault.client import open_package
from vault.crypto.package import PackageWriter, begin, frame
from vault.errors import IntegrityFailure
from vault.formats.v1.package_entry_pb2 import PackageEntry
from vault.secret import Secret

ENTRIES = [
    PackageEntry(serial=f"A{number:012}", code=f"{number:016}", expire_time_seconds=number) for number in range(5000)
]


@pytest.fixture
def private_key() -> PrivateKey:
    return PrivateKey.generate()


def seal(private_key: PrivateKey, framed: list[bytes]) -> bytes:
    writer = PackageWriter(*begin(bytes(private_key.public_key), os.urandom))
    return writer.write(b"".join(framed)) + writer.finish()


def test_a_package_is_opened_from_a_file_and_from_chunks(private_key: PrivateKey, tmp_path: Path) -> None:
    package = seal(private_key, [frame(entry.SerializeToString()) for entry in ENTRIES])
    path = tmp_path / "package"
    path.write_bytes(package)
    key = Secret(bytes(private_key))
    assert list(open_package(path, key)) == ENTRIES
    assert list(open_package((package[start : start + 777] for start in range(0, len(package), 777)), key)) == ENTRIES


@pytest.mark.parametrize("damage", ["cut", "flipped", "followed"])
def test_a_package_that_is_not_whole_is_refused(damage: str, private_key: PrivateKey) -> None:
    package = bytearray(seal(private_key, [frame(entry.SerializeToString()) for entry in ENTRIES]))
    if damage == "cut":
        del package[-1]
    elif damage == "flipped":
        package[-20] ^= 1
    else:
        package += b"x"
    with pytest.raises(IntegrityFailure):
        list(open_package([bytes(package)], Secret(bytes(private_key))))


@pytest.mark.parametrize("plain", [b"\x05abc", b"\x03\xff\xff\xff"])
def test_a_package_of_something_else_is_refused(plain: bytes, private_key: PrivateKey) -> None:
    with pytest.raises(IntegrityFailure):
        list(open_package([seal(private_key, [plain])], Secret(bytes(private_key))))
