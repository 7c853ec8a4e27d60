"""A process that presents submissions at moments that are told to it: one of several over one vault.

Standard input: the first line is a plan in JSON, with ``folder`` (where the root key and SQLite's file are), ``dsn``
(of PostgreSQL, empty for SQLite) and ``name`` (of the process); then one submission a line, in hexadecimal. Each is
presented under a request id of its own as soon as its line is there.

Standard output: ``ready``, then on a line for each answer, as JSON, the details of its judgements, and when it was
asked for and when it was there, in nanoseconds by the system's monotonic clock.
"""

import asyncio
import json
import sys
import time
from pathlib import Path

import pytest

from tests.service.sealing import Shop
from tests.stores.patience import be_patient
from tests.workshop import workshop
from vault.service.answering.submissions import Sealed
from vault.stores.postgres import Address


def _read() -> str:
    return sys.stdin.readline().strip()


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def _present(folder: Path, dsn: str) -> None:
    async with workshop(folder, address=Address(dsn) if dsn else None) as vault:
        teller = Shop(vault)
        await vault.judge(b"0" * 16)  # so that the catalogue is in memory
        _say("ready")
        while line := await asyncio.to_thread(_read):
            began = time.monotonic_ns()
            told = await teller.ask(*map(Sealed, map(bytes.fromhex, line.split())), several=True)
            details = [judgement.detail for judgement in told.judgements]
            _say(json.dumps({"details": details, "began": began, "ended": time.monotonic_ns()}))


def main() -> None:
    """Present what comes until nothing more does."""
    plan = json.loads(_read())
    be_patient(pytest.MonkeyPatch())
    asyncio.run(_present(Path(plan["folder"]), plan["dsn"]))


if __name__ == "__main__":
    main()
