"""AdministrationService, spoken."""

from typing import Any

from vault.codes.format import CodeFormat
from vault.errors import InvalidInput
from vault.model.states import CheckAlgorithm, Role
from vault.policy.call import Call
from vault.rpc import wire
from vault.rpc.paging import Listing
from vault.service.programs import DEFAULT_MAX_GUESS_ODDS, DEFAULT_WINDOW_SECONDS, Programs, Settings
from vault.service.recipients import Recipients
from vault.v1 import administration_service_pb2 as pb
from vault.v1 import resources_pb2 as res

DEFAULT_LENGTH = 16

UPDATABLE = {
    "display_name": "display_name",
    "max_guess_odds": "max_guess_odds",
    "clear_delivery": "clear_delivery",
    "activation_undo_window": "activation_undo_seconds",
    "redemption_reversal_window": "redemption_reversal_seconds",
    "seal_required": "seal_required",
}
"""What UpdateProgram may change, and the column of each."""


class AdministrationServicer:
    """Answers AdministrationService."""

    def __init__(self, programs: Programs, recipients: Recipients, listing: Listing) -> None:
        self._programs = programs
        self._recipients = recipients
        self._listing = listing

    async def CreateProgram(self, call: Call, request: pb.CreateProgramRequest) -> pb.CreateProgramResponse:
        """Create a program."""
        view = await self._programs.create(call, request.program, _settings(request.settings))
        return pb.CreateProgramResponse(program=wire.program(view))

    async def GetProgram(self, call: Call, request: pb.GetProgramRequest) -> pb.GetProgramResponse:
        """Answer a program."""
        return pb.GetProgramResponse(program=wire.program(await self._programs.get(call, request.program)))

    async def ListPrograms(self, call: Call, request: pb.ListProgramsRequest) -> pb.ListProgramsResponse:
        """List the caller's programs."""
        page = await self._listing.open(call, request, ())
        allowed = call.grants.programs(Role.OPERATOR)
        views = await self._programs.page(call, allowed, page.cursor.decode(), page.limit)
        following = page.following(len(views), lambda: views[-1].row.program.encode())
        return pb.ListProgramsResponse(programs=[wire.program(view) for view in views], next_page_token=following)

    async def UpdateProgram(self, call: Call, request: pb.UpdateProgramRequest) -> pb.UpdateProgramResponse:
        """Change a program's settings."""
        paths = set(request.update_mask.paths)
        if not paths or not paths <= UPDATABLE.keys():
            raise InvalidInput(f"name only {', '.join(sorted(UPDATABLE))}", reason="UPDATE_MASK", field="update_mask")
        new = _settings(request.settings)._asdict()
        columns: dict[str, Any] = {UPDATABLE[path]: new[UPDATABLE[path]] for path in paths}
        for flag in ("clear_delivery", "seal_required"):
            if flag in columns:
                columns[flag] = int(columns[flag])
        if columns.get("display_name") == "":
            columns["display_name"] = request.program
        view = await self._programs.update(call, request.program, columns, request.etag)
        return pb.UpdateProgramResponse(program=wire.program(view))

    async def StopProgram(self, call: Call, request: pb.StopProgramRequest) -> pb.StopProgramResponse:
        """Stop a program."""
        view = await self._programs.turn(call, request.program, "stop", note=request.reason, etag=request.etag)
        return pb.StopProgramResponse(program=wire.program(view))

    async def StartProgram(self, call: Call, request: pb.StartProgramRequest) -> pb.StartProgramResponse:
        """Start a stopped program."""
        view = await self._programs.turn(call, request.program, "start", note=request.reason, etag=request.etag)
        return pb.StartProgramResponse(program=wire.program(view))

    async def CloseProgram(self, call: Call, request: pb.CloseProgramRequest) -> pb.CloseProgramResponse:
        """End a program for good."""
        view = await self._programs.turn(
            call,
            request.program,
            "close",
            note=request.reason,
            etag=request.etag,
            validate_only=request.validate_only,
        )
        return pb.CloseProgramResponse(program=wire.program(view))

    async def CreateRecipient(self, call: Call, request: pb.CreateRecipientRequest) -> pb.CreateRecipientResponse:
        """Register a recipient."""
        row = await self._recipients.create(
            call, request.program, request.recipient, request.display_name, request.public_key
        )
        return pb.CreateRecipientResponse(recipient=wire.recipient(row))

    async def ListRecipients(self, call: Call, request: pb.ListRecipientsRequest) -> pb.ListRecipientsResponse:
        """List recipients."""
        page = await self._listing.open(call, request, (request.program,))
        rows = await self._recipients.page(call, request.program, page.cursor.decode(), page.limit)
        following = page.following(len(rows), lambda: rows[-1].recipient.encode())
        return pb.ListRecipientsResponse(recipients=[wire.recipient(row) for row in rows], next_page_token=following)


def _settings(settings: res.ProgramSettings) -> Settings:
    """Return settings with defaults where they are absent."""
    fmt = settings.code_format
    windows = [
        getattr(settings, name).seconds if settings.HasField(name) else DEFAULT_WINDOW_SECONDS
        for name in ("activation_undo_window", "redemption_reversal_window")
    ]
    return Settings(
        display_name=settings.display_name,
        code_format=CodeFormat(
            fmt.length or DEFAULT_LENGTH, CheckAlgorithm(fmt.check_algorithm or CheckAlgorithm.LUHN), fmt.prefix
        ),
        max_guess_odds=settings.max_guess_odds or DEFAULT_MAX_GUESS_ODDS,
        single_use=settings.single_use,
        clear_delivery=settings.clear_delivery,
        activation_undo_seconds=windows[0],
        redemption_reversal_seconds=windows[1],
        seal_required=settings.seal_required,
    )
