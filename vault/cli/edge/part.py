"""``cardvault edge-part``: the process of the sample's shop or ledger.

It writes one line of JSON, ``{"address": "host:port"}``, to standard output once it listens, and ends when its
standard input is closed: by whoever started it, or with him.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vault.cli.connection import open_client
from vault.cli.edge.callers import PROGRAM, SHOP, principal
from vault.cli.edge.ledger import Ledger
from vault.cli.edge.listener import Listener, Routes
from vault.cli.edge.shop import Shop
from vault.cli.failure import EXIT_DONE
from vault.client.channel import VaultClient

TIMEOUT_SECONDS = 10.0


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--profile", type=Path, required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--ledger", default="")
    parser.set_defaults(run=_run)


def _shop(client: VaultClient, parsed: argparse.Namespace) -> Routes:
    return Shop(client, program=PROGRAM, principal=principal(SHOP), ledger=parsed.ledger).routes()


def _ledger(client: VaultClient, _parsed: argparse.Namespace) -> Routes:
    return Ledger(client, program=PROGRAM, shop=principal(SHOP)).routes()


PARTS: dict[str, Callable[[VaultClient, argparse.Namespace], Routes]] = {"shop": _shop, "ledger": _ledger}


def _run(parsed: argparse.Namespace) -> int:
    asyncio.run(_serve(parsed))
    return EXIT_DONE


async def _serve(parsed: argparse.Namespace) -> None:
    blank: dict[str, Any] = dict.fromkeys(("server", "ca", "certificate", "private_key", "server_name"))
    async with open_client(argparse.Namespace(profile=parsed.profile, timeout=TIMEOUT_SECONDS, **blank)) as client:
        listener = Listener(PARTS[parsed.part](client, parsed), parsed.port)
        try:
            print(json.dumps({"address": listener.address}), flush=True)
            await _closed()
        finally:
            listener.stop()


async def _closed() -> None:
    """Wait for the end of standard input."""
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, sys.stdin)
    while await reader.read(1024):
        pass
