"""Making key versions, and wrapping them by the root key."""

from collections.abc import Callable

from vault.crypto.keypair import public_key
from vault.crypto.keyring import key_context
from vault.crypto.rowtag import Tagger
from vault.custody.protocol import Custody
from vault.model.rows import KeyUseRow, KeyVersionRow
from vault.model.shape import SHAPES
from vault.model.states import KeyPurpose, KeyState
from vault.secret import Secret

Random = Callable[[int], bytes]

KEY_BYTES = 32

VAULT_PURPOSES = (
    KeyPurpose.ROW_TAG,
    KeyPurpose.AUDIT_CHAIN,
    KeyPurpose.RECEIPT,
    KeyPurpose.STATEMENT,
    KeyPurpose.CHECKPOINT,
    KeyPurpose.SEALING,
    KeyPurpose.PAGE_TOKEN,
    KeyPurpose.REQUEST,
)
"""Purposes of which the vault has one key for all programs."""

PROGRAM_PURPOSES = (KeyPurpose.INDEX, KeyPurpose.WRAPPING)
"""Purposes of which each program has a key of its own."""


class KeyMaker:
    """Draws keys and has custody wrap them."""

    def __init__(self, custody: Custody, random: Random) -> None:
        self._custody = custody
        self._random = random

    def draw(self) -> Secret:
        """Return a new key of 32 bytes."""
        return Secret(self._random(KEY_BYTES))

    def row(  # noqa: PLR0913, PLR0917  a key version is all of these
        self, vault_id: bytes, purpose: KeyPurpose, program: str, version: int, now_ms: int, key: Secret
    ) -> KeyVersionRow:
        """Return the untagged row of a key version that is active from now on."""
        wrapped = self._custody.wrap(key, key_context(vault_id, purpose, program, version))
        public = public_key(purpose, key)
        return KeyVersionRow(purpose, program, version, KeyState.ACTIVE, wrapped, public, now_ms, now_ms, None, b"")

    def rewrapped(self, vault_id: bytes, row: KeyVersionRow) -> KeyVersionRow:
        """Return the row of a key version with the same key, wrapped by the root version in use.

        Raises:
            IntegrityFailure: ROOT_KEY: it cannot be unwrapped.
        """
        context = key_context(vault_id, row.purpose, row.program, row.version)
        return row._replace(wrapped_key=self._custody.wrap(self._custody.unwrap(row.wrapped_key, context), context))


def root_version_of(row: KeyVersionRow) -> int:
    """Return the version of the root key that wraps a key; 0 for one that was destroyed."""
    # Custody's promise: a format byte, then the root version in 4 bytes.
    return int.from_bytes(row.wrapped_key[1:5], "big") if row.state != KeyState.DESTROYED else 0


def fresh_use(tagger: Tagger, program: str, version: int) -> KeyUseRow:
    """Return the use count of a key-encryption key that nothing was encrypted under."""
    return tagger.tagged(SHAPES["key_use"], KeyUseRow(KeyPurpose.WRAPPING, program, version, 0, b""))
