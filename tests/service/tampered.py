"""A vault one of whose rows was changed behind its back, and what an operation says of it."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

from tests.workshop import Workshop
from vault.errors import IntegrityFailure

Row = Mapping[str, Any]
Digits = Mapping[bytes, bytes]
"""The digits of each code by its digest, by its card's id, or by ``superseded`` of it; submissions by their nonces."""


class Tampered(NamedTuple):
    """A vault and one of its rows: ``before`` as the vault wrote it, ``after`` as it now stands."""

    shop: Workshop
    digits: Digits
    before: Row
    after: Row


Operation = Callable[[Tampered], Awaitable[object]]
"""Raises ``IntegrityFailure`` if the row that it is given was refused, by error or by outcome."""


def superseded(card_id: bytes) -> bytes:
    """Return the name of a card's superseded code among digits."""
    return b"superseded " + card_id


def refuse(refused: object) -> None:
    """Raise if an outcome says that a row was refused."""
    if refused:
        raise IntegrityFailure("the outcome says so")
