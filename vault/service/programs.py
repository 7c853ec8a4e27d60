"""Programs: creating, changing, stopping, starting, closing."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from vault.codes.format import CodeFormat, validate_format
from vault.codes.odds import Odds, check_format_has_room
from vault.errors import AlreadyExists, FailedPrecondition, InvalidInput
from vault.formats.v1.request_result_pb2 import RequestResult
from vault.model.rows import ProgramRow
from vault.model.shape import SHAPES
from vault.model.states import CheckAlgorithm, ProgramState
from vault.policy.call import Call
from vault.service.etags import check_etag
from vault.service.keys import PROGRAM_PURPOSES, KeyMaker, fresh_use
from vault.service.recorder import Recorded, Recorder, Replay, Scope, event_of
from vault.service.tally import odds

DEFAULT_MAX_GUESS_ODDS = 1e-8
DEFAULT_WINDOW_SECONDS = 3600

UPDATABLE = frozenset(
    {
        "display_name",
        "max_guess_odds",
        "clear_delivery",
        "activation_undo_seconds",
        "redemption_reversal_seconds",
        "seal_required",
    }
)
"""Columns that UpdateProgram may change."""

TRANSITIONS: Mapping[str, tuple[frozenset[ProgramState], ProgramState]] = {
    "stop": (frozenset({ProgramState.ACTIVE, ProgramState.STOPPED}), ProgramState.STOPPED),
    "start": (frozenset({ProgramState.ACTIVE, ProgramState.STOPPED}), ProgramState.ACTIVE),
    "close": (frozenset(ProgramState), ProgramState.CLOSED),
}
"""What each verb takes a program from, and to. Doing what is done already changes nothing."""


class Settings(NamedTuple):
    """What an operator decides about a new program; windows in seconds."""

    display_name: str = ""
    code_format: CodeFormat = CodeFormat(16, CheckAlgorithm.LUHN, "")
    max_guess_odds: float = DEFAULT_MAX_GUESS_ODDS
    single_use: bool = False
    clear_delivery: bool = False
    activation_undo_seconds: int = DEFAULT_WINDOW_SECONDS
    redemption_reversal_seconds: int = DEFAULT_WINDOW_SECONDS
    seal_required: bool = False


class ProgramView(NamedTuple):
    """A program and its guess odds at one moment."""

    row: ProgramRow
    odds: Odds


class Programs:
    """Sets programs up and changes them."""

    def __init__(self, recorder: Recorder, keys: KeyMaker) -> None:
        self._recorder = recorder
        self._keys = keys

    async def create(self, call: Call, program: str, settings: Settings) -> ProgramView:
        """Create a program, its index key and its key-encryption key.

        Raises:
            InvalidInput: The format is impossible, or has no room for one code under the guess odds.
            AlreadyExists: The id is taken.
        """
        validate_format(settings.code_format)
        check_format_has_room(settings.code_format, settings.max_guess_odds)
        return await self._once(call, program, lambda scope: self._create(scope, program, settings))

    async def get(self, call: Call, program: str) -> ProgramView:
        """Return a program.

        Raises:
            NotFound: There is none of this id.
        """
        return await self._recorder.record(
            lambda scope: Recorded(_view(scope, program), event_of(call, program=program)), call
        )

    async def page(self, call: Call, allowed: frozenset[str], after: str, limit: int) -> list[ProgramView]:
        """Return up to ``limit`` programs among ``allowed`` (``*``: any) with ids after ``after``, by id."""

        def work(scope: Scope) -> Recorded[list[ProgramView]]:
            names = sorted(
                name for name in scope.snapshot.programs if name > after and not allowed.isdisjoint({name, "*"})
            )
            return Recorded([_view(scope, name) for name in names[:limit]], event_of(call))

        return await self._recorder.record(work, call)

    async def update(self, call: Call, program: str, changes: Mapping[str, Any], etag: str) -> ProgramView:
        """Change columns of ``UPDATABLE``.

        Raises:
            NotFound: There is no such program.
            FailedPrecondition: It is closed.
            InvalidInput: The format has no room for one code under the new guess odds.
            Conflict: The etag does not match.
        """
        if not changes.keys() <= UPDATABLE:
            raise InvalidInput("only some settings can be changed", reason="NOT_UPDATABLE", field="update_mask")

        def work(scope: Scope) -> None:
            row = scope.snapshot.open_program(program)
            check_etag(etag, row.revision)
            changed = row._replace(**changes)
            fmt = CodeFormat(row.code_length, CheckAlgorithm(row.check_algorithm), row.code_prefix)
            check_format_has_room(fmt, changed.max_guess_odds)
            self._put(scope, changed)

        return await self._once(call, program, work)

    async def turn(  # noqa: PLR0913  the request's fields
        self, call: Call, program: str, verb: str, *, note: str, etag: str, validate_only: bool = False
    ) -> ProgramView:
        """Stop, start or close a program.

        Raises:
            NotFound: There is no such program.
            FailedPrecondition: It is closed.
            Conflict: The etag does not match.
        """
        allowed, state = TRANSITIONS[verb]

        def work(scope: Scope) -> None:
            row = scope.snapshot.program(program)
            check_etag(etag, row.revision)
            if row.state not in allowed:
                raise FailedPrecondition(f"program {program!r} is closed", reason="PROGRAM_CLOSED")
            if row.state != state and not validate_only:
                self._put(scope, row._replace(state=state))

        if validate_only:
            call = call._replace(request_id=None)
        return await self._once(call, program, work, note=note)

    async def _once(self, call: Call, program: str, act: Callable[[Scope], None], note: str = "") -> ProgramView:
        event = event_of(call, program=program)._replace(note=note)

        def work(scope: Scope) -> Recorded[ProgramView]:
            act(scope)
            fresh = scope._replace(snapshot=self._recorder.catalogue.at(scope.tx))
            return Recorded(_view(fresh, program), event)

        def restore(scope: Scope, _: RequestResult) -> Recorded[ProgramView]:
            return Recorded(_view(scope, program), event)

        return await self._recorder.once(
            call, work, Replay(lambda view: RequestResult(subject=view.row.program.encode()), restore)
        )

    def _create(self, scope: Scope, program: str, settings: Settings) -> None:
        if program in scope.snapshot.programs:
            raise AlreadyExists(f"program {program!r} exists", reason="PROGRAM_EXISTS", field="program")
        tx, snapshot = scope.tx, scope.snapshot
        fmt = settings.code_format
        row = ProgramRow(
            program,
            ProgramState.ACTIVE,
            settings.display_name or program,
            fmt.length,
            fmt.check_algorithm,
            fmt.prefix,
            settings.max_guess_odds,
            int(settings.single_use),
            int(settings.clear_delivery),
            settings.activation_undo_seconds,
            settings.redemption_reversal_seconds,
            scope.now_ms,
            1,
            b"",
            int(settings.seal_required),
        )
        tx.programs.insert(snapshot.tagger.tagged(SHAPES["program"], row))
        rows = [
            self._keys.row(snapshot.vault_id, purpose, program, 1, scope.now_ms, self._keys.draw())
            for purpose in PROGRAM_PURPOSES
        ]
        tx.keys.insert([snapshot.tagger.tagged(SHAPES["key_version"], key) for key in rows])
        tx.keys.put_use(fresh_use(snapshot.tagger, program, 1))
        self._recorder.catalogue.bump(tx)

    def _put(self, scope: Scope, row: ProgramRow) -> None:
        changed = row._replace(revision=row.revision + 1)
        scope.tx.programs.update(scope.snapshot.tagger.tagged(SHAPES["program"], changed))
        self._recorder.catalogue.bump(scope.tx)


def _view(scope: Scope, program: str) -> ProgramView:
    row = scope.snapshot.program(program)
    return ProgramView(row, odds(scope, row))
