"""``cardvault card issue``, ``reissue``, ``reveal``, ``validate``, ``redeem`` and ``reverse``: codes go in or out.

Codes go in from the terminal without echo or from standard input, and leave sealed where that is asked for.
They come out in clear only into a new file of mode 0600, or to a standard output that ``--stdout`` asks for; a
package sealed to a recipient holds none in clear.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from vault.cli.asking import read_code, read_codes
from vault.cli.card_records import write_private
from vault.cli.card_sealing import add_sealing, only_program, present
from vault.cli.connection import Actions
from vault.cli.failure import EXIT_DONE, EXIT_FAILED, UsageProblem
from vault.cli.output import Column, Output, moment, plain, table, word
from vault.cli.selection import LARGEST_REQUEST, add_card, status_of
from vault.cli.timing import add_expiry
from vault.client.channel import VaultClient
from vault.client.sealing import Purpose
from vault.v1.card_service_pb2 import ReissueCardRequest, RevealCodeRequest
from vault.v1.issuance_service_pb2 import IssueCardsRequest, NewCard
from vault.v1.resources_pb2 import Detail, Usage, Verdict
from vault.v1.validation_service_pb2 import (
    BatchValidateCodesRequest,
    RedeemCodeRequest,
    RedeemCodeResponse,
    ReverseRedemptionRequest,
    ReverseRedemptionResponse,
    ValidatedCode,
)

VALIDATED: tuple[Column[ValidatedCode], ...] = (
    Column("verdict", lambda result: word(Verdict, result.verdict)),
    Column("why", lambda result: word(Detail, result.detail)),
    Column("card", lambda result: result.card_id or "-"),
    Column("program", lambda result: result.program or "-"),
    Column("usage", lambda result: word(Usage, result.usage)),
    Column("expires", lambda result: moment(result.expire_time)),
)
REDEEMED: tuple[Column[RedeemCodeResponse], ...] = (
    Column("verdict", lambda answer: word(Verdict, answer.verdict)),
    Column("why", lambda answer: word(Detail, answer.detail)),
    Column("card", lambda answer: answer.card_id or "-"),
    Column("redemption", lambda answer: answer.redemption_id or "-"),
    Column("time", lambda answer: moment(answer.redeem_time)),
)
REVERSED: tuple[Column[ReverseRedemptionResponse], ...] = (Column("card", lambda answer: answer.card_id),)


def add_codes(actions: Actions) -> None:
    """Add the actions that codes go into or come out of."""
    issue = actions.add("issue", _issue, "issue up to 1,000 cards at once")
    issue.add_argument("program")
    issue.add_argument("--count", type=int, default=1, help="cards to issue (1)")
    issue.add_argument("--reference", default="", help="your own note; must not hold a code")
    add_expiry(issue)
    issue.add_argument("--activate", action="store_true", help="sell them by this call")
    _add_delivery(issue)
    reissue = actions.add("reissue", _reissue, "give a lost card a new code; the one before is good no more")
    add_card(reissue)
    reissue.add_argument("--reason", required=True, help="why, for the audit log; must not hold a code")
    _add_delivery(reissue)
    reveal = actions.add("reveal", _reveal, "deliver a card's current code")
    add_card(reveal)
    reveal.add_argument("--reason", required=True, help="why, for the audit log; must not hold a code")
    _add_delivery(reveal)
    validate = actions.add("validate", _validate, "ask whether codes are good; reads them one a line")
    validate.add_argument("programs", nargs="*", metavar="program", help="programs to ask (default: your only one)")
    validate.set_defaults(takes_more="programs")
    add_sealing(validate)
    redeem = actions.add("redeem", _redeem, "spend a single-use code; reads it without echo")
    redeem.add_argument("program")
    add_sealing(redeem)
    reverse = actions.add("reverse", _reverse, "undo a redemption")
    add_card(reverse)
    reverse.add_argument("redemption", help="its id, as `card redeem` answered it")


def _add_delivery(parser: argparse.ArgumentParser) -> None:
    how = parser.add_mutually_exclusive_group(required=True)
    how.add_argument("--recipient", help="deliver as a package sealed to this recipient")
    how.add_argument("--clear", action="store_true", help="deliver in clear, where the program allows it")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--out", type=Path, metavar="FILE", help="new file of mode 0600 for the codes or the package")
    where.add_argument("--stdout", action="store_true", help="write codes in clear to standard output, as JSON")


def _check_delivery(parsed: argparse.Namespace) -> None:
    if parsed.stdout and parsed.recipient:
        message = "a package goes to a file: give --out FILE"
        raise UsageProblem(message)
    if parsed.out and parsed.out.exists():
        message = f"{parsed.out} exists"
        raise UsageProblem(message)


def _deliver(parsed: argparse.Namespace, package: bytes, value: Any) -> None:
    """Put away what was delivered, before anything else can fail."""
    if parsed.out:
        write_private(parsed.out, package if parsed.recipient else (json.dumps(value, indent=2) + "\n").encode())


async def _issue(client: VaultClient, parsed: argparse.Namespace, output: Output) -> int:
    _check_delivery(parsed)
    card = NewCard(reference=parsed.reference, expire_time=parsed.expires)
    request = IssueCardsRequest(program=parsed.program, cards=[card] * parsed.count, activate=parsed.activate)
    _set_delivery(request, parsed)
    answer = await client.call(client.issuance.IssueCards, request)
    _deliver(parsed, answer.package, [plain(issued, delivered=True) for issued in answer.cards])
    answer.ClearField("package")
    if parsed.json or parsed.stdout:
        output.value([plain(issued, delivered=parsed.stdout) for issued in answer.cards])
    else:
        table(["card", "serial"], [[issued.card_id, issued.serial] for issued in answer.cards])
        output.note(f"codes in {parsed.out}")
    return EXIT_DONE


async def _reveal(client: VaultClient, parsed: argparse.Namespace, output: Output) -> int:
    _check_delivery(parsed)
    request = RevealCodeRequest(program=parsed.program, card=parsed.card, reason=parsed.reason)
    _set_delivery(request, parsed)
    answer = await client.call(client.cards.RevealCode, request)
    _deliver(parsed, answer.package, plain(answer, delivered=True))
    answer.ClearField("package")
    if parsed.json or parsed.stdout:
        output.value(plain(answer, delivered=parsed.stdout))
    else:
        table(["card", "serial"], [[answer.card_id, answer.serial]])
        output.note(f"code in {parsed.out}")
    return EXIT_DONE


async def _reissue(client: VaultClient, parsed: argparse.Namespace, output: Output) -> int:
    _check_delivery(parsed)
    request = ReissueCardRequest(program=parsed.program, card=parsed.card, reason=parsed.reason)
    _set_delivery(request, parsed)
    answer = await client.call(client.cards.ReissueCard, request)
    _deliver(parsed, answer.package, plain(answer, delivered=True))
    answer.ClearField("package")
    if parsed.json or parsed.stdout:
        output.value(plain(answer, delivered=parsed.stdout))
    else:
        table(["card", "old serial", "new serial"], [[answer.card_id, answer.superseded_serial, answer.serial]])
        output.note(f"code in {parsed.out}")
    return EXIT_DONE


def _set_delivery(
    request: IssueCardsRequest | ReissueCardRequest | RevealCodeRequest, parsed: argparse.Namespace
) -> None:
    if parsed.recipient:
        request.recipient = parsed.recipient
    else:
        request.clear = True


async def _validate(client: VaultClient, parsed: argparse.Namespace, output: Output) -> int:
    program = only_program(parsed)
    codes = read_codes()
    results: list[ValidatedCode] = []
    for start in range(0, len(codes), LARGEST_REQUEST):
        part = codes[start : start + LARGEST_REQUEST]
        presented = await present(client, parsed, part, program, Purpose.VALIDATE)
        request = BatchValidateCodesRequest(programs=parsed.programs, codes=presented)
        results.extend((await client.call(client.validation.BatchValidateCodes, request)).results)
    if output.as_json:
        output.value([plain(result) for result in results])
    else:
        rows = [
            [str(position), *(column.show(result) for column in VALIDATED)]
            for position, result in enumerate(results, 1)
        ]
        table(["code", *(column.title for column in VALIDATED)], rows)
    return status_of(result.verdict == Verdict.VERDICT_GOOD for result in results)


async def _redeem(client: VaultClient, parsed: argparse.Namespace, output: Output) -> int:
    (presented,) = await present(client, parsed, [read_code()], parsed.program, Purpose.REDEEM)
    request = RedeemCodeRequest(program=parsed.program, code=presented)
    answer = await client.call(client.validation.RedeemCode, request)
    output.one(answer, REDEEMED)
    return EXIT_DONE if answer.verdict == Verdict.VERDICT_GOOD else EXIT_FAILED


async def _reverse(client: VaultClient, parsed: argparse.Namespace, output: Output) -> int:
    request = ReverseRedemptionRequest(program=parsed.program, card=parsed.card, redemption_id=parsed.redemption)
    answer = await client.call(client.validation.ReverseRedemption, request)
    output.one(answer, REVERSED)
    return EXIT_DONE
