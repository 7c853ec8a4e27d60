"""What one chunk of a job is."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from vault.audit.event import Item
from vault.model.rows import JobRow
from vault.service.recorder import Scope


class Chunk(NamedTuple):
    """What a chunk did: its cards, the new cursor, how many it counts, and whether the job is finished.

    Fields:
        items: What became of each card, for the chunk's audit event.
        cursor: The job's new cursor; unlike the one before, unless the job is finished, since it is the fence.
        done: What to add to the job's ``done_count``.
        finished: Whether the job is done.
        progress: The job's new ``JobProgress``, serialized; None leaves it as it is.
        errors: What to add to the job's ``error_count``.
        last_error: Reason of the last of these errors; empty leaves the job's as it is.
        spec: The job's new ``JobSpec``, serialized; None leaves it as it is.
        full: Whether it did as much as the limit allowed; if not, it says nothing of how long a larger one takes.
        total: The job's new ``total_count``; None leaves it as it is.
    """

    items: Sequence[Item]
    cursor: int
    done: int
    finished: bool
    progress: bytes | None = None
    errors: int = 0
    last_error: str = ""
    spec: bytes | None = None
    full: bool = True
    total: int | None = None


Step = Callable[[Scope], Chunk]
"""A chunk's work in its transaction, which may run more than once."""


class Kind(Protocol):
    """One kind of job."""

    @property
    def box_seconds(self) -> float:
        """How long one chunk's transaction should take, since a validation may have to wait for it."""

    async def prepare(self, job: JobRow, limit: int) -> Step:
        """Do outside the transaction what can be done there, for ``limit`` cards or rows at most.

        Args:
            job: The job as it is now: its cursor, progress and spec say where the chunk begins.
            limit: How many fit the box, by the chunks before.

        Raises:
            Unavailable: It cannot be done now (or, by the step, what was prepared is stale): it is prepared again.
            VaultError: The job fails with this error's reason; a reason in ``runner.WAITING`` lets it wait.
        """
