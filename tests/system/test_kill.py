"""SIGKILL at random points loses nothing that was acknowledged and does nothing twice."""

import asyncio
import os
import random
import signal
import sqlite3
from collections import Counter
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import pytest

from tests.system.running import Running, running
from vault.client.channel import VaultClient
from vault.crypto.keypair import public_key
from vault.errors import Unavailable
from vault.model.states import KeyPurpose
from vault.secret import Secret
from vault.v1 import administration_service_pb2 as administration
from vault.v1 import issuance_service_pb2 as issuance
from vault.v1 import resources_pb2 as resources

ROUNDS = 20
CARDS = 40_000


async def set_up(vault: Running) -> None:
    public = public_key(KeyPurpose.SEALING, Secret(os.urandom(32)))
    assert public is not None
    async with vault.client("operator") as client:
        settings = resources.ProgramSettings(clear_delivery=True)
        request = administration.CreateProgramRequest(program="netcash", settings=settings)
        await client.call(client.administration.CreateProgram, request)
        await client.call(
            client.administration.CreateRecipient,
            administration.CreateRecipientRequest(program="netcash", recipient="printer", public_key=public),
        )


async def create_batch(client: VaultClient) -> str:
    request = issuance.CreateBatchRequest(program="netcash", count=CARDS, recipient="printer")
    return (await client.call(client.issuance.CreateBatch, request)).batch.batch_id


async def batch_of(client: VaultClient, batch_id: str) -> resources.Batch:
    request = issuance.GetBatchRequest(program="netcash", batch_id=batch_id)
    return (await client.call(client.issuance.GetBatch, request)).batch


def count(database: Path, query: str) -> int:
    with sqlite3.connect(database) as connection:
        (found,) = connection.execute(query).fetchone()
    connection.close()
    return int(found)


@pytest.mark.timeout(1200)
async def test_a_batch_is_issued_whole_and_once_whatever_is_killed_meanwhile(tmp_path: Path) -> None:
    dice = random.Random(20060609)
    kills = Counter[str]()
    with running(tmp_path / "vault") as vault:
        await set_up(vault)
        acknowledged: list[str] = []
        async with vault.client("issuer") as client:
            batch_id = await create_batch(client)
        while kills.total() < ROUNDS:
            await asyncio.sleep(dice.uniform(0.0, 0.4))
            victim = dice.choice(["jobs", "worker", "everything"])
            kills[victim] += 1
            async with vault.client("issuer") as client:
                issuing = asyncio.create_task(issue_at_once(client))
                await asyncio.sleep(dice.uniform(0.0, 0.05))
                if victim == "everything":
                    vault.kill()
                    vault.start()
                else:
                    for child in vault.children(victim):
                        with suppress(ProcessLookupError):  # it has ended by itself
                            os.kill(child, signal.SIGKILL)
                acknowledged += await issuing
        assert min(kills.values()) > 0
        async with vault.client("issuer") as client:
            batch = await batch_of(client, batch_id)
            while batch.state != resources.Batch.STATE_READY:
                assert batch.state == resources.Batch.STATE_ISSUING
                await asyncio.sleep(0.2)
                batch = await batch_of(client, batch_id)
        assert batch.issued_count == CARDS
        assert vault.stop() == 0
        database = tmp_path / "vault" / "data" / "vault.db"
        in_batch = "FROM card WHERE batch_id IS NOT NULL"
        assert count(database, f"SELECT count(*) {in_batch}") == CARDS
        assert count(database, f"SELECT count(DISTINCT batch_position) {in_batch}") == CARDS
        assert count(database, f"SELECT max(batch_position) {in_batch}") == CARDS - 1
        at_once = count(database, "SELECT count(*) FROM card WHERE batch_id IS NULL")
        with sqlite3.connect(database) as connection:
            stored = {row[0] for row in connection.execute("SELECT card_id FROM card WHERE batch_id IS NULL")}
        connection.close()
        known = {bytes.fromhex(card.replace("-", "")) for card in acknowledged}
        assert known <= stored
        assert len(known) == len(acknowledged)
        assert at_once <= ROUNDS * 10
        for table in ("code", "serial"):
            assert count(database, f"SELECT count(*) FROM {table}") == CARDS + at_once
        assert count(database, "SELECT sum(live) FROM tally") == CARDS + at_once


async def issue_at_once(client: VaultClient) -> list[str]:
    """Issue ten cards, trying again with the same request id until it is known whether they were issued."""
    request = issuance.IssueCardsRequest(
        program="netcash", request_id=str(uuid4()), cards=[issuance.NewCard()] * 10, clear=True
    )
    for _ in range(10):
        try:
            answer = await client.call(client.issuance.IssueCards, request)
            again = await client.call(client.issuance.IssueCards, request)
        except Unavailable:
            await asyncio.sleep(0.1)
            continue
        assert again == answer
        return [card.card_id for card in answer.cards]
    return []
