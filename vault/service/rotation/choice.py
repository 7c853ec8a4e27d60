"""Which cards of a source a re-issue is for.

What becomes of a card is decided by its row alone, so the same when it is prepared for and in the transaction.
"""

from enum import Enum
from typing import NamedTuple, Self

from vault.formats.v1.job_record_pb2 import JobSpec
from vault.model.rows import CardRow
from vault.model.states import CardState, Unsold

DEFAULT_STATES = (CardState.INACTIVE, CardState.ACTIVE, CardState.SUSPENDED)


class Act(Enum):
    """What becomes of a card."""

    REISSUE = "reissue"
    WITHDRAW = "withdraw"
    LEAVE = "leave"


class Choice(NamedTuple):
    """Which cards of a source are meant; empty sets do not limit."""

    program: str
    batch_ids: frozenset[bytes]
    states: frozenset[int]
    usages: frozenset[int]
    issued_from_ms: int
    issued_before_ms: int
    unsold: int

    @classmethod
    def of(cls, program: str, spec: JobSpec) -> Self:
        """Return the choice of a job."""
        return cls(
            program,
            frozenset(spec.batch_ids),
            frozenset(spec.states or DEFAULT_STATES),
            frozenset(spec.usages),
            spec.issued_from_ms,
            spec.issued_before_ms,
            spec.unsold or Unsold.REISSUE,
        )

    def act(self, card: CardRow) -> Act:
        """Return what becomes of a card as it is."""
        if (
            card.program == self.program
            and self.takes(card.state, card.usage)
            and (not self.batch_ids or card.batch_id in self.batch_ids)
            and card.created_ms >= self.issued_from_ms
            and (not self.issued_before_ms or card.created_ms < self.issued_before_ms)
        ):
            withdraw = card.state == CardState.INACTIVE and self.unsold == Unsold.WITHDRAW
            return Act.WITHDRAW if withdraw else Act.REISSUE
        return Act.LEAVE

    def takes(self, state: int, usage: int) -> bool:
        """Whether cards of a state and a usage are meant, as far as these say it."""
        left = state == CardState.CLOSED or (state == CardState.INACTIVE and self.unsold == Unsold.LEAVE)
        return state in self.states and not left and (not self.usages or usage in self.usages)
