"""Sealed submissions that were taken."""

from collections.abc import Collection, Sequence

from vault.model.rows import SubmissionRow
from vault.stores.postgres.session import Session
from vault.stores.postgres.table import Table, any_of, taken_of

# In a common table expression for the reason given in ``requests``.
_SWEEP = """WITH old AS MATERIALIZED (
    SELECT nonce FROM submission WHERE created_ms < least(%b, (SELECT max(created_ms) FROM submission) - %b)
    ORDER BY created_ms LIMIT %b FOR UPDATE SKIP LOCKED)
DELETE FROM submission USING old WHERE submission.nonce = old.nonce"""


class PostgresSubmissions:
    """Sealed submissions that were taken."""

    def __init__(self, session: Session) -> None:
        self._table = Table(session, SubmissionRow)

    def get(self, nonces: Collection[bytes]) -> dict[bytes, SubmissionRow]:
        """Return the submissions with these nonces; nonces that were never taken are left out."""
        if not nonces:
            return {}
        return {row.nonce: row for row in self._table.rows("WHERE nonce = ANY(%b)", (any_of(bytes, nonces),))}

    def claim(self, rows: Sequence[SubmissionRow]) -> set[bytes]:
        """Write each row whose nonce is free, and return the nonces that were not.

        A nonce that another transaction is about to claim is waited for. One that stands in the call twice is not
        written and is returned.
        """
        return taken_of(self._table, "nonce", rows, [row.nonce for row in rows])

    def sweep(self, before_ms: int, keep_ms: int, limit: int) -> int:
        """Delete up to ``limit`` submissions taken before a time, and return how many.

        None goes that was taken within ``keep_ms`` of the newest: a clock that is ahead deletes none that counts;
        those that another is just sweeping are passed over.
        """
        return self._table.run(_SWEEP, (before_ms, keep_ms, limit)).rowcount
