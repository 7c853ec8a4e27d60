"""The versions of keys, listed and made."""

from typing import NamedTuple

from vault.custody.protocol import Custody
from vault.errors import NotFound
from vault.formats.v1.request_result_pb2 import RequestResult
from vault.model.rows import KeyVersionRow
from vault.model.shape import SHAPES
from vault.model.states import KeyPurpose, KeyState
from vault.policy.call import Call
from vault.service.keys import root_version_of
from vault.service.recorder import Recorded, Recorder, Replay, Scope, event_of
from vault.service.rotation.naming import count_rows
from vault.service.rotation.promotion import Promotion, key_subject, versions


class KeyView(NamedTuple):
    """A version of a key: the root version that wraps it (0 once destroyed), and rows that name it, if counted."""

    row: KeyVersionRow
    root_version: int
    row_count: int | None = None


class KeyList(NamedTuple):
    """Versions of keys, by purpose, program and version, and the root version that wraps new keys."""

    keys: list[KeyView]
    root_version: int


class KeyVersions:
    """Lists versions and makes new ones."""

    def __init__(self, recorder: Recorder, promotion: Promotion, custody: Custody) -> None:
        self._recorder = recorder
        self._promotion = promotion
        self._custody = custody

    async def list(self, call: Call, program: str, *, count: bool) -> KeyList:
        """Return the versions of a program's keys, or (empty) of every key of the vault.

        Args:
            call: Who asks.
            program: The program; empty for all, and the vault's own.
            count: Whether to count the rows that name each version, which reads whole tables.

        Raises:
            NotFound: There is no such program.
            Unavailable: Custody cannot be reached.
        """

        def look(scope: Scope) -> list[KeyView]:
            if program:
                scope.snapshot.program(program)
            return [
                view_of(row, _row_count(scope, row) if count else None)
                for row in scope.snapshot.key_rows
                if not program or row.program == program
            ]

        # Counted on a snapshot, so that no writer waits.
        views = await self._recorder.store.read(lambda tx: look(self._recorder.scope(tx)))
        found = KeyList(views, self._custody.root_version)
        return await self._recorder.record(lambda _: Recorded(found, event_of(call, program=program)), call)

    async def create(self, call: Call, purpose: KeyPurpose, program: str) -> KeyView:
        """Make the next version of a key.

        Of keys that stored rows name (index, wrapping, row tag) it is pre-active until a job promotes it. Of keys that
        others use (sealing, receipt) the version that was announced is active from now on, and the one after it is
        announced. Any other is active at once. The version before is deactivated.

        Raises:
            NotFound: There is no such program.
            FailedPrecondition: The program is closed; KEY_PENDING: a version waits already; PROGRAM_KEY or
                VAULT_KEY: the purpose's keys are each program's own, or the vault's.
        """

        def work(scope: Scope) -> Recorded[KeyView]:
            return made(self._promotion.create(scope, purpose, program))

        def made(row: KeyVersionRow) -> Recorded[KeyView]:
            return Recorded(view_of(row), event_of(call, program=program)._replace(subject=key_subject(row)))

        def keep(view: KeyView) -> RequestResult:
            return RequestResult(numbers=[view.row.version])

        def restore(scope: Scope, kept: RequestResult) -> Recorded[KeyView]:
            return made(find(scope, purpose, program, kept.numbers[0]))

        return await self._recorder.once(call, work, Replay(keep, restore))


def view_of(row: KeyVersionRow, row_count: int | None = None) -> KeyView:
    """Return a version as it is answered."""
    return KeyView(row, root_version_of(row), row_count)


def find(scope: Scope, purpose: KeyPurpose, program: str, version: int) -> KeyVersionRow:
    """Return one version of a key.

    Raises:
        NotFound: There is none.
    """
    for row in versions(scope, purpose, program):
        if row.version == version:
            return row
    name = KeyPurpose(purpose).name.lower().replace("_", " ")
    raise NotFound(f"there is no version {version} of this {name} key", reason="KEY_NOT_FOUND", field="version")


def _row_count(scope: Scope, row: KeyVersionRow) -> int:
    scope.snapshot.tagger.verify(SHAPES["key_version"], row)
    if row.state == KeyState.DESTROYED:
        return 0
    return sum(count_rows(scope.tx, KeyPurpose(row.purpose), row.program, row.version).values())
