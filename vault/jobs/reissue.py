"""Gives cards new codes.

1. The walk goes through the job's source once. How far it is, and the codes of the cards passed, are written in
   one transaction, so that each card gets one new code however often the job dies.
2. What becomes of a card is decided by its row in that transaction: one that was sold, spent or closed since it
   was prepared for is treated as what it is now.
3. Cards that are added to the incident's selection meanwhile are re-issued too: the walk begins anew, past those
   that have their new codes.
4. Cards whose rows fail their check are counted, named in the log and left as they are.
5. It goes on while the program is stopped, since it replaces codes that should not be good; it fails when the
   program is closed.

A package that was exported before keeps its old codes; batches and jobs have packages of their own.
"""

import asyncio
from collections.abc import Mapping
from typing import NamedTuple

from vault.audit.event import Item
from vault.errors import Unavailable
from vault.formats.v1.job_record_pb2 import JobProgress, JobSpec
from vault.jobs.chunk import Chunk, Step
from vault.model.incident_rows import ReissueRow
from vault.model.rows import CardRow, JobRow
from vault.model.shape import SHAPES
from vault.model.states import CardState, IncidentScope
from vault.service import tally
from vault.service.budget import WrapBudget
from vault.service.catalogue import Snapshot
from vault.service.recorder import Recorder, Scope
from vault.service.rotation.cardsource import INCIDENT, Place, Seen, job_source
from vault.service.rotation.choice import Act, Choice
from vault.service.rotation.reissue import WRAPS_PER_CARD, PreparedCodes, Reissuer
from vault.service.select import intact, intact_many
from vault.stores.protocol import Transaction

BOX_SECONDS = 0.010
"""So that a validation at 300 calls a second waits for little more than that and a commit of some 5 ms."""

LOOKED_AT = 2000
"""Cards looked at for one chunk at most, however few of them are meant."""


class Plan(NamedTuple):
    """What a chunk is for: cards to be given codes or closed, and the place behind all that were looked at."""

    snapshot: Snapshot
    reissue: list[CardRow]
    withdraw: list[CardRow]
    refused: list[bytes]
    seen: int
    place: Place
    full: bool
    ended: bool


class Prepared(NamedTuple):
    """A plan, its codes, and the rows that say which cards got them."""

    plan: Plan
    codes: PreparedCodes
    reissued: Mapping[bytes, ReissueRow]


class ReissueCards:
    """Re-issues the cards of a job's source. The cursor counts chunks."""

    box_seconds = BOX_SECONDS

    def __init__(self, recorder: Recorder, budget: WrapBudget, reissuer: Reissuer, slot: int) -> None:
        """Count in the tally's ``slot``."""
        self._recorder = recorder
        self._budget = budget
        self._reissuer = reissuer
        self._slot = slot

    async def prepare(self, job: JobRow, limit: int) -> Step:
        """Make codes for the next cards of the source that are meant, ``limit`` of them at most."""
        limit = max(1, min(limit, self._budget.bound // WRAPS_PER_CARD))
        await self._budget.reserve(job.program, WRAPS_PER_CARD * limit)
        plan = await self._recorder.store.read(lambda tx: self._plan(tx, job, limit))
        prepared = await asyncio.to_thread(self._make, job, plan)
        return lambda scope: self._write(scope, job, prepared)

    def _plan(self, tx: Transaction, job: JobRow, limit: int) -> Plan:
        scope = self._recorder.scope(tx)
        spec, progress = _spec(job), _progress(job)
        place = Place(progress.table, progress.position)
        choice = Choice.of(job.program, spec)
        source = job_source(scope, job, spec)
        # Of sources that were filtered little, nearly every card is meant: look at few more than that at first.
        seen, ended = source.page(scope, place, limit)
        if len(seen) == limit and sum(_meant(choice, each) for each in seen) < max(1, limit // 2):
            seen, ended = source.page(scope, place, max(limit, LOOKED_AT))
        done = scope.tx.reissues.get(job.job_id, [each.card_id for each in seen])
        found = [each.card for each in seen if each.card is not None]
        holds = dict(zip((card.card_id for card in found), intact_many(scope.snapshot, "card", found), strict=True))
        acts: dict[Act, list[CardRow]] = {act: [] for act in Act}
        refused: list[bytes] = []
        looked = 0
        for each in seen:
            if len(acts[Act.REISSUE]) + len(acts[Act.WITHDRAW]) == limit:
                ended = False
                break
            looked += 1
            place = each.place
            if each.card is None or not holds[each.card_id]:
                refused.append(each.card_id)
            else:
                acts[Act.LEAVE if each.card_id in done else choice.act(each.card)].append(each.card)
        return Plan(
            scope.snapshot,
            acts[Act.REISSUE],
            acts[Act.WITHDRAW],
            refused,
            looked,
            place,
            len(acts[Act.REISSUE]) + len(acts[Act.WITHDRAW]) == limit,
            ended,
        )

    def _make(self, job: JobRow, plan: Plan) -> Prepared:
        codes = self._reissuer.prepare(plan.snapshot, job.program, plan.reissue)
        now_ms = self._recorder.clock_ms()
        rows = [_reissued(job, each.after, now_ms) for each in codes.replacements]
        tagged = plan.snapshot.tagger.tag_many(SHAPES["reissue"], rows)
        return Prepared(plan, codes, {row.card_id: row for row in tagged})

    def _write(self, scope: Scope, job: JobRow, prepared: Prepared) -> Chunk:
        plan, codes, rows = prepared
        scope.snapshot.open_program(job.program)
        choice = Choice.of(job.program, _spec(job))
        reissue, withdraw, refused = self._now(scope, choice, plan)
        written = self._reissuer.write(scope, codes, reissue)
        scope.tx.reissues.insert([_fitting(scope, rows[each.after.card_id], each.after) for each in written])
        closed = scope.snapshot.tagger.tag_many(SHAPES["card"], map(_close, withdraw))
        scope.tx.cards.update(closed)
        tally.change(scope, job.program, self._slot, -len(closed))
        items = [
            *(Item(each.after.card_id, "DONE", each.before.tag, each.after.tag) for each in written),
            *(Item(a.card_id, "CLOSED", b.tag, a.tag) for b, a in zip(withdraw, closed, strict=True)),
            *(Item(card_id, "INTEGRITY") for card_id in refused),
        ]
        counts = _Counts(len(written), len(closed), len(refused))
        return _chunk(job, plan, items, counts, _grown(scope, job) if plan.ended else 0)

    def _now(self, scope: Scope, choice: Choice, plan: Plan) -> tuple[dict[bytes, CardRow], list[CardRow], list[bytes]]:
        """Return the cards as they are now, by what becomes of them, and the ids of those that are refused."""
        planned = {card.card_id: card for card in (*plan.reissue, *plan.withdraw)}
        cards = scope.tx.cards.get(choice.program, planned)
        reissue: dict[bytes, CardRow] = {}
        withdraw: list[CardRow] = []
        refused = list(plan.refused)
        coded = {card.card_id for card in plan.reissue}
        for card_id, before in planned.items():
            card = cards.get(card_id)
            if card is None or (card != before and not intact(scope.snapshot, "card", card)):
                refused.append(card_id)
                continue
            act = choice.act(card)
            if act is Act.WITHDRAW:
                withdraw.append(card)
            elif act is Act.REISSUE and card_id in coded:
                reissue[card_id] = card
            elif act is Act.REISSUE:  # it was unsold, to be closed, and is sold now
                raise Unavailable("a card was sold meanwhile", reason="STALE", retry_seconds=0.0)
        return reissue, withdraw, refused


class _Counts(NamedTuple):
    """What a chunk did."""

    written: int
    closed: int
    refused: int


def _chunk(job: JobRow, plan: Plan, items: list[Item], counts: _Counts, grown: int) -> Chunk:
    """Return what a chunk did; where the selection has ``grown`` to more cards the walk begins anew."""
    progress = _progress(job)
    progress.format = 1
    progress.table, progress.position = plan.place
    progress.seen_count += plan.seen
    progress.withdrawn_count += counts.closed
    progress.skipped_count += plan.seen - sum(counts)
    missing = 0
    if grown:
        progress = JobProgress(format=1, withdrawn_count=progress.withdrawn_count)
    elif plan.ended:
        # A walk of a selection that ends early has met fewer cards than were chosen: rows are missing.
        missing = max(0, job.total_count - progress.seen_count)
    return Chunk(
        items,
        cursor=job.cursor + 1,
        done=counts.written,
        finished=plan.ended and not grown,
        progress=progress.SerializeToString(deterministic=True),
        errors=counts.refused + missing,
        last_error="CARDS_MISSING" if missing else "ROW_TAG" if counts.refused else "",
        full=plan.full,
        total=grown or None,
    )


def _grown(scope: Scope, job: JobRow) -> int:
    """Return how many cards an incident's selection has grown to since it was counted; 0 if it has not."""
    incident = scope.tx.incidents.get(job.subject) if _spec(job).source == INCIDENT else None
    if incident is None or incident.scope != IncidentScope.CARDS:
        return 0
    scope.snapshot.tagger.verify(SHAPES["incident"], incident)
    return incident.card_count if incident.card_count > job.total_count else 0


def _spec(job: JobRow) -> JobSpec:
    return JobSpec.FromString(job.spec or b"")


def _progress(job: JobRow) -> JobProgress:
    return JobProgress.FromString(job.progress or b"")


def _meant(choice: Choice, seen: Seen) -> bool:
    return seen.card is not None and choice.act(seen.card) is not Act.LEAVE


def _reissued(job: JobRow, card: CardRow, now_ms: int) -> ReissueRow:
    return ReissueRow(
        job.job_id, card.card_id, card.program, card.generation, CardState(card.state), now_ms, b"", card.expires_ms
    )


def _fitting(scope: Scope, row: ReissueRow, card: CardRow) -> ReissueRow:
    """Return the row of a card that may have changed since the row was made."""
    if (row.state, row.expires_ms) == (card.state, card.expires_ms):
        return row
    # One that was sold meanwhile was sold before: the exchange asks which came first.
    changed = row._replace(state=CardState(card.state), expires_ms=card.expires_ms, reissued_ms=scope.now_ms)
    return scope.snapshot.tagger.tagged(SHAPES["reissue"], changed)


def _close(card: CardRow) -> CardRow:
    return card._replace(state=CardState.CLOSED, revision=card.revision + 1)
