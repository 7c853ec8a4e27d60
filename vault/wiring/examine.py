"""Examining a vault: its files, its store, and whether it answers where it runs. Nothing is changed.

What a start needs comes first, so that ``check-config`` shows the same lines as ``doctor``, and then stops.
"""

import asyncio
import http.client
import json
from typing import Final

from vault.config import Config
from vault.wiring.examine_files import file_looks
from vault.wiring.examine_store import look_at_store
from vault.wiring.finding import Finding, Look, Mark, findings

PROBE_SECONDS: Final = 3.0
_LARGEST_BYTES: Final = 65536


def examine(config: Config, *, thoroughly: bool) -> list[Finding]:
    """Return what was found: whether a vault could start; thoroughly, also how it stands, and if it answers."""
    looks: list[tuple[str, Look]] = [
        *file_looks(config),
        ("store", lambda: asyncio.run(look_at_store(config, thoroughly=thoroughly))),
    ]
    if thoroughly:
        looks.append(("listener", lambda: _listener(config)))
    return findings(looks)


def _listener(config: Config) -> Finding:
    """Find whether the vault that runs by this configuration, if one does, is ready."""
    address = config.operations.address
    host, _, port = (address or "").rpartition(":")
    if not int(port or 0):
        return Finding("listener", Mark.OK, "[operations] names no fixed address to ask")
    # Who listens on every address is asked on loopback.
    asked = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host.strip("[]"), host.strip("[]"))  # noqa: S104  not bound here
    try:
        connection = http.client.HTTPConnection(asked, int(port), timeout=PROBE_SECONDS)
        connection.request("GET", "/ready")
        answer = connection.getresponse()
        told = json.loads(answer.read(_LARGEST_BYTES))
    except ConnectionRefusedError:
        return Finding("listener", Mark.OK, f"no vault runs on {address}")
    except (OSError, http.client.HTTPException, ValueError):
        to_do = "see that the vault's own listener is there: `listener_not_open` in its log says if it is not"
        return Finding("listener", Mark.PROBLEM, f"{address} gives no answer that is a vault's", to_do)
    if not isinstance(told, dict) or "ready" not in told:
        to_do = "give [operations] an address of its own"
        return Finding("listener", Mark.PROBLEM, f"{address} is answered by something else", to_do)
    processes = str(told.get("processes", ""))
    if answer.status == http.client.OK:
        return Finding("listener", Mark.OK, f"the vault is ready: {processes}")
    to_do = "it starts, drains, or cannot reach its store: its log says which"
    return Finding("listener", Mark.PROBLEM, f"the vault is not ready: {processes}", to_do)
