"""Spending single-use codes, and undoing it.

1. A code is spent once: the transaction that spends it is the one that saw it good, so none is spent that is on
   hold.
2. A reversal is allowed while the card is on hold: it gives nobody anything before the hold is lifted, and the
   window might have passed by then.
3. A reversal names the redemption it undoes, so it can never undo a later one, and comes within the program's
   window.
"""

from collections.abc import Callable
from typing import NamedTuple

from vault.audit.event import Item
from vault.errors import FailedPrecondition
from vault.formats.v1.request_result_pb2 import RequestResult
from vault.model.rows import CardRow, ProgramRow
from vault.model.shape import SHAPES
from vault.model.states import CardState, Detail
from vault.policy.call import Call
from vault.service import tally
from vault.service.answering.judge import Judgement
from vault.service.answering.superseded import SupersededUses
from vault.service.answering.validation import asked_of, judge_all, lookup_of
from vault.service.issuing.issue import card_ids
from vault.service.recorder import Recorded, Recorder, Replay, Scope, event_of
from vault.service.rules import TRANSITIONS
from vault.service.select import Selector, select_one


class Redemption(NamedTuple):
    """What became of a redemption; ids are empty and the time 0 unless the code was good."""

    detail: Detail
    card_id: bytes = b""
    redemption_id: bytes = b""
    redeemed_ms: int = 0


class Redemptions:
    """Spends codes and reverses it."""

    def __init__(
        self,
        recorder: Recorder,
        slot: int,
        random: Callable[[int], bytes],
        superseded: SupersededUses | None = None,
    ) -> None:
        """Count in the tally's ``slot``, and tell ``superseded`` of the superseded codes that are tried."""
        self._recorder = recorder
        self._superseded = superseded
        self._slot = slot
        self._random = random

    async def redeem(self, call: Call, program: str, digits: bytes) -> Redemption:
        """Spend a code, if it is good.

        Raises:
            NotFound: There is no such program.
            FailedPrecondition: The program's codes are not for single use.
            InvalidInput: The code is not as long as the program's codes.
        """
        judged: list[Judgement] = []

        def work(scope: Scope) -> Recorded[Redemption]:
            _single_use(scope, program)
            judged[:] = judge_all(scope, [lookup_of(asked_of(scope.snapshot, (program,)), digits, "code.code")])
            (judgement,) = judged
            card = judgement.card
            if judgement.detail != Detail.GOOD or card is None:
                card_id = b"" if card is None else card.card_id
                item = Item(card_id, judgement.detail.name)
                refused = Redemption(judgement.detail, card_id)
                return Recorded(refused, event_of(call, program=program)._replace(items=[item]))
            (redemption_id,) = card_ids(1, self._random)
            changed = card._replace(redeemed_ms=scope.now_ms, redemption_id=redemption_id)
            item = self._turn(scope, changed, "redeem")
            redemption = Redemption(Detail.GOOD, card.card_id, redemption_id, scope.now_ms)
            return Recorded(redemption, event_of(call, program=program)._replace(items=[item]))

        def restore(_: Scope, kept: RequestResult) -> Recorded[Redemption]:
            (item,) = kept.items
            redemption = Redemption(Detail(item.outcome), item.card_id, kept.subject, kept.time_ms)
            event = event_of(call, program=program)._replace(items=[Item(item.card_id, redemption.detail.name)])
            return Recorded(redemption, event)

        redemption = await self._recorder.once(call, work, Replay(_keep, restore))
        if self._superseded is not None:
            self._superseded.note(judged)
        return redemption

    async def reverse(self, call: Call, program: str, selector: Selector, redemption_id: bytes) -> bytes:
        """Undo a redemption and return the card's id.

        Raises:
            NotFound: There is no such program or card.
            FailedPrecondition: The card is not redeemed, or by another redemption, or the window has passed.
            IntegrityFailure: A row is not what the vault wrote.
        """

        def work(scope: Scope) -> Recorded[bytes]:
            row = _single_use(scope, program)
            card = select_one(scope, program, selector)
            if card.state != CardState.REDEEMED or card.redeemed_ms is None or card.redemption_id != redemption_id:
                raise FailedPrecondition(
                    "the card is not spent by this redemption", reason="NOT_THIS_REDEMPTION", field="redemption_id"
                )
            if scope.now_ms - card.redeemed_ms > 1000 * row.redemption_reversal_seconds:
                raise FailedPrecondition("the program's window for reversals has passed", reason="WINDOW_PASSED")
            item = self._turn(scope, card._replace(redeemed_ms=None, redemption_id=None), "reverse")
            return Recorded(card.card_id, event_of(call, program=program)._replace(items=[item]))

        def keep(card_id: bytes) -> RequestResult:
            kept = RequestResult()
            kept.items.add(card_id=card_id)
            return kept

        def restore(_: Scope, kept: RequestResult) -> Recorded[bytes]:
            (item,) = kept.items
            event = event_of(call, program=program)._replace(items=[Item(item.card_id, "DONE")])
            return Recorded(item.card_id, event)

        return await self._recorder.once(call, work, Replay(keep, restore))

    def _turn(self, scope: Scope, card: CardRow, verb: str) -> Item:
        """Move a card whose other columns are as they shall be."""
        _, state = TRANSITIONS[verb]
        changed = card._replace(state=state, revision=card.revision + 1)
        changed = scope.snapshot.tagger.tagged(SHAPES["card"], changed)
        scope.tx.cards.update([changed])
        tally.change(scope, card.program, self._slot, tally.delta(card.state, state))
        return Item(card.card_id, "GOOD" if verb == "redeem" else "DONE", card.tag, changed.tag)


def _single_use(scope: Scope, program: str) -> ProgramRow:
    row = scope.snapshot.open_program(program)
    if not row.single_use:
        raise FailedPrecondition("the program's codes are not for single use", reason="NOT_SINGLE_USE")
    return row


def _keep(redemption: Redemption) -> RequestResult:
    kept = RequestResult(subject=redemption.redemption_id, time_ms=redemption.redeemed_ms)
    kept.items.add(card_id=redemption.card_id, outcome=redemption.detail)
    return kept
