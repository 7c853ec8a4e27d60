"""The same submissions, presented at the same moment by processes of the operating system's own."""

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE, Process
from contextlib import AsyncExitStack
from itertools import pairwise
from pathlib import Path

from tests.service.sealing import Edge
from tests.workshop import workshop
from vault.model.states import Detail
from vault.service import rules
from vault.stores.postgres import Address

PROCESSES = 4
ROUNDS = 100
TOGETHER = 3
"""Submissions in each request; every other process presents them the other way round."""


async def _begin(plan: dict[str, str]) -> Process:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = (sys.executable, "-m", "tests.service.presenter")
    process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, env=environment)
    _tell(process, json.dumps(plan))
    return process


def _tell(process: Process, line: str) -> None:
    assert process.stdin is not None
    process.stdin.write(f"{line}\n".encode())


async def _heard(process: Process) -> bytes:
    assert process.stdout is not None
    line = await process.stdout.readline()
    assert line, f"a process ended with {await process.wait()}"
    return line


async def test_of_one_submission_in_several_processes_of_the_system_one_use_is_taken(
    tmp_path: Path, shop_address: Address | None
) -> None:
    taken, met = 0, 0
    async with AsyncExitStack() as stack:
        shop = await stack.enter_async_context(workshop(tmp_path, address=shop_address))
        await shop.program()
        issued = (await shop.issue(TOGETHER)).codes
        await shop.change(rules.activate, *(code.card_id for code in issued))
        codes = [code.code.expose() for code in issued]
        edge = Edge(shop)
        key = await edge.key()
        plan = {"folder": str(tmp_path), "dsn": "" if shop_address is None else shop_address.dsn}
        presenters = [await _begin(plan) for _ in range(PROCESSES)]
        try:
            assert {await _heard(each) for each in presenters} == {b"ready\n"}
            for place in range(ROUNDS):
                blobs = [(await edge.seal(code, key=key)).blob.hex() for code in codes]
                for number in (*range(place % PROCESSES, PROCESSES), *range(place % PROCESSES)):
                    _tell(presenters[number], " ".join(blobs[:: -1 if number % 2 else 1]))
                answers = [json.loads(line) for line in await asyncio.gather(*map(_heard, presenters))]
                told = [answer["details"][:: -1 if number % 2 else 1] for number, answer in enumerate(answers)]
                for details in zip(*told, strict=True):
                    assert sorted(details) == [Detail.GOOD, *[Detail.SUBMISSION] * (PROCESSES - 1)]
                    taken += 1
                times = sorted((answer["began"], answer["ended"]) for answer in answers)
                met += any(earlier[1] > later[0] for earlier, later in pairwise(times))
        finally:
            for each in presenters:
                if each.returncode is None:
                    each.kill()
                await each.wait()
        assert shop.database.count("submission") == taken == ROUNDS * TOGETHER
    assert met, "two processes never asked at the same time"
