"""The client's faces against a real vault: callers together, in threads, in clear and sealed."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.system.running import Running, running
from vault.cli.development import CALLERS
from vault.client import Purpose, Sealer, Validator, connect_blocking
from vault.errors import InvalidInput, PermissionDenied
from vault.v1.administration_service_pb2 import CreateProgramRequest
from vault.v1.issuance_service_pb2 import IssueCardsRequest, IssuedCard, NewCard
from vault.v1.resources_pb2 import CheckAlgorithm, CodeFormat, ProgramSettings, Verdict
from vault.v1.validation_service_pb2 import ValidatedCode

CARDS = 40
LENGTHS = {"netcash": 16, "gift": 12}
NOT_GOOD = ValidatedCode(verdict=Verdict.VERDICT_NOT_GOOD)


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("faces") / "vault", workers=1) as vault:
        yield vault


@pytest.fixture(scope="module")
def cards(vault: Running) -> dict[str, list[IssuedCard]]:
    return asyncio.run(_issue(vault))


async def _issue(vault: Running) -> dict[str, list[IssuedCard]]:
    issued = {}
    async with vault.client("operator") as operator, vault.client("issuer") as issuer:
        for program, length in LENGTHS.items():
            form = CodeFormat(length=length, check_algorithm=CheckAlgorithm.CHECK_ALGORITHM_LUHN)
            settings = ProgramSettings(clear_delivery=True, code_format=form, max_guess_odds=1e-6)
            create = CreateProgramRequest(program=program, settings=settings)
            await operator.call(operator.administration.CreateProgram, create)
            issue = IssueCardsRequest(program=program, cards=[NewCard()] * CARDS, activate=True, clear=True)
            issued[program] = list((await issuer.call(issuer.issuance.IssueCards, issue)).cards)
    return issued


def check(answers: list[ValidatedCode], program: str, cards: list[IssuedCard]) -> None:
    assert [(answer.verdict, answer.program, answer.card_id) for answer in answers] == [
        (Verdict.VERDICT_GOOD, program, card.card_id) for card in cards
    ]


async def test_callers_for_several_programs_get_their_own_answers_and_refusals_at_once(
    vault: Running, cards: dict[str, list[IssuedCard]]
) -> None:
    both = ["gift", "netcash"]
    async with vault.client("shop") as client, Validator(client) as validator:
        of_both, of_one, wrong, unknown = await asyncio.gather(
            asyncio.gather(*(validator.validate(card.code, both) for some in cards.values() for card in some)),
            asyncio.gather(*(validator.validate(card.code, ["gift"]) for card in cards["gift"])),
            asyncio.gather(
                *(validator.validate(card.code, ["gift"]) for card in cards["netcash"]), return_exceptions=True
            ),
            asyncio.gather(*(validator.validate(card.code[:-1] + "0", both) for card in cards["netcash"])),
        )
    check(of_both[:CARDS], "netcash", cards["netcash"])
    check(of_both[CARDS:], "gift", cards["gift"])
    check(of_one, "gift", cards["gift"])
    for error in wrong:
        assert isinstance(error, InvalidInput)
        assert (error.reason, error.field) == ("CODE_LENGTH", "code.code")
    for card, answer in zip(cards["netcash"], unknown, strict=True):
        assert answer == NOT_GOOD or card.code.endswith("0")


async def test_a_caller_who_may_not_ask_is_told_so(vault: Running, cards: dict[str, list[IssuedCard]]) -> None:
    async with vault.client("issuer") as client, Validator(client) as validator:
        asking = (validator.validate(card.code, ["gift"]) for card in cards["gift"])
        answers = await asyncio.gather(*asking, return_exceptions=True)
    assert [type(answer) for answer in answers] == [PermissionDenied] * CARDS


async def test_sealed_codes_travel_together_and_each_counts_once(
    vault: Running, cards: dict[str, list[IssuedCard]]
) -> None:
    shop = CALLERS["shop"]
    async with vault.client("shop") as client, Validator(client) as validator, Sealer(client) as sealer:

        async def seal(codes: list[str]) -> bytes:
            return await sealer.seal(codes, audience=shop, program="gift", purpose=Purpose.VALIDATE)

        blobs = [await seal([card.code]) for card in cards["gift"]]
        first = await asyncio.gather(*(validator.validate(blob, ["gift"]) for blob in blobs))
        again = await asyncio.gather(*(validator.validate(blob, ["gift"]) for blob in blobs))
        blob = await seal([cards["gift"][0].code])
        twice = await asyncio.gather(*(validator.validate(blob, ["gift"]) for _ in range(2)))
        several, one = await seal([card.code for card in cards["gift"]]), await seal([cards["gift"][1].code])
        beside = await asyncio.gather(
            validator.validate(several, ["gift"]), validator.validate(one, ["gift"]), return_exceptions=True
        )
        with pytest.raises(InvalidInput) as alone:
            await validator.validate(several, ["gift"])
    check(list(first), "gift", cards["gift"])
    assert list(again) == [ValidatedCode(verdict=Verdict.VERDICT_SUBMISSION_REFUSED)] * CARDS
    verdicts = {answer.verdict for answer in twice}
    assert verdicts == {Verdict.VERDICT_GOOD, Verdict.VERDICT_SUBMISSION_REFUSED}
    assert isinstance(beside[0], InvalidInput)
    assert beside[0].field == alone.value.field == "code.sealed"
    check([answer for answer in beside[1:] if isinstance(answer, ValidatedCode)], "gift", [cards["gift"][1]])


def test_threads_get_their_own_answers(vault: Running, cards: dict[str, list[IssuedCard]]) -> None:
    folder = vault.certificates
    with (
        connect_blocking(
            vault.address,
            ca=folder / "ca.pem",
            certificate=folder / "shop.pem",
            private_key=folder / "shop.key",
            timeout_seconds=120.0,
        ) as client,
        ThreadPoolExecutor(16) as pool,
    ):
        answers = list(pool.map(lambda card: client.validate(card.code, ["netcash"]), cards["netcash"]))
    check(answers, "netcash", cards["netcash"])
