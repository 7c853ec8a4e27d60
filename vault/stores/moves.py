"""Rows that are moved from old versions of keys to new ones: what jobs that rotate keys ask of a store.

1. Rows are gone through in an order of the store's own, the quickest one it has; a position says where to go on, and
   nobody but the store can read it; one that another kind of store gave means the beginning. A row written meanwhile
   may be passed over, so whoever goes through rows counts what is left afterwards, and begins again while there is any.
2. A row is changed only where the columns that are replaced still hold what they were read as (``swap``), so rows may
   be read, and what is to be written be made, outside the transaction that writes.

"Older" means that a column names a version below a bound. A number is compared as it is, a tag and a blob by their
bytes 2 to 5, so one that was cut short is older than all; NULL names nothing.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from vault.model.rows import CodeRow
from vault.model.shape import Shape


class Older(NamedTuple):
    """Rows of a table, of one program or (None) of all, of which any of some columns names a version below a bound."""

    shape: Shape
    columns: tuple[str, ...]
    below: int
    program: str | None = None


class MoveRecords(Protocol):
    """Rows on their way from key to key."""

    def left(self, older: Older) -> int:
        """Count the rows."""

    def walk(self, older: Older, sealed: Sequence[str], position: bytes, limit: int) -> tuple[list[Any], bytes]:
        """Return up to ``limit`` of the rows from a position on, and where to go on.

        Args:
            older: Which rows.
            sealed: Sealed columns that are wanted; the others come as None, unread.
            position: Where a walk was; empty to begin one.
            limit: 1 or more.

        Returns:
            The rows, and the position after them; empty when there are no more.
        """

    def swap(self, shape: Shape, columns: Sequence[str], rows: Sequence[Any], values: Sequence[tuple[Any, ...]]) -> int:
        """Give rows new values in some columns, where they still have the old ones there; return how many had.

        Where the key is among the columns, a row whose new key is another's is left as it is; so is, of two that
        would get the same one, either.

        Args:
            shape: The table.
            columns: Which are compared and replaced; none of them is NULL.
            rows: The rows as they were read.
            values: For each row, in the same order, its new values of these columns.
        """

    def lacking(self, program: str, version: int, after: bytes, limit: int) -> list[CodeRow]:
        """Return the first ``limit`` code rows under older index versions whose code has no row under this one.

        All rows of the table are looked through.

        Args:
            program: Whose rows.
            version: The index version.
            after: The digest after which they are wanted; empty for the first ones.
            limit: 1 or more.

        Returns:
            The rows in the order of their digests, which no other rotation changes.
        """

    def clear(self, program: str, version: int, position: bytes, limit: int) -> tuple[int, bytes]:
        """Delete those of the next ``limit`` code rows under older index versions whose code has a row under this one.

        Returns:
            How many were deleted, and the position after the rows; empty when there are no more.
        """
