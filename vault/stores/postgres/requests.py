"""Answered requests."""

from collections.abc import Collection, Sequence

from vault.model.rows import RequestRow
from vault.stores.postgres.session import Session
from vault.stores.postgres.table import Table, any_of

# Once, whatever the plan: a subquery of IN that is run again for each row passes over what this statement deleted
# already and takes others, so that more than the limit went where the planner chose a nested loop.
_SWEEP = """WITH old AS MATERIALIZED (
    SELECT principal, request_id FROM request WHERE created_ms < %b ORDER BY created_ms LIMIT %b
    FOR UPDATE SKIP LOCKED)
DELETE FROM request USING old WHERE request.principal = old.principal AND request.request_id = old.request_id"""


class PostgresRequests:
    """Answered requests."""

    def __init__(self, session: Session) -> None:
        self._table = Table(session, RequestRow)

    def get(self, principal: str, request_id: bytes) -> RequestRow | None:
        """Return an answered request; None if there is none."""
        return self._table.row("WHERE principal = %b AND request_id = %b", (principal, request_id))

    def among(self, principal: str, request_ids: Collection[bytes]) -> dict[bytes, RequestRow]:
        """Return a principal's answered requests among some, by their ids."""
        if not request_ids:
            return {}
        values = (principal, any_of(bytes, request_ids))
        found = self._table.rows("WHERE principal = %b AND request_id = ANY(%b)", values)
        return {row.request_id: row for row in found}

    def insert(self, row: RequestRow) -> None:
        """Write an answered request; raise ``AlreadyExists`` if the principal has used the id."""
        self._table.insert([row])

    def insert_all(self, rows: Sequence[RequestRow]) -> None:
        """Write answered requests; raise ``AlreadyExists`` if a principal has used an id of his."""
        if rows:
            self._table.insert(rows)

    def sweep(self, before_ms: int, limit: int) -> int:
        """Delete up to ``limit`` requests created before a time, and return how many.

        Those that another is just sweeping are passed over.
        """
        return self._table.run(_SWEEP, (before_ms, limit)).rowcount
