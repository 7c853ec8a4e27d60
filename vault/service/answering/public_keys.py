"""The vault's public keys."""

from vault.model.rows import KeyVersionRow
from vault.model.states import KeyState
from vault.policy.call import Call
from vault.service.recorder import Recorded, Recorder, Scope, event_of


class PublicKeys:
    """Lists public keys."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    async def all(self, call: Call) -> list[KeyVersionRow]:
        """Return the versions of every key pair that are not destroyed, by purpose and version."""

        def work(scope: Scope) -> Recorded[list[KeyVersionRow]]:
            rows = [
                row for row in scope.snapshot.key_rows if row.public_key is not None and row.state != KeyState.DESTROYED
            ]
            return Recorded(rows, event_of(call))

        return await self._recorder.record(work, call)
