"""Client processes: each runs a module of this package, writes what it saw, and ends by itself."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.system.account import Account, account_of
from tests.system.issued import PROGRAM
from tests.system.running import Running, addresses

SECONDS = 850.0


class Crew:
    """Client processes over one plan, each with a seed and a file of its own."""

    def __init__(self, module: str, folder: Path, plan: Mapping[str, Any], processes: int) -> None:
        """Start the processes of a module of ``tests.system``.

        Args:
            module: The module's name.
            folder: Where plans and results go.
            plan: What the module's ``main`` reads, as JSON; ``seed`` counts the processes from 1.
            processes: How many.
        """
        self._results = [folder / f"{module}-{number}.jsonl" for number in range(1, processes + 1)]
        self._processes = []
        for number, result in enumerate(self._results, 1):
            path = result.with_suffix(".json")
            path.write_text(json.dumps({**plan, "seed": number}))
            command = [sys.executable, "-m", f"tests.system.{module}", str(path), str(result)]
            self._processes.append(
                subprocess.Popen(command, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
            )

    def at_work(self) -> bool:
        """Whether one of them has not ended."""
        return any(process.poll() is None for process in self._processes)

    async def finish(self, seconds: float = SECONDS) -> list[Any]:
        """Wait for all to end, and return the lines of all their results."""
        try:
            async with asyncio.timeout(seconds):
                while self.at_work():  # noqa: ASYNC110  # no event tells of another process's end
                    await asyncio.sleep(0.05)
        finally:
            self.end()
        assert [process.returncode for process in self._processes] == [0] * len(self._processes)
        return self.lines()

    def lines(self) -> list[Any]:
        """Return what they have written so far."""
        texts = [result.read_text() for result in self._results if result.exists()]
        return [json.loads(line) for text in texts for line in text.splitlines() if line.endswith(("]", "}"))]

    def end(self) -> None:
        """End those that still run."""
        for process in self._processes:
            if process.poll() is None:
                process.kill()
            process.wait()


def trade(
    vaults: Sequence[Running],
    folder: Path,
    *,
    processes: int = 2,
    callers: int = 5,
    cards: int = 4,
    spend: float = 0.75,
) -> Crew:
    """Have traders begin over all vaults; they end by the file ``stop`` in the folder, or after ``SECONDS``."""
    plan = {
        "address": addresses(vaults),
        "certificates": str(vaults[0].certificates),
        "program": PROGRAM,
        "callers": callers,
        "cards": cards,
        "spend": spend,
        "seconds": SECONDS,
        "stop": str(folder / "stop"),
    }
    return Crew("trader", folder, plan, processes)


async def trading(crew: Crew, effects: int, seconds: float = SECONDS) -> Account:
    """Wait until so many effects have been acknowledged, and return the account up to then."""
    deadline = time.monotonic() + seconds
    while (account := account_of(crew.lines())).effects < effects:
        assert crew.at_work(), account.wrong
        assert time.monotonic() < deadline, f"only {account.effects} of {effects} effects"
        await asyncio.sleep(min(2.0, 0.2 + effects / 50_000))
    return account


async def trading_on(crew: Crew) -> Account:
    """Wait until more has been acknowledged than by now, and return the account up to then."""
    return await trading(crew, account_of(crew.lines()).effects + 1)


def read_plan(arguments: Sequence[str]) -> tuple[dict[str, Any], Path]:
    """Return a client process's plan, and the file for its results."""
    return json.loads(Path(arguments[1]).read_text()), Path(arguments[2])
