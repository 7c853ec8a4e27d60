"""Spending single-use codes, and undoing it.

1. A code is spent once: the transaction that spends it is the one that saw it good, so none is spent that is on
   hold.
2. A reversal is allowed while the card is on hold: it gives nobody anything before the hold is lifted, and the
   window might have passed by then.
3. A reversal names the redemption it undoes, so it can never undo a later one, and comes within the program's
   window.
4. A sealed code is spent by one request: its submission is taken in the transaction that spends it.
5. A receipt has the redemption's id, and is made for as long as the redemption stands: a retry gets a new one,
   but none once the redemption was reversed.
"""

from collections.abc import Callable
from typing import NamedTuple

from vault import metrics
from vault.audit.event import Item
from vault.errors import FailedPrecondition
from vault.formats.v1.request_result_pb2 import RequestResult
from vault.formats.v1.submission_pb2 import Submission
from vault.model.rows import CardRow, ProgramRow
from vault.model.shape import SHAPES
from vault.model.states import CardState, Detail, KeyPurpose
from vault.policy.call import Call
from vault.service import tally
from vault.service.answering.judge import Judgement
from vault.service.answering.nonces import Single, open_single
from vault.service.answering.receipts import (
    DEFAULT_SECONDS,
    Terms,
    Wish,
    check_wish,
    issuer_of,
    receipt_over_redemption,
)
from vault.service.answering.submissions import Cause, Presented, Sealed, Wanted, check_form, lookup_opened
from vault.service.answering.superseded import SupersededUses
from vault.service.answering.validation import Lookup, asked_of, judge_all, lookup_of
from vault.service.issuing.issue import card_ids
from vault.service.recorder import Recorded, Recorder, Replay, Scope, event_of
from vault.service.rules import TRANSITIONS
from vault.service.select import Selector, select_one, verified_cards


class Redemption(NamedTuple):
    """What became of a redemption; ids are empty and the time 0 unless the code was good.

    ``generation`` is the code's, 0 where a receipt is asked for again after a reversal; ``receipt`` is empty
    where none is asked for or made.
    """

    detail: Detail
    card_id: bytes = b""
    redemption_id: bytes = b""
    redeemed_ms: int = 0
    generation: int = 0
    receipt: str = ""


class Redemptions:
    """Spends codes and reverses it."""

    def __init__(
        self,
        recorder: Recorder,
        slot: int,
        random: Callable[[int], bytes],
        superseded: SupersededUses | None = None,
        receipt_seconds: int = DEFAULT_SECONDS,
    ) -> None:
        """Count in the tally's ``slot``, and tell ``superseded`` of the superseded codes that are tried.

        Receipts count for ``receipt_seconds``.
        """
        self._recorder = recorder
        self._receipt_seconds = receipt_seconds
        self._superseded = superseded
        self._slot = slot
        self._random = random

    async def redeem(self, call: Call, program: str, code: Presented, wish: Wish | None = None) -> Redemption:
        """Spend a code, if it is good; a sealed one for a request with an id.

        Raises:
            NotFound: There is no such program.
            FailedPrecondition: The program's codes are not for single use; SEAL_REQUIRED: it is in clear, and
                the program takes sealed submissions only.
            InvalidInput: The code is in clear and not as long as the program's codes.
            PermissionDenied: AUDIENCE_NOT_ALLOWED: the caller may not have the receipt that is wished for.
            IntegrityFailure: The row of the submission's nonce is not what the vault wrote.
        """
        check_wish(call, wish)
        judged: list[Judgement] = []
        causes: list[Cause] = []
        single = await open_single(self._recorder, call, Wanted((program,), Submission.PURPOSE_REDEEM), code)

        def work(scope: Scope) -> Recorded[Redemption]:
            judged.clear()  # work may run again
            causes.clear()
            _single_use(scope, program)
            check_form(scope.snapshot, program, code)
            lookup = self._lookup(scope, single)
            if isinstance(lookup, Cause):
                causes.append(lookup)
                item = Item(b"", lookup.outcome)
                refused = Redemption(Detail.SUBMISSION)
                return Recorded(refused, event_of(call, program=program)._replace(items=[item]))
            judged[:] = judge_all(scope, [lookup])
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
            place = (card.card_id, redemption_id, scope.now_ms, judgement.generation)
            return Recorded(Redemption(Detail.GOOD, *place), event_of(call, program=program)._replace(items=[item]))

        def restore(scope: Scope, kept: RequestResult) -> Recorded[Redemption]:
            (item,) = kept.items
            place = (item.card_id, kept.subject, kept.time_ms, item.generation)
            redemption = Redemption(Detail(item.outcome), *place)
            if wish is not None and redemption.detail is Detail.GOOD:
                card = verified_cards(scope, program, [item.card_id])[item.card_id]
                if card.redemption_id != redemption.redemption_id:
                    redemption = redemption._replace(generation=0)
            event = event_of(call, program=program)._replace(items=[Item(item.card_id, redemption.detail.name)])
            return Recorded(redemption, event)

        redemption = await self._recorder.once(call, work, Replay(_keep, restore))
        for cause in causes:
            metrics.submission_refused(cause.name.lower())
        if self._superseded is not None:
            self._superseded.note(judged)
        return redemption if wish is None else await self._with_receipt(redemption, program, wish)

    def _lookup(self, scope: Scope, single: Single) -> Lookup | Cause:
        """Return what to look up; or why the submission is refused, which is taken otherwise."""
        programs = asked_of(scope.snapshot, single.wanted.programs)
        code = single.code
        if not isinstance(code, Sealed):
            return lookup_of(programs, code, "code.code")
        opened = single.open(scope, code)
        return single.take(scope, opened, self._random) or lookup_opened(programs, opened.codes[0])

    async def _with_receipt(self, redemption: Redemption, program: str, wish: Wish) -> Redemption:
        """Return a redemption with its receipt, of now, if it is good and stands."""
        if not redemption.generation:
            return redemption
        snapshot = self._recorder.catalogue.latest
        if snapshot is None:  # somebody else's work, which changed the catalogue, has just failed
            snapshot = await self._recorder.store.read(self._recorder.catalogue.at)
        terms = Terms(
            redemption.redemption_id,
            self._recorder.clock_ms(),
            self._receipt_seconds,
            issuer_of(snapshot),
            snapshot.keyring.active(KeyPurpose.RECEIPT),
        )
        receipt = receipt_over_redemption(terms, wish, redemption.card_id, program, redemption.generation)
        return redemption._replace(receipt=receipt)

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
    kept.items.add(card_id=redemption.card_id, outcome=redemption.detail, generation=redemption.generation)
    return kept
