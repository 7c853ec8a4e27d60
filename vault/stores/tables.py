"""Whole tables, by their shapes: what backup, restore and move ask of a store, and whoever asks what names a key.

1. Rows come page by page in the order of the table's key, the same order in every store: numbers by value,
   bytes and the UTF-8 of text by their bytes.
2. Rows are loaded, and tables emptied, only where the vault has no row of its own yet: a vault that can serve
   is never written by these.

A vault whose own row is not there is refused by every process that would serve from it; so whoever fills a
store writes that row last.
"""

from collections.abc import Sequence
from typing import Any, Protocol

from vault.errors import FailedPrecondition
from vault.model.shape import Shape

Row = tuple[Any, ...]


class TableRecords(Protocol):
    """The tables of a store, by their shapes."""

    def page(self, shape: Shape, after: Row | None, limit: int) -> list[Any]:
        """Return up to ``limit`` rows in the order of the key, after a key (None: from the first)."""

    def count(self, shape: Shape) -> int:
        """Count a table's rows."""

    def naming(self, shape: Shape, column: str, version: int, program: str | None = None, start: int = 2) -> int:
        """Count the rows (of a program, where the table has one) whose column names a key version.

        ``column`` is an integer column, or one of bytes with the version, big-endian, in the four that begin at
        byte ``start``, from 1: 2 in a tag and a blob. A NULL names none.
        """

    def load(self, shape: Shape, rows: Sequence[Any]) -> None:
        """Write new rows, many at once.

        Raises:
            AlreadyExists: The key of one is taken.
            FailedPrecondition: VAULT_IN_USE: the store holds a vault.
        """

    def empty(self, shape: Shape) -> None:
        """Delete every row of a table.

        Raises:
            FailedPrecondition: VAULT_IN_USE: the store holds a vault.
        """


def in_use() -> FailedPrecondition:
    """Return the refusal to load or empty a table beside a vault's own row."""
    return FailedPrecondition("the store holds a vault already; nothing in it was changed", reason="VAULT_IN_USE")
