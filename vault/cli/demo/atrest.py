"""Searching what a vault wrote for every code, at the demo's end."""

import base64
import shutil
from collections.abc import Sequence
from itertools import chain

from vault.cli.demo.place import Place
from vault.cli.demo.search import Report, search_files
from vault.cli.demo.targets import Targets
from vault.cli.progress import progress_bar

COPY = ".copy"


def copy_write_ahead_log(place: Place) -> None:
    """Keep what a clean stop would fold into the database and delete, so that it is searched, too."""
    for path in (place.vault / "data").glob("*-wal"):
        shutil.copyfile(path, path.with_name(f"{path.name}{COPY}"))


def search_places(places: Sequence[Place], *, plant: bool, quiet: bool) -> Report:
    """Search everything in some places but the customers' wallets for everything that is in the wallets.

    Args:
        places: Where vaults have run and are stopped.
        plant: Leave a code in the first one's data, to prove that it is found.
        quiet: True for no progress bar.
    """
    codes = list(dict.fromkeys(chain.from_iterable(place.all_codes() for place in places)))
    if plant and codes:
        planted = b"what must be found: " + base64.b64encode(b"." + codes[0])
        (places[0].vault / "data" / "planted").write_bytes(planted)
    with progress_bar("searching what the vault wrote", quiet=quiet):
        report = search_files(chain.from_iterable(place.searched() for place in places), Targets(codes))
    for place in places:
        for path in (place.vault / "data").glob(f"*{COPY}"):
            path.unlink()
    return report
