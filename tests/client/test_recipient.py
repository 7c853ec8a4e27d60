"""The recipient's key file."""

import base64
from pathlib import Path

import pytest
from nacl.public import PrivateKey

from vault.client.recipient import create_key_file, public_key, read_key_file
from vault.errors import AlreadyExists, InvalidInput


def test_a_key_file_is_private_and_opens_what_is_sealed_to_its_public_key(tmp_path: Path) -> None:
    path = tmp_path / "key"
    public = create_key_file(path)
    assert path.stat().st_mode & 0o777 == 0o600
    private = read_key_file(path)
    assert public_key(private) == public == bytes(PrivateKey(private.expose()).public_key)


def test_a_key_file_has_its_header_and_44_letters(tmp_path: Path) -> None:
    path = tmp_path / "key"
    create_key_file(path)
    header, encoded, rest = path.read_bytes().split(b"\n")
    assert header == b"cardvault-recipient-key-1"
    assert len(encoded) == 44
    assert len(base64.b64decode(encoded)) == 32
    assert rest == b""


def test_a_key_file_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "key"
    create_key_file(path)
    before = path.read_bytes()
    with pytest.raises(AlreadyExists):
        create_key_file(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"cardvault-recipient-key-1\n",
        b"cardvault-recipient-key-2\n" + base64.b64encode(bytes(32)) + b"\n",
        b"cardvault-recipient-key-1\n" + base64.b64encode(bytes(31)) + b"\n",
        b"cardvault-recipient-key-1\n!" + base64.b64encode(bytes(32)) + b"\n",
        b"cardvault-recipient-key-1\n" + base64.b64encode(bytes(32)) + b"\nmore\n",
    ],
)
def test_what_is_not_a_key_file_is_refused_without_showing_it(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.touch(mode=0o600)
    path.write_bytes(content)
    with pytest.raises(InvalidInput, match="is not a recipient's private key") as caught:
        read_key_file(path)
    assert "AAAA" not in caught.value.message


def test_a_key_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key"
    create_key_file(path)
    path.chmod(0o640)
    with pytest.raises(InvalidInput, match="chmod 600"):
        read_key_file(path)


def test_a_missing_key_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="cannot read"):
        read_key_file(tmp_path / "none")
