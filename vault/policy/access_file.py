"""The access file on disk, read again when its content changes.

1. A new file takes effect only after the hook has returned, so its digest is on record before it decides
   anything.
2. A broken, unreadable or unrecorded new file leaves the one before in force, and the log says so once for each
   content.
"""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from vault import log
from vault.errors import FailedPrecondition, InvalidInput, VaultError
from vault.policy.access import Access, parse_access

_LARGEST_BYTES = 16 * 1024 * 1024
_log = log.get(__name__)


class AccessFile:
    """Watches an access file by content."""

    def __init__(
        self, path: Path, on_loaded: Callable[[Access], Awaitable[None]], *, poll_seconds: float = 1.0
    ) -> None:
        """Name the file; nothing is read yet.

        Args:
            path: The file.
            on_loaded: Awaited with each new content before it takes effect; if it raises, it does not.
            poll_seconds: Seconds between two looks at the file.
        """
        self._path = path
        self._on_loaded = on_loaded
        self._poll_seconds = poll_seconds
        self._access: Access | None = None
        self._seen = b""
        self._complaint = ""

    async def load(self) -> None:
        """Read the file for the first time.

        Raises:
            FailedPrecondition: It cannot be read.
            InvalidInput: It is not an access file.
        """
        data = _read(self._path)
        access = parse_access(data)
        await self._on_loaded(access)
        self._access, self._seen = access, data

    def current(self) -> Access:
        """Return the access file in force; ``load`` must have returned."""
        if self._access is None:
            message = "the access file was not loaded"
            raise RuntimeError(message)
        return self._access

    async def watch(self) -> None:
        """Take up new contents as they come; runs until it is cancelled."""
        while True:
            await asyncio.sleep(self._poll_seconds)
            await self.refresh()

    async def refresh(self) -> str:
        """Look at the file now, and take up its content if it is new and good.

        Returns:
            What came of it: ``new``, ``same`` or ``refused``.
        """
        try:
            data = _read(self._path)
            if data == self._seen:
                self._complaint = ""
                return "same"
            access = parse_access(data)
        except (FailedPrecondition, InvalidInput) as error:
            self._complain(error.message)
            return "refused"
        try:
            await self._on_loaded(access)
        except VaultError as error:
            self._complain(f"the new access file could not be recorded: {error.message}")
            return "refused"
        self._access, self._seen, self._complaint = access, data, ""
        _log.info("access_file_loaded", sha256=access.sha256.hex(), principals=len(access.principals))
        return "new"

    def _complain(self, message: str) -> None:
        if message != self._complaint:
            self._complaint = message
            _log.error("access_file_refused", problem=message, in_force="the one before")


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST_BYTES + 1)
    except OSError as error:
        message = f"the access file {path} cannot be read: {error.strerror}"
        raise FailedPrecondition(message, reason="ACCESS_FILE") from None
    if len(data) > _LARGEST_BYTES:
        message = f"the access file {path} is larger than {_LARGEST_BYTES} bytes"
        raise FailedPrecondition(message, reason="ACCESS_FILE")
    return data
