"""Root keys made and destroyed in a file that several processes hold."""

import multiprocessing
import os
from pathlib import Path
from typing import Any

import pytest

from tests.contracts.custody import CONTEXT
from vault.custody import rootfile
from vault.custody.file import FileCustody
from vault.errors import FailedPrecondition, IntegrityFailure
from vault.secret import Secret

KEY = Secret(bytes(range(32)))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "root.key"


@pytest.fixture
def custody(path: Path) -> FileCustody:
    return FileCustody.create(path)


def root_key(path: Path, version: int) -> bytes:
    """Return the key of a version as the file spells it."""
    lines = dict(line.split(b" ") for line in path.read_bytes().splitlines()[1:])
    return lines[b"%d" % version]


def test_what_is_destroyed_is_in_no_file_of_the_folder_any_more(path: Path, custody: FileCustody) -> None:
    old = root_key(path, 1)
    custody.create_version()
    kept = root_key(path, 2)
    custody.destroy_version(1)
    assert path.read_bytes() == b"cardvault-root-key-1\n1 destroyed\n2 " + kept + b"\n"
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]
    assert old not in path.read_bytes()


def test_the_content_that_is_replaced_is_overwritten_where_it_lay(path: Path, custody: FileCustody) -> None:
    """A second name for the old file stands for its blocks on the disk."""
    before = path.parent / "before"
    before.hardlink_to(path)
    old, inode = path.read_bytes(), path.stat().st_ino
    custody.create_version()
    assert before.stat().st_ino == inode != path.stat().st_ino
    assert len(before.read_bytes()) == len(old)
    assert root_key(path, 1) not in before.read_bytes()


def test_a_link_to_the_file_stays_and_so_does_its_mode(path: Path, custody: FileCustody, tmp_path: Path) -> None:
    link = tmp_path / "link.key"
    link.symlink_to(path)
    linked = FileCustody(link)
    assert linked.create_version() == 2
    assert link.is_symlink()
    assert path.stat().st_mode & 0o777 == 0o600
    assert custody.root_version == 2


def test_another_process_goes_on_with_a_file_that_it_opened_before(path: Path, custody: FileCustody) -> None:
    other = FileCustody(path)
    first = other.wrap(KEY, CONTEXT)
    custody.create_version()
    wrapped = custody.wrap(KEY, CONTEXT)
    assert other.unwrap(wrapped, CONTEXT) == KEY
    assert other.wrap(KEY, CONTEXT)[4] == 2
    assert other.unwrap(first, CONTEXT) == KEY
    custody.destroy_version(1)
    assert other.root_version == 2
    with pytest.raises(IntegrityFailure, match=r"root version 1 of .* was destroyed") as caught:
        other.unwrap(first, CONTEXT)
    assert caught.value.reason == "ROOT_KEY"


def test_versions_made_at_once_by_several_processes_are_all_kept(path: Path, custody: FileCustody) -> None:
    context = multiprocessing.get_context("spawn")
    with context.Pool(4) as pool:
        made = pool.map(_make, [path] * 8)
    assert sorted(made) == list(range(2, 10))
    assert custody.versions == frozenset(range(1, 10))
    assert len({root_key(path, version) for version in range(1, 10)}) == 9


def _make(path: Path) -> int:
    return FileCustody(path).create_version()


def test_a_reader_never_sees_half_a_file(path: Path, custody: FileCustody) -> None:
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        making = pool.map_async(_make, [path] * 100)
        while not making.ready():
            FileCustody(path)
        assert sorted(making.get()) == list(range(2, 102))


KILLS = ["write", "link", "rename", "wipe"]


@pytest.mark.parametrize("kill", KILLS)
def test_killed_at_any_point_the_file_is_the_old_one_or_the_new_one(
    path: Path, custody: FileCustody, kill: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrapped = custody.wrap(KEY, CONTEXT)
    custody.create_version()
    newer = custody.wrap(KEY, CONTEXT)
    old = root_key(path, 1)
    steps = {
        "write": (rootfile, "_write"),
        "link": (os, "link"),
        "rename": (Path, "replace"),
        "wipe": (rootfile, "_wipe"),
    }
    place, name = steps[kill]
    step = getattr(place, name)

    class Killed(BaseException):
        pass

    def killed(*args: Any) -> None:
        if kill != "wipe":
            step(*args)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(place, name, killed)
        with pytest.raises(Killed):
            custody.destroy_version(1)
    done = b"1 destroyed" in path.read_bytes()
    assert done == (kill in {"rename", "wipe"})
    again = FileCustody(path)
    assert again.unwrap(newer, CONTEXT) == KEY
    if not done:
        assert again.unwrap(wrapped, CONTEXT) == KEY
    again.destroy_version(1)
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]
    assert old not in path.read_bytes()
    assert FileCustody(path).unwrap(newer, CONTEXT) == KEY


def test_the_newest_version_and_one_that_never_was_are_not_destroyed(path: Path, custody: FileCustody) -> None:
    custody.create_version()
    before = path.read_bytes()
    for version in (2, 3):
        with pytest.raises(FailedPrecondition) as caught:
            custody.destroy_version(version)
        assert caught.value.reason == "ROOT_VERSION"
    assert path.read_bytes() == before


def test_a_number_is_never_given_again(path: Path, custody: FileCustody) -> None:
    assert [custody.create_version(), custody.create_version()] == [2, 3]
    custody.destroy_version(1)
    custody.destroy_version(2)
    assert custody.create_version() == 4
    assert FileCustody(path).versions == {3, 4}


def test_numbers_end_where_the_wrapped_form_has_no_room(path: Path, custody: FileCustody) -> None:
    path.write_bytes(path.read_bytes().replace(b"\n1 ", b"\n4294967295 "))
    with pytest.raises(FailedPrecondition, match="no room"):
        custody.create_version()


def test_a_folder_that_cannot_be_written_is_told_plainly(tmp_path: Path) -> None:
    with pytest.raises(FailedPrecondition, match="cannot be replaced: No such file") as caught:
        rootfile.replace(tmp_path / "nowhere" / "root.key", lambda keys: keys, os.urandom)
    assert caught.value.reason == "ROOT_KEY_FILE"


def test_a_file_with_destroyed_keys_alone_is_refused(path: Path) -> None:
    path.write_bytes(b"cardvault-root-key-1\n1 destroyed\n")
    path.chmod(0o600)
    with pytest.raises(FailedPrecondition, match="holds no key"):
        FileCustody(path)


def test_a_file_that_went_bad_wraps_nothing_and_still_opens_what_is_known(path: Path, custody: FileCustody) -> None:
    wrapped = custody.wrap(KEY, CONTEXT)
    path.write_bytes(b"rubbish")
    assert custody.unwrap(wrapped, CONTEXT) == KEY
    for use in (lambda: custody.wrap(KEY, CONTEXT), lambda: custody.root_version, lambda: custody.versions):
        with pytest.raises(FailedPrecondition, match="first line"):
            use()
    path.unlink()
    with pytest.raises(FailedPrecondition, match="No such file"):
        custody.wrap(KEY, CONTEXT)
