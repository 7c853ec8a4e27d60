"""An incident of every program, as far as it can go: rows of every table that incidents and rotation have."""

from uuid import uuid4

from tests.service.tampered import superseded
from tests.workshop import Workshop
from vault.model.states import IncidentScope, JobKind, Proof
from vault.secret import Secret
from vault.service.answering.superseded import SupersededUses
from vault.service.exchanging.claims import Shown
from vault.service.exchanging.exchange import Exchanges
from vault.service.exchanging.salesecrets import Sales
from vault.service.incidents.blocks import Blocks
from vault.service.incidents.freezing import Freezing
from vault.service.incidents.incidents import ExchangeWindow, IncidentPlan, Incidents
from vault.service.incidents.selection import Selection
from vault.service.incidents.triage import Triage
from vault.service.issuing.delivery import Delivery, OpenedCode
from vault.service.issuing.issue import CardPlan
from vault.service.rotation.joborder import ReissueOrder, RotationOrder
from vault.service.rotation.rotation import Rotation
from vault.service.rotation.rotation_package import RotationPackages
from vault.service.select import Selector

PUBLIC_KEY = bytes([9]) + bytes(31)
"""A valid X25519 key, whose private half nobody needs."""

LONG_MS = 10**9


def shown(card_id: bytes) -> Shown:
    """Return the secret with which a card was sold."""
    return Shown(Proof.SALE_SECRET, Secret(b"sold " + card_id.hex().encode()))


async def exchange(shop: Workshop, program: str, digits: bytes, proof: Shown) -> object:
    """Claim a card's new code, as somebody whom nobody has seen before."""
    call = shop.call("ExchangeCode", request_id=uuid4())
    return await Exchanges(shop.recorder).exchange(call, program, digits, proof, PUBLIC_KEY)


async def build_case(shop: Workshop, program: str, digits: dict[bytes, bytes]) -> None:
    """Make two incidents in a program, and add the superseded codes' digits.

    One incident is frozen, its four cards have new codes in a package and their exchange is open: two were exchanged,
    the other two tried with a wrong proof. The other is open and has two chosen cards. A second job gave two cards of
    no incident new codes. Every superseded code was tried.
    """
    parts = shop.parts
    cards = [code.card_id for code in await _sell(shop, program, digits)]
    leaked, spare = cards[:4], cards[4:]
    leak = await _open(shop, program, f"codes of {program} leaked", leaked)
    await _open(shop, program, f"a customer of {program} complains", spare)
    await Freezing(shop.recorder, Triage(shop.store)).freeze(
        shop.call("FreezeIncident", request_id=uuid4()), program, leak, stop_issuance=False, validate_only=False
    )
    jobs = []
    for order in (
        ReissueOrder(incident_id=leak, recipient="printer"),
        ReissueOrder(cards=[Selector(card_id) for card_id in spare], recipient="packer"),
    ):
        shop.clock.advance(1)
        created = await Rotation(shop.recorder, parts.random).create(
            shop.call("CreateRotationJob", request_id=uuid4()),
            RotationOrder(JobKind.REISSUE, program, order, note=f"for the {order.recipient}"),
            validate_only=False,
        )
        jobs.append(created.job.row.job_id)
        await shop.work_all()
    for job_id in jobs:
        await package(shop, program, job_id)
    window = ExchangeWindow(Proof.SALE_SECRET, None, shop.clock.now_ms + LONG_MS)
    await Incidents(shop.recorder, Triage(shop.store), parts.random).open_exchange(
        shop.call("OpenExchange", request_id=uuid4()), program, leak, window
    )
    for place, card_id in enumerate(leaked):
        for _ in range(place or 1):
            shop.clock.advance(1)
            proof = shown(card_id if place < 2 else bytes(16))
            await exchange(shop, program, digits[superseded(card_id)], proof)
    for card_id in cards:
        shop.clock.advance(1)
        await use(shop, program, digits[superseded(card_id)])
    for whom in ("reader", "clerk"):
        shop.clock.advance(1)
        call = shop.call("BlockPrincipal", request_id=uuid4(), principal=f"spiffe://test/officer/{whom}")
        await Blocks(shop.recorder).block(call, program, f"spiffe://test/{whom}/{program}", leak, f"was the {whom}")


async def package(shop: Workshop, program: str, job_id: bytes) -> None:
    """Read the package of a re-issue's codes."""
    packages = RotationPackages(shop.recorder, shop.parts.budget, shop.parts.random)
    async for _ in packages.stream(shop.call("ExportReissue"), program, job_id, 0):
        pass


async def use(shop: Workshop, program: str, digits: bytes) -> None:
    """Try a superseded code, and have it counted."""
    uses = SupersededUses(shop.recorder)
    uses.note(await shop.judge(digits, programs=(program,)))
    await uses.flush()


async def _sell(shop: Workshop, program: str, digits: dict[bytes, bytes]) -> list[OpenedCode]:
    call = shop.call("IssueCards", request_id=uuid4())
    codes = list((await shop.issuance.issue(call, program, [CardPlan()] * 6, Delivery())).codes)
    await Sales(shop.changes, shop.parts.budget, shop.parts.random).activate(
        shop.call("ActivateCards", request_id=uuid4()),
        program,
        [Selector(code.card_id) for code in codes],
        [shown(code.card_id).value for code in codes],
    )
    digits.update({superseded(code.card_id): code.code.expose() for code in codes})
    return codes


async def _open(shop: Workshop, program: str, title: str, cards: list[bytes]) -> bytes:
    shop.clock.advance(1)
    incidents = Incidents(shop.recorder, Triage(shop.store), shop.parts.random)
    call = shop.call("OpenIncident", request_id=uuid4(), principal=f"spiffe://test/officer/{len(cards)}")
    plan = IncidentPlan(title, IncidentScope.CARDS)
    incident_id = (await incidents.open(call, program, plan, validate_only=False)).row.incident_id
    call = shop.call("AddToSelection", request_id=uuid4())
    await Selection(shop.recorder).add_cards(call, program, incident_id, [Selector(card_id) for card_id in cards])
    return incident_id
