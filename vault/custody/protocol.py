"""What the vault asks of whoever holds the root key."""

from typing import Protocol

from vault.secret import Secret


class Custody(Protocol):
    """Wraps and unwraps the vault's keys under a root key that never leaves custody.

    Security promise: what ``wrap`` returns tells nothing of the key, and ``unwrap`` returns a key only if the
    same custody wrapped it for the same context. The wrapped form begins with a format byte and the root key's
    version (4 bytes, big-endian), so that several root versions can live side by side. A version that was destroyed
    unwraps nothing any more, in no process that asks custody from then on.
    """

    @property
    def root_version(self) -> int:
        """Version of the root key that ``wrap`` uses, from 1: the highest."""

    @property
    def versions(self) -> frozenset[int]:
        """The root versions that can unwrap."""

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

    def create_version(self) -> int:
        """Make a root key of the next version, durable, by which every process wraps from now on; return its version.

        Raises:
            FailedPrecondition: Custody may not make one.
            Unavailable: Custody cannot be reached.
        """

    def destroy_version(self, version: int) -> str:
        """Destroy a root key for good, unless it was, and return what was done, in words.

        The words are the same each time, so that a statement that holds them can be made again.

        Raises:
            FailedPrecondition: ROOT_VERSION: it is the one that wraps, or there never was one of this version.
            Unavailable: Custody cannot be reached.
        """
