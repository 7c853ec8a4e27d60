"""Cards that jobs gave new codes, and the packages of those codes."""

from collections.abc import Collection, Sequence

from vault.model.incident_rows import PackageRow, ReissueRow
from vault.model.shape import SHAPES
from vault.stores import sql
from vault.stores.postgres.session import Session
from vault.stores.postgres.table import Table, any_of

# Of a table that has grown since it was analyzed PostgreSQL believes that a job has a handful of rows, and would go
# through all of them for any list of cards: 100 ms for 700 cards of a job at 12,000. One card at a time it cannot.
_OF_CARDS = f"""SELECT found.* FROM unnest(%b) AS wanted (card_id), LATERAL (
    SELECT {sql.columns(SHAPES["reissue"])} FROM reissue WHERE job_id = %b AND card_id = wanted.card_id LIMIT 1
) AS found"""  # noqa: S608  our names


class PostgresReissues:
    """Re-issues and their packages."""

    def __init__(self, session: Session) -> None:
        self._run = session.run
        self._table = Table(session, ReissueRow)
        self._packages = Table(session, PackageRow)

    def insert(self, rows: Sequence[ReissueRow]) -> None:
        """Write new rows; raise ``AlreadyExists`` if the job has had one of the cards."""
        self._table.insert(rows)

    def get(self, job_id: bytes, card_ids: Collection[bytes]) -> dict[bytes, ReissueRow]:
        """Return the job's rows of these cards; cards without a row are left out."""
        if not card_ids:
            return {}
        found = self._run(_OF_CARDS, (any_of(bytes, card_ids), job_id)).fetchall()
        return {row.card_id: row for row in map(ReissueRow._make, found)}

    def page(self, job_id: bytes, after: bytes, limit: int) -> list[ReissueRow]:
        """Return up to ``limit`` rows of a job with card ids after ``after`` (empty: from the first), by card id."""
        return self._table.rows("WHERE job_id = %b AND card_id > %b ORDER BY card_id LIMIT %b", (job_id, after, limit))

    def package(self, package_id: bytes) -> PackageRow | None:
        """Return a package; None if there is none."""
        return self._packages.row("WHERE package_id = %b", (package_id,))

    def put_package(self, row: PackageRow) -> None:
        """Insert or replace a package."""
        self._packages.put([row])
