"""The sample's web shop: serves the page, relays what it sealed, and believes the vault's receipts alone.

1. It never holds a code: what it gets, and answers of an exchange, is ciphertext; what it keeps are card ids and
   receipts.
2. A card's status is shown from a receipt that it verified itself: signed by this vault, for this shop, for
   this request. What the ledger says beside the receipt counts for nothing.
3. Whatever makes a code not good, the page is told the same.
"""

import asyncio
import contextlib
import json
from base64 import b64encode
from collections.abc import Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from typing import Any

from google.protobuf.json_format import MessageToDict

from vault.cli.edge.ledger import REDEMPTIONS
from vault.cli.edge.listener import JSON, Answer, Routes
from vault.cli.edge.relaying import answered, guarded
from vault.cli.edge.site import routes as site_routes
from vault.cli.edge.submitted import Submitted, parse
from vault.client.channel import VaultClient
from vault.client.receipts import Receipt, ReceiptUse, ReceiptVerifier
from vault.errors import IntegrityFailure, Unavailable
from vault.v1.resources_pb2 import CheckAlgorithm, PresentedCode, PublicKey, ReceiptRequest, Verdict
from vault.v1.validation_service_pb2 import (
    ExchangeCodeRequest,
    ListPublicKeysRequest,
    ListPublicKeysResponse,
    ValidateCodeRequest,
)

LENGTH = 16
CHECK_ALGORITHM = CheckAlgorithm.CHECK_ALGORITHM_LUHN
LEDGER_TIMEOUT_SECONDS = 12.0
"""Longer than the ledger's own calls take at most."""
GOOD_OUTCOMES = {ReceiptUse.VALIDATION: "validated", ReceiptUse.REDEMPTION: "redeemed"}
OUTCOMES: Mapping[int, str] = {Verdict.VERDICT_NOT_GOOD: "not_good", Verdict.VERDICT_SUBMISSION_REFUSED: "refused"}


class Shop:
    """One shop."""

    def __init__(self, client: VaultClient, *, program: str, principal: str, ledger: str) -> None:
        """Take a connection.

        Args:
            client: A connection as a validator and exchanger.
            program: The program of the cards that it takes.
            principal: Who it is to the vault: the audience of submissions and receipts.
            ledger: Where the ledger listens, ``host:port``.
        """
        self._client = client
        self._program = program
        self._principal = principal
        self._ledger = ledger
        self._verifier: ReceiptVerifier | None = None
        self._sold: dict[str, str] = {}

    def routes(self) -> Routes:
        """Answer what it listens for: the page's files, and what the page asks."""
        return {
            **site_routes(),
            ("GET", "/api/settings"): guarded(self._settings),
            ("GET", "/api/keys"): guarded(self._keys),
            ("POST", "/api/validate"): guarded(self._validate),
            ("POST", "/api/redeem"): guarded(self._redeem),
            ("POST", "/api/exchange"): guarded(self._exchange),
        }

    async def _settings(self, _body: bytes) -> Answer:
        return answered(
            {
                "audience": self._principal,
                "program": self._program,
                "length": LENGTH,
                "checkAlgorithm": CheckAlgorithm.Name(CHECK_ALGORITHM),
            }
        )

    async def _keys(self, _body: bytes) -> Answer:
        """Hand on the vault's sealing keys and its clock, asked now, so that the page can set its own by it."""
        told = await self._client.call(self._client.validation.ListPublicKeys, ListPublicKeysRequest())
        keys = [key for key in told.keys if key.purpose == PublicKey.PURPOSE_SEALING]
        return answered(MessageToDict(ListPublicKeysResponse(keys=keys, time=told.time, issuer=told.issuer)))

    async def _validate(self, body: bytes) -> Answer:
        submitted = parse(body)
        request = ValidateCodeRequest(
            programs=[self._program],
            code=PresentedCode(sealed=submitted.sealed),
            request_id=submitted.request_id,
            receipt=ReceiptRequest(audience=self._principal, nonce=submitted.nonce),
        )
        answer = await self._client.call(self._client.validation.ValidateCode, request)
        return await self._told(ReceiptUse.VALIDATION, submitted, answer.result.verdict, answer.receipt)

    async def _redeem(self, body: bytes) -> Answer:
        submitted = parse(body)
        told = await asyncio.to_thread(self._ask_ledger, body)
        try:
            verdict, receipt = Verdict.Value(told["verdict"]), str(told["receipt"])
        except (KeyError, ValueError, TypeError):
            raise _no_ledger() from None
        return await self._told(ReceiptUse.REDEMPTION, submitted, verdict, receipt)

    async def _exchange(self, body: bytes) -> Answer:
        """Relay a claim to exchange a code, and its answer, which is sealed to the page.

        The request is the page's own, under its id: sent again, it is answered the same code again.
        """
        submitted = parse(body)
        request = ExchangeCodeRequest(
            program=self._program, request_id=submitted.request_id, code=PresentedCode(sealed=submitted.sealed)
        )
        answer = await self._client.call(self._client.validation.ExchangeCode, request)
        if answer.verdict != Verdict.VERDICT_GOOD:
            return answered({"outcome": OUTCOMES.get(answer.verdict, "refused")})
        return answered({"outcome": "exchanged", "sealedCode": b64encode(answer.sealed_code).decode()})

    async def _told(self, use: ReceiptUse, submitted: Submitted, verdict: int, receipt: str) -> Answer:
        """Answer the page: of a good code what its receipt says, else which of the two other answers it is."""
        if verdict != Verdict.VERDICT_GOOD:
            return answered({"outcome": OUTCOMES.get(verdict, "refused")})
        found = await self._verify(receipt, use, submitted.nonce)
        (result,) = found.results
        if use == ReceiptUse.REDEMPTION:
            # What the customer bought is his now; a retry names the same redemption, and sells nothing more.
            self._sold[found.receipt_id] = result.card_id
        return answered(
            {
                "outcome": GOOD_OUTCOMES[use],
                "cardId": result.card_id,
                "program": result.program,
                "receiptId": found.receipt_id,
                "expireTime": datetime.fromtimestamp(found.expire_time, UTC).isoformat(),
            }
        )

    async def _verify(self, receipt: str, use: ReceiptUse, nonce: bytes) -> Receipt:
        """Answer what a receipt says, asking the vault for its keys where none known has signed it.

        Raises:
            IntegrityFailure: It does not count.
        """
        if self._verifier is not None:
            with contextlib.suppress(IntegrityFailure):
                return self._verifier.verify(receipt, use=use, nonce=nonce)
        told = await self._client.call(self._client.validation.ListPublicKeys, ListPublicKeysRequest())
        self._verifier = ReceiptVerifier.of_answer(told, audience=self._principal)
        return self._verifier.verify(receipt, use=use, nonce=nonce)

    def _ask_ledger(self, body: bytes) -> dict[str, Any]:
        connection = HTTPConnection(self._ledger, timeout=LEDGER_TIMEOUT_SECONDS)
        try:
            connection.request("POST", REDEMPTIONS, body, {"Content-Type": JSON})
            response = connection.getresponse()
            content = json.loads(response.read())
        except (OSError, HTTPException, ValueError):
            raise _no_ledger() from None
        finally:
            connection.close()
        if response.status != HTTPStatus.OK or not isinstance(content, dict):
            raise _no_ledger()
        return content


def _no_ledger() -> Unavailable:
    message = "the ledger does not answer"
    return Unavailable(message, reason="LEDGER")
