"""The sample's callers: a shop, and the ledger that relays for it.

What is sealed is sealed for the shop. Its entry in the access file names the ledger as its relay, so the ledger
may present it; the ledger's entry allows receipts that are made out to the shop. Claims to exchange a superseded
code the shop presents itself, as an exchanger.
"""

from pathlib import Path

from vault.cli.certificates import load_authority
from vault.cli.development import write_profiles

PROGRAM = "gift"
SHOP = "webshop"
LEDGER = "ledger"


def principal(name: str) -> str:
    """Answer who a caller is to the vault."""
    return f"spiffe://cardvault.dev/{name}"


def add_callers(folder: Path) -> None:
    """Give shop and ledger certificates, and roles in the access file of a vault's folder."""
    authority = load_authority(folder / "certificates")
    for name in (SHOP, LEDGER):
        authority.issue_caller(folder / "certificates", name, principal(name))
    with (folder / "access.toml").open("a", encoding="utf-8") as access:
        access.write(f"""
[[principal]]
name = "{principal(SHOP)}"
roles = {{ "{PROGRAM}" = ["validator", "exchanger"] }}
relays = ["{principal(LEDGER)}"]
receipt_audiences = ["{principal(SHOP)}"]

[[principal]]
name = "{principal(LEDGER)}"
roles = {{ "{PROGRAM}" = ["redeemer"] }}
receipt_audiences = ["{principal(SHOP)}"]
""")


def write_callers_profiles(folder: Path, address: str) -> None:
    """Write how every caller reaches a vault that listens on this address."""
    write_profiles(folder, address)
    write_profiles(folder, address, (SHOP, LEDGER))
