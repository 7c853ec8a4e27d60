import base64
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tests.contracts.custody import CONTEXT, CustodyContract
from tests.vectors import Stream, load
from vault.custody.file import FileCustody
from vault.errors import AlreadyExists, FailedPrecondition
from vault.secret import Secret

ROOT = b"r" * 32
LINE = b"1 " + base64.b64encode(ROOT) + b"\n"
FIRST = b"cardvault-root-key-1\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "root.key"


@pytest.fixture
def custody(path: Path) -> FileCustody:
    return FileCustody.create(path)


def write(path: Path, content: bytes, mode: int = 0o600) -> Path:
    path.write_bytes(content)
    path.chmod(mode)
    return path


def refused(path: Path, words: str) -> None:
    with pytest.raises(FailedPrecondition, match=words) as caught:
        FileCustody(path)
    assert caught.value.reason == "ROOT_KEY_FILE"
    assert str(path) in caught.value.message
    assert base64.b64encode(ROOT).decode() not in caught.value.message


class TestFileCustody(CustodyContract):
    @pytest.fixture
    def custody(self, path: Path) -> FileCustody:
        return FileCustody.create(path)

    @pytest.fixture
    def stranger(self, tmp_path: Path) -> FileCustody:
        return FileCustody.create(tmp_path / "other.key")


def test_a_new_file_is_its_owners_alone_and_can_be_read_again(path: Path, custody: FileCustody) -> None:
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    first, line, end = path.read_bytes().split(b"\n")
    assert first == b"cardvault-root-key-1"
    version, encoded = line.split(b" ")
    assert (version, len(base64.b64decode(encoded)), end) == (b"1", 32, b"")
    wrapped = custody.wrap(Secret(bytes(32)), CONTEXT)
    assert FileCustody(str(path)).unwrap(wrapped, CONTEXT) == Secret(bytes(32))


def test_two_new_files_hold_different_keys(path: Path, custody: FileCustody, tmp_path: Path) -> None:
    FileCustody.create(tmp_path / "second.key")
    assert path.read_bytes() != (tmp_path / "second.key").read_bytes()


def test_a_file_that_is_there_is_never_overwritten(path: Path) -> None:
    write(path, b"precious")
    with pytest.raises(AlreadyExists, match="never overwritten"):
        FileCustody.create(path)
    assert path.read_bytes() == b"precious"


def test_a_file_that_cannot_be_written_is_told_plainly(tmp_path: Path) -> None:
    with pytest.raises(FailedPrecondition, match="cannot be written: No such file"):
        FileCustody.create(tmp_path / "nowhere" / "root.key")


def test_a_missing_file_is_told_with_what_to_do(path: Path) -> None:
    refused(path, "No such file.*only a new vault gets a new one")


def test_a_folder_in_the_files_place_is_refused(path: Path) -> None:
    path.mkdir(mode=0o700)
    refused(path, "not a regular file")


@pytest.mark.parametrize("mode", [0o604, 0o644, 0o660, 0o601])
def test_a_file_that_others_can_read_is_refused_with_what_to_do(path: Path, mode: int) -> None:
    refused(write(path, FIRST + LINE, mode), "by others.*0600")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes root's files")
@pytest.mark.parametrize("mode", [0o440, 0o640])
def test_roots_file_for_its_group_is_read_as_kubernetes_mounts_it(tmp_path: Path, mode: int) -> None:
    data = tmp_path / "..2026_06_16"
    data.mkdir()
    write(data / "root.key", FIRST + LINE, mode)
    (tmp_path / "..data").symlink_to(data)
    (tmp_path / "root.key").symlink_to("..data/root.key")
    assert FileCustody(tmp_path / "root.key").root_version == 1


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "first line"),
        (b"\n", "first line"),
        (LINE, "first line"),
        (b"cardvault-root-key-2\n" + LINE, "first line"),
        (FIRST.strip() + b"\r\n" + LINE, "first line"),
        (FIRST, "no key"),
        (FIRST + b"\n", "line 2 does not begin"),
        (FIRST + b"0" + LINE[1:], "line 2 does not begin"),
        (FIRST + b"01" + LINE[1:], "line 2 does not begin"),
        (FIRST + b"-1" + LINE[1:], "line 2 does not begin"),
        (FIRST + b"4294967296" + LINE[1:], "line 2 does not begin"),
        (FIRST + b"9" * 5000 + LINE[1:], "line 2 does not begin"),
        (FIRST + LINE + LINE, "line 3 has the version of an earlier line"),
        (FIRST + LINE + b"\n", "line 3 does not begin"),
        (FIRST + b"1", "line 2 does not hold 32 bytes"),
        (FIRST + b"1 AAAA\n", "line 2 does not hold 32 bytes"),
        (FIRST + LINE.replace(b"=", b""), "line 2 does not hold 32 bytes"),
        (FIRST + b"1  " + LINE[2:], "line 2 does not hold 32 bytes"),
        (FIRST + LINE[:-1] + b"\r\n", "line 2 does not hold 32 bytes"),
        (FIRST + LINE[:-1] + b" comment\n", "line 2 does not hold 32 bytes"),
    ],
)
def test_a_file_of_another_form_is_refused_and_not_shown(path: Path, content: bytes, words: str) -> None:
    refused(write(path, content), words)


def test_the_highest_version_wraps_and_older_ones_still_unwrap(path: Path) -> None:
    old = FileCustody(write(path, FIRST + LINE))
    wrapped = old.wrap(Secret(bytes(32)), CONTEXT)
    lines = b"12 " + base64.b64encode(b"s" * 32) + b"\n" + LINE + b"3 " + base64.b64encode(b"t" * 32)
    both = FileCustody(write(path, FIRST + lines))
    assert both.root_version == 12
    assert both.wrap(Secret(bytes(32)), CONTEXT)[1:5] == b"\x00\x00\x00\x0c"
    assert both.unwrap(wrapped, CONTEXT) == Secret(bytes(32))


def test_it_shows_its_path_and_no_more(path: Path) -> None:
    assert repr(FileCustody(write(path, FIRST + LINE))) == f"<FileCustody {path}>"


@pytest.mark.parametrize("case", load("custody_file"))
def test_frozen_wrappings_hold(path: Path, case: dict[str, Any]) -> None:
    custody = FileCustody(write(path, case["file"].encode()), Stream(case["seed"]))
    key, context = Secret(bytes.fromhex(case["key"])), bytes.fromhex(case["context"])
    wrapped = bytes.fromhex(case["wrapped"])
    assert custody.unwrap(wrapped, context) == key
    assert custody.wrap(key, context) == wrapped
    label = b"cardvault.v1.root"
    parts = b"\x03" + len(label).to_bytes(4, "big") + label
    parts += b"\x04" + len(context).to_bytes(4, "big") + context
    root = base64.b64decode(case["file"].split()[2])
    assert AESGCM(root).decrypt(wrapped[5:17], wrapped[17:], wrapped[:5] + parts) == key.expose()
