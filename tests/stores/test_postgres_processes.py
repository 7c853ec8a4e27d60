"""Several processes over one database."""

import multiprocessing
from typing import Any

from tests.contracts.samples import PROGRAM, job, new_id
from tests.stores import racers
from tests.stores.patience import PATIENCE_SECONDS
from vault.stores.postgres import Address, PostgresStore
from vault.stores.protocol import Transaction

SPAWN = multiprocessing.get_context("spawn")


def race(target: Any, *arguments: Any) -> list[Any]:
    """Run two processes at the same time and return what each of them answers."""
    pipes = [SPAWN.Pipe(duplex=False) for _ in range(2)]
    racing = [SPAWN.Process(target=target, args=(*arguments, sending)) for _, sending in pipes]
    for process in racing:
        process.start()
    answers = [receiving.recv() if receiving.poll(PATIENCE_SECONDS) else None for receiving, _ in pipes]
    for process in racing:
        process.join(PATIENCE_SECONDS)
    assert [process.exitcode for process in racing] == [0, 0]
    return answers


async def test_two_processes_lose_no_count(address: Address) -> None:
    writers = [SPAWN.Process(target=racers.count_up, args=(address.dsn, 200)) for _ in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(PATIENCE_SECONDS)
    assert [writer.exitcode for writer in writers] == [0, 0]
    store = PostgresStore.open(address)
    assert [row.live for row in await store.read(lambda tx: tx.tallies.get(PROGRAM))] == [400]
    await store.close()


def test_of_two_processes_that_claim_the_same_digests_one_wins_each(address: Address) -> None:
    ann, bob = race(racers.claim_all, address.dsn, 400)
    assert not ann & bob
    assert ann | bob == set(range(400))


async def test_two_processes_lease_every_job_once(address: Address) -> None:
    def fill(tx: Transaction) -> None:
        for created in range(30):
            tx.jobs.insert(job(new_id(), b"s", created))

    store = PostgresStore.open(address)
    await store.transact(fill)
    ann, bob = race(racers.lease_until_none, address.dsn, 20)
    assert len({*ann, *bob}) == len([*ann, *bob]) == 30
    await store.close()
