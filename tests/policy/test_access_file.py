import asyncio
from pathlib import Path

import pytest

from vault.errors import FailedPrecondition, InvalidInput, Unavailable
from vault.policy.access import Access
from vault.policy.access_file import AccessFile

GOOD = b'[[principal]]\nname = "shop"\nroles = { "*" = ["keeper"] }\n'
NEWER = GOOD.replace(b"shop", b"store")


class Hook:
    def __init__(self) -> None:
        self.loaded: list[Access] = []
        self.fails = False

    async def __call__(self, access: Access) -> None:
        if self.fails:
            message = "no store"
            raise Unavailable(message)
        self.loaded.append(access)


@pytest.fixture
def hook() -> Hook:
    return Hook()


@pytest.fixture
async def file(tmp_path: Path, hook: Hook) -> AccessFile:
    path = tmp_path / "access.toml"
    path.write_bytes(GOOD)
    file = AccessFile(path, hook, poll_seconds=0.01)
    await file.load()
    return file


async def test_the_file_in_force_was_shown_to_the_hook(file: AccessFile, hook: Hook) -> None:
    assert hook.loaded == [file.current()]
    assert await file.refresh() == "same"
    assert len(hook.loaded) == 1


async def test_a_new_content_is_taken_up_while_watching(file: AccessFile, hook: Hook, tmp_path: Path) -> None:
    watching = asyncio.create_task(file.watch())
    (tmp_path / "access.toml").write_bytes(NEWER)
    async with asyncio.timeout(60):
        while file.current().grants("store") is None:  # noqa: ASYNC110  the file is looked at now and then
            await asyncio.sleep(0.01)
    watching.cancel()
    assert len(hook.loaded) == 2


async def test_a_broken_or_missing_file_keeps_the_one_before_and_is_logged_once(
    file: AccessFile, hook: Hook, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = file.current()
    (tmp_path / "access.toml").write_bytes(b"x")
    assert await file.refresh() == "refused"
    assert await file.refresh() == "refused"
    (tmp_path / "access.toml").unlink()
    await file.refresh()
    assert file.current() is before
    assert [record.msg for record in caplog.records] == ["access_file_refused"] * 2
    (tmp_path / "access.toml").write_bytes(NEWER)
    assert await file.refresh() == "new"
    assert file.current().grants("store")


async def test_a_file_that_cannot_be_recorded_does_not_take_effect_until_it_can(
    file: AccessFile, hook: Hook, tmp_path: Path
) -> None:
    before = file.current()
    hook.fails = True
    (tmp_path / "access.toml").write_bytes(NEWER)
    assert await file.refresh() == "refused"
    assert file.current() is before
    hook.fails = False
    await file.refresh()
    assert file.current().grants("store")


async def test_a_first_load_that_fails_is_told(tmp_path: Path, hook: Hook) -> None:
    path = tmp_path / "access.toml"
    file = AccessFile(path, hook)
    with pytest.raises(FailedPrecondition, match="cannot be read"):
        await file.load()
    path.write_bytes(b"x")
    with pytest.raises(InvalidInput):
        await file.load()
    with pytest.raises(RuntimeError):
        file.current()


async def test_an_enormous_file_is_refused(tmp_path: Path, hook: Hook) -> None:
    path = tmp_path / "access.toml"
    with path.open("wb") as sparse:
        sparse.truncate(17 * 1024 * 1024)
    with pytest.raises(FailedPrecondition, match="larger"):
        await AccessFile(path, hook).load()
