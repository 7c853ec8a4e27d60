"""Every method of the service, called once in a small world, and the cards that its event should name."""

from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple
from uuid import UUID

from tests.workshop import Workshop
from vault.crypto.keypair import public_key
from vault.model.states import CardState, KeyPurpose, Usage
from vault.policy.call import Call
from vault.secret import Secret
from vault.service import rules
from vault.service.cards import CardFilter
from vault.service.change import Order, Rule
from vault.service.events import EventFilter
from vault.service.issuing.batches import BatchPlan
from vault.service.issuing.delivery import Delivery, OpenedCode
from vault.service.issuing.issue import CardPlan
from vault.service.programs import Settings
from vault.service.select import Selector

P = "netcash"
CARD_PLANS = [CardPlan(payload=b"record"), CardPlan()]


class World(NamedTuple):
    """What the methods act on: two sold cards, a third that is spent, an unsold one, and three batches."""

    shop: Workshop
    sold: OpenedCode
    other: OpenedCode
    spent: OpenedCode
    unsold: OpenedCode
    redemption_id: bytes
    exported: bytes
    sha256: bytes
    ready: bytes
    issuing: bytes

    @property
    def codes(self) -> list[OpenedCode]:
        """The four codes."""
        return [self.sold, self.other, self.spent, self.unsold]


async def make_world(shop: Workshop) -> World:
    """Make the world."""
    await shop.program(P, single_use=True)
    plan = CardPlan(payload=b"record", state=CardState.ACTIVE)
    sold, other, spent = (await shop.issue(3, plan=plan)).codes
    (unsold,) = (await shop.issue()).codes
    redemption = await shop.redemptions.redeem(shop.call(), P, spent.code.expose())
    exported, ready = [(await shop.issued_batch(3)).row.batch_id for _ in range(2)]
    package = await shop.package(exported)
    issuing = (await shop.batch(3)).row.batch_id
    return World(
        shop,
        sold,
        other,
        spent,
        unsold,
        redemption.redemption_id,
        exported,
        package.manifest.sha256,
        ready,
        issuing,
    )


def _public() -> bytes:
    public = public_key(KeyPurpose.SEALING, Secret(bytes(range(7, 39))))
    assert public is not None
    return public


async def _export(w: World, call: Call) -> None:
    async for _ in w.shop.export.stream(call, P, w.ready, 0):
        pass


def _change(rule: Rule, pick: Callable[[World], OpenedCode]) -> Callable[[World, Call], Awaitable[object]]:
    return lambda w, c: w.shop.changes.apply(c, Order(P, [Selector(pick(w).card_id)], rule))


def _sold(w: World) -> Selector:
    return Selector(w.sold.card_id)


WRITES: Mapping[str, Callable[[World, Call], Awaitable[object]]] = {
    "CreateProgram": lambda w, c: w.shop.programs.create(c, "fresh", Settings()),
    "UpdateProgram": lambda w, c: w.shop.programs.update(c, P, {"display_name": "New"}, ""),
    "StopProgram": lambda w, c: w.shop.programs.turn(c, P, "stop", note="why", etag=""),
    "CreateRecipient": lambda w, c: w.shop.recipients.create(c, P, "another", "", _public()),
    "IssueCards": lambda w, c: w.shop.issuance.issue(c, P, CARD_PLANS, Delivery()),
    "CreateBatch": lambda w, c: w.shop.batches.create(c, P, BatchPlan(3, "printer"), validate_only=False),
    "CancelBatch": lambda w, c: w.shop.batches.cancel(c, P, w.issuing, "", validate_only=False),
    "WithdrawBatch": lambda w, c: w.shop.batches.withdraw(c, P, w.ready, "", validate_only=False),
    "AcknowledgeBatch": lambda w, c: w.shop.batches.acknowledge(c, P, w.exported, w.sha256, ""),
    "ActivateCards": _change(rules.activate, lambda w: w.unsold),
    "DeactivateCards": _change(rules.deactivate, lambda w: w.sold),
    "UpdateCards": _change(rules.update([rules.CardValues({"reference": "new"})]), lambda w: w.sold),
    "MarkCards": _change(rules.mark([Usage.EMPTY]), lambda w: w.sold),
    "SuspendCards": _change(rules.turn("suspend"), lambda w: w.sold),
    "CloseCards": _change(rules.turn("close"), lambda w: w.sold),
    "PutRecord": lambda w, c: w.shop.records.put(c, P, _sold(w), b"new", ""),
    "RedeemCode": lambda w, c: w.shop.redemptions.redeem(c, P, w.sold.code.expose()),
    "ReverseRedemption": lambda w, c: w.shop.redemptions.reverse(c, P, Selector(w.spent.card_id), w.redemption_id),
}
"""Methods that change something."""

READS: Mapping[str, Callable[[World, Call], Awaitable[object]]] = {
    "GetProgram": lambda w, c: w.shop.programs.get(c, P),
    "ListPrograms": lambda w, c: w.shop.programs.page(c, frozenset({"*"}), "", 10),
    "ListRecipients": lambda w, c: w.shop.recipients.page(c, P, "", 10),
    "GetBatch": lambda w, c: w.shop.batches.get(c, P, w.ready),
    "ListBatches": lambda w, c: w.shop.batches.page(c, P, None, 10),
    "ExportBatch": _export,
    "ValidateCode": lambda w, c: w.shop.validation.validate(c, (P,), [w.sold.code.expose()], "code"),
    "BatchGetCardStatus": lambda w, c: w.shop.cards.statuses(c, P, [_sold(w)]),
    "ListPublicKeys": lambda w, c: w.shop.public_keys.all(c),
    "GetCard": lambda w, c: w.shop.cards.get(c, P, _sold(w)),
    "ListCards": lambda w, c: w.shop.cards.page(c, P, CardFilter(), b"", 100),
    "GetRecord": lambda w, c: w.shop.records.get(c, P, _sold(w)),
    "RevealCode": lambda w, c: w.shop.reveal.reveal(c, P, _sold(w), Delivery(), "why"),
    "ListAuditEvents": lambda w, c: w.shop.events.page(c, EventFilter(), None, 10),
}
"""Methods that answer what is there. An export may change its batch's row."""

DELIVERING = {"IssueCards", "ExportBatch", "RevealCode"}
NAMING_ONE = {
    *("ActivateCards", "DeactivateCards", "UpdateCards", "MarkCards", "SuspendCards", "CloseCards", "PutRecord"),
    *("RedeemCode", "ReverseRedemption", "ValidateCode", "BatchGetCardStatus", "GetCard", "GetRecord", "RevealCode"),
}
"""Methods whose event names the one card that they were called for."""

REQUEST = UUID(int=77)
