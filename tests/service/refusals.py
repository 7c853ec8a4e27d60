"""Somebody who presents sealed submissions by one method, and every way in which one is refused."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from uuid import uuid4

from tests.service.sealing import EXCHANGE, GRANTS, REDEEM, SHOP, Edge, Shop
from tests.workshop import ALL, Workshop
from vault.crypto.sealedbox import draw_key, public_half
from vault.crypto.submission import SMALLEST
from vault.formats.v1.submission_pb2 import Submission
from vault.model.shape import SHAPES
from vault.model.states import KeyPurpose, KeyState, Role
from vault.policy.access import Grants
from vault.rpc.validation_servicer import ValidationServicer
from vault.service import rules
from vault.service.answering.submissions import AGE_MS, Cause, Sealed
from vault.stores.protocol import Transaction
from vault.v1 import validation_service_pb2 as pb
from vault.v1.resources_pb2 import PresentedCode

PROGRAMS = {role: ALL.programs(role) for role in Role}
WITH_DETAIL = Grants(PROGRAMS, audiences=frozenset({SHOP}))
PURPOSES = {"ValidateCode": Submission.PURPOSE_VALIDATE, "RedeemCode": REDEEM, "ExchangeCode": EXCHANGE}


class Counter:
    """Somebody who presents submissions by one method, over the wire's messages."""

    def __init__(self, shop: Workshop, method: str) -> None:
        self.shop = shop
        self.method = method
        self.edge = Edge(shop)
        self.servicer = ValidationServicer(
            shop.validation, shop.redemptions, shop.exchanges, shop.cards, shop.public_keys, shop.inquiries
        )
        self.code = b""

    async def seal(self, **fields: Any) -> Sealed:
        """Seal the code for the method."""
        wanted: dict[str, Any] = {"purpose": PURPOSES[self.method], **fields}
        if wanted["purpose"] == EXCHANGE:
            wanted |= {"public_key": public_half(draw_key()), "serial": "A000000000000"}
        return await self.edge.seal(self.code, **wanted)

    async def present(self, sealed: Sealed, grants: Grants = GRANTS, principal: str = SHOP) -> bytes:
        """Present a submission and return the answer's bytes."""
        code = PresentedCode(sealed=sealed.blob)
        request_id = uuid4()
        request: pb.ValidateCodeRequest | pb.RedeemCodeRequest | pb.ExchangeCodeRequest
        match self.method:
            case "ValidateCode":
                request = pb.ValidateCodeRequest(programs=["netcash"], request_id=str(request_id), code=code)
            case "RedeemCode":
                request = pb.RedeemCodeRequest(program="netcash", request_id=str(request_id), code=code)
            case _:
                request = pb.ExchangeCodeRequest(
                    program="netcash", request_id=str(request_id), code=code, purchase_proven=True
                )
        shop = Shop(self.shop, principal, grants)
        call = shop.call(self.method, request_id, request.SerializeToString())
        answer = await getattr(self.servicer, self.method)(call, request)
        return bytes(answer.SerializeToString())


Make = Callable[[Counter], Awaitable[Sealed]]


async def _replayed(counter: Counter) -> Sealed:
    sealed = await counter.seal()
    await counter.present(sealed)
    return sealed


async def _damaged(counter: Counter) -> Sealed:
    blob = bytearray((await counter.seal()).blob)
    blob[200] ^= 1
    return Sealed(bytes(blob))


async def _truncated(counter: Counter) -> Sealed:
    return Sealed((await counter.seal(audience=SHOP + "/long" * 120)).blob[:SMALLEST])


async def _other_format(counter: Counter) -> Sealed:
    return Sealed(b"\x02" + (await counter.seal()).blob[1:])


async def _unknown_key(counter: Counter) -> Sealed:
    return await counter.seal(key=(99, public_half(draw_key())))


async def _foreign_key(counter: Counter) -> Sealed:
    return await counter.seal(key=(1, public_half(draw_key())))


async def compromise(shop: Workshop) -> None:
    """Rotate the sealing key and mark its first version as compromised."""
    await shop.key_versions.create(shop.call(), KeyPurpose.SEALING, "")

    def work(tx: Transaction) -> None:
        scope = shop.recorder.scope(tx)
        (row,) = (row for row in scope.snapshot.key_rows if row[:3] == (KeyPurpose.SEALING, "", 1))
        changed = row._replace(state=KeyState.COMPROMISED)
        scope.tx.keys.update(scope.snapshot.tagger.tagged(SHAPES["key_version"], changed))
        shop.recorder.catalogue.bump(scope.tx)

    await shop.store.transact(work)


async def _compromised_key(counter: Counter) -> Sealed:
    sealed = await counter.seal()
    await compromise(counter.shop)
    return sealed


async def _destroyed_key(counter: Counter) -> Sealed:
    sealed, shop = await counter.seal(), counter.shop
    await shop.key_versions.create(shop.call(), KeyPurpose.SEALING, "")
    await shop.destruction.destroy(shop.call(), KeyPurpose.SEALING, "", 1, validate_only=False)
    return sealed


def _for(**fields: str) -> Make:
    return lambda counter: counter.seal(**fields)


def _late(late_ms: int) -> Make:
    return lambda counter: counter.seal(seal_time_ms=counter.shop.clock.now_ms - late_ms)


async def _other_purpose(counter: Counter) -> Sealed:
    return await counter.seal(purpose=REDEEM if counter.method != "RedeemCode" else EXCHANGE)


CASES: Mapping[str, tuple[Cause, Make]] = {
    "replayed": (Cause.REPLAYED, _replayed),
    "damaged": (Cause.DAMAGED, _damaged),
    "truncated": (Cause.DAMAGED, _truncated),
    "other format": (Cause.DAMAGED, _other_format),
    "foreign key": (Cause.DAMAGED, _foreign_key),
    "unknown key": (Cause.KEY, _unknown_key),
    "compromised key": (Cause.KEY, _compromised_key),
    "destroyed key": (Cause.KEY, _destroyed_key),
    "audience": (Cause.AUDIENCE, _for(audience="spiffe://test/other")),
    "program": (Cause.PROGRAM, _for(program="other")),
    "purpose": (Cause.PURPOSE, _other_purpose),
    "old": (Cause.OLD, _late(AGE_MS + 1)),
    "future": (Cause.FUTURE, _late(-AGE_MS - 1)),
}


async def counter_at(shop: Workshop, method: str) -> Counter:
    """Return a counter in a new program, with a code that is good."""
    await shop.program(single_use=True)
    await shop.program("other", single_use=True)
    (issued,) = (await shop.issue()).codes
    await shop.change(rules.activate, issued.card_id)
    counter = Counter(shop, method)
    counter.code = issued.code.expose()
    return counter
