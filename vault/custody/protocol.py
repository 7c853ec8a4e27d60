"""What the vault asks of whoever holds the root key."""

from typing import Protocol

from vault.secret import Secret


class Custody(Protocol):
    """Wraps and unwraps the vault's keys under a root key that never leaves custody.

    Security promise: what ``wrap`` returns tells nothing of the key, and ``unwrap`` returns a key only if the
    same custody wrapped it for the same context. The wrapped form begins with a format byte and the root key's
    version (4 bytes, big-endian), so that several root versions can live side by side.
    """

    @property
    def root_version(self) -> int:
        """Version of the root key that ``wrap`` uses, from 1."""

    def wrap(self, key: Secret, context: bytes) -> bytes:
        """Wrap a key of 16 to 64 bytes for a context.

        Raises:
            Unavailable: Custody cannot be reached.
        """

    def unwrap(self, wrapped: bytes, context: bytes) -> Secret:
        """Return the key that was wrapped for this context.

        Raises:
            IntegrityFailure: It was not wrapped by this custody, not for this context, or was changed since.
            Unavailable: Custody cannot be reached.
        """
