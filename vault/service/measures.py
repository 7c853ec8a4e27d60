"""What incidents have in force: holds, blocked principals, and the incidents that are not closed.

They are part of the catalogue, so whatever is answered obeys them as they are in the answer's own transaction.

1. A row whose tag does not hold stops the whole catalogue, loudly, as a forged program does.
2. An incident's state and its hold tell the same story or the whole catalogue is refused: one that is frozen
   has its hold, laid at the time the incident says and over as many cards; one that is not has none. So a hold
   that was edited, deleted, or put back as it was at an earlier freeze is noticed.
3. A hold's row, which may be long, is read and verified once in each process; after that its tag is compared.
4. Adding cards to a selection does not change the catalogue: ``card_count`` and ``revision`` of an incident
   here may be of some moments ago, everything else is as the transaction sees it.

It does not notice rows that are gone: an incident and its hold that are deleted, closed by hand or rolled back
together, a block, the hold over a contested card. The audit log tells of each of those.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from vault.crypto.rowtag import Tagger
from vault.errors import IntegrityFailure, PermissionDenied
from vault.model.incident_rows import BlockRow, HoldRow, IncidentRow
from vault.model.shape import SHAPES
from vault.model.states import HoldKind, IncidentScope, IncidentState
from vault.service.holds import ID_SIZE, NO_HOLDS, Holds
from vault.stores.protocol import Transaction

KINDS: Mapping[int, HoldKind] = {
    IncidentScope.PROGRAM: HoldKind.PROGRAM,
    IncidentScope.BATCHES: HoldKind.BATCHES,
    IncidentScope.CARDS: HoldKind.CARDS,
}
"""The kind of an incident's hold, by what the incident is over."""


class Measures(NamedTuple):
    """What is in force.

    ``laid`` are the rows of ``holds``, by id, ``blocked`` the programs and principals of ``blocks``.
    """

    holds: Holds = NO_HOLDS
    incidents: Mapping[bytes, IncidentRow] = MappingProxyType({})
    blocks: tuple[BlockRow, ...] = ()
    blocked: frozenset[tuple[str, str]] = frozenset()
    laid: tuple[HoldRow, ...] = ()

    def check_principal(self, principal: str, programs: Iterable[str]) -> None:
        """Accept a principal that is blocked neither for all programs nor for one of these.

        Raises:
            PermissionDenied: PRINCIPAL_BLOCKED: it is.
        """
        if self.blocked and any((program, principal) in self.blocked for program in ("", *programs)):
            raise PermissionDenied("the caller is blocked", reason="PRINCIPAL_BLOCKED")


class MeasuresReader:
    """Reads measures, and keeps the rows of holds that were verified."""

    def __init__(self) -> None:
        self._known: dict[bytes, HoldRow] = {}

    def read(self, tx: Transaction, tagger: Tagger) -> Measures:
        """Return what is in force as a transaction sees it.

        Raises:
            IntegrityFailure: ROW_TAG or HOLD: it is not what the vault wrote.
        """
        everyone = tx.incidents.all()  # those closed too: that one is closed is believed of a row whose tag holds
        blocks = tuple(tx.blocks.all())
        for shape, rows in ((SHAPES["incident"], everyone), (SHAPES["block"], blocks)):
            for row in rows:
                tagger.verify(shape, row)
        incidents = {row.incident_id: row for row in everyone if row.state != IncidentState.CLOSED}
        holds = self._holds(tx, tagger)
        _check_told(incidents, holds)
        return Measures(
            Holds(holds.values()),
            MappingProxyType(incidents),
            blocks,
            frozenset((block.program, block.principal) for block in blocks),
            tuple(holds[hold_id] for hold_id in sorted(holds)),
        )

    def _holds(self, tx: Transaction, tagger: Tagger) -> Mapping[bytes, HoldRow]:
        tags = tx.holds.tags()
        known = {hold_id: row for hold_id, row in self._known.items() if tags.get(hold_id) == row.tag}
        read = tx.holds.get(tags.keys() - known.keys()) if len(known) < len(tags) else {}
        for row in read.values():
            tagger.verify(SHAPES["hold"], row)
        known.update(read)
        self._known = known
        return known


def _check_told(incidents: Mapping[bytes, IncidentRow], holds: Mapping[bytes, HoldRow]) -> None:
    """Compare the states of incidents with their holds."""
    frozen = {row.incident_id: row for row in incidents.values() if row.state == IncidentState.FROZEN}
    laid = {row.hold_id: row for row in holds.values() if row.kind != HoldKind.CONTESTED}
    if frozen.keys() != laid.keys() or not all(_told(row, laid[row.incident_id]) for row in frozen.values()):
        which = min((frozen.keys() ^ laid.keys()) or frozen.keys())
        message = f"an incident and its hold do not tell the same story: incident {which.hex()}"
        raise IntegrityFailure(message, reason="HOLD")


def _told(incident: IncidentRow, hold: HoldRow) -> bool:
    told = (incident.incident_id, incident.program, KINDS[incident.scope], incident.frozen_ms, incident.stops_issuance)
    counted = incident.scope != IncidentScope.CARDS or len(hold.ids) == incident.card_count * ID_SIZE
    return counted and told == (hold.incident_id, hold.program, hold.kind, hold.created_ms, hold.stops_issuance)
