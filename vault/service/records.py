"""Records: the caller's opaque bytes beside a card, encrypted, each under a data key and a version of its own."""

from collections.abc import Callable
from typing import NamedTuple

from vault.audit.event import Item
from vault.crypto.envelope import Place, open_sealed, seal
from vault.errors import FailedPrecondition, NotFound
from vault.formats.v1.request_result_pb2 import RequestResult
from vault.model.shape import SHAPES
from vault.model.states import CardState
from vault.policy.call import Call
from vault.service.budget import WrapBudget
from vault.service.etags import check_etag, etag
from vault.service.issuing.preparation import until_fresh
from vault.service.recorder import Recorded, Recorder, Replay, Scope, event_of
from vault.service.select import Selector, select_one


class StoredRecord(NamedTuple):
    """What PutRecord answers."""

    card_id: bytes
    version: int
    etag: str


class Record(NamedTuple):
    """A record as it was put; the payload may be anything, so it is kept out of every text."""

    payload: bytes
    version: int

    def __repr__(self) -> str:
        return f"Record(version={self.version})"


class Records:
    """Stores and opens records."""

    def __init__(self, recorder: Recorder, budget: WrapBudget, random: Callable[[int], bytes]) -> None:
        self._recorder = recorder
        self._budget = budget
        self._random = random

    async def get(self, call: Call, program: str, selector: Selector) -> Record:
        """Return a card's record.

        Raises:
            NotFound: There is no such program or card, or the card has no record.
            IntegrityFailure: Row or ciphertext is not what the vault wrote.
        """

        def work(scope: Scope) -> Recorded[Record]:
            scope.snapshot.program(program)
            card = select_one(scope, program, selector)
            if card.sealed_record is None or card.wrapped_record_key is None:
                raise NotFound("the card has no record", reason="RECORD_NOT_FOUND", field="card")
            place = Place("card", "sealed_record", program, card.card_id, card.record_version)
            keys = scope.snapshot.keyring.wrapping_keys(program)
            payload = open_sealed(card.sealed_record, card.wrapped_record_key, place, keys)
            event = event_of(call, program=program)._replace(items=[Item(card.card_id, "OK")])
            return Recorded(Record(payload, card.record_version), event)

        return await self._recorder.record(work, call)

    async def put(self, call: Call, program: str, selector: Selector, payload: bytes, sent: str) -> StoredRecord:
        """Store a record of 1 to 65,536 bytes in place of the one before; ``sent`` is the etag last seen, if any.

        Raises:
            NotFound: There is no such program or card.
            FailedPrecondition: The program or the card is closed.
            Conflict: The etag does not match.
        """

        def work(scope: Scope) -> Recorded[StoredRecord]:
            scope.snapshot.open_program(program)
            card = select_one(scope, program, selector)
            check_etag(sent, card.revision)
            if card.state == CardState.CLOSED:
                raise FailedPrecondition("the card is closed", reason="CARD_CLOSED")
            self._budget.spend(scope.snapshot, program, 1)
            version = card.record_version + 1
            place = Place("card", "sealed_record", program, card.card_id, version)
            wrapping = scope.snapshot.keyring.active_wrapping_key(program)
            sealed, wrapped = seal(payload, place, wrapping, self._random)
            changed = scope.snapshot.tagger.tagged(
                SHAPES["card"],
                card._replace(
                    record_version=version,
                    sealed_record=sealed,
                    wrapped_record_key=wrapped,
                    revision=card.revision + 1,
                ),
            )
            scope.tx.cards.update([changed])
            item = Item(card.card_id, "DONE", card.tag, changed.tag)
            stored = StoredRecord(card.card_id, version, etag(changed.revision))
            return Recorded(stored, event_of(call, program=program)._replace(items=[item]))

        def keep(stored: StoredRecord) -> RequestResult:
            result = RequestResult(count=stored.version)
            result.items.add(card_id=stored.card_id, revision=int(stored.etag[1:]))
            return result

        def restore(_: Scope, kept: RequestResult) -> Recorded[StoredRecord]:
            (item,) = kept.items
            stored = StoredRecord(item.card_id, kept.count, etag(item.revision))
            event = event_of(call, program=program)._replace(items=[Item(item.card_id, "DONE")])
            return Recorded(stored, event)

        async def attempt() -> StoredRecord:
            await self._budget.reserve(program, 1)
            return await self._recorder.once(call, work, Replay(keep, restore))

        return await until_fresh(attempt)
