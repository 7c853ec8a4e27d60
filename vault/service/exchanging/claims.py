"""What is to be done about a claim to exchange a code: everything that is looked for, then a pure rule.

The rule, in order:

1. The code is superseded, and an exchange is open for it (``openings``).
2. What is shown is what the incident asks for, no wait is on (``attempts``), and it is right. Only a serial or
   a secret can be guessed, so only those are counted and waited for.
3. If the card's current code was exchanged before, the same principal, request id and key get it again;
   anybody else has contested it.
4. The program runs, no hold covers the card but the incident's own, and the card is sold and has not expired.

Equal work: the same rows are looked for, and as many tags checked, whatever the code is; where there is none, a
stand-in of which the tag holds is checked in its place.
"""

from enum import Enum, auto
from typing import Final, NamedTuple

from vault.model.incident_rows import AttemptRow, ExchangeRow, IncidentRow, SaleSecretRow
from vault.model.rows import CardRow, CodeRow
from vault.model.shape import SHAPES
from vault.model.states import CardState, Detail, ProgramState, Proof
from vault.policy.call import Call
from vault.secret import Secret
from vault.service.answering.judge import BY_STATE, Found, Judgement, judge
from vault.service.answering.submissions import lookup_opened
from vault.service.answering.validation import asked_of, lookup_of
from vault.service.catalogue import Snapshot
from vault.service.exchanging import attempts
from vault.service.exchanging.openings import opening_of, reissued
from vault.service.exchanging.salesecrets import is_secret
from vault.service.recorder import Scope
from vault.service.rules import expired

EXCHANGED: Final = frozenset({CardState.ACTIVE, CardState.SUSPENDED})
"""States of cards whose code may be exchanged."""

_NOBODY: Final = bytes(15)
"""With one byte more, the card id of a row of attempts that counts for no card: at most 256 in a program."""


class Shown(NamedTuple):
    """What a holder shows: the serial, the sale secret, or (empty) nothing but the caller's word."""

    kind: Proof
    value: Secret = Secret(b"")


class Claim(NamedTuple):
    """Who asks for what; ``digits`` are normalized, ``public_key`` is 32 bytes, X25519, and checked.

    Both are empty where a sealed submission could not be opened.
    """

    call: Call
    request_id: bytes
    program: str
    digits: Secret
    shown: Shown
    public_key: bytes
    sealed: bool = False

    @property
    def name(self) -> tuple[str, bytes, bytes]:
        """What makes it the same claim: principal, request id and key."""
        return self.call.principal, self.request_id, self.public_key


class Case(NamedTuple):
    """Everything that was found for a claim.

    Fields:
        judgement: Of the code, as a validation has it.
        nobody: Card id of the attempts that are written where none are counted.
        is_right: Whether what was shown is right, were it what is asked for.
        attempts: The card's wrong proofs so far.
        incident: Whose exchange is open for the code.
        before: The exchange of the card's current code.
    """

    judgement: Judgement
    nobody: bytes
    is_right: bool
    attempts: AttemptRow | None
    incident: IncidentRow | None = None
    before: ExchangeRow | None = None


class Step(Enum):
    """What is to be done about a claim."""

    LEAVE = auto()
    COUNT = auto()
    CONTEST = auto()
    HAND_OUT = auto()
    REPEAT = auto()


class Ruling(NamedTuple):
    """A decision: what to do, what to answer who has the right to it, and why, for the audit log."""

    step: Step
    detail: Detail = Detail.GOOD
    reason: str = ""


def find(scope: Scope, claim: Claim) -> Case:
    """Look for everything that a ruling may need, whether it is there or not.

    Raises:
        InvalidInput: The code is in clear and not as long as the program's codes.
        IntegrityFailure: A row is not what the vault wrote.
    """
    tx, snapshot, program = scope.tx, scope.snapshot, claim.program
    asked, digits = asked_of(snapshot, (program,)), claim.digits.expose()
    lookup = lookup_opened(asked, digits) if claim.sealed else lookup_of(asked, digits, "code.code")
    codes = tx.codes.by_digest(lookup.digests)
    code = next((codes[digest] for digest in lookup.digests if digest in codes), None)
    card_id = lookup.digests[0][:16] if code is None else code.card_id
    card = tx.cards.get(program, [card_id]).get(card_id)
    judgement = judge(snapshot, Found(lookup.check_digit_holds, code, card, program), scope.now_ms)
    nobody = _NOBODY + lookup.digests[0][:1]
    tries = tx.exchanges.attempts(program, nobody if code is None else card_id)
    secret = tx.exchanges.sale_secrets(program, [card_id]).get(card_id)
    exchanges = tx.exchanges.get(program, card_id)
    _verify(snapshot, "attempt", tries)
    _verify(snapshot, "sale_secret", secret)
    for exchange in exchanges or (None,):
        _verify(snapshot, "exchange", exchange)
    found = reissued(scope, program, card_id)
    is_right = _is_right(snapshot, claim.shown, code or snapshot.decoys.code, secret)
    case = Case(judgement, nobody, is_right, tries)
    if judgement.detail != Detail.SUPERSEDED or judgement.card is None:
        return case
    card = judgement.card
    incident = opening_of(card, judgement.generation, found, exchanges, scope.now_ms)
    before = next((exchange for exchange in exchanges if exchange.generation == card.generation), None)
    return case._replace(incident=incident, before=before)


def rule(snapshot: Snapshot, claim: Claim, case: Case, now_ms: int) -> Ruling:
    """Decide about a claim, given what was found."""
    card, incident = case.judgement.card, case.incident
    if card is None or incident is None:
        return _unopened(case.judgement)
    obstacle = _obstacle(claim, case, incident, now_ms)
    if obstacle is not None:
        return obstacle
    before = case.before
    if before is not None and (before.principal, before.request_id, before.public_key) == claim.name:
        return Ruling(Step.REPEAT)
    if before is not None:
        return Ruling(Step.CONTEST, Detail.FROZEN, "EXCHANGE_CONTESTED")
    detail = _standing(snapshot, card, incident, now_ms)
    return Ruling(Step.HAND_OUT if detail == Detail.GOOD else Step.LEAVE, detail)


def _unopened(judgement: Judgement) -> Ruling:
    reason = "EXCHANGE_CLOSED" if judgement.detail == Detail.SUPERSEDED else "NOT_SUPERSEDED"
    return Ruling(Step.LEAVE, judgement.detail, reason)


def _obstacle(claim: Claim, case: Case, incident: IncidentRow, now_ms: int) -> Ruling | None:
    """Return what is wrong with the proof; None if it is right."""
    kind = claim.shown.kind
    if kind != incident.exchange_proof:
        return Ruling(Step.LEAVE, Detail.SUPERSEDED, "PROOF_KIND")
    if kind != Proof.PURCHASE and attempts.waits(case.attempts, now_ms):
        return Ruling(Step.LEAVE, Detail.SUPERSEDED, "PROOF_WAIT")
    return None if case.is_right else Ruling(Step.COUNT, Detail.SUPERSEDED, "PROOF_WRONG")


def _standing(snapshot: Snapshot, card: CardRow, incident: IncidentRow, now_ms: int) -> Detail:
    """Return what stands in the way of a card's new code beside the incident's own freeze; GOOD if nothing."""
    if snapshot.programs[card.program].state != ProgramState.ACTIVE:
        return Detail.PROGRAM_STOPPED
    if snapshot.holds.keeps(card, but=incident.incident_id):
        return Detail.FROZEN
    if card.state not in EXCHANGED:
        return BY_STATE[card.state]
    return Detail.EXPIRED if expired(card, now_ms) else Detail.GOOD


def _is_right(snapshot: Snapshot, shown: Shown, code: CodeRow, secret: SaleSecretRow | None) -> bool:
    match shown.kind:
        case Proof.SERIAL:
            return Secret(code.serial.encode()) == shown.value
        case Proof.SALE_SECRET:
            return is_secret(snapshot, secret, shown.value)
        case Proof.PURCHASE:
            return True


def _verify(snapshot: Snapshot, table: str, row: tuple[object, ...] | None) -> None:
    if row is None:
        table, row = "code", snapshot.decoys.code
    snapshot.tagger.verify(SHAPES[table], row)
