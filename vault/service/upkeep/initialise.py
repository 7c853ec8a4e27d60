"""The first row of a vault: its id, and the keys that it has for all programs."""

from collections.abc import Callable

from vault.crypto.rowtag import Tagger
from vault.model.rows import VaultRow
from vault.model.shape import SHAPES
from vault.model.states import KeyPurpose
from vault.service.keys import VAULT_PURPOSES, KeyMaker
from vault.stores.protocol import Transaction


def initialise(tx: Transaction, keys: KeyMaker, *, random: Callable[[int], bytes], now_ms: int) -> bool:
    """Make the vault's id and keys, unless it has them; return whether it had to."""
    if tx.vault.get() is not None:
        return False
    vault_id = random(16)
    secrets = {purpose: keys.draw() for purpose in VAULT_PURPOSES}
    tagger = Tagger({1: secrets[KeyPurpose.ROW_TAG]}, 1)
    tx.vault.insert(tagger.tagged(SHAPES["vault"], VaultRow(vault_id, now_ms, b"")))
    rows = [keys.row(vault_id, purpose, "", 1, now_ms, secret) for purpose, secret in secrets.items()]
    tx.keys.insert([tagger.tagged(SHAPES["key_version"], row) for row in rows])
    tx.vault.bump_catalogue()
    return True
