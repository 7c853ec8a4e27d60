"""Filling a vault, and what its shops may ask of it."""

import asyncio
import itertools
import time
from pathlib import Path
from typing import NamedTuple

from bench.pairs import Pair, write_pairs
from bench.rig import Rig
from vault.client.channel import VaultClient
from vault.client.recipient import create_key_file
from vault.v1.administration_service_pb2 import CreateProgramRequest, CreateRecipientRequest
from vault.v1.issuance_service_pb2 import CreateBatchRequest, GetBatchRequest, IssueCardsRequest, NewCard
from vault.v1.resources_pb2 import Batch, PresentedCode, ProgramSettings, Usage, Verdict
from vault.v1.validation_service_pb2 import (
    BatchValidateCodesRequest,
    BatchValidateCodesResponse,
    ValidateCodeRequest,
    ValidateCodeResponse,
    ValidatedCode,
)

PROGRAM = "netcash"
RECIPIENT = "printer"
AT_ONCE = 1000
POLL_SHARE = 0.005
POLL_SECONDS = 0.05
SLOWEST_CARDS_PER_SECOND = 1000
SOLD_OF_TEN = 9
PAIRS_WRITTEN = "validate.pairs", "batch.pairs", "echo.pairs"


class Wallet(NamedTuple):
    """Files of prepared calls: ValidateCode, BatchValidateCodes of 1,000, and the echo's."""

    validate: Path
    batch: Path
    echo: Path


async def set_up_program(rig: Rig) -> None:
    """Create the program and the recipient of its packages."""
    async with rig.client("operator") as client:
        settings = ProgramSettings(clear_delivery=True)
        await client.call(client.administration.CreateProgram, CreateProgramRequest(program=PROGRAM, settings=settings))
        public = create_key_file(rig.place.house_key)
        request = CreateRecipientRequest(program=PROGRAM, recipient=RECIPIENT, public_key=public)
        await client.call(client.administration.CreateRecipient, request)


async def issue_batch(rig: Rig, count: int) -> float:
    """Have the job process issue a batch of cards, and return the seconds from the call to its end.

    Raises:
        RuntimeError: It was not ready in time, or with another number of cards.
    """
    async with rig.client("issuer") as client:
        began = time.monotonic()
        create = CreateBatchRequest(program=PROGRAM, count=count, recipient=RECIPIENT)
        batch_id = (await client.call(client.issuance.CreateBatch, create)).batch.batch_id
        deadline = began + 60 + count / SLOWEST_CARDS_PER_SECOND
        while True:
            request = GetBatchRequest(program=PROGRAM, batch_id=batch_id)
            batch = (await client.call(client.issuance.GetBatch, request)).batch
            if batch.state != Batch.STATE_ISSUING:
                break
            if time.monotonic() > deadline:
                message = f"{batch.issued_count} of {count} cards were issued in {time.monotonic() - began:.0f} s"
                raise RuntimeError(message)
            # Rarer the longer it lasts, so that asking costs next to nothing and the end is known to half a percent.
            await asyncio.sleep(max(POLL_SECONDS, (time.monotonic() - began) * POLL_SHARE))
        took = time.monotonic() - began
    if batch.state != Batch.STATE_READY or batch.issued_count != count:
        message = f"a batch of {count} cards ended with {batch.issued_count}"
        raise RuntimeError(message)
    return took


async def fill_wallet(rig: Rig, folder: Path, codes: int) -> Wallet:
    """Issue cards one by one, nine of ten sold, and write the calls that ask for them, with the right answers.

    Args:
        rig: The vault.
        folder: Where the files go.
        codes: Cards to issue, in thousands, at least 10,000.
    """
    async with rig.client("issuer") as client:
        portions = [await _issue(client, sold=number % 10 < SOLD_OF_TEN) for number in range(max(10, codes // AT_ONCE))]
    # Sold and unsold mixed, so that no stretch of calls is easier than another.
    asked = list(itertools.chain.from_iterable(zip(*portions, strict=True)))
    wallet = Wallet(*(folder / name for name in PAIRS_WRITTEN))
    one_by_one = [_one(code, answer) for code, answer in asked]
    write_pairs(wallet.validate, one_by_one)
    write_pairs(wallet.batch, [_many(asked[at : at + AT_ONCE]) for at in range(0, len(asked), AT_ONCE)])
    size = max(len(answer) for _, answer in one_by_one)
    write_pairs(wallet.echo, [(bytes(size), bytes(size))])
    return wallet


async def _issue(client: VaultClient, *, sold: bool) -> list[tuple[str, ValidatedCode]]:
    request = IssueCardsRequest(program=PROGRAM, cards=[NewCard()] * AT_ONCE, activate=sold, clear=True)
    answer = await client.call(client.issuance.IssueCards, request)
    return [(card.code, _right(card.card_id) if sold else _refused()) for card in answer.cards]


def _right(card_id: str) -> ValidatedCode:
    return ValidatedCode(verdict=Verdict.VERDICT_GOOD, card_id=card_id, program=PROGRAM, usage=Usage.USAGE_UNUSED)


def _refused() -> ValidatedCode:
    return ValidatedCode(verdict=Verdict.VERDICT_NOT_GOOD)


def _one(code: str, answer: ValidatedCode) -> Pair:
    request = ValidateCodeRequest(programs=[PROGRAM], code=PresentedCode(code=code))
    return request.SerializeToString(), ValidateCodeResponse(result=answer).SerializeToString()


def _many(asked: list[tuple[str, ValidatedCode]]) -> Pair:
    request = BatchValidateCodesRequest(programs=[PROGRAM], codes=[PresentedCode(code=code) for code, _ in asked])
    return request.SerializeToString(), BatchValidateCodesResponse(results=[a for _, a in asked]).SerializeToString()
