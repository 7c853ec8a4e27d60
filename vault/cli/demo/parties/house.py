"""The fulfilment house: opens the package and prints the cards. It has a private key, and no access to the vault."""

import hashlib
from typing import Any

from vault.cli.demo.stage import Stage
from vault.client.package import open_package
from vault.client.recipient import read_key_file


async def print_cards(stage: Stage) -> dict[str, Any]:
    """Open the package, print each code beside its serial, and say what was received."""
    place = stage.place
    entries = list(open_package(place.package, read_key_file(place.house_key)))
    stage.expect(holds=len(entries) == stage.plan.printed, otherwise="the package holds another number of codes")
    place.fill_wallet("printed", [entry.code for entry in entries])
    place.write_paper("printed", [entry.serial for entry in entries])
    place.write_paper("received", hashlib.sha256(place.package.read_bytes()).hexdigest())
    return {"count": len(entries)}
