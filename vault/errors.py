"""What goes wrong, in the vault's own words.

``VaultError`` is never raised itself. One level below it stand the kinds that a caller can act on; ``status``
gives each its gRPC status. Finer distinctions are ``reason`` constants: upper-case words that never change
their meaning, since clients compare them. No message, reason or metadata value ever holds a code, a digest or a
key.
"""

from collections.abc import Mapping
from typing import ClassVar


class VaultError(Exception):
    """Something the vault refuses or cannot do."""

    default_reason: ClassVar[str] = "UNKNOWN"

    def __init__(
        self,
        message: str,
        *,
        reason: str = "",
        field: str = "",
        metadata: Mapping[str, str] | None = None,
        retry_seconds: float | None = None,
    ) -> None:
        """Say what happened.

        Args:
            message: A sentence for people, without any secret.
            reason: An UPPER_SNAKE word for programs; the kind's default where empty.
            field: Path of the request's field that is at fault, such as ``cards[3].serial``.
            metadata: Further facts for programs, such as the count still allowed.
            retry_seconds: After how long trying again may help; None where it does not.
        """
        super().__init__(message)
        self.message = message
        self.reason = reason or self.default_reason
        self.field = field
        self.metadata = dict(metadata or {})
        self.retry_seconds = retry_seconds


class InvalidInput(VaultError):
    """The request is wrong in itself; sending it again will not help."""

    default_reason = "INVALID_INPUT"


class Unauthenticated(VaultError):
    """The caller has shown no identity that the vault knows."""

    default_reason = "UNAUTHENTICATED"


class PermissionDenied(VaultError):
    """The caller may not do this."""

    default_reason = "PERMISSION_DENIED"


class NotFound(VaultError):
    """What the request names does not exist."""

    default_reason = "NOT_FOUND"


class AlreadyExists(VaultError):
    """What the request would make exists already."""

    default_reason = "ALREADY_EXISTS"


class Conflict(VaultError):
    """Someone else has changed it meanwhile; read it again, then decide."""

    default_reason = "CONFLICT"


class FailedPrecondition(VaultError):
    """The state of things does not allow it now."""

    default_reason = "FAILED_PRECONDITION"


class Throttled(VaultError):
    """Too much or too many; later, or not at all."""

    default_reason = "THROTTLED"


class Unavailable(VaultError):
    """The vault cannot answer now; the outcome may be unknown, so retry with the same request id."""

    default_reason = "UNAVAILABLE"


class IntegrityFailure(VaultError):
    """Stored data is not what the vault wrote. Nothing was acted on."""

    default_reason = "INTEGRITY_FAILURE"
