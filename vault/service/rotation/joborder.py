"""What an officer orders of a rotation job, and how it is kept."""

from collections.abc import Sequence
from typing import NamedTuple

from vault.errors import InvalidInput
from vault.formats.v1.job_record_pb2 import JobSpec
from vault.model.states import CardState, JobKind, Unsold, Usage
from vault.service.rotation.cardsource import CHOSEN, INCIDENT, PROGRAM
from vault.service.rotation.choice import DEFAULT_STATES
from vault.service.select import Selector

FORMAT = 1


class CardsWanted(NamedTuple):
    """Which cards of a source are meant; what is empty or 0 does not limit, save that no states mean the default.

    ``batch_ids`` are 16 bytes each; times are milliseconds since 1970-01-01T00:00:00Z: from ≤ issued < before.
    """

    batch_ids: Sequence[bytes] = ()
    states: Sequence[CardState] = ()
    usages: Sequence[Usage] = ()
    issued_from_ms: int = 0
    issued_before_ms: int = 0


class ReissueOrder(NamedTuple):
    """A re-issue of an incident's cards (16 bytes), of chosen cards, or else of the whole program.

    Fields:
        incident_id: The incident; empty where there is none.
        cards: At most 1,000 cards to begin with; None where cards are not chosen one by one.
        wanted: Narrows what is re-issued.
        unsold: What becomes of cards that were never sold.
        recipient: Who gets the package; empty: nobody.
        package_unsold_only: Whether the package holds only codes of cards that were unsold.
        await_start: Whether the job is created paused.
    """

    incident_id: bytes = b""
    cards: Sequence[Selector] | None = None
    wanted: CardsWanted = CardsWanted()
    unsold: Unsold = Unsold.REISSUE
    recipient: str = ""
    package_unsold_only: bool = False
    await_start: bool = False

    @property
    def source(self) -> int:
        """Where the cards come from, as ``JobSpec.source``."""
        return INCIDENT if self.incident_id else PROGRAM if self.cards is None else CHOSEN


class RotationOrder(NamedTuple):
    """A job: ``reissue`` for kind REISSUE, None for the others; ``program`` is empty for RETAG."""

    kind: JobKind
    program: str = ""
    reissue: ReissueOrder | None = None
    rest_ms: int = 0
    note: str = ""

    def spec(self) -> JobSpec:
        """Return what is kept of the order.

        Raises:
            InvalidInput: Closed cards are asked for, or times between which nothing can lie.
        """
        spec = JobSpec(format=FORMAT, rest_ms=self.rest_ms, note=self.note)
        order = self.reissue
        if order is None:
            return spec
        wanted = order.wanted
        if CardState.CLOSED in wanted.states:
            raise InvalidInput("closed cards get no new codes", reason="STATE_CLOSED", field="reissue.filter.states")
        if wanted.issued_before_ms and wanted.issued_before_ms <= wanted.issued_from_ms:
            message = "no card was issued between these times"
            raise InvalidInput(message, reason="TIMES", field="reissue.filter.issued_before")
        spec.source = order.source
        spec.batch_ids.extend(dict.fromkeys(wanted.batch_ids))
        spec.states.extend(dict.fromkeys(wanted.states or DEFAULT_STATES))
        spec.usages.extend(dict.fromkeys(wanted.usages))
        spec.issued_from_ms = wanted.issued_from_ms
        spec.issued_before_ms = wanted.issued_before_ms
        spec.unsold = order.unsold
        spec.recipient = order.recipient
        spec.package_unsold_only = order.package_unsold_only
        return spec
