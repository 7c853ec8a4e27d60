"""Trading a superseded code for its successor, once, after an incident.

1. A code is exchanged only by the rule in ``claims``: while an incident has its exchange open for it, for a
   card that is sold, and for what the incident asks the holder to show. The incident's own freeze does not
   stand in the way: the new code is frozen with its card until the thaw.
2. The successor leaves only sealed to the caller's one-time key, once: the exchange is a row that nobody can
   write twice. The same principal, request id and key get the same code again, sealed anew: for a day whatever
   becomes of the incident, after that as long as its exchange is open. A retry of a sealed claim gets it also
   when the sealing key was compromised or destroyed meanwhile: the kept MAC says that it is the very submission
   that was taken before, and the row of the exchange names the key that was in it.
3. Another claim with a right proof means that two people hold code and proof. The card is put on hold, in the
   same transaction, until an officer decides; event and log say EXCHANGE_CONTESTED. After the release of that
   hold yet another claim puts it on hold again, until the card gets another code.
4. Everything else is not good. Without the right to details a wrong proof, a wait, a closed window, a current
   or unsold code and one that was never issued are one answer and cost the same look-ups and one row written.
5. A row that is not what the vault wrote gives nothing out; it is named in the log.
6. A sealed submission holds the one-time key, and the serial where that is shown, so whoever passes it on can
   put none of his own in their place. It is taken in the transaction that decides the claim.

Rows that are gone decide as if they had never been: whoever can delete rows of the database, and has code and
proof, can have a code handed out again, or try more proofs. The audit log has every exchange.

A contested claim takes a little longer than a wrong one, so who has code and proof may learn that somebody came
first. What an exchanger says of a purchase is believed.
"""

import os
from collections.abc import Callable
from typing import NamedTuple
from uuid import UUID

from vault import log, metrics
from vault.audit.event import Item
from vault.crypto.keypair import check_recipient_key
from vault.crypto.sealedbox import seal_box
from vault.errors import FailedPrecondition, IntegrityFailure, InvalidInput
from vault.formats.v1.exchanged_code_pb2 import ExchangedCode
from vault.formats.v1.request_result_pb2 import RequestResult
from vault.formats.v1.submission_pb2 import Submission
from vault.model.incident_rows import AttemptRow, ExchangeRow, HoldRow, IncidentRow
from vault.model.rows import CardRow
from vault.model.shape import SHAPES
from vault.model.states import Detail, HoldKind
from vault.policy.call import Call
from vault.service.answering.judge import Judgement
from vault.service.answering.nonces import open_single
from vault.service.answering.submissions import Cause, Presented, Sealed, Wanted, check_form
from vault.service.answering.superseded import SupersededUses
from vault.service.exchanging import attempts
from vault.service.exchanging.claims import Case, Claim, Ruling, Shown, Step, find, rule
from vault.service.exchanging.presenting import Presentation
from vault.service.incidents.timeline import incident_event
from vault.service.issuing.delivery import open_codes
from vault.service.recorder import Recorded, Recorder, Replay, Scope, event_of
from vault.service.select import verified_cards

_log = log.get(__name__)


class Exchanged(NamedTuple):
    """What became of a claim.

    ``generation`` (the new code's) and ``sealed_code`` are set if the code was exchanged, and ``detail`` is
    GOOD. It is GOOD, too, for a code that is good itself and needs no exchange.
    """

    detail: Detail
    card_id: bytes = b""
    incident_id: bytes = b""
    generation: int = 0
    sealed_code: bytes = b""

    @property
    def done(self) -> bool:
        """Whether the code was exchanged, now or by this same claim before."""
        return self.generation > 0


class Exchanges:
    """Exchanges superseded codes."""

    def __init__(
        self,
        recorder: Recorder,
        superseded: SupersededUses | None = None,
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        """Tell ``superseded`` of the superseded codes for which a claim was not good."""
        self._recorder = recorder
        self._random = random
        self._superseded = superseded

    async def exchange(
        self, call: Call, program: str, code: Presented, shown: Shown | None, public_key: bytes
    ) -> Exchanged:
        """Exchange a code, if it is to be.

        Args:
            call: Who asks, an exchanger of the program; with a request id.
            program: The program.
            code: The superseded code.
            shown: What its holder shows; None where a sealed submission holds the serial.
            public_key: The holder's one-time X25519 key, 32 bytes; empty where a sealed submission holds it.

        Raises:
            InvalidInput: The code is in clear and not as long as the program's codes, the key is none, the
                serial has a wrong check character, nothing is shown, or there is no request id.
            NotFound: There is no such program.
            FailedPrecondition: The program is closed; SEAL_REQUIRED: the code is in clear, and the program
                takes sealed submissions only; or this is a retry and the card has a new code since.
            AlreadyExists: The request id was used for another request.
            IntegrityFailure: The row of the submission's nonce is not what the vault wrote.
        """
        if call.request_id is None:
            raise InvalidInput("request_id is required", reason="FIELD_REQUIRED", field="request_id")
        if not isinstance(code, Sealed):
            check_recipient_key(public_key)
        single = await open_single(self._recorder, call, Wanted((program,), Submission.PURPOSE_EXCHANGE), code)
        presented = Presentation(call, call.request_id, program, single, shown, public_key)
        judged: list[Judgement] = []
        causes: list[Cause] = []
        exchanged = await self._recorder.once(
            call,
            lambda scope: self._work(scope, presented, judged, causes),
            Replay(_keep, lambda scope, kept: _again(scope, presented, kept)),
        )
        for cause in causes:
            metrics.submission_refused(cause.name.lower())
        if self._superseded is not None and not exchanged.done:
            self._superseded.note(judged)
        return exchanged

    def _work(
        self, scope: Scope, presented: Presentation, judged: list[Judgement], causes: list[Cause]
    ) -> Recorded[Exchanged]:
        judged.clear()  # work may run again
        causes.clear()
        scope.snapshot.open_program(presented.program)
        check_form(scope.snapshot, presented.program, presented.single.code)
        claim, opened = presented.claim(scope)
        cause = None if opened is None else presented.single.take(scope, opened, self._random)
        if cause is not None:
            causes.append(cause)
            return _recorded(claim, Exchanged(Detail.SUBMISSION), outcome=cause.outcome)
        try:
            case = find(scope, claim)
            judged.append(case.judgement)
            return self._act(scope, claim, case, rule(scope.snapshot, claim, case, scope.now_ms))
        except IntegrityFailure as error:
            # Nothing was written: every row is checked before the first one is.
            _log.error("row_refused", problem=error.message)
            return _recorded(claim, Exchanged(Detail.INTEGRITY))

    def _act(self, scope: Scope, claim: Claim, case: Case, ruling: Ruling) -> Recorded[Exchanged]:
        card, incident = case.judgement.card, case.incident
        card_id = b"" if card is None else card.card_id
        if card is None or incident is None or ruling.step in (Step.LEAVE, Step.COUNT):
            _count(scope, claim.program, case, ruling)
            return _recorded(claim, Exchanged(ruling.detail, card_id), ruling.reason)
        if ruling.step is Step.CONTEST:
            _clear(scope, case)
            self._hold(scope, card, incident)
            return _recorded(claim, Exchanged(ruling.detail, card_id, incident.incident_id), ruling.reason)
        sealed = _seal(scope, claim, card)
        _clear(scope, case)
        if ruling.step is Step.HAND_OUT:
            place = (claim.program, card_id, card.generation, incident.incident_id)
            row = ExchangeRow(*place, *claim.name, scope.now_ms, b"")
            scope.tx.exchanges.insert(scope.snapshot.tagger.tagged(SHAPES["exchange"], row))
        return _handed_out(claim, Exchanged(Detail.GOOD, card_id, incident.incident_id, card.generation, sealed))

    def _hold(self, scope: Scope, card: CardRow, incident: IncidentRow) -> None:
        """Put a card on hold, once: the hold has the card's id.

        Other processes obey from their next look on. Nobody waits for that here, since the wait would tell the
        caller that the proof was right.
        """
        tx, card_id = scope.tx, card.card_id
        _log.warning("exchange_contested", program=card.program, card_id=card_id.hex())
        if tx.holds.get([card_id]):
            return
        kind = HoldKind.CONTESTED
        hold = HoldRow(card_id, card.program, incident.incident_id, kind, card_id, 0, scope.now_ms, b"")
        tx.holds.insert(scope.snapshot.tagger.tagged(SHAPES["hold"], hold))
        self._recorder.catalogue.bump(tx)


def _count(scope: Scope, program: str, case: Case, ruling: Ruling) -> None:
    """Count a wrong proof for its card, or anything else for nobody, so that both cost one row."""
    card = case.judgement.card
    if card is not None and ruling.step is Step.COUNT:
        row = attempts.failed(case.attempts, program, card.card_id, scope.now_ms)
    else:
        row = AttemptRow(program, case.nobody, 0, scope.now_ms, b"")
    scope.tx.exchanges.put_attempts(scope.snapshot.tagger.tagged(SHAPES["attempt"], row))


def _clear(scope: Scope, case: Case) -> None:
    if case.attempts is not None and case.attempts.failures:
        row = attempts.cleared(case.attempts, scope.now_ms)
        scope.tx.exchanges.put_attempts(scope.snapshot.tagger.tagged(SHAPES["attempt"], row))


def _seal(scope: Scope, claim: Claim, card: CardRow) -> bytes:
    """Open a card's current code, and seal it to the claim's key."""
    serial, code = open_codes(scope, {card.card_id: card.generation})[card.card_id]
    request_id = str(UUID(bytes=claim.request_id))
    message = ExchangedCode(code=code.expose().decode(), serial=serial, request_id=request_id)
    return seal_box(claim.public_key, message.SerializeToString())


def _again(scope: Scope, presented: Presentation, kept: RequestResult) -> Recorded[Exchanged]:
    """Answer a request that was answered before."""
    (item,) = kept.items
    claim, _ = presented.claim(scope)
    exchanged = Exchanged(Detail(item.outcome), item.card_id, kept.subject, item.generation)
    if not exchanged.done:
        return _recorded(claim, exchanged)
    public_key = claim.public_key or _key_before(scope, claim, exchanged)
    if not public_key:
        return _recorded(claim, Exchanged(Detail.SUBMISSION))
    card = verified_cards(scope, claim.program, [item.card_id])[item.card_id]
    if card.generation != item.generation:
        raise FailedPrecondition("the card has a new code since", reason="DELIVERY_PASSED")
    claim = claim._replace(public_key=public_key)
    return _handed_out(claim, exchanged._replace(sealed_code=_seal(scope, claim, card)))


def _key_before(scope: Scope, claim: Claim, exchanged: Exchanged) -> bytes:
    """Return the one-time key that a claim had whose submission no key opens any more; empty without its row.

    Raises:
        IntegrityFailure: ROW_TAG: the row of the exchange is not what the vault wrote.
    """
    for row in scope.tx.exchanges.get(claim.program, exchanged.card_id):
        if row.generation == exchanged.generation:
            scope.snapshot.tagger.verify(SHAPES["exchange"], row)
            if (row.principal, row.request_id) == (claim.call.principal, claim.request_id):
                return row.public_key
    return b""


def _handed_out(claim: Claim, exchanged: Exchanged) -> Recorded[Exchanged]:
    recorded = _recorded(claim, exchanged)
    return recorded._replace(event=recorded.event._replace(delivered=True))


def _recorded(claim: Claim, exchanged: Exchanged, reason: str = "", outcome: str = "") -> Recorded[Exchanged]:
    event = event_of(claim.call, program=claim.program, reason=reason)
    if exchanged.incident_id:
        event = incident_event(claim.call, claim.program, exchanged.incident_id)._replace(reason=reason)
    return Recorded(exchanged, event._replace(items=[Item(exchanged.card_id, outcome or exchanged.detail.name)]))


def _keep(exchanged: Exchanged) -> RequestResult:
    kept = RequestResult(subject=exchanged.incident_id)
    kept.items.add(card_id=exchanged.card_id, outcome=exchanged.detail, generation=exchanged.generation)
    return kept
