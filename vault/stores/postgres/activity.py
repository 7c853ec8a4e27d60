"""What the writing sessions of all vaults over a database are doing, by pg_stat_activity.

1. A session that writes is known by its application_name, which it has before it takes its first snapshot.
2. A transaction is known by its session and its beginning, so no two clocks are compared.
3. A session whose transaction cannot be seen (another role's without pg_read_all_stats, or track_activities off)
   is an error, never taken for idle.

What only reads (dumps, lists, exports) has other names and is not waited for. Sessions of a server that was
replaced by its standby are not seen; PostgreSQL has ended them with it.

Source: PostgreSQL 15, section 28.2.3.
"""

from typing import Any

from vault.errors import Unavailable
from vault.stores.postgres.session import WRITER, Session

_UNSEEN = "query = '<insufficient privilege>' OR state = 'disabled'"
_WRITING = f"""
    SELECT pid, xact_start, {_UNSEEN} FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = '{WRITER}' AND (xact_start IS NOT NULL OR {_UNSEEN})
"""  # noqa: S608  our names

LATELY_SECONDS = 0.3
_LATELY = f"""
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = '{WRITER}'
    AND state_change > now() - interval '{LATELY_SECONDS} s'
"""  # noqa: S608  our names and numbers

Writing = set[tuple[int, Any]]
"""Transactions, each by its session's process and its beginning."""


class PostgresActivity:
    """Sessions at work."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def writing(self) -> Writing:
        """Return the transactions of writing sessions that have begun and not ended; all read in one moment.

        Raises:
            Unavailable: ACTIVITY_UNSEEN: the server does not show them.
        """
        found = self._session.run(_WRITING).fetchall()
        if any(unseen for *_, unseen in found):
            message = "the database does not show what its writers do: use one role, or grant it pg_read_all_stats"
            raise Unavailable(message, reason="ACTIVITY_UNSEEN")
        return {(pid, began) for pid, began, _ in found}

    def written_lately(self) -> int:
        """Return how many writing sessions have done something in the last ``LATELY_SECONDS``, as far as is seen."""
        ((count,),) = self._session.run(_LATELY).fetchall()
        return int(count)
