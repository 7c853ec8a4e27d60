"""``cardvault edge``: a sample shop on loopback, whose page seals codes in the browser."""

import argparse
import asyncio
import json
import signal
import tempfile
import threading
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from vault.cli.connection import open_client
from vault.cli.edge.cards import Dealt, deal
from vault.cli.edge.running import Sample
from vault.cli.failure import EXIT_DONE, UsageProblem

CARDS = 5
EXCHANGEABLE = 2
CALLERS = ("operator", "issuer", "keeper", "officer")
TIMEOUT_SECONDS = 30.0
WATCH_SECONDS = 1.0
LAST_PORT = 65535
MOST_CARDS = 1000
"""What one call issues."""
MEANINGS: Mapping[str, str] = {
    "good": "good, each to be spent once",
    "superseded": "not good: replaced by a newer code",
    "unknown": "not good: never issued",
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("--port", type=int, default=0, help="where the shop listens (default: the system chooses)")
    parser.add_argument("--cards", type=int, default=CARDS, metavar="N", help=f"cards to pay with ({CARDS})")
    parser.add_argument(
        "--exchangeable", type=int, default=EXCHANGEABLE, metavar="N", help=f"cards to exchange ({EXCHANGEABLE})"
    )
    parser.add_argument("--json", action="store_true", help="write one JSON object to standard output")
    parser.set_defaults(run=_run)


def _run(parsed: argparse.Namespace) -> int:
    counts = (parsed.cards, parsed.exchangeable)
    if not 0 <= parsed.port <= LAST_PORT or not all(1 <= count <= MOST_CARDS for count in counts):
        message = f"--port is 0 to {LAST_PORT}, --cards and --exchangeable 1 to {MOST_CARDS}"
        raise UsageProblem(message)
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: ended.set())
    with (
        tempfile.TemporaryDirectory(prefix="cardvault-edge-") as folder,
        Sample(Path(folder), port=parsed.port) as sample,
    ):
        dealt = asyncio.run(deal_in(sample, parsed.cards, parsed.exchangeable))
        _show_json(sample, dealt) if parsed.json else _show(sample, dealt)
        while not ended.wait(WATCH_SECONDS):
            sample.check()
    return EXIT_DONE


async def deal_in(sample: Sample, good: int, exchangeable: int = EXCHANGEABLE) -> Dealt:
    """Make the sample's program and cards."""
    blank: dict[str, Any] = dict.fromkeys(("server", "ca", "certificate", "private_key", "server_name"))
    async with AsyncExitStack() as opened:
        clients = {}
        for name in CALLERS:
            options = argparse.Namespace(profile=sample.profile(name), timeout=TIMEOUT_SECONDS, **blank)
            clients[name] = await opened.enter_async_context(open_client(options))
        return await deal(clients, good, exchangeable)


def _show(sample: Sample, dealt: Dealt) -> None:
    print(f"The shop is at {sample.url}\n\nCards to type there:")
    for kind, of_kind in dealt.codes.items():
        for code in of_kind:
            print(f"  {_grouped(code)}   {MEANINGS[kind]}")
    print('\nCards to exchange there, at "My card\'s number was replaced", by old number and serial:')
    for code, serial in dealt.exchangeable:
        print(f"  {_grouped(code)}   {serial}")
    print("\nCtrl-C ends it, and deletes what it made.", flush=True)


def _grouped(code: str) -> str:
    return f"{code[:4]} {code[4:8]} {code[8:12]} {code[12:]}"


def _show_json(sample: Sample, dealt: Dealt) -> None:
    pids = {"vault": sample.vault.pid, "ledger": sample.ledger.pid, "shop": sample.shop.pid}
    exchangeable = [card._asdict() for card in dealt.exchangeable]
    told = {"url": sample.url, "folder": str(sample.place.folder), "pids": pids, "codes": dealt.codes}
    print(json.dumps({**told, "exchangeable": exchangeable}), flush=True)
