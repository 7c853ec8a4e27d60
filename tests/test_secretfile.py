import os
from pathlib import Path

import pytest

from vault.errors import FailedPrecondition
from vault.secretfile import LARGEST_BYTES, check_private, read_secret_file

IS_ROOT = os.geteuid() == 0


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_bytes(b"key")
    path.chmod(0o600)
    return path


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o700])
def test_a_private_file_is_read(secret: Path, mode: int) -> None:
    secret.chmod(mode)
    check_private(secret)
    assert read_secret_file(secret) == b"key"


@pytest.mark.parametrize("mode", [0o604, 0o644, 0o660, 0o666, 0o602, 0o601, 0o444])
def test_a_file_that_others_can_reach_is_refused(secret: Path, mode: int) -> None:
    secret.chmod(mode)
    with pytest.raises(FailedPrecondition, match="by others"):
        check_private(secret)
    with pytest.raises(FailedPrecondition, match="by others"):
        read_secret_file(secret)


@pytest.mark.parametrize("mode", [0o640, 0o440])
def test_roots_file_for_its_group_is_read_through_links_as_kubernetes_mounts_it(secret: Path, mode: int) -> None:
    secret.chmod(mode)
    link = secret.with_name("link")
    link.symlink_to(secret)
    if IS_ROOT:
        assert read_secret_file(link) == b"key"
    else:
        with pytest.raises(FailedPrecondition, match="by others"):
            read_secret_file(link)


@pytest.mark.skipif(not IS_ROOT, reason="only root can give a file away")
def test_a_file_of_another_user_is_refused(secret: Path) -> None:
    os.chown(secret, 12345, 0)
    with pytest.raises(FailedPrecondition, match="belongs to user 12345"):
        check_private(secret)


def test_what_is_no_file_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    for name in ("pipe", "."):
        with pytest.raises(FailedPrecondition, match="not a regular file"):
            read_secret_file(tmp_path / name)


def test_a_missing_or_enormous_file_is_refused(tmp_path: Path, secret: Path) -> None:
    with pytest.raises(FailedPrecondition, match="cannot be opened: No such file"):
        read_secret_file(tmp_path / "none")
    os.truncate(secret, LARGEST_BYTES + 1)
    with pytest.raises(FailedPrecondition, match="larger than"):
        read_secret_file(secret)
