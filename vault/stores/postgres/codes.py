"""Codes."""

from collections.abc import Collection, Sequence

from vault.model.rows import CodeRow
from vault.stores.postgres.session import Session
from vault.stores.postgres.table import Table, any_of, taken_of

_ONE_OR_ANOTHER = "WHERE digest = coalesce((SELECT there.digest FROM code AS there WHERE there.digest = %b), %b)"


class PostgresCodes:
    """Codes."""

    def __init__(self, session: Session) -> None:
        self._table = Table(session, CodeRow)
        self._another: bytes | None = None  # the digest of a code that was found before

    def claim(self, rows: Sequence[CodeRow]) -> set[bytes]:
        """Write each row whose digest is free, and return the digests that were not.

        A digest that another transaction is about to claim is waited for. A digest that stands in the call
        twice is not written and is returned.
        """
        return taken_of(self._table, "digest", rows, [row.digest for row in rows])

    def delete(self, digests: Collection[bytes]) -> None:
        """Delete rows that this same transaction has claimed."""
        if digests:
            self._table.run("DELETE FROM code WHERE digest = ANY(%b)", (any_of(bytes, digests),))

    def by_digest(self, digests: Collection[bytes]) -> dict[bytes, CodeRow]:
        """Return the codes with these digests; digests without a code are left out.

        For one digest that has no code another code's row is read and dropped: reading a row takes
        some time, which would tell callers by the time of their answer that theirs is there.
        """
        if not digests:
            return {}
        if len(digests) == 1 and self._another is not None:
            (digest,) = digests
            rows = self._table.rows(_ONE_OR_ANOTHER, (digest, self._another))
            found = {row.digest: row for row in rows if row.digest == digest}
        else:
            found = {row.digest: row for row in self._table.rows("WHERE digest = ANY(%b)", (any_of(bytes, digests),))}
        self._another = next(iter(found), self._another)
        return found

    def of_cards(self, card_ids: Collection[bytes]) -> list[CodeRow]:
        """Return every code of these cards, of all generations and index versions, in no order."""
        return self._table.rows("WHERE card_id = ANY(%b)", (any_of(bytes, card_ids),)) if card_ids else []
