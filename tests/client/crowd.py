"""A validation service that answers each code by itself, groups and all, as a test tells it to."""

import asyncio
from collections.abc import Callable
from typing import Any

from tests.client.conftest import Peer
from vault.errors import VaultError
from vault.status import to_status
from vault.v1 import validation_service_pb2_grpc
from vault.v1.resources_pb2 import Verdict
from vault.v1.validation_service_pb2 import BatchValidateCodesRequest, BatchValidateCodesResponse, ValidatedCode

PROGRAMS = ["netcash"]
Rule = Callable[[BatchValidateCodesRequest], VaultError | None]


def code_of(number: int, digits: int = 16) -> str:
    return f"{number:0{digits}d}"


def right(code: str | bytes) -> ValidatedCode:
    """Return the answer for a code, which no other code gets: good with an even last digit."""
    text = code if isinstance(code, str) else code.hex()[:40]
    good = text[-1] in "02468"
    return ValidatedCode(verdict=Verdict.VERDICT_GOOD if good else Verdict.VERDICT_NOT_GOOD, card_id=text)


class Groups(validation_service_pb2_grpc.ValidationServiceServicer):
    """Answers groups of codes, each as ``right`` says, unless its rule has an error for the group."""

    def __init__(self, rule: Rule | None = None) -> None:
        self.rule = rule
        self.seconds = 0.0
        self.gate = asyncio.Event()
        self.gate.set()
        self.requests: list[BatchValidateCodesRequest] = []
        self.remaining: list[float] = []
        self.at_once = 0
        self.most_at_once = 0
        self.cancelled = 0

    @property
    def sizes(self) -> list[int]:
        return [len(request.codes) for request in self.requests]

    async def BatchValidateCodes(  # noqa: N802
        self, request: BatchValidateCodesRequest, context: Any
    ) -> BatchValidateCodesResponse:
        self.requests.append(request)
        self.remaining.append(context.time_remaining())
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await self.gate.wait()
            await asyncio.sleep(self.seconds)
            error = self.rule(request) if self.rule else None
            if error is not None:
                status = to_status(error, "a-correlation-id")
                await context.abort(status.code, status.details, status.trailing_metadata)
            return BatchValidateCodesResponse(results=[right(form.code or form.sealed) for form in request.codes])
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.at_once -= 1


def serve_groups(peer: Peer, rule: Rule | None = None) -> Groups:
    groups = Groups(rule)  # type: ignore[abstract]  # the rest is never called
    validation_service_pb2_grpc.add_ValidationServiceServicer_to_server(groups, peer.server)
    return groups


async def until(true: Callable[[], bool], seconds: float = 120.0) -> None:
    """Wait until something is true."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not true():
        assert asyncio.get_running_loop().time() < deadline, "it did not come true in time"
        await asyncio.sleep(0.005)
