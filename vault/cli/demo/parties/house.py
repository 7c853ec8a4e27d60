"""The fulfilment house: opens packages and prints the cards. It has a private key, no access to the vault."""

import hashlib
from typing import Any

from vault.cli.demo.moments import REPRINTED
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


async def reprint(stage: Stage) -> dict[str, Any]:
    """Open the re-issue's package, and print each new code beside its serial, for the card of the old serial."""
    place = stage.place
    entries = list(open_package(place.renewed_package, read_key_file(place.house_key)))
    old_serials = place.read_paper("serials")
    by_serial = {entry.superseded_serial: entry for entry in entries}
    whole = len(entries) == len(by_serial) and by_serial.keys() == set(old_serials)
    stage.expect(holds=whole, otherwise="the package is not for every old serial once")
    renewed = [by_serial[serial] for serial in old_serials if serial in by_serial]
    serials = [entry.serial for entry in renewed]
    new = len({*serials, *old_serials}) == len(serials) + len(old_serials)
    stage.expect(holds=new, otherwise="serials of the package are not all new")
    codes = [entry.code for entry in renewed]
    fresh = len({*codes, *place.read_wallet("lot")}) == len(codes) + len(old_serials)
    stage.expect(holds=fresh, otherwise="codes of the package are not all new")
    place.fill_wallet("renewed", codes)
    place.write_paper("renewed", serials)
    place.write_paper("received", hashlib.sha256(place.renewed_package.read_bytes()).hexdigest())
    place.moments.note(REPRINTED)
    return {"count": len(entries)}
