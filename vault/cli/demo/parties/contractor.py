"""The contractor that prints the lot, and leaks it: it may export the lot's package and reveal single codes."""

from collections.abc import Awaitable, Callable
from typing import Any

from vault.cli.demo.stage import CONTRACTOR, NETCASH, Stage
from vault.client.channel import VaultClient
from vault.client.export import save_package
from vault.client.package import open_package
from vault.client.recipient import read_key_file
from vault.errors import PermissionDenied
from vault.v1.card_service_pb2 import RevealCodeRequest
from vault.v1.resources_pb2 import CardSelector

REVEALED = 20
BLOCKED = "PRINCIPAL_BLOCKED"


async def print_lot(stage: Stage) -> dict[str, Any]:
    """Export the package of the lot, and print each code beside its serial. Nobody acknowledges it."""
    place = stage.place
    async with stage.client(CONTRACTOR) as client:
        await save_package(client, NETCASH, place.read_paper("lot"), place.lot_package, stage.report)
    entries = list(open_package(place.lot_package, read_key_file(place.contractor_key)))
    stage.expect(holds=len(entries) == stage.plan.cards, otherwise="the package holds another number of codes")
    place.fill_wallet("lot", [entry.code for entry in entries])
    place.write_paper("serials", [entry.serial for entry in entries])
    return {"count": len(entries)}


async def leak(stage: Stage) -> dict[str, Any]:
    """Read every code of the lot once more, by its package, and a few by name to see that they are current."""
    place = stage.place
    async with stage.client(CONTRACTOR) as client:
        await save_package(client, NETCASH, place.read_paper("lot"), place.stolen_package, stage.report)
        stolen = [entry.code for entry in open_package(place.stolen_package, read_key_file(place.contractor_key))]
        stage.expect(holds=stolen == place.read_wallet("lot"), otherwise="the package is not the same as before")
        serials = place.read_paper("serials")[:REVEALED]
        for code, serial in zip(stolen, serials, strict=False):
            answer = await client.call(client.cards.RevealCode, _reveal(serial))
            stage.expect(holds=answer.code == code, otherwise="a revealed code is not the one of the package")
    return {"count": len(stolen) + len(serials)}


async def is_refused(stage: Stage) -> dict[str, Any]:
    """Try the same calls as before."""
    place = stage.place
    async with stage.client(CONTRACTOR) as client:
        request = _reveal(place.read_paper("serials")[0])
        reason = await _reason(lambda: client.call(client.cards.RevealCode, request))
        stage.expect(holds=reason == BLOCKED, otherwise="a blocked principal is not refused a code")
        reason = await _reason(lambda: _export(client, place.read_paper("lot")))
        stage.expect(holds=reason == BLOCKED, otherwise="a blocked principal is not refused a package")
    return {"count": 2}


def _reveal(serial: str) -> RevealCodeRequest:
    return RevealCodeRequest(program=NETCASH, card=CardSelector(serial=serial), reason="print check", clear=True)


async def _export(client: VaultClient, batch_id: str) -> None:
    async for _ in client.export_batch(NETCASH, batch_id):
        return


async def _reason(attempt: Callable[[], Awaitable[Any]]) -> str:
    try:
        await attempt()
    except PermissionDenied as error:
        return error.reason
    return ""
