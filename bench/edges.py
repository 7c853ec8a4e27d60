"""A client process that presents sealed submissions: ``python -m bench.edges FILE``.

The file holds ``Presentation`` as JSON. The process seals everything first, as a submission counts once and for
five minutes, says ``ready``, waits for a line, and presents each request once, so many at a time over its
connections. A request that the vault has no room for is presented again. It writes one JSON object: codes
answered and the seconds that took, after the warm-up; wrong answers; receipts.

Answers are parsed and compared with what is right when the time is over. Of the receipts some are verified.
"""

from __future__ import annotations  # grpc's classes are generic in their stubs alone

import asyncio
import gc
import json
import sys
from collections.abc import Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import grpc.aio
from google.protobuf.message import Message

from bench.calls import BATCH, SHOP, VALIDATE
from bench.cards import PROGRAM
from bench.pairs import read_pairs
from vault.cli.development import CALLERS, RECEIPT_AUDIENCE
from vault.client import Purpose, ReceiptUse, ReceiptVerifier, Sealer, VaultClient, connect
from vault.v1.resources_pb2 import PresentedCode, ReceiptRequest, Verdict
from vault.v1.validation_service_pb2 import (
    BatchValidateCodesRequest,
    BatchValidateCodesResponse,
    ListPublicKeysRequest,
    ValidateCodeRequest,
    ValidateCodeResponse,
    ValidatedCode,
)

CALL_SECONDS = 120.0
AGAIN_SECONDS = 0.05
VERIFIED = 100
WARM_UP = 0.1
"""Share of the requests that are presented before the time is taken."""

Coded = tuple[str, ValidatedCode]


class Presentation(NamedTuple):
    """What a client process presents: ``requests`` of ``codes`` codes, each sealed alone or all together."""

    address: str
    certificates: str
    pairs: str
    first: int
    requests: int
    codes: int
    together: bool
    receipts: bool
    connections: int
    in_flight: int


class _Presented(NamedTuple):
    """A request made in advance, and the right answers."""

    body: bytes
    right: Sequence[ValidatedCode]


async def _seal(shown: Presentation, sealer: Sealer) -> list[_Presented]:
    asked = [
        (ValidateCodeRequest.FromString(request).code.code, ValidateCodeResponse.FromString(answer).result)
        for request, answer in read_pairs(Path(shown.pairs))
    ]
    turn = islice(cycle(asked), shown.first, None)
    return [await _request(shown, sealer, list(islice(turn, shown.codes))) for _ in range(shown.requests)]


async def _request(shown: Presentation, sealer: Sealer, coded: Sequence[Coded]) -> _Presented:
    codes = [code for code, _ in coded]
    lots = [codes] if shown.together else [[code] for code in codes]
    forms = [
        PresentedCode(sealed=await sealer.seal(lot, audience=CALLERS[SHOP], program=PROGRAM, purpose=Purpose.VALIDATE))
        for lot in lots
    ]
    receipt = ReceiptRequest(audience=RECEIPT_AUDIENCE) if shown.receipts else None
    request: Message
    if shown.codes == 1:
        (form,) = forms
        request = ValidateCodeRequest(programs=[PROGRAM], code=form, request_id=str(uuid4()), receipt=receipt)
    else:
        request = BatchValidateCodesRequest(programs=[PROGRAM], codes=forms, request_id=str(uuid4()), receipt=receipt)
    return _Presented(request.SerializeToString(), [right for _, right in coded])


class _Run:
    """Requests on their way, and their answers."""

    def __init__(self, presented: Sequence[_Presented]) -> None:
        self._turn = iter(enumerate(presented))
        self._warm_up = int(len(presented) * WARM_UP)
        self.answers: list[bytes] = [b""] * len(presented)
        self.began = 0.0

    async def keep_presenting(self, ask: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]) -> None:
        for number, each in self._turn:
            if number == self._warm_up:
                self.began = asyncio.get_running_loop().time()
            self.answers[number] = await self._answer(ask, each.body)

    async def _answer(self, ask: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes], body: bytes) -> bytes:
        while True:
            try:
                return await ask(body, timeout=CALL_SECONDS)
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.UNAVAILABLE:
                    raise
            await asyncio.sleep(AGAIN_SECONDS)

    @property
    def measured(self) -> int:
        """How many requests the time was taken of."""
        return len(self.answers) - self._warm_up


async def _work(shown: Presentation) -> dict[str, float]:
    clients = [_client(shown) for _ in range(shown.connections)]
    method = VALIDATE if shown.codes == 1 else BATCH
    asks: list[grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]] = [
        client.channel.unary_unary(method) for client in clients
    ]
    try:
        connecting = asyncio.gather(*(client.channel.channel_ready() for client in clients))
        await asyncio.wait_for(connecting, CALL_SECONDS)
        keys = await clients[0].call(clients[0].validation.ListPublicKeys, ListPublicKeysRequest())
        async with Sealer(clients[0]) as sealer:
            presented = await _seal(shown, sealer)
        run = _Run(presented)
        gc.collect()
        gc.freeze()
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        await asyncio.gather(*(run.keep_presenting(asks[number % len(asks)]) for number in range(shown.in_flight)))
        seconds = asyncio.get_running_loop().time() - run.began
    finally:
        await asyncio.gather(*(client.close() for client in clients))
    verifier = ReceiptVerifier.of_answer(keys, audience=RECEIPT_AUDIENCE)
    wrong = receipts = 0
    for number, (answer, each) in enumerate(zip(run.answers, presented, strict=True)):
        results, receipt = _parse(answer, shown)
        wrong += sum(result != right for result, right in zip(results, each.right, strict=True))
        receipts += bool(receipt)
        if receipt and number < VERIFIED:
            verifier.verify(receipt, use=ReceiptUse.VALIDATION)
    good = sum(each.right[0].verdict == Verdict.VERDICT_GOOD for each in presented)
    wrong += shown.receipts and receipts != good
    return {"codes": run.measured * shown.codes, "seconds": seconds, "wrong": int(wrong), "receipts": receipts}


def _parse(answer: bytes, shown: Presentation) -> tuple[Sequence[ValidatedCode], str]:
    if shown.codes == 1:
        one = ValidateCodeResponse.FromString(answer)
        return [one.result], one.receipt
    many = BatchValidateCodesResponse.FromString(answer)
    return many.results, many.receipt


def _client(shown: Presentation) -> VaultClient:
    folder = Path(shown.certificates)
    return connect(
        shown.address,
        ca=folder / "ca.pem",
        certificate=folder / f"{SHOP}.pem",
        private_key=folder / f"{SHOP}.key",
        timeout_seconds=CALL_SECONDS,
    )


def main() -> int:
    """Seal, present and report."""
    shown = Presentation(**json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    print(json.dumps(asyncio.run(_work(shown))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
