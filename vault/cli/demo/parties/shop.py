"""The shop: asks whether customers' codes are good, and tries what it may not do."""

import itertools
import secrets
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple

import grpc

from vault.cli.demo.place import Place
from vault.cli.demo.stage import NETCASH, OTHER, Stage, portions
from vault.cli.demo.truth import USAGES, positions
from vault.client.channel import VaultClient
from vault.codes.checkdigit import check_digit
from vault.errors import PermissionDenied
from vault.model.states import CheckAlgorithm
from vault.v1.card_service_pb2 import RevealCodeRequest
from vault.v1.issuance_service_pb2 import IssueCardsRequest, NewCard
from vault.v1.resources_pb2 import CardSelector, PresentedCode, Usage, Verdict
from vault.v1.validation_service_pb2 import BatchValidateCodesRequest, ValidateCodeRequest, ValidatedCode

SAMPLE_OF_EACH_KIND = 600
UNARY_AT_ONCE = 64
CONNECTIONS = 4
UNARY_METHOD = "/vault.v1.ValidationService/ValidateCode"


class Customer(NamedTuple):
    """A code as a customer shows it, and the answer that the vault owes."""

    code: str
    verdict: int
    usage: int


def _customers(stage: Stage) -> list[list[Customer]]:
    """Answer the customers by kind: unsold, sold and unused, at zero, in use."""
    plan = stage.plan
    printed, issued = stage.place.read_wallet("printed"), stage.place.read_wallet("issued")
    good, not_good = Verdict.VERDICT_GOOD, Verdict.VERDICT_NOT_GOOD
    return [
        [Customer(code, not_good, Usage.USAGE_UNSPECIFIED) for code in printed[plan.unused :]],
        [Customer(code, good, Usage.USAGE_UNUSED) for code in printed[: plan.unused]],
        [Customer(code, good, Usage.USAGE_EMPTY) for code in issued[: plan.zero]],
        [Customer(code, good, Usage.USAGE_IN_USE) for code in issued[plan.zero :]],
    ]


def _is_right(customer: Customer, result: ValidatedCode) -> bool:
    told = bool(result.card_id) or result.detail != 0
    return (result.verdict, result.usage) == (customer.verdict, customer.usage) and (
        told == (customer.verdict == Verdict.VERDICT_GOOD)
    )


async def validate_sample(stage: Stage) -> dict[str, Any]:
    """Validate a sample of every kind, one code a call, many calls at once."""
    kinds = _customers(stage)
    customers = [customer for kind in kinds for customer in kind[:SAMPLE_OF_EACH_KIND]]
    clients = [stage.client("shop") for _ in range(CONNECTIONS)]
    turn = itertools.cycle(clients)

    async def work(customer: Customer) -> bool:
        client = next(turn)
        request = ValidateCodeRequest(programs=[NETCASH], code=PresentedCode(code=customer.code))
        return _is_right(customer, (await client.call(client.validation.ValidateCode, request)).result)

    try:
        right = await stage.in_flight(customers, work, at_once=UNARY_AT_ONCE)
    finally:
        for client in clients:
            await client.close()
    return _counted(stage, right)


async def validate_all(stage: Stage) -> dict[str, Any]:
    """Validate every code, a thousand a call."""
    customers = [customer for kind in _customers(stage) for customer in kind]
    results = await _validate_many(stage, customers)
    return _counted(stage, [_is_right(*pair) for pair in zip(customers, results, strict=True)])


async def _validate_many(stage: Stage, customers: Sequence[Customer]) -> list[ValidatedCode]:
    async with stage.client("shop") as one, stage.client("shop") as two:
        turn = itertools.cycle((one, two))

        async def work(portion: Sequence[Customer]) -> Sequence[ValidatedCode]:
            client = next(turn)
            codes = [PresentedCode(code=customer.code) for customer in portion]
            request = BatchValidateCodesRequest(programs=[NETCASH], codes=codes)
            return (await client.call(client.validation.BatchValidateCodes, request)).results

        return list(itertools.chain.from_iterable(await stage.in_flight(portions(customers), work)))


async def validate_renewed(stage: Stage) -> dict[str, Any]:
    """Validate every old and new code of the lot after the thaw: only new ones of sold cards are good.

    The one card that was claimed twice is held. Hand the ledger the card ids that the new codes lead to.
    """
    place, plan = stage.place, stage.plan
    sold, contested = place.read_paper("sold"), place.read_paper("contested")
    usages = [USAGES[kind] for kind, lot in positions(plan).items() if kind in USAGES for _ in lot]
    bad, no_usage = Verdict.VERDICT_NOT_GOOD, Usage.USAGE_UNSPECIFIED
    old = [Customer(code, bad, no_usage) for code in place.read_wallet("lot")]
    new = [Customer(code, bad, no_usage) for code in place.read_wallet("renewed")]
    for position, (card_id, usage) in enumerate(zip(sold, usages, strict=True)):
        if card_id != contested:
            new[position] = Customer(new[position].code, Verdict.VERDICT_GOOD, usage)
    results = await _validate_many(stage, [*old, *new])
    found = [result.card_id or contested for result in results[plan.cards : plan.cards + plan.sold]]
    stage.expect(holds=found == sold, otherwise="new codes lead to other cards")
    place.write_paper("found", found)
    return _counted(stage, [_is_right(*pair) for pair in zip([*old, *new], results, strict=True)])


def _counted(stage: Stage, right: Sequence[bool]) -> dict[str, Any]:
    wrong = len(right) - sum(right)
    stage.expect(holds=wrong == 0, otherwise=f"{wrong} of {len(right)} validations were answered wrongly")
    return {"count": len(right), "wrong": wrong}


async def try_others(stage: Stage) -> dict[str, Any]:
    """Try codes that are not good, for whatever reason, and calls that a shop may not make."""
    unsold = stage.place.read_wallet("printed")[stage.plan.unused :][:3]
    sold = stage.place.read_wallet("issued")[0]
    wrong_digit = sold[:-1] + str((int(sold[-1]) + 1) % 10)
    unknown = unknown_code(stage.place)
    tried = [*unsold, wrong_digit, unknown, stage.place.read_wallet("other")[0]]
    async with stage.client("shop") as client:
        # The bytes as they came, which no parsing has made alike.
        ask: grpc.aio.UnaryUnaryMultiCallable[ValidateCodeRequest, bytes] = client.channel.unary_unary(
            UNARY_METHOD, request_serializer=ValidateCodeRequest.SerializeToString
        )
        requests = [ValidateCodeRequest(programs=[NETCASH], code=PresentedCode(code=code)) for code in tried]
        answers = [await ask(request, timeout=client.timeout_seconds) for request in requests]
        wrong = sum(answer != answers[0] for answer in answers)
        stage.expect(holds=wrong == 0, otherwise="codes that are not good are answered differently")
        card = CardSelector(card_id=stage.place.read_paper("issued")[0])
        reveal = RevealCodeRequest(program=NETCASH, card=card, reason="curiosity", clear=True)
        issue = IssueCardsRequest(program=NETCASH, cards=[NewCard()], activate=True, clear=True)
        elsewhere = ValidateCodeRequest(programs=[OTHER], code=PresentedCode(code=sold))
        forbidden: dict[str, Callable[[VaultClient], Awaitable[Any]]] = {
            "reveal a code": lambda client: client.call(client.cards.RevealCode, reveal),
            "issue cards": lambda client: client.call(client.issuance.IssueCards, issue),
            "ask another program": lambda client: client.call(client.validation.ValidateCode, elsewhere),
        }
        for what, attempt in forbidden.items():
            stage.expect(holds=await _is_denied(attempt(client)), otherwise=f"a shop can {what}")
    return {"count": len(tried) + len(forbidden), "wrong": wrong}


def unknown_code(place: Place) -> str:
    """Answer a code with a right check digit that was never issued."""
    known = set(place.all_codes())
    while True:
        digits = f"{secrets.randbelow(10**15):015}".encode()
        code = digits + check_digit(digits, CheckAlgorithm.LUHN)
        if code not in known:
            return code.decode()


async def _is_denied(attempt: Awaitable[Any]) -> bool:
    try:
        await attempt
    except PermissionDenied:
        return True
    return False
