"""The demo's folder, and what the parties hand to each other in it.

::

    vault/       the vault's own folder, as ``cardvault serve --init`` makes it; its log is in vault/data
    outbox/      packages, as the vault sealed them
    house/       the fulfilment house's private key
    contractor/  the private key of the contractor, from whom codes leak in the incident's story
    papers/      what passes between the parties without codes: ids, serials, counts, moments
    wallets/     the customers' codes and the secrets of their sales, files of mode 0600

Everything but the wallets is searched for what is in them at the end.
"""

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from vault.cli.demo.moments import Moments


class Place:
    """The demo's folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.vault = folder / "vault"
        self.configuration = self.vault / "vault.toml"
        self.log = self.vault / "data" / "vault.log"
        self.ready_file = self.vault / "data" / "ready"
        self.package = folder / "outbox" / "netcash.package"
        self.lot_package = folder / "outbox" / "lot.package"
        self.stolen_package = folder / "outbox" / "stolen.package"
        self.renewed_package = folder / "outbox" / "renewed.package"
        self.house_key = folder / "house" / "recipient.key"
        self.contractor_key = folder / "contractor" / "recipient.key"
        self.report = folder / "papers" / "report.jws"
        self.public_keys = folder / "papers" / "public-keys.json"
        self.moments = Moments(folder / "papers" / "moments")
        self._papers = folder / "papers"
        self._wallets = folder / "wallets"

    def make(self) -> None:
        """Make the folders; nobody else can look into them."""
        keys = (self.house_key.parent, self.contractor_key.parent)
        for path in (self.folder, self.package.parent, *keys, self._papers, self._wallets):
            path.mkdir(mode=0o700, exist_ok=True)

    def profile(self, name: str) -> Path:
        """Answer the profile of a caller."""
        return self.vault / "profiles" / f"{name}.toml"

    def write_paper(self, name: str, value: Any) -> None:
        """Hand something without codes to the other parties."""
        (self._papers / f"{name}.json").write_text(json.dumps(value), encoding="utf-8")

    def read_paper(self, name: str) -> Any:
        """Take what another party has handed over."""
        return json.loads((self._papers / f"{name}.json").read_text(encoding="utf-8"))

    def fill_wallet(self, name: str, codes: Sequence[str]) -> None:
        """Give codes to the customers: a new file of mode 0600, one code a line."""
        path = self._wallets / name
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(descriptor, "w", encoding="ascii") as file:  # noqa: PTH123  # from a descriptor
            file.writelines(f"{code}\n" for code in codes)

    def read_wallet(self, name: str) -> list[str]:
        """Take the customers' codes, as a shop gets them."""
        return (self._wallets / name).read_text(encoding="ascii").split()

    def all_codes(self) -> list[bytes]:
        """Answer every code that was ever delivered, and every secret of a sale; both are 16 digits."""
        return [code for path in sorted(self._wallets.iterdir()) for code in path.read_bytes().split()]

    def searched(self) -> Iterator[Path]:
        """Answer every file but the customers' wallets."""
        for path in sorted(self.folder.rglob("*")):
            if path.is_file() and not path.is_relative_to(self._wallets):
                yield path
