"""A read replica serves long lists, and decides nothing."""

import asyncio
import time
from pathlib import Path

import pytest

from tests.postgres import Cluster, named
from tests.system.issued import PROGRAM, create_program, issue
from tests.system.places import validate
from tests.system.running import Running, running
from tests.system.standby import Pair, pair
from vault.client.channel import VaultClient
from vault.errors import Unavailable
from vault.v1 import administration_service_pb2 as administration
from vault.v1 import audit_service_pb2 as audit
from vault.v1 import card_service_pb2 as cards
from vault.v1 import resources_pb2 as resources

SECONDS = 180.0


async def listed(vault: Running) -> set[str]:
    """Return the ids of the cards that ListCards shows."""
    async with vault.client("keeper") as keeper:
        answer = await keeper.call(keeper.cards.ListCards, cards.ListCardsRequest(program=PROGRAM))
    return {card.card_id for card in answer.cards}


async def events_listed(vault: Running) -> int:
    """Return how many events ListAuditEvents shows."""
    async with vault.client("auditor") as auditor:
        answer = await auditor.call(auditor.audit.ListAuditEvents, audit.ListAuditEventsRequest(program=PROGRAM))
    return len(answer.events)


def events(cluster: Cluster, name: str) -> int:
    """Count the events of a database."""
    ((count,),) = cluster.execute(f"SELECT count(*) FROM audit_event WHERE program = '{PROGRAM}'", name)
    assert isinstance(count, int)
    return count


async def verdict(shop: VaultClient, code: str) -> int:
    return (await validate(shop, code)).verdict


async def until_listed(vault: Running, wanted: set[str]) -> None:
    """Wait until the replica has caught up."""
    deadline = time.monotonic() + SECONDS
    while (found := await listed(vault)) != wanted:
        assert time.monotonic() < deadline, (found, wanted)
        await asyncio.sleep(0.05)


def vault_over(databases: Pair, folder: Path, name: str) -> Running:
    """Make a vault over a primary, with its standby for lists."""
    vault = Running(folder, dsn=databases.dsn(name))
    replica = f"host={databases.standby.folder},{databases.primary.folder} {named(name)}"
    vault._configure('replica_dsn = ""', f'replica_dsn = "{replica}"')
    return vault


async def test_lists_come_from_the_replica_and_decisions_from_the_primary(tmp_path: Path) -> None:
    with pair() as databases:
        name = databases.primary.create()
        vault_over(databases, tmp_path / "vault", name)
        with running(tmp_path / "vault") as vault:
            await create_program(vault)
            first = {card for card, _ in await issue(vault, 3, active=True)}
            await until_listed(vault, first)
            databases.standby.execute("SELECT pg_wal_replay_pause()")
            ((new, code),) = await issue(vault, 1, active=True)
            before = events(databases.primary, name)
            assert await listed(vault) == first, "the replica shows what it has, and nothing newer"
            assert await events_listed(vault) == events(databases.standby, name) < before
            assert events(databases.primary, name) == before + 2, "lists are recorded, on the primary"
            async with vault.client("shop") as shop, vault.client("operator") as operator:
                assert await verdict(shop, code) == resources.VERDICT_GOOD
                stopping = administration.StopProgramRequest(program=PROGRAM)
                await operator.call(operator.administration.StopProgram, stopping)
                assert await verdict(shop, code) == resources.VERDICT_NOT_GOOD, "a stop does not wait for a replica"
                databases.standby.execute("SELECT pg_wal_replay_resume()")
                await until_listed(vault, {*first, new})
                databases.primary.execute("ALTER SYSTEM RESET synchronous_standby_names")
                databases.primary.execute("SELECT pg_reload_conf()")
                databases.standby.kill()
                assert await listed(vault) == {*first, new}, "the next host of the list answers"
                await operator.call(
                    operator.administration.StartProgram, administration.StartProgramRequest(program=PROGRAM)
                )
                assert await verdict(shop, code) == resources.VERDICT_GOOD


async def test_a_vault_starts_and_serves_all_but_long_lists_without_its_replica(tmp_path: Path, dsn: str) -> None:
    vault = Running(tmp_path / "vault", dsn=dsn)
    vault._configure('replica_dsn = ""', f'replica_dsn = "host={tmp_path} dbname=nowhere user=cardvault"')
    with running(tmp_path / "vault") as started:
        await create_program(started)
        ((_, code),) = await issue(started, 1, active=True)
        async with started.client("shop") as shop, started.client("keeper", timeout_seconds=1.0) as keeper:
            assert await verdict(shop, code) == resources.VERDICT_GOOD
            with pytest.raises(Unavailable):
                await keeper.call(keeper.cards.ListCards, cards.ListCardsRequest(program=PROGRAM))
