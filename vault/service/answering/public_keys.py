"""The vault's public keys, with its clock and its name in what it signs."""

from typing import NamedTuple

from vault.model.rows import KeyVersionRow
from vault.model.states import KeyState
from vault.policy.call import Call
from vault.service.answering.receipts import issuer_of
from vault.service.recorder import Recorded, Recorder, Scope, event_of


class Published(NamedTuple):
    """The versions of every key pair that are not destroyed, the time, and who the vault is in receipts."""

    rows: list[KeyVersionRow]
    now_ms: int
    issuer: str


class PublicKeys:
    """Lists public keys."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    async def all(self, call: Call) -> list[KeyVersionRow]:
        """Return the versions of every key pair that are not destroyed, by purpose and version."""
        return (await self.publish(call)).rows

    async def publish(self, call: Call) -> Published:
        """Return the public keys, and what else others have to know of the vault."""

        def work(scope: Scope) -> Recorded[Published]:
            rows = [
                row for row in scope.snapshot.key_rows if row.public_key is not None and row.state != KeyState.DESTROYED
            ]
            return Recorded(Published(rows, scope.now_ms, issuer_of(scope.snapshot)), event_of(call))

        return await self._recorder.record(work, call)
