"""The schema is migrated while vaults of the release before serve, and they go on serving."""

import asyncio
import contextlib
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.postgres import cluster
from tests.system.next_release import MODULE, STEP
from tests.system.places import make_codes, new_store, told, validate
from tests.system.running import Running
from vault.errors import VaultError
from vault.v1 import resources_pb2 as resources

__all__ = ["cluster"]


def next_release(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a command of the next release."""
    return subprocess.run([*MODULE, *map(str, arguments)], check=False, capture_output=True, text=True)


class Asking:
    """Validates a code again and again, and counts what comes of it."""

    def __init__(self, vault: Running, code: str) -> None:
        self._vault = vault
        self._code = code
        self.good = 0
        self.failures: list[str] = []

    async def run(self) -> None:
        """Ask until cancelled."""
        async with self._vault.client("shop") as shop:
            while True:
                try:
                    result = await validate(shop, self._code)
                except VaultError as error:
                    self.failures.append(error.message)
                else:
                    self.good += result.verdict == resources.VERDICT_GOOD
                await asyncio.sleep(0.005)

    async def more(self, count: int) -> None:
        """Wait until it has been good so many times more."""
        wanted = self.good + count
        async with asyncio.timeout(300):
            while self.good < wanted:  # noqa: ASYNC110  whoever asks tells nobody
                await asyncio.sleep(0.01)


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
async def test_the_release_before_serves_while_its_database_is_migrated(
    tmp_path: Path, kind: str, request: pytest.FixtureRequest
) -> None:
    dsn = new_store(kind, request, "vault").get("dsn", "")
    vault = Running(tmp_path / "vault", dsn=dsn, workers=1)
    config = vault.configuration
    waits = next_release("backup", "--config", config, tmp_path / "backup")
    assert (waits.returncode, "not migrated" in waits.stderr) == (1, True), "the next release waits"
    vault.start()
    try:
        (code,) = await make_codes(vault, 1)
        asking = Asking(vault, code)
        task = asyncio.create_task(asking.run())
        await asking.more(20)
        done = await asyncio.to_thread(next_release, "migrate", "--config", config)
        assert done.returncode == 0, done.stderr
        assert f"applied migration {STEP.name}" in done.stdout
        await asking.more(20)
        # The next release works beside this one, and this one goes on with its own commands.
        copy = tmp_path / "copy.key"
        shutil.copy(vault.folder / "root.key", copy)
        await asyncio.to_thread(told, "keys", "confirm-copy", "--config", config, copy)
        backed_up = await asyncio.to_thread(next_release, "backup", "--config", config, tmp_path / "backup")
        assert backed_up.returncode == 0, backed_up.stderr
        await asking.more(20)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        assert asking.failures == []
        assert vault.stop() == 0
        vault.start()  # this release also begins on the next one's schema, as a rolling restart may need
        asking = Asking(vault, code)
        task = asyncio.create_task(asking.run())
        await asking.more(5)
        task.cancel()
    finally:
        if vault.process is not None:
            vault.kill()
