"""A leak of sold cards whose codes were re-issued by hand, and claims to exchange them."""

from typing import NamedTuple
from uuid import UUID, uuid4

from tests.service.desk import Desk
from tests.service.reissue import job_of, reissue
from tests.workshop import PRINCIPAL, Workshop
from vault.crypto.sealedbox import draw_key, open_box, public_half
from vault.formats.v1.exchanged_code_pb2 import ExchangedCode
from vault.model.incident_rows import IncidentRow
from vault.model.states import IncidentScope, Proof
from vault.secret import Secret
from vault.service.exchanging.claims import Shown
from vault.service.exchanging.exchange import Exchanged
from vault.service.incidents.incidents import ExchangeWindow
from vault.service.issuing.delivery import OpenedCode
from vault.service.select import Selector

SECRET = Secret(b"the holder's own secret")
HOUR = 3600.0
DAY = 24 * HOUR


class Leaked(NamedTuple):
    """A leaked card: its old code and serial, and its new code and serial."""

    old: OpenedCode
    code: bytes
    serial: str

    @property
    def card_id(self) -> bytes:
        """The card's id."""
        return self.old.card_id

    @property
    def right(self) -> dict[Proof, Shown]:
        """What shows by each proof that the old code is one's own."""
        return {
            Proof.SERIAL: Shown(Proof.SERIAL, Secret(self.old.serial.encode())),
            Proof.SALE_SECRET: Shown(Proof.SALE_SECRET, SECRET),
            Proof.PURCHASE: Shown(Proof.PURCHASE),
        }


class Claimant:
    """Somebody with a one-time key and a request id."""

    def __init__(self, shop: Workshop, principal: str = PRINCIPAL) -> None:
        self.shop = shop
        self.principal = principal
        self.request_id: UUID = uuid4()
        self.private_key = draw_key()

    async def claim(self, code: bytes, shown: Shown, *, fresh: bool = False, shop: Workshop | None = None) -> Exchanged:
        """Claim the successor of a code, ``fresh`` under a new request id."""
        if fresh:
            self.request_id = uuid4()
        shop = shop or self.shop
        call = shop.call("ExchangeCode", request_id=self.request_id, body=b"body", principal=self.principal)
        return await shop.exchanges.exchange(call, "netcash", code, shown, public_half(self.private_key))

    def open(self, exchanged: Exchanged) -> ExchangedCode:
        """Open the answer."""
        opened = ExchangedCode.FromString(open_box(self.private_key, exchanged.sealed_code))
        assert opened.request_id == str(self.request_id)
        return opened


class ExchangeDesk(Desk):
    """A desk from which exchanges are opened."""

    async def leak(self, *, serials_leaked: bool = False) -> IncidentRow:
        """Open an incident over the program."""
        return await self.open(IncidentScope.PROGRAM, serials_leaked=serials_leaked)

    async def offer(self, incident: IncidentRow, proof: Proof = Proof.SERIAL, seconds: float = 30 * DAY) -> None:
        """Open the exchange."""
        window = ExchangeWindow(proof, None, self.shop.clock() + round(seconds * 1000))
        await self.incidents.open_exchange(self.call("OpenExchange"), "netcash", incident.incident_id, window)

    async def end(self, incident: IncidentRow) -> None:
        """Close the exchange, a second later."""
        self.shop.clock.advance(1)
        await self.incidents.close_exchange(self.call("CloseExchange"), "netcash", incident.incident_id)

    async def release(self, card_id: bytes) -> None:
        """Lift the hold over a contested card."""
        await self.contested.release(self.call("ReleaseHold"), "netcash", card_id, "the first claim stands")


async def sold(shop: Workshop, count: int = 1) -> list[OpenedCode]:
    """Issue cards and sell them, each with the secret."""
    codes = (await shop.issue(count)).codes
    selectors = [Selector(code.card_id) for code in codes]
    await shop.sales.activate(shop.call("ActivateCards"), "netcash", selectors, [SECRET] * count)
    return list(codes)


async def replaced(shop: Workshop, incident: IncidentRow, *cards: OpenedCode) -> list[Leaked]:
    """Re-issue cards for an incident."""
    job_id = await job_of(shop, incident.incident_id)
    return [Leaked(card, *(await reissue(shop, card.card_id, job_id=job_id))) for card in cards]


async def leaked(
    shop: Workshop, proof: Proof = Proof.SERIAL, count: int = 1
) -> tuple[ExchangeDesk, IncidentRow, list[Leaked]]:
    """Make a program with sold cards whose codes leaked, were re-issued and are exchanged for a proof."""
    await shop.program()
    cards = await sold(shop, count)
    desk = ExchangeDesk(shop)
    incident = await desk.leak()
    found = await replaced(shop, incident, *cards)
    await desk.offer(incident, proof)
    return desk, incident, found
