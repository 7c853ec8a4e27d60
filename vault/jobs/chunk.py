"""What one chunk of a job is."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from vault.audit.event import Item
from vault.model.rows import JobRow
from vault.service.recorder import Scope


class Chunk(NamedTuple):
    """What a chunk did: its cards, the new cursor, how many it counts, and whether the job is finished."""

    items: Sequence[Item]
    cursor: int
    done: int
    finished: bool


Step = Callable[[Scope], Chunk]
"""A chunk's work in its transaction."""


class Kind(Protocol):
    """One kind of job."""

    async def prepare(self, job: JobRow, cursor: int, limit: int) -> Step:
        """Do outside the transaction what can be done there, for ``limit`` cards at most from ``cursor`` on."""
