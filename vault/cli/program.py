"""``cardvault program``: create and look after programs."""

import argparse
from typing import Any

from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask

from vault.cli.asking import add_confirmation, confirm
from vault.cli.connection import Actions
from vault.cli.failure import EXIT_DONE, UsageProblem
from vault.cli.output import Column, Output, moment, word
from vault.cli.paging import add_limit, collect
from vault.client.channel import VaultClient
from vault.v1.administration_service_pb2 import (
    CloseProgramRequest,
    CreateProgramRequest,
    GetProgramRequest,
    ListProgramsRequest,
    StartProgramRequest,
    StopProgramRequest,
    UpdateProgramRequest,
)
from vault.v1.resources_pb2 import CheckAlgorithm, CodeFormat, Program, ProgramSettings

ALGORITHMS = {"luhn": "LUHN", "damm": "DAMM", "mod-11-10": "MOD_11_10"}

LIST: tuple[Column[Program], ...] = (
    Column("program", lambda program: program.program),
    Column("name", lambda program: program.settings.display_name),
    Column("state", lambda program: word(Program.State, program.state)),
    Column("live codes", lambda program: f"{program.guess_odds.live_codes:,}"),
    Column("odds", lambda program: f"{program.guess_odds.odds:.2g}"),
    Column("created", lambda program: moment(program.create_time)),
)
DETAIL: tuple[Column[Program], ...] = (
    *LIST,
    Column("code length", lambda program: str(program.settings.code_format.length)),
    Column("check digit", lambda program: word(CheckAlgorithm, program.settings.code_format.check_algorithm)),
    Column("prefix", lambda program: program.settings.code_format.prefix or "-"),
    Column("max odds", lambda program: f"{program.guess_odds.max_odds:.2g}"),
    Column("remaining codes", lambda program: f"{program.guess_odds.remaining_codes:,}"),
    Column("guessed an hour", lambda program: f"{program.guess_odds.expected_hits_per_hour:.3g}"),
    Column("single use", lambda program: _yes(value=program.settings.single_use)),
    Column("clear delivery", lambda program: _yes(value=program.settings.clear_delivery)),
    Column("seal required", lambda program: _yes(value=program.settings.seal_required)),
    Column("undo a sale", lambda program: f"{program.settings.activation_undo_window.seconds} s"),
    Column("undo a redemption", lambda program: f"{program.settings.redemption_reversal_window.seconds} s"),
    Column("etag", lambda program: program.etag),
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the actions."""
    actions = Actions(parser)
    create = actions.add("create", _create, "create a program and its keys")
    create.add_argument("program", help="its id: 3 to 32 of a-z, 0-9 and hyphen")
    create.add_argument("--length", type=int, default=0, help="digits of a code, 8 to 19 (default 16)")
    create.add_argument("--check-digit", choices=sorted(ALGORITHMS), help="how the last digit is computed (luhn)")
    create.add_argument("--prefix", default="", help="leading digits of every code (none)")
    create.add_argument("--single-use", action="store_true", help="a code is spent by one redemption")
    _add_settings(create)
    actions.add("get", _get, "show a program and how easily its codes are guessed").add_argument("program")
    add_limit(actions.add("list", _list, "list the programs that you operate"))
    update = actions.add("update", _update, "change a program's settings")
    update.add_argument("program")
    update.add_argument("--etag", default="", help="refuse if it has changed since")
    _add_settings(update)
    stop = actions.add("stop", _stop, "stop a program: no code of it is good until it is started")
    start = actions.add("start", _start, "start a stopped program")
    close = actions.add("close", _close, "end a program for good")
    for action in (stop, start, close):
        action.add_argument("program")
        action.add_argument("--reason", default="", help="why, for the audit log")
        action.add_argument("--etag", default="", help="refuse if it has changed since")
    close.add_argument("--dry-run", action="store_true", help="make every check and change nothing")
    add_confirmation(close)


def _add_settings(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--display-name", help="name for people")
    parser.add_argument("--max-guess-odds", type=float, help="highest chance that one guess hits (1e-8)")
    parser.add_argument(
        "--clear-delivery",
        action=argparse.BooleanOptionalAction,
        help="codes may be delivered in clear over mTLS",
    )
    parser.add_argument(
        "--seal-required",
        action=argparse.BooleanOptionalAction,
        help="codes are taken in sealed submissions only",
    )
    parser.add_argument("--undo-window", type=int, metavar="SECONDS", help="how long a sale can be undone (3600)")
    parser.add_argument(
        "--reversal-window", type=int, metavar="SECONDS", help="how long a redemption can be reversed (3600)"
    )


def _given(parsed: argparse.Namespace) -> dict[str, Any]:
    undo, reversal = parsed.undo_window, parsed.reversal_window
    given = {
        "display_name": parsed.display_name,
        "max_guess_odds": parsed.max_guess_odds,
        "clear_delivery": parsed.clear_delivery,
        "seal_required": parsed.seal_required,
        "activation_undo_window": None if undo is None else Duration(seconds=undo),
        "redemption_reversal_window": None if reversal is None else Duration(seconds=reversal),
    }
    return {name: value for name, value in given.items() if value is not None}


def _yes(*, value: bool) -> str:
    return "yes" if value else "no"


async def _create(client: VaultClient, parsed: argparse.Namespace, output: Output) -> int:
    settings = ProgramSettings(**_given(parsed), single_use=parsed.single_use)
    if parsed.length or parsed.check_digit or parsed.prefix:
        settings.code_format.CopyFrom(CodeFormat(length=parsed.length, prefix=parsed.prefix))
    if parsed.check_digit:
        name = f"CHECK_ALGORITHM_{ALGORITHMS[parsed.check_digit]}"
        settings.code_format.check_algorithm = CheckAlgorithm.Value(name)
    request = CreateProgramRequest(program=parsed.program, settings=settings)
    answer = await client.call(client.administration.CreateProgram, request)
    output.one(answer.program, DETAIL)
    return EXIT_DONE


async def _get(client: VaultClient, parsed: argparse.Namespace, output: Output) -> int:
    request = GetProgramRequest(program=parsed.program)
    answer = await client.call(client.administration.GetProgram, request)
    output.one(answer.program, DETAIL)
    return EXIT_DONE


async def _list(client: VaultClient, parsed: argparse.Namespace, output: Output) -> int:
    method = client.administration.ListPrograms
    output.many(await collect(client, method, ListProgramsRequest(), "programs", parsed.limit), LIST)
    return EXIT_DONE


async def _update(client: VaultClient, parsed: argparse.Namespace, output: Output) -> int:
    given = _given(parsed)
    if not given:
        message = "nothing to change: name at least one setting"
        raise UsageProblem(message)
    request = UpdateProgramRequest(
        program=parsed.program,
        settings=ProgramSettings(**given),
        update_mask=FieldMask(paths=sorted(given)),
        etag=parsed.etag,
    )
    answer = await client.call(client.administration.UpdateProgram, request)
    output.one(answer.program, DETAIL)
    return EXIT_DONE


async def _stop(client: VaultClient, parsed: argparse.Namespace, output: Output) -> int:
    request = StopProgramRequest(program=parsed.program, reason=parsed.reason, etag=parsed.etag)
    answer = await client.call(client.administration.StopProgram, request)
    output.one(answer.program, DETAIL)
    return EXIT_DONE


async def _start(client: VaultClient, parsed: argparse.Namespace, output: Output) -> int:
    request = StartProgramRequest(program=parsed.program, reason=parsed.reason, etag=parsed.etag)
    answer = await client.call(client.administration.StartProgram, request)
    output.one(answer.program, DETAIL)
    return EXIT_DONE


async def _close(client: VaultClient, parsed: argparse.Namespace, output: Output) -> int:
    confirm(parsed, f"End program {parsed.program} for good? Nothing undoes it.")
    request = CloseProgramRequest(
        program=parsed.program, reason=parsed.reason, etag=parsed.etag, validate_only=parsed.dry_run
    )
    answer = await client.call(client.administration.CloseProgram, request)
    output.one(answer.program, DETAIL)
    return EXIT_DONE
