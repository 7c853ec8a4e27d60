"""Which code took the place of which, by serial: what a re-issue did, card by card."""

from collections.abc import Mapping
from typing import NamedTuple

from vault.audit.event import Item
from vault.errors import FailedPrecondition, IntegrityFailure
from vault.model.incident_rows import ReissueRow
from vault.model.rows import CodeRow, JobRow
from vault.model.shape import SHAPES
from vault.model.states import JobKind
from vault.policy.call import Call
from vault.service.recorder import Recorded, Recorder, Scope
from vault.service.rotation.jobview import job_event, job_of


class ReissuedCard(NamedTuple):
    """One card that was given a new code; ``state`` is the card's at that time."""

    card_id: bytes
    superseded_serial: str
    serial: str
    generation: int
    state: int
    reissued_ms: int


class Lineage:
    """Lists what re-issues did."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    async def page(self, call: Call, program: str, job_id: bytes, after: bytes, limit: int) -> list[ReissuedCard]:
        """Return up to ``limit`` cards that a job gave new codes, by id, from after one (empty: the first).

        Raises:
            NotFound: There is no such program, or no such job in it.
            FailedPrecondition: NOT_A_REISSUE: the job is of another kind.
            IntegrityFailure: A row is missing or not what the vault wrote.
        """

        def look(scope: Scope) -> tuple[JobRow, list[ReissuedCard]]:
            row = reissue_of(scope, program, job_id)
            return row, reissued_cards(scope, job_id, after, limit)

        row, cards = await self._recorder.store.read(lambda tx: look(self._recorder.scope(tx)))
        event = job_event(call, row)._replace(items=[Item(card.card_id, "OK") for card in cards])
        return await self._recorder.record(lambda _: Recorded(cards, event), call)


def reissue_of(scope: Scope, program: str, job_id: bytes) -> JobRow:
    """Return a program's re-issue.

    Raises:
        NotFound: There is no such program, or no such job in it.
        FailedPrecondition: NOT_A_REISSUE: the job is of another kind.
        IntegrityFailure: The row is not what the vault wrote.
    """
    row = job_of(scope, program, job_id)
    if row.kind != JobKind.REISSUE:
        raise FailedPrecondition("the job re-issues no codes", reason="NOT_A_REISSUE", field="job_id")
    return row


def reissued_cards(scope: Scope, job_id: bytes, after: bytes, limit: int) -> list[ReissuedCard]:
    """Return up to ``limit`` cards that a job gave new codes, by card id, from after one (empty: the first).

    Raises:
        IntegrityFailure: A row is missing or not what the vault wrote.
    """
    rows = reissue_rows(scope, job_id, after, limit)
    serials = serials_of(scope, {row.card_id: row.generation for row in rows})
    return [
        ReissuedCard(
            row.card_id,
            serials[row.card_id, row.generation - 1],
            serials[row.card_id, row.generation],
            row.generation,
            row.state,
            row.reissued_ms,
        )
        for row in rows
    ]


def reissue_rows(scope: Scope, job_id: bytes, after: bytes, limit: int) -> list[ReissueRow]:
    """Return up to ``limit`` rows of a job, verified, by card id.

    Raises:
        IntegrityFailure: One is not what the vault wrote.
    """
    rows = scope.tx.reissues.page(job_id, after, limit)
    for row in rows:
        scope.snapshot.tagger.verify(SHAPES["reissue"], row)
    return rows


def serials_of(scope: Scope, generations: Mapping[bytes, int]) -> dict[tuple[bytes, int], str]:
    """Return the serials of cards' codes at the given generations and those before, by card and generation.

    Raises:
        IntegrityFailure: A code's row is missing or not what the vault wrote.
    """
    serials = {}
    for code in scope.tx.codes.of_cards(generations.keys()):
        if _concerns(code, generations):
            scope.snapshot.tagger.verify(SHAPES["code"], code)
            serials[code.card_id, code.generation] = code.serial
    if len(serials) != 2 * len(generations):
        raise IntegrityFailure("a card's code is missing", reason="CODE_MISSING")
    return serials


def _concerns(code: CodeRow, generations: Mapping[bytes, int]) -> bool:
    return generations[code.card_id] - 1 <= code.generation <= generations[code.card_id]
