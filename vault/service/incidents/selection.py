"""Choosing the cards that an incident is over, one by one: by card id, by serial, or by codes that were found.

1. A card is in a selection once, however often and by whatever name it is added.
2. Found codes come sealed to the vault's sealing key; they are opened, looked up and forgotten. What is
   answered, kept and logged is serials and counts.
3. A found code is looked up under every live index key, superseded or not: each of its card's codes leads to
   the card.
4. The count in the incident's row rises with the rows, so rows that were deleted are noticed by the freeze.
"""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from vault.audit.event import Event, Item
from vault.errors import FailedPrecondition
from vault.formats.v1.request_result_pb2 import RequestResult
from vault.model.incident_rows import IncidentRow, SelectionRow
from vault.model.rows import CardRow, CodeRow
from vault.model.shape import SHAPES
from vault.model.states import ChangeOutcome, IncidentScope, IncidentState
from vault.policy.call import Call
from vault.service.change import Change
from vault.service.etags import etag
from vault.service.incidents.found import open_found
from vault.service.incidents.timeline import act, incident_event, incident_of, open_incident_of
from vault.service.recorder import Recorded, Recorder, Replay, Scope
from vault.service.select import Selector, select, verified_cards

MOST_CARDS: Final = 1_000_000
"""Cards of a selection; what is larger is a program or batches."""


class Added(NamedTuple):
    """What became of an addition; for cards ``changes``, for found codes ``serials`` and ``unknown_count``."""

    card_count: int
    changes: Sequence[Change] = ()
    serials: Sequence[str] = ()
    unknown_count: int = 0


class _Found(NamedTuple):
    """What found codes led to, before it is answered."""

    codes: Sequence[CodeRow]
    unknown_count: int
    card_count: int


class Selection:
    """Adds cards to an incident's selection."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    async def add_cards(self, call: Call, program: str, incident_id: bytes, selectors: Sequence[Selector]) -> Added:
        """Add up to 1,000 cards; each has its own outcome, REPEATED for one that was added before.

        Raises:
            NotFound: There is no such program, or no such incident in it.
            FailedPrecondition: The incident is not over chosen cards, is frozen or closed, or its selection is
                full.
        """

        def work(scope: Scope) -> Recorded[Added]:
            incident = _choosing(scope, program, incident_id)
            found = select(scope, program, selectors)
            cards = [each.card for each in found if each.outcome == ChangeOutcome.DONE and each.card is not None]
            there = choose(scope, incident_id, cards)
            incident = self._count(scope, call, incident, len(cards) - len(there))
            changes = []
            for each in found:
                outcome = ChangeOutcome.REPEATED if each.card_id in there else each.outcome
                card = each.card
                if card is None:
                    changes.append(Change(outcome, each.card_id))
                else:
                    changes.append(Change(outcome, card.card_id, card.state, etag(card.revision)))
            return Recorded(Added(incident.card_count, changes), _event(call, incident, changes))

        def keep(added: Added) -> RequestResult:
            kept = RequestResult(count=added.card_count)
            for each in added.changes:
                revision = int(each.etag[1:]) if each.etag else 0
                kept.items.add(card_id=each.card_id, outcome=each.outcome, state=each.state, revision=revision)
            return kept

        def restore(scope: Scope, kept: RequestResult) -> Recorded[Added]:
            incident = incident_of(scope, program, incident_id)
            changes = [
                Change(ChangeOutcome(i.outcome), i.card_id, i.state, etag(i.revision) if i.revision else "")
                for i in kept.items
            ]
            return Recorded(Added(kept.count, changes), _event(call, incident, changes))

        return await self._recorder.once(call, work, Replay(keep, restore))

    async def add_found(self, call: Call, program: str, incident_id: bytes, package: bytes) -> Added:
        """Add the cards of up to 1,000 codes that were found, sealed to the vault's sealing key.

        Raises:
            InvalidInput: The package was not sealed to the vault, was changed, or holds too many entries.
            NotFound: There is no such program, or no such incident in it.
            FailedPrecondition: The incident is not over chosen cards, is frozen or closed, or its selection is
                full.
            IntegrityFailure: A row is not what the vault wrote.
        """

        def work(scope: Scope) -> Recorded[_Found]:
            incident = _choosing(scope, program, incident_id)
            codes, unknown_count = _look_up(scope, program, open_found(scope.snapshot, package))
            cards = verified_cards(scope, program, {code.card_id for code in codes})
            there = choose(scope, incident_id, cards.values())
            incident = self._count(scope, call, incident, len(cards) - len(there))
            items = [Item(code.card_id, "REPEATED" if code.card_id in there else "DONE") for code in codes]
            event = incident_event(call, program, incident_id)._replace(items=items)
            return Recorded(_Found(codes, unknown_count, incident.card_count), event)

        def keep(found: _Found) -> RequestResult:
            kept = RequestResult(count=found.card_count)
            for code in found.codes:
                kept.items.add(card_id=code.card_id, generation=code.generation)
            for _ in range(found.unknown_count):
                kept.items.add()
            return kept

        def restore(scope: Scope, kept: RequestResult) -> Recorded[_Found]:
            incident = incident_of(scope, program, incident_id)
            wanted = {(item.card_id, item.generation) for item in kept.items if item.card_id}
            by_place = {(row.card_id, row.generation): row for row in _codes_of(scope, {card for card, _ in wanted})}
            codes = [by_place[place] for place in sorted(wanted)]
            event = incident_event(call, program, incident.incident_id)
            event = event._replace(items=[Item(code.card_id, "DONE") for code in codes])
            return Recorded(_Found(codes, len(kept.items) - len(codes), kept.count), event)

        found = await self._recorder.once(call, work, Replay(keep, restore))
        serials = sorted(code.serial for code in found.codes)
        return Added(found.card_count, serials=serials, unknown_count=found.unknown_count)

    def _count(self, scope: Scope, call: Call, incident: IncidentRow, added: int) -> IncidentRow:
        """Count cards that were added; not in the catalogue, which would be loaded anew for each addition."""
        card_count = incident.card_count + added
        if card_count > MOST_CARDS:
            message = f"a selection holds {MOST_CARDS} cards at most; open an incident over batches or the program"
            raise FailedPrecondition(message, reason="SELECTION_FULL", field="incident_id")
        return act(scope, call, incident._replace(card_count=card_count), count=added)


def choose(scope: Scope, selection_id: bytes, cards: Iterable[CardRow]) -> set[bytes]:
    """Add cards to a selection, an incident's or a job's; return the ids of those that were in it already."""
    rows = [SelectionRow(selection_id, card.card_id, card.program, b"") for card in cards]
    rows.sort()
    return scope.tx.selections.claim(scope.snapshot.tagger.tag_many(SHAPES["selection"], rows))


def _choosing(scope: Scope, program: str, incident_id: bytes) -> IncidentRow:
    """Return an incident whose selection may grow."""
    row = open_incident_of(scope, program, incident_id)
    if row.scope != IncidentScope.CARDS:
        message = "the incident is over a program or batches; it has no selection"
        raise FailedPrecondition(message, reason="NOT_CHOSEN_CARDS", field="incident_id")
    if row.state == IncidentState.FROZEN:
        message = "the incident is frozen; thaw it, or open another for more cards"
        raise FailedPrecondition(message, reason="INCIDENT_FROZEN", field="incident_id")
    return row


def _look_up(scope: Scope, program: str, codes: Sequence[bytes]) -> tuple[Sequence[CodeRow], int]:
    """Return the rows of codes, each card's generation once, and how many codes are unknown."""
    snapshot = scope.snapshot
    rows: dict[tuple[bytes, int], CodeRow] = {}
    known: set[bytes] = set()
    for digester in snapshot.keyring.digesters(program):
        digests = dict(zip(digester.digest_many(codes), codes, strict=True))
        for digest, row in scope.tx.codes.by_digest(digests.keys()).items():
            snapshot.tagger.verify(SHAPES["code"], row)
            rows[row.card_id, row.generation] = row
            known.add(digests[digest])
    return list(rows.values()), len(codes) - len(known)


def _codes_of(scope: Scope, card_ids: set[bytes]) -> Iterable[CodeRow]:
    for row in scope.tx.codes.of_cards(card_ids):
        scope.snapshot.tagger.verify(SHAPES["code"], row)
        yield row


def _event(call: Call, incident: IncidentRow, changes: Sequence[Change]) -> Event:
    event = incident_event(call, incident.program, incident.incident_id)
    return event._replace(items=[Item(change.card_id, change.outcome.name) for change in changes])
