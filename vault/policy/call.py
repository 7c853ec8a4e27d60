"""One call: who asks, what, and with which rights."""

from typing import NamedTuple

from vault.policy.access import Grants
from vault.tracing import Trace


class Call(NamedTuple):
    """What is known of a call when its servicer gets it.

    ``method`` is the full name, such as ``vault.v1.CardService/GetCard``; ``request_id`` the 16 bytes of the
    request's UUID, None where it has none; ``body`` the message's bytes as received, which may hold a code;
    ``programs`` are those that the request names; ``trace`` is what the caller counts the call to, if anything.
    """

    principal: str
    grants: Grants
    method: str
    correlation_id: str
    request_id: bytes | None
    body: bytes
    programs: tuple[str, ...] = ()
    trace: Trace | None = None

    def __repr__(self) -> str:
        return f"<Call {self.method} by {self.principal}, correlation id {self.correlation_id}>"
