"""Where the cards of a re-issue are found: a walk that looks at each card once, and goes on from any place.

A *source* is a whole program, by card id, or batches one after the other, by position, or a selection, by card
id. Cards that are issued meanwhile may be met or not.
"""

from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

from vault.errors import IntegrityFailure
from vault.formats.v1.job_record_pb2 import JobSpec
from vault.model.incident_rows import IncidentRow
from vault.model.rows import CardRow, JobRow
from vault.model.shape import SHAPES
from vault.model.states import IncidentScope
from vault.service.holds import split_ids
from vault.service.recorder import Recorder, Scope
from vault.service.rotation.choice import Act, Choice
from vault.service.select import intact_many
from vault.stores.protocol import Transaction

PROGRAM, INCIDENT, CHOSEN = 0, 1, 2
"""Values of ``JobSpec.source``."""

SLICE = 2000
"""Cards looked at in one reading when they are counted one by one."""

CardCounts = Mapping[tuple[int, int], int]
"""Cards by state and usage."""


class Place(NamedTuple):
    """Where in a source the walk goes on: which batch, and after which card id or from which position on."""

    table: int = 0
    position: bytes = b""


class Seen(NamedTuple):
    """A card on the way and the place after it; no card where its row is missing or its choosing was forged."""

    card_id: bytes
    card: CardRow | None
    place: Place


class Source(NamedTuple):
    """Where cards come from: batches where there are any, else a selection, else the whole program."""

    program: str
    batch_ids: tuple[bytes, ...] = ()
    selection_id: bytes = b""

    def page(self, scope: Scope, place: Place, limit: int) -> tuple[list[Seen], bool]:
        """Return up to ``limit`` cards from a place on, and whether the source ends with them."""
        if self.selection_id:
            return self._chosen(scope, place, limit)
        if self.batch_ids:
            return self._in_batches(scope, place, limit)
        cards = scope.tx.cards.page(self.program, place.position, limit)
        return [Seen(card.card_id, card, Place(0, card.card_id)) for card in cards], len(cards) < limit

    def _chosen(self, scope: Scope, place: Place, limit: int) -> tuple[list[Seen], bool]:
        rows = scope.tx.selections.page(self.selection_id, place.position, limit)
        cards = scope.tx.cards.get(self.program, [row.card_id for row in rows])
        chosen = intact_many(scope.snapshot, "selection", rows)
        seen = [
            Seen(row.card_id, cards.get(row.card_id) if holds else None, Place(0, row.card_id))
            for row, holds in zip(rows, chosen, strict=True)
        ]
        return seen, len(rows) < limit

    def _in_batches(self, scope: Scope, place: Place, limit: int) -> tuple[list[Seen], bool]:
        start = int.from_bytes(place.position, "big")
        for number in range(place.table, len(self.batch_ids)):
            cards = scope.tx.cards.in_batch(self.batch_ids[number], start, limit)
            if cards:
                last = number == len(self.batch_ids) - 1
                return [
                    Seen(card.card_id, card, Place(number, ((card.batch_position or 0) + 1).to_bytes(8, "big")))
                    for card in cards
                ], last and len(cards) < limit
            start = 0
        return [], True


def source_of(program: str, spec: JobSpec, subject: bytes, incident: IncidentRow | None) -> Source:
    """Return the source of a re-issue; ``subject`` is its selection's id, ``incident`` the one it is for."""
    wanted = tuple(dict.fromkeys(spec.batch_ids))
    if spec.source == CHOSEN or (incident is not None and incident.scope == IncidentScope.CARDS):
        return Source(program, selection_id=subject)
    if incident is not None and incident.scope == IncidentScope.BATCHES:
        of_incident = split_ids(incident.batch_ids)
        if not wanted:
            return Source(program, tuple(of_incident))
        # Where none is left the walk must find nothing, not the whole program.
        return Source(program, tuple(batch for batch in of_incident if batch in wanted) or (b"",))
    return Source(program, wanted)


def job_source(scope: Scope, job: JobRow, spec: JobSpec) -> Source:
    """Return the source of a job, its incident read and verified.

    Raises:
        IntegrityFailure: The incident is missing or not what the vault wrote.
    """
    incident = None
    if spec.source == INCIDENT:
        incident = scope.tx.incidents.get(job.subject)
        if incident is None:
            raise IntegrityFailure("the job's incident is missing", reason="INCIDENT_MISSING")
        scope.snapshot.tagger.verify(SHAPES["incident"], incident)
    return source_of(job.program, spec, job.subject, incident)


async def count_meant(recorder: Recorder, source: Source, choice: Choice) -> CardCounts:
    """Count the cards of a source that are meant, by state and usage.

    By issue time, or by batches within a selection, they are looked at one by one: some 10 s for a million.
    """
    if not (choice.issued_from_ms or choice.issued_before_ms or (source.selection_id and choice.batch_ids)):
        found = await recorder.store.read(lambda tx: _counts(recorder.scope(tx), source))
        return {pair: count for pair, count in found.items() if choice.takes(*pair)}
    counts: dict[tuple[int, int], int] = {}
    place, ended = Place(), False
    while not ended:
        seen, ended = await recorder.store.read(partial(_look, recorder, source, place))
        for card in (each.card for each in seen if each.card is not None):
            if choice.act(card) is not Act.LEAVE:
                counts[card.state, card.usage] = counts.get((card.state, card.usage), 0) + 1
        place = seen[-1].place if seen else place
    return counts


def _look(recorder: Recorder, source: Source, place: Place, tx: Transaction) -> tuple[list[Seen], bool]:
    return source.page(recorder.scope(tx), place, SLICE)


def _counts(scope: Scope, source: Source) -> CardCounts:
    if source.selection_id:
        found = scope.tx.selections.count_cards(source.selection_id)
    else:
        found = scope.tx.cards.count(source.program, source.batch_ids or None)
    return {(int(state), int(usage)): count for (state, usage), count in found.items()}


def size_of(scope: Scope, source: Source, incident: IncidentRow | None) -> int:
    """Return how many cards the walk will go through: of an incident's selection by its tagged count."""
    if source.selection_id:
        return 0 if incident is None else incident.card_count
    return sum(_counts(scope, source).values())
