"""Today's keys of a living vault, put into an older copy of it that is being restored.

A root key that was destroyed opens no older backup. What must live in one is opened by the same keys as they are
today: wrapped by today's root key, and without those that were destroyed meanwhile.

1. Only keys of the same vault are taken, and only ones that are no younger than the copy's; the copy's own rows of
   keys, and of how often they were used, are replaced.
2. Nothing sealed, tagged or indexed under a key that was destroyed is opened, believed or found again.
3. Codes whose index key is not in use any more are not found until a re-key has given them digests under one that is.
"""

from collections.abc import Sequence
from typing import NamedTuple

from vault.errors import FailedPrecondition, InvalidInput
from vault.model.rows import KeyUseRow, KeyVersionRow
from vault.model.shape import SHAPES
from vault.service.catalogue import Snapshot
from vault.service.upkeep.content import pages
from vault.stores.moves import Older
from vault.stores.protocol import Transaction


class LiveKeys(NamedTuple):
    """The keys of a vault, and how often they were used, as its rows have them."""

    vault_id: bytes
    keys: Sequence[KeyVersionRow]
    uses: Sequence[KeyUseRow]


def live_keys(tx: Transaction) -> LiveKeys:
    """Read the keys of a living vault.

    Raises:
        FailedPrecondition: VAULT_NOT_INITIALISED: it holds none.
    """
    vault = tx.vault.get()
    if vault is None:
        raise FailedPrecondition("the store that keys are taken from holds no vault", reason="VAULT_NOT_INITIALISED")
    uses = [row for page in pages(tx, SHAPES["key_use"]) for row in page]
    return LiveKeys(vault.vault_id, tx.keys.all(), uses)


def put_keys(tx: Transaction, live: LiveKeys) -> None:
    """Replace a copy's keys by those of the living vault; those of programs that the copy has not are left out.

    Raises:
        InvalidInput: KEYS_FROM: they are another vault's, or older than the copy's.
    """
    vault = tx.vault.get()
    if vault is None or vault.vault_id != live.vault_id:
        raise InvalidInput("the keys are another vault's than the backup", reason="KEYS_FROM")
    programs = {"", *(row.program for row in tx.programs.all())}
    old = {row[:3]: row for row in tx.keys.all()}
    new = {row[:3]: row for row in live.keys if row.program in programs}
    if old.keys() - new.keys() or any(new[name].state < row.state for name, row in old.items()):
        raise InvalidInput("the keys are older than the backup: it needs none from there", reason="KEYS_FROM")
    for name, row in new.items():
        if name in old:
            tx.keys.update(row)
    tx.keys.insert([row for name, row in new.items() if name not in old])
    for use in live.uses:
        if use.program in programs:
            tx.keys.put_use(use)
    tx.vault.bump_catalogue()


def programs_to_rekey(tx: Transaction, snapshot: Snapshot) -> list[str]:
    """Return the programs that have codes under an index key that is not in use any more."""
    found = []
    for program in sorted(snapshot.programs):
        oldest = min(digester.version for digester in snapshot.keyring.digesters(program))
        if tx.moves.left(Older(SHAPES["code"], ("index_version",), oldest, program)):
            found.append(program)
    return found
