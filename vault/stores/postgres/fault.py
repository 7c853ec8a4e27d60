"""PostgreSQL's errors in the vault's words.

1. What others or the machine do to us (a lost connection, a full disk, a stop) is ``Unavailable``.
2. Damaged data is ``IntegrityFailure``.
3. A mistake in our own statements stays an error of its kind, so that it is seen, but without PostgreSQL's
   text: that quotes values, and a digest must reach no log.

Sources: PostgreSQL 15 Appendix A, error codes.
"""

import psycopg

from vault.errors import IntegrityFailure, Unavailable, VaultError

SERIALIZATION, DEADLOCK, LOCK_WAITED, TAKEN = "40001", "40P01", "55P03", "23505"
CONFLICTS = frozenset({SERIALIZATION, DEADLOCK, LOCK_WAITED})
"""Another transaction was in the way: the work can be run again."""

_LOST = ("08", "57P", "25006")
"""The connection is no longer of use: broken, ended by the server, or to a server that takes no writes."""

_UNAVAILABLE: dict[str, tuple[str, float]] = {
    "53100": ("the database's disk is full", 30.0),
    "53200": ("the database has run out of memory", 5.0),
    "53300": ("the database has too many connections", 1.0),
    "53": ("the database lacks resources", 5.0),
    "57014": ("the statement was cancelled", 1.0),
    "58": ("the database's machine has failed", 5.0),
}
_LOST_SENTENCE = "the connection to the database was lost"


def is_conflict(error: BaseException | None) -> bool:
    """Return whether another transaction was in the way, so that running the work again may succeed."""
    return isinstance(error, psycopg.Error) and error.sqlstate in CONFLICTS


def is_lost(error: BaseException | None) -> bool:
    """Return whether the error means that the connection is of no use any more."""
    if not isinstance(error, psycopg.Error):
        return False
    if error.sqlstate is None:
        return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
    return error.sqlstate.startswith(_LOST)


def translated(error: BaseException) -> BaseException:
    """Return what a caller gets for an error that its own statement met."""
    if not isinstance(error, psycopg.Error):
        return error
    state = error.sqlstate or ""
    ours: VaultError
    if is_conflict(error):
        ours = contended()
    elif found := _UNAVAILABLE.get(state) or _UNAVAILABLE.get(state[:2]):
        ours = Unavailable(found[0], retry_seconds=found[1])
    elif is_lost(error):
        ours = Unavailable(_LOST_SENTENCE, retry_seconds=0.5)
    elif state.startswith("XX00") and state != "XX000":
        ours = IntegrityFailure("the database's files are damaged")
    else:
        return type(error)(f"PostgreSQL refused a statement: SQLSTATE {state or 'none'}")
    return ours


def contended() -> Unavailable:
    """Return what a caller gets whose work others were in the way of, again and again."""
    return Unavailable("too many others change the same records", reason="CONTENDED", retry_seconds=0.1)


def undone(error: BaseException) -> Unavailable:
    """Return what every piece of work gets whose shared transaction could not begin or end."""
    reason = translated(error)
    sentence = "the commit failed and its outcome is unknown"
    retry_seconds: float | None = 0.5
    if isinstance(reason, VaultError):
        sentence = f"{reason.message}: {sentence}"
        retry_seconds = reason.retry_seconds
    return Unavailable(sentence, retry_seconds=retry_seconds)


def unreachable() -> Unavailable:
    """Return what every piece of work gets for which no connection could be had."""
    return Unavailable("the database cannot be reached", retry_seconds=0.5)
