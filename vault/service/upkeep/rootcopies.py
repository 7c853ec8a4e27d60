"""Whether someone holds a copy of the root key: without it a vault is worth nothing, to its owner too.

1. A copy is confirmed only after it has opened every key of this vault, and what the root key in use wraps.
2. What is kept is the root version and the time, with a row tag; nothing of the key.

It does not notice a copy lost later: confirm again now and then.
"""

from collections.abc import Callable

from vault.audit.event import Event
from vault.custody.protocol import Custody
from vault.errors import IntegrityFailure
from vault.model.rows import RootCopyRow
from vault.model.shape import SHAPES
from vault.model.states import KeyState
from vault.secret import Secret
from vault.service.catalogue import Catalogue, Snapshot
from vault.service.keys import root_version_of
from vault.service.recorder import Recorder
from vault.stores.protocol import Transaction

_TRIAL_BYTES = 32
_TRIAL_CONTEXT = b"cardvault.v1.rootcopy"


def root_versions(snapshot: Snapshot, custody: Custody) -> set[int]:
    """Return the root versions without which a key of the vault, or the next one made, could not be opened."""
    kept = (row for row in snapshot.key_rows if row.state != KeyState.DESTROYED)
    return {custody.root_version, *map(root_version_of, kept)}


def unconfirmed(tx: Transaction, snapshot: Snapshot, custody: Custody) -> list[int]:
    """Return the root versions in use of which no copy was ever confirmed.

    Raises:
        IntegrityFailure: ROW_TAG: a confirmation is not what the vault wrote.
    """
    rows = tx.root_copies.all()
    for row in rows:
        snapshot.tagger.verify(SHAPES["root_copy"], row)
    return sorted(root_versions(snapshot, custody) - {row.root_version for row in rows})


async def confirm(recorder: Recorder, custody: Custody, copy: Custody, random: Callable[[int], bytes]) -> list[int]:
    """Take down that a copy of the root key opens this vault's keys, and return the root versions confirmed.

    Raises:
        IntegrityFailure: ROOT_KEY: the copy does not open them all.
    """
    trial = Secret(random(_TRIAL_BYTES))
    if copy.unwrap(custody.wrap(trial, _TRIAL_CONTEXT), _TRIAL_CONTEXT) != trial:
        raise IntegrityFailure("the copy does not open what the root key wraps", reason="ROOT_KEY")
    copied = Catalogue(copy)

    def work(tx: Transaction) -> list[int]:
        copied.at(tx)
        scope = recorder.scope(tx)
        versions = sorted(root_versions(scope.snapshot, custody))
        for version in versions:
            row = RootCopyRow(version, scope.now_ms, b"")
            tx.root_copies.put(scope.snapshot.tagger.tagged(SHAPES["root_copy"], row))
        note = f"root versions {', '.join(map(str, versions))}"
        recorder.write(scope, Event("vault/ConfirmRootCopy", note=note))
        return versions

    return await recorder.store.transact(work)
