"""How many times a key-encryption key may still encrypt.

NIST SP 800-38D section 8.3 allows 2^32 encryptions with random nonces under one AES-GCM key. Every wrapping of
a data key is one.

1. Wrappings are counted before they are made: a process reserves a block in the database, durably, then spends
   it from memory. What a process had reserved and not spent when it died counts as spent.
2. When a block no longer fits under the bound, the program gets a new key-encryption key in the same transaction, and
   the old one is deactivated: it still unwraps, it never wraps again.
"""

import threading

from vault.audit.event import Event
from vault.errors import FailedPrecondition, Unavailable
from vault.model.rows import KeyUseRow
from vault.model.shape import SHAPES
from vault.model.states import KeyPurpose
from vault.service.catalogue import Snapshot
from vault.service.keys import KeyMaker, fresh_use
from vault.service.recorder import Recorder, Scope
from vault.service.rotation.promotion import Promotion

BLOCK = 1 << 20
"""Wrappings reserved at a time, at most."""

SHARE = 16
"""A block is at most this part of the bound, so that small bounds are not wasted."""


class WrapBudget:
    """Wrappings that this process may still make, by program and key version."""

    def __init__(self, recorder: Recorder, keys: KeyMaker, bound: int) -> None:
        """Keep to ``bound`` wrappings per key version, at most 2^32."""
        self._recorder = recorder
        self._promotion = Promotion(recorder, keys)
        self.bound = bound
        self._left: dict[tuple[str, int], int] = {}
        self._lock = threading.Lock()  # cards are prepared in several threads

    def spend(self, snapshot: Snapshot, program: str, count: int) -> None:
        """Take ``count`` wrappings under the program's active key from what is reserved.

        Raises:
            Unavailable: Not so many are reserved; reserve and try again.
        """
        place = (program, snapshot.keyring.active(KeyPurpose.WRAPPING, program).version)
        with self._lock:
            left = self._left.get(place, 0)
            if left < count:
                raise Unavailable("the encryption budget is being reserved", reason="STALE")
            self._left[place] = left - count

    async def reserve(self, program: str, count: int) -> None:
        """See to it that ``count`` wrappings, at most ``bound``, can be spent.

        Raises:
            NotFound: There is no such program.
            FailedPrecondition: The bound is smaller.
        """
        snapshot = self._recorder.catalogue.latest
        if snapshot is not None and program in snapshot.programs:
            version = snapshot.keyring.active(KeyPurpose.WRAPPING, program).version
            if self._left.get((program, version), 0) >= count:
                return
        if count > self.bound:
            raise FailedPrecondition("so many encryptions do not fit under one key", reason="WRAPS_PER_KEY")
        version, block = await self._recorder.store.transact(
            lambda tx: self._reserve(self._recorder.scope(tx), program, count)
        )
        with self._lock:
            self._left[program, version] = self._left.get((program, version), 0) + block

    def _reserve(self, scope: Scope, program: str, count: int) -> tuple[int, int]:
        """Count a block under the program's active key, and return the key's version and the block."""
        snapshot, tx = scope.snapshot, scope.tx
        snapshot.program(program)
        version = snapshot.keyring.active(KeyPurpose.WRAPPING, program).version
        block = max(count, min(BLOCK, self.bound // SHARE))
        use = tx.keys.use(KeyPurpose.WRAPPING, program, version)
        if use is None:
            use = KeyUseRow(KeyPurpose.WRAPPING, program, version, self.bound, b"")  # a lost count is a full one
        else:
            snapshot.tagger.verify(SHAPES["key_use"], use)
        if use.reserved + block > self.bound:
            version = self._promotion.promote(scope, KeyPurpose.WRAPPING, program).version
            self._recorder.write(
                scope, Event("vault/RollKey", program=program, subject=f"wrapping/{version}", reason="BOUND_REACHED")
            )
            use = fresh_use(snapshot.tagger, program, version)
        use = use._replace(reserved=use.reserved + block)
        tx.keys.put_use(snapshot.tagger.tagged(SHAPES["key_use"], use))
        return version, block
