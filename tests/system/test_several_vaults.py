"""Three vaults over one PostgreSQL: each stopped, killed, replaced while clients trade, and nobody notices."""

import asyncio
import json
import shutil
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.system.account import account_of, verify
from tests.system.crew import trade, trading
from tests.system.issued import PROGRAM, create_program, issue
from tests.system.racer import ask
from tests.system.running import Running, addresses, several
from vault.cli.certificates import load_authority
from vault.client.channel import VaultClient
from vault.v1 import administration_service_pb2 as administration
from vault.v1 import issuance_service_pb2 as issuance
from vault.v1 import resources_pb2 as resources

BATCH = 8_000
NEW_RELEASE = '''\
"""Makes this process one of a later release, with one migration more."""

import vault

vault.__version__ = "0.9.0"

from vault.stores import migrations
from vault.stores.migrations import Migration

migrations.MIGRATIONS += (
    Migration({number}, "{number:04} later column", "0.1.0", (), ("ALTER TABLE card ADD COLUMN later bigint",)),
)
'''


async def test_three_vaults_are_stopped_killed_and_replaced_under_load(
    tmp_path: Path, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with several(tmp_path, 3, dsn=dsn) as vaults:
        await create_program(vaults[0])
        crew = trade(vaults, tmp_path)
        try:
            await asyncio.sleep(1.5)
            monkeypatch.setenv("PYTHONPATH", str(tmp_path / "release"))
            migrate_to_a_later_release(vaults[0], tmp_path / "release", dsn)
            for vault in vaults:
                assert await asyncio.to_thread(vault.stop) == 0
                await asyncio.to_thread(vault.start)
            replaced = vaults[1]
            before = served_certificate(replaced)
            replace_certificate(replaced, tmp_path / "new")
            assert served_certificate(replaced) != before
            for vault in vaults:
                vault.kill()
                await asyncio.to_thread(vault.start)
            await trading(crew, 201)
            (tmp_path / "stop").touch()
            account = account_of(await crew.finish(600))
        finally:
            crew.end()
        assert all(runs_later_release(vault, tmp_path / "release") for vault in vaults)
    print(
        f"{account.effects} effects; {account.unavailable} calls unavailable to the end of their deadline; "
        f"{len(account.waits_ms)} calls took over 0.5 s, the longest {account.longest_wait_ms} ms"
    )
    verify(account, dsn, PROGRAM)
    assert account.unavailable == 0


def migrate_to_a_later_release(vault: Running, release: Path, dsn: str) -> None:
    """Let what is started from now on be a later release, and migrate to it while the present one serves."""
    with psycopg.connect(dsn) as connection:
        found = connection.execute("SELECT max(version) FROM migration").fetchone()
    assert found is not None
    release.mkdir()
    (release / "sitecustomize.py").write_text(NEW_RELEASE.format(number=found[0] + 1))
    command = [sys.executable, "-m", "vault", "migrate", "--config", str(vault.configuration)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert "later column" in done.stdout


def runs_later_release(vault: Running, release: Path) -> bool:
    """Whether every process of a vault was started as the later release."""
    return all(str(release).encode() in Path(f"/proc/{pid}/environ").read_bytes() for pid in vault.children())


def served_certificate(vault: Running) -> bytes:
    """Return the certificate that a vault shows to a new connection."""
    folder = vault.certificates
    context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
    context.load_cert_chain(folder / "shop.pem", folder / "shop.key")
    context.set_alpn_protocols(["h2"])
    host, _, port = vault.address.rpartition(":")
    with (
        socket.create_connection((host, int(port)), timeout=120) as plain,
        context.wrap_socket(plain, server_hostname=host) as connection,
    ):
        shown = connection.getpeercert(binary_form=True)
    assert shown is not None
    return shown


def replace_certificate(vault: Running, folder: Path) -> None:
    """Put a new certificate and its key in a vault's folder."""
    folder.mkdir()
    load_authority(vault.certificates).issue_server(folder)
    for name in ("server.key", "server.pem"):
        shutil.copy2(folder / name, vault.certificates / f"{name}.new")
        (vault.certificates / f"{name}.new").replace(vault.certificates / name)


async def test_a_stop_is_seen_by_all_on_their_next_answer_and_a_killed_vaults_job_taken_over(
    tmp_path: Path, dsn: str
) -> None:
    with several(tmp_path, 2, dsn=dsn) as vaults:
        await create_program(vaults[0])
        await stop_and_start(vaults[0], vaults[1])
        await take_over(vaults, dsn)
    with psycopg.connect(dsn) as connection:
        counts = connection.execute(
            "SELECT count(*), count(DISTINCT batch_position), max(batch_position) FROM card WHERE batch_id IS NOT NULL"
        ).fetchone()
    assert counts == (BATCH, BATCH, BATCH - 1)


async def stop_and_start(one: Running, other: Running) -> None:
    """Stop and start a program through one vault, and ask the other after each."""
    ((card, code),) = await issue(one, 1, active=True)
    async with one.client("operator") as operator, other.client("shop") as shop:
        for _ in range(20):
            stop = administration.StopProgramRequest(program=PROGRAM)
            await operator.call(operator.administration.StopProgram, stop)
            assert await ask(shop, PROGRAM, "validate", (card, code, "")) == "NOT_GOOD"
            start = administration.StartProgramRequest(program=PROGRAM)
            await operator.call(operator.administration.StartProgram, start)
            assert await ask(shop, PROGRAM, "validate", (card, code, "")) == "GOOD"


async def batch_when(client: VaultClient, batch_id: str, done: Callable[[resources.Batch], bool]) -> resources.Batch:
    """Wait until a batch is as wanted, and return it."""
    query = issuance.GetBatchRequest(program=PROGRAM, batch_id=batch_id)
    async with asyncio.timeout(300):
        while True:
            batch = (await client.call(client.issuance.GetBatch, query)).batch
            if done(batch):
                return batch
            await asyncio.sleep(0.02)


def jobs_begun(vault: Running) -> list[dict[str, Any]]:
    """Return what a vault's log says of each time that it began a job."""
    lines = vault.log.read_text().splitlines()
    return [json.loads(line) for line in lines if '"job_begun"' in line and line.endswith("}")]


def wait_for_job(vault: Running, before: int) -> float:
    """Wait until a vault has begun a job more often than before, and return the seconds that it took."""
    began = time.monotonic()
    while len(jobs_begun(vault)) <= before:
        assert time.monotonic() < began + 300
        time.sleep(0.02)
    return time.monotonic() - began


@contextmanager
def slow_cards(dsn: str) -> Iterator[None]:
    """Have whoever adds cards wait a while each time, so that nobody is done with many of them soon."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(
            "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.2); RETURN NULL; END'"
        )
        connection.execute("CREATE TRIGGER slow BEFORE INSERT ON card FOR EACH STATEMENT EXECUTE FUNCTION slow()")
        yield
        connection.execute("DROP FUNCTION slow CASCADE")


async def take_over(vaults: list[Running], dsn: str) -> None:
    """Kill the vault that works at a batch, and wait until the other has issued the rest of it."""
    async with vaults[0].client("operator") as operator:
        recipient = administration.CreateRecipientRequest(
            program=PROGRAM, recipient="printer", public_key=bytes([9, *bytes(31)])
        )
        await operator.call(operator.administration.CreateRecipient, recipient)
    async with vaults[0].client("issuer", address=addresses(vaults)) as client:
        request = issuance.CreateBatchRequest(program=PROGRAM, count=BATCH, recipient="printer")
        with slow_cards(dsn):
            batch_id = (await client.call(client.issuance.CreateBatch, request)).batch.batch_id
            await batch_when(client, batch_id, lambda batch: batch.issued_count > 0)
            # The one that began last has it: a lease is short, and a busy machine may have lost one already.
            other, worker = sorted(vaults, key=lambda vault: max([each["time"] for each in jobs_begun(vault)] or [""]))
            before = len(jobs_begun(other))
            worker.kill()
        took = await asyncio.to_thread(wait_for_job, other, before)
        batch = await batch_when(client, batch_id, lambda batch: batch.state != batch.STATE_ISSUING)
    assert batch.state == resources.Batch.STATE_READY
    cursor = jobs_begun(other)[-1]["cursor"]
    print(f"the job went on after {took:.1f} s, at card {cursor} of {BATCH}")
    assert 0 < cursor < BATCH
