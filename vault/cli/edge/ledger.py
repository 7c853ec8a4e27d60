"""The ledger of the sample: relays redemptions to the vault, and books each one once, by card id.

It is called by the shop, holds ciphertext, card ids and receipts, and never a code.
"""

from collections.abc import Mapping
from typing import Any

from vault.cli.edge.listener import Answer, Routes
from vault.cli.edge.relaying import answered, guarded
from vault.cli.edge.submitted import parse
from vault.client.channel import VaultClient
from vault.v1.resources_pb2 import PresentedCode, ReceiptRequest, Verdict
from vault.v1.validation_service_pb2 import RedeemCodeRequest

REDEMPTIONS = "/redemptions"
WORTH_YEN = 5000


class Ledger:
    """Redeems for one shop; its books are in memory."""

    def __init__(self, client: VaultClient, *, program: str, shop: str) -> None:
        """Take a connection.

        Args:
            client: A connection as a redeemer, and a relay of the shop.
            program: The program of the cards.
            shop: The shop's principal, whom receipts are made out to.
        """
        self._client = client
        self._program = program
        self._shop = shop
        self._booked: dict[str, tuple[str, int]] = {}

    def routes(self) -> Routes:
        """Answer what it listens for."""
        return {
            ("POST", REDEMPTIONS): guarded(self._redeem),
            ("GET", "/books"): guarded(self._books),
        }

    async def _redeem(self, body: bytes) -> Answer:
        submitted = parse(body)
        request = RedeemCodeRequest(
            program=self._program,
            request_id=submitted.request_id,
            code=PresentedCode(sealed=submitted.sealed),
            receipt=ReceiptRequest(audience=self._shop, nonce=submitted.nonce),
        )
        answer = await self._client.call(self._client.validation.RedeemCode, request)
        if answer.verdict == Verdict.VERDICT_GOOD:
            # A retry names the same redemption, and books nothing more.
            self._booked[answer.redemption_id] = (answer.card_id, WORTH_YEN)
        return answered({"verdict": Verdict.Name(answer.verdict), "receipt": answer.receipt})

    async def _books(self, _body: bytes) -> Answer:
        entries: list[Mapping[str, Any]] = [
            {"redemption": redemption, "card": card, "yen": yen} for redemption, (card, yen) in self._booked.items()
        ]
        return answered({"entries": entries})
