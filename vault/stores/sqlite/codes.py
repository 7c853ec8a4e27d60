"""Codes."""

import sqlite3
from collections.abc import Collection, Sequence

from vault.model.rows import CodeRow
from vault.stores.sqlite.claims import claim
from vault.stores.sqlite.table import Table, padded

_ONE_OR_ANOTHER = "WHERE digest = coalesce((SELECT there.digest FROM code AS there WHERE there.digest = ?1), ?2)"


class SqliteCodes:
    """Codes."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._table = Table(connection, CodeRow)
        self._another: bytes | None = None  # the digest of a code that was found before

    def claim(self, rows: Sequence[CodeRow]) -> set[bytes]:
        """Write each row whose digest is free, and return the digests that were not.

        Quickest when sorted by digest. A digest that stands in the call twice is not written and is returned.
        """
        return claim(self._table, "digest", rows, [row.digest for row in rows])

    def delete(self, digests: Collection[bytes]) -> None:
        """Delete rows that this same transaction has claimed."""
        for values in padded(digests):
            marks = ", ".join("?" * len(values))
            self._table.execute(f"DELETE FROM code WHERE digest IN ({marks})", values)  # noqa: S608  marks only

    def by_digest(self, digests: Collection[bytes]) -> dict[bytes, CodeRow]:
        """Return the codes with these digests; digests without a code are left out.

        For one digest that has no code another code's row is read and dropped: reading a row takes
        some 10 µs, which would tell callers by the time of their answer that theirs is there.
        """
        if len(digests) == 1 and self._another is not None:
            (digest,) = digests
            rows = self._table.rows(_ONE_OR_ANOTHER, (digest, self._another))
            found = {row.digest: row for row in rows if row.digest == digest}
        else:
            found = {row.digest: row for row in self._table.rows_in("WHERE digest IN", [], digests)}
        self._another = next(iter(found), self._another)
        return found

    def of_cards(self, card_ids: Collection[bytes]) -> list[CodeRow]:
        """Return every code of these cards, of all generations and index versions, in no order."""
        return self._table.rows_in("WHERE card_id IN", [], set(card_ids))
