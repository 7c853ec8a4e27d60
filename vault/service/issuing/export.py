"""Packages of batches: the same bytes every time, until they are acknowledged.

1. A package's key and head are made once and kept (the key wrapped) until the batch is acknowledged; the order
   of entries is that of issue and entries hold what was issued. So the bytes are the same however often, and
   from wherever, they are asked for.
2. An export's event is durable before its first byte leaves; its manifest is durable before it is answered.
3. Memory does not grow with the batch: entries are opened, sealed and sent in slices.
4. A slice leaves only while its cards are free of holds and the caller is not blocked: an export that a freeze
   or a block has cut short is resumed once that is lifted.
5. A slice leaves only while each of its codes is its card's current one: those of a batch whose cards were
   re-issued are worth nothing, and the package of the re-issue has the new ones.

How a package is streamed, and resumed at an offset, stands in ``packing``.
"""

from collections.abc import AsyncIterator, Callable
from functools import partial

from vault.crypto.envelope import Place, unwrap, wrap
from vault.crypto.package import begin
from vault.errors import FailedPrecondition, IntegrityFailure
from vault.model.rows import BatchRow
from vault.model.shape import SHAPES
from vault.model.states import BatchState
from vault.policy.call import Call
from vault.secret import Secret
from vault.service.budget import WrapBudget
from vault.service.issuing.batches import batch_of, put_batch
from vault.service.issuing.delivery import OpenedCode, entry, open_codes, recipient_of
from vault.service.issuing.packing import Contents, Manifest, check_offset, pack
from vault.service.issuing.preparation import until_fresh
from vault.service.recorder import Recorded, Recorder, Scope, event_of
from vault.service.select import check_not_on_hold
from vault.stores.protocol import Transaction

SLICE = 2000
"""Cards opened at a time."""

FIRST = 1
"""Generation of the codes that a batch was issued with."""


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
            FailedPrecondition: The batch is not ready, or was acknowledged, or a card of it is on hold or has a new
                code (REISSUED).
            PermissionDenied: The caller is blocked, be it meanwhile.
            InvalidInput: The offset is beyond the end.
            IntegrityFailure: A row is not what the vault wrote.
        """

        async def attempt() -> tuple[BatchRow, Secret]:
            await self._budget.reserve(program, 1)
            return await self._recorder.record(lambda scope: self._begin(scope, call, program, batch_id, offset), call)

        batch, key = await until_fresh(attempt)
        if batch.package_head is None:
            raise IntegrityFailure("the package's head is missing", reason="PACKAGE_HEAD")
        contents = Contents(batch.card_count, self._slices(call, batch), partial(_plain_size, batch))
        async for part in pack(batch.package_head, key, contents, offset):
            if isinstance(part, Manifest):
                await self._recorder.record(partial(self._end, call=call, begun=batch, manifest=part), call)
            yield part

    async def _slices(self, call: Call, batch: BatchRow) -> AsyncIterator[bytes]:
        for position in range(0, batch.card_count, SLICE):
            yield await self._recorder.store.read(partial(self._slice, call, batch, position))

    def _begin(
        self, scope: Scope, call: Call, program: str, batch_id: bytes, offset: int
    ) -> Recorded[tuple[BatchRow, Secret]]:
        batch = batch_of(scope, program, batch_id)
        if batch.state != BatchState.READY:
            name = BatchState(batch.state).name
            raise FailedPrecondition(f"the batch is {name.lower()}", reason=f"BATCH_{name}")
        if scope.snapshot.holds.covers_batch(program, batch_id):
            raise FailedPrecondition("the batch is on hold", reason="CARD_ON_HOLD")
        if batch.manifest_size is not None:
            check_offset(offset, batch.manifest_size)
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

    def _slice(self, call: Call, batch: BatchRow, position: int, tx: Transaction) -> bytes:
        """Return the framed entries of the cards at a position and after."""
        scope = self._recorder.scope(tx)
        scope.snapshot.check_principal(call.principal, batch.program)
        cards = tx.cards.in_batch(batch.batch_id, position, SLICE)
        if [card.batch_position for card in cards] != list(range(position, min(position + SLICE, batch.card_count))):
            raise IntegrityFailure("cards of the batch are missing", reason="CARD_MISSING")
        for card in cards:  # a card moved here from another batch would give its code to this one's recipient
            scope.snapshot.tagger.verify(SHAPES["card"], card)
        check_not_on_hold(scope, cards)
        if any(card.generation != FIRST for card in cards):
            message = "cards of the batch have new codes; export the package of the re-issue instead"
            raise FailedPrecondition(message, reason="REISSUED", field="batch_id")
        opened = open_codes(scope, {card.card_id: FIRST for card in cards})
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


def _plain_size(batch: BatchRow, first: bytes) -> int:
    """Return the size of all entries, which are all as long as the first: same code length, serial length, expiry."""
    return batch.card_count * (len(first) // min(SLICE, batch.card_count))
