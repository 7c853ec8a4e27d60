"""Which exchange is open for a superseded code: at most one.

1. The card's current code was made by a re-issue of an incident that is not closed and whose window lasts,
   whether it is frozen or not. A card that has had yet another code is out of that exchange's reach.
2. Every code between the presented one and the current one was made so too, and the card was sold each time, to
   whom it is sold now. So the code of a card that was unsold when it leaked never exchanges, even if the card was
   sold since; nor does one whose sale was undone since, or that was replaced by itself, as a lost card's.
3. Where serials leaked, be it with this code or one after it, a printed serial proves nothing.
4. A code that was exchanged leads nowhere any more: only its successor does.

The same rows are looked for, and as many tags checked, whatever the code is.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

from vault.model.incident_rows import ExchangeRow, IncidentRow, ReissueRow
from vault.model.rows import CardRow
from vault.model.shape import SHAPES
from vault.model.states import JobKind, Proof
from vault.service.recorder import Scope
from vault.service.rules import SOLD

_CODE: Final = SHAPES["code"]


class Reissued(NamedTuple):
    """A code that a re-issue of an incident made for a card, and the incident."""

    incident: IncidentRow
    row: ReissueRow


def is_open(incident: IncidentRow, now_ms: int) -> bool:
    """Return whether the exchange of an incident that is not closed is open now."""
    begin, end = incident.exchange_from_ms, incident.exchange_until_ms
    if incident.exchange_proof is None or begin is None or end is None:
        return False
    return begin <= now_ms < end


def reissued(scope: Scope, program: str, card_id: bytes) -> list[Reissued]:
    """Return the codes that incidents which are not closed have made for a card.

    Raises:
        IntegrityFailure: A row is not what the vault wrote.
    """
    snapshot, tx = scope.snapshot, scope.tx
    found = []
    for incident in snapshot.incidents.values():
        if incident.program != program:
            continue
        for job in tx.jobs.of_subject(incident.incident_id):
            snapshot.tagger.verify(SHAPES["job"], job)
            row = tx.reissues.get(job.job_id, [card_id]).get(card_id) if job.kind == JobKind.REISSUE else None
            if row is None:
                snapshot.tagger.verify(_CODE, snapshot.decoys.code)
            else:
                snapshot.tagger.verify(SHAPES["reissue"], row)
                found.append(Reissued(incident, row))
    return found


def opening_of(
    card: CardRow, generation: int, found: Iterable[Reissued], exchanges: Iterable[ExchangeRow], now_ms: int
) -> IncidentRow | None:
    """Return the incident whose exchange trades a card's code of some generation for its current one.

    Args:
        card: The card.
        generation: The code's, below the card's.
        found: What ``reissued`` returned for the card.
        exchanges: Every exchange of the card.
        now_ms: The time.
    """
    made = {each.row.generation: each for each in found}
    later = [made.get(number) for number in range(generation + 1, card.generation + 1)]
    if any(generation < exchange.generation < card.generation for exchange in exchanges):
        return None
    steps = [each for each in later if each is not None and _was_theirs(card, each.row)]
    if not steps or len(steps) < len(later) or not is_open(steps[-1].incident, now_ms):
        return None
    incident = steps[-1].incident
    leaked = any(each.incident.serials_leaked for each in steps)
    return None if leaked and incident.exchange_proof == Proof.SERIAL else incident


def _was_theirs(card: CardRow, row: ReissueRow) -> bool:
    """Return whether a card was sold when it was re-issued, by the sale that stands now."""
    return row.state in SOLD and (card.activated_ms is None or card.activated_ms <= row.reissued_ms)
