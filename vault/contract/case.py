"""One case: who sends what, and what must come back."""

import base64
from collections.abc import Mapping
from typing import Any, NamedTuple

# Reasons by which the vault refuses a request for its form, as ErrorInfo tells them.
MALFORMED = "MALFORMED"
FIELD_REQUIRED = "FIELD_REQUIRED"
TOO_FEW = "TOO_FEW"
TOO_MANY = "TOO_MANY"
LENGTH = "LENGTH"
CHARACTERS = "CHARACTERS"
PATTERN = "PATTERN"
OUT_OF_RANGE = "OUT_OF_RANGE"
ENUM_UNKNOWN = "ENUM_UNKNOWN"
FORM_REASONS = frozenset(
    {MALFORMED, FIELD_REQUIRED, TOO_FEW, TOO_MANY, LENGTH, CHARACTERS, PATTERN, OUT_OF_RANGE, ENUM_UNKNOWN}
)
FAULTS = frozenset({"INTERNAL", "UNKNOWN", "UNIMPLEMENTED", "DATA_LOSS", "UNAUTHENTICATED"})
"""Statuses that no request which is let in may get."""


class Expected(NamedTuple):
    """What must come back.

    ``statuses`` are those that are right, by their gRPC names; empty: all but ``FAULTS``. ``reason`` is
    ErrorInfo's and ``field`` BadRequest's, where they are not empty. ``accepted`` is a field in whose name no
    refusal may come for one of ``FORM_REASONS``.
    """

    statuses: tuple[str, ...] = ()
    reason: str = ""
    field: str = ""
    accepted: str = ""


class PageOf(NamedTuple):
    """Where a case's page token comes from: this method's first page of one item, asked for by this caller."""

    method: str
    caller: str


class Case(NamedTuple):
    """A case; its name is its own among its method's.

    ``request`` is protobuf JSON with the placeholders of ``contract.filling``, ``raw`` the message's bytes
    where JSON cannot say it; one of them is set. ``effects`` is true where the vault may do what is asked: such
    a case is only run against a program that was named for it. ``timeout_ms`` is the call's deadline as the
    server is told it, 0 for the runner's own; ``cancel_ms`` when the caller cancels, None for never.
    """

    name: str
    method: str
    caller: str
    expected: Expected
    request: Mapping[str, Any] | None = None
    raw: bytes | None = None
    effects: bool = False
    page_of: PageOf | None = None
    timeout_ms: int = 0
    cancel_ms: int | None = None

    def plain(self) -> dict[str, Any]:
        """Return the case as JSON, without its method; what is empty is left out."""
        raw = None if self.raw is None else base64.b64encode(self.raw).decode()
        fields = {
            "name": self.name,
            "caller": self.caller,
            "request": self.request,
            "raw": raw,
            "effects": self.effects or None,
            "page_of": self.page_of and self.page_of._asdict(),
            "timeout_ms": self.timeout_ms or None,
            "cancel_ms": self.cancel_ms,
            "expected": {name: value for name, value in self.expected._asdict().items() if value},
        }
        return {name: value for name, value in fields.items() if value is not None}
