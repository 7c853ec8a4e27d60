"""What a party's process works with: its own client, the demo's folder, and what it reports.

A party's process writes lines of JSON to standard output: ``{"done": 3, "total": 82}`` while it works, and at
its end ``{"result": {...}, "problems": [...]}``. Neither holds codes.
"""

import argparse
import asyncio
import json
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from vault.cli.connection import open_client
from vault.cli.demo.place import Place
from vault.cli.demo.plan import Plan
from vault.client.channel import VaultClient
from vault.errors import Unavailable

NETCASH = "netcash"
OTHER = "other"
RECIPIENT = "printer"
CONTRACTOR = "contractor"
SHOPS = ("shop-1", "shop-2", "shop-3")
OTHER_CARDS = 50
PORTION = 1000
IN_FLIGHT = 4
TIMEOUT_SECONDS = 60.0
SHOWN_SECONDS = 0.1
POLL_SECONDS = 0.05

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class Stage:
    """One party at work."""

    def __init__(self, place: Place, plan: Plan, step: str = "") -> None:
        self.step = step
        self.place = place
        self.plan = plan
        self.problems: list[str] = []
        self._shown = 0.0
        self._parent = os.getppid()

    def client(self, name: str) -> VaultClient:
        """Answer a client that uses the certificate of one caller, the only one that this process reads."""
        blank: dict[str, Any] = dict.fromkeys(("server", "ca", "certificate", "private_key", "server_name"))
        return open_client(argparse.Namespace(profile=self.place.profile(name), timeout=TIMEOUT_SECONDS, **blank))

    def expect(self, *, holds: bool, otherwise: str) -> None:
        """Note a problem unless something holds."""
        if not holds:
            self.problems.append(otherwise)

    async def until(self, moment: str) -> None:
        """Wait for a moment of the story, or for the end of the demo.

        Raises:
            Unavailable: The demo has ended.
        """
        while moment not in self.place.moments.read():
            if os.getppid() != self._parent:
                message = "the demo has ended"
                raise Unavailable(message)
            await asyncio.sleep(POLL_SECONDS)

    def report(self, done: int, total: int) -> None:
        """Say how far it is, a few times a second."""
        now = time.monotonic()
        if done >= total or now >= self._shown + SHOWN_SECONDS:
            self._shown = now
            print(json.dumps({"done": done, "total": total}), flush=True)

    async def in_flight(
        self, items: Sequence[Item], work: Callable[[Item], Awaitable[Answer]], *, at_once: int = IN_FLIGHT
    ) -> list[Answer]:
        """Do work for each item, several at a time, reporting progress; the answers are in the items' order."""
        answers: dict[int, Answer] = {}
        waiting = iter(enumerate(items))

        async def worker() -> None:
            for position, item in waiting:
                answers[position] = await work(item)
                self.report(len(answers), len(items))

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(at_once, len(items))):
                    group.create_task(worker())
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None  # one is enough to say what went wrong
        return [answers[position] for position in range(len(items))]


def portions(items: Sequence[Item]) -> list[Sequence[Item]]:
    """Cut items into portions that one call takes."""
    return [items[start : start + PORTION] for start in range(0, len(items), PORTION)]


def record(position: int, balance: int) -> bytes:
    """Answer the record of the card issued at a position: about 100 bytes of JSON."""
    content = {
        "balance_yen": balance,
        "ledger_account": f"NC-{position:07}",
        "opened": "2006-05-29",
        "currency": "JPY",
    }
    return json.dumps(content).encode()
