"""Etags: a row's revision as text."""

from vault.errors import Conflict


def etag(revision: int) -> str:
    """Return the etag of a revision."""
    return f"r{revision}"


def check_etag(sent: str, revision: int) -> None:
    """Check an etag that a caller sent; an empty one asks for no check.

    Raises:
        Conflict: What the caller saw has changed since.
    """
    if sent and sent != etag(revision):
        raise Conflict("it has changed since; read it again, then decide", reason="ETAG_MISMATCH", field="etag")
