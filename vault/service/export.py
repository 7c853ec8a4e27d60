"""Packages of batches: the same bytes every time, until they are acknowledged.

1. A package's key and head are made once and kept (the key wrapped) until the batch is acknowledged; the order
   of entries is that of issue and entries hold what was issued. So the bytes are the same however often, and
   from wherever, they are asked for.
2. An export's event is durable before its first byte leaves; its manifest is durable before it is answered.
3. Memory does not grow with the batch: entries are opened, sealed and sent in slices.

A package is made again from its beginning to resume at an offset, because each chunk's encryption depends on
the one before: what is skipped costs the opening of its codes, about 10 µs each, and no traffic.
"""

import hashlib
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import NamedTuple

from vault.crypto.envelope import Place, unwrap, wrap
from vault.crypto.package import PackageWriter, begin, package_size
from vault.errors import FailedPrecondition, IntegrityFailure, InvalidInput
from vault.model.rows import BatchRow
from vault.model.shape import SHAPES
from vault.model.states import BatchState
from vault.policy.call import Call
from vault.secret import Secret
from vault.service.batches import batch_of, put_batch
from vault.service.budget import WrapBudget
from vault.service.delivery import OpenedCode, entry, open_codes, recipient_of
from vault.service.preparation import until_fresh
from vault.service.recorder import Recorded, Recorder, Scope, event_of
from vault.stores.protocol import Transaction

SLICE = 2000
"""Cards opened at a time."""


class Manifest(NamedTuple):
    """What a package holds."""

    entries: int
    size: int
    sha256: bytes


class Export:
    """Streams packages."""

    def __init__(self, recorder: Recorder, budget: WrapBudget, random: Callable[[int], bytes]) -> None:
        self._recorder = recorder
        self._budget = budget
        self._random = random

    async def stream(
        self, call: Call, program: str, batch_id: bytes, offset: int
    ) -> AsyncIterator[int | bytes | Manifest]:
        """Yield the package's size, its bytes from ``offset`` on, and its manifest.

        Raises:
            NotFound: There is no such program or batch.
            FailedPrecondition: The batch is not ready, or was acknowledged.
            InvalidInput: The offset is beyond the end.
            IntegrityFailure: A row is not what the vault wrote.
        """

        async def attempt() -> tuple[BatchRow, Secret]:
            await self._budget.reserve(program, 1)
            return await self._recorder.record(lambda scope: self._begin(scope, call, program, batch_id, offset))

        batch, key = await until_fresh(attempt)
        if batch.package_head is None:
            raise IntegrityFailure("the package's head is missing", reason="PACKAGE_HEAD")
        writer = PackageWriter(batch.package_head, key)
        digest = hashlib.sha256()
        position = sent = 0
        size = 0
        while position < batch.card_count:
            entries = await self._recorder.store.read(partial(self._slice, batch, position))
            position += SLICE
            if not size:
                size = package_size(_plain_size(batch, entries))
                _check_offset(offset, size)
                yield size
            for piece in (writer.write(entries), writer.finish() if position >= batch.card_count else b""):
                digest.update(piece)
                wanted = piece[max(0, offset - sent) :]
                sent += len(piece)
                if wanted:
                    yield wanted
        manifest = Manifest(batch.card_count, sent, digest.digest())
        if sent != size:
            raise IntegrityFailure("the package has not the size it should have", reason="PACKAGE_SIZE")
        await self._recorder.record(lambda scope: self._end(scope, call, batch, manifest))
        yield manifest

    def _begin(
        self, scope: Scope, call: Call, program: str, batch_id: bytes, offset: int
    ) -> Recorded[tuple[BatchRow, Secret]]:
        batch = batch_of(scope, program, batch_id)
        if batch.state != BatchState.READY:
            name = BatchState(batch.state).name
            raise FailedPrecondition(f"the batch is {name.lower()}", reason=f"BATCH_{name}")
        if batch.manifest_size is not None:
            _check_offset(offset, batch.manifest_size)
        place = _place(batch)
        if batch.package_head is None or batch.wrapped_package_key is None:
            recipient = recipient_of(scope, program, batch.recipient)
            head, key = begin(recipient.public_key, self._random)
            self._budget.spend(scope.snapshot, program, 1)
            wrapping = scope.snapshot.keyring.active_wrapping_key(program)
            wrapped = wrap(key.expose(), place, wrapping, self._random)
            batch = put_batch(scope, batch._replace(package_head=head, wrapped_package_key=wrapped))
        else:
            keys = scope.snapshot.keyring.wrapping_keys(program)
            key = Secret(unwrap(batch.wrapped_package_key, place, keys))
        event = event_of(call, program=program)._replace(
            delivered=True, subject=f"batch/{batch_id.hex()}", note=f"offset {offset}"
        )
        return Recorded((batch, key), event)

    def _slice(self, batch: BatchRow, position: int, tx: Transaction) -> bytes:
        """Return the framed entries of the cards at a position and after."""
        scope = self._recorder.scope(tx)
        cards = tx.cards.in_batch(batch.batch_id, position, SLICE)
        if [card.batch_position for card in cards] != list(range(position, min(position + SLICE, batch.card_count))):
            raise IntegrityFailure("cards of the batch are missing", reason="CARD_MISSING")
        for card in cards:  # a card moved here from another batch would give its code to this one's recipient
            scope.snapshot.tagger.verify(SHAPES["card"], card)
        opened = open_codes(scope, {card.card_id: 1 for card in cards})
        return b"".join(entry(OpenedCode(card.card_id, *opened[card.card_id], batch.expires_ms)) for card in cards)

    def _end(self, scope: Scope, call: Call, begun: BatchRow, manifest: Manifest) -> Recorded[None]:
        batch = batch_of(scope, begun.program, begun.batch_id)
        known = (batch.manifest_entries, batch.manifest_size, batch.manifest_sha256)
        if batch.package_head != begun.package_head:
            raise FailedPrecondition("the batch was ended or acknowledged meanwhile", reason="EXPORT_ENDED")
        if batch.manifest_sha256 is None:
            put_batch(
                scope,
                batch._replace(
                    manifest_entries=manifest.entries,
                    manifest_size=manifest.size,
                    manifest_sha256=manifest.sha256,
                ),
            )
        elif known != manifest:
            raise IntegrityFailure("the package is not what it was", reason="PACKAGE_CHANGED")
        event = event_of(call, program=batch.program)._replace(
            delivered=True, subject=f"batch/{batch.batch_id.hex()}", note="end"
        )
        return Recorded(None, event)


def _place(batch: BatchRow) -> Place:
    return Place("batch", "wrapped_package_key", batch.program, batch.batch_id, 0)


def _check_offset(offset: int, size: int) -> None:
    if offset > size:
        raise InvalidInput("the offset is beyond the package's end", reason="OFFSET", field="offset")


def _plain_size(batch: BatchRow, first: bytes) -> int:
    """Return the size of all entries, which are all as long as the first: same code length, serial length, expiry."""
    return batch.card_count * (len(first) // min(SLICE, batch.card_count))
