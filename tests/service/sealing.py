"""An edge that seals codes, and a shop that presents what it sealed."""

import itertools
import os
from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

from tests.workshop import Workshop
from vault.crypto.receipt import verify_receipt
from vault.crypto.submission import seal_submission
from vault.formats.v1.submission_pb2 import Submission
from vault.model.states import KeyPurpose, KeyState, Role
from vault.policy.access import Grants
from vault.policy.call import Call
from vault.service.answering.inquiries import Told
from vault.service.answering.inquiry import Inquiry
from vault.service.answering.receipts import Wish
from vault.service.answering.submissions import Presented, Sealed

SHOP = "spiffe://test/shop"
LEDGER = "ledger.test"
VALIDATE, REDEEM, EXCHANGE = Submission.PURPOSE_VALIDATE, Submission.PURPOSE_REDEEM, Submission.PURPOSE_EXCHANGE
GRANTS = Grants(
    {role: frozenset({"*"}) for role in Role if role != Role.DETAIL},
    audiences=frozenset({SHOP}),
    receipt_audiences=frozenset({LEDGER}),
)
WISH = Wish(LEDGER, b"a nonce")


async def receipt_claims(shop: Workshop, receipt: str) -> dict[str, Any]:
    """Verify a receipt by the vault's keys as they are now, and return its claims."""
    rows = await shop.public_keys.all(shop.call())
    keys = {f"receipt-{row.version}": row.public_key or b"" for row in rows if row.purpose == KeyPurpose.RECEIPT}
    return verify_receipt(receipt, keys)


class Edge:
    """Seals codes to the vault's keys as they are now."""

    def __init__(self, shop: Workshop) -> None:
        self.shop = shop

    async def key(self) -> tuple[int, bytes]:
        """Return version and public key of the active sealing key."""
        rows = await self.shop.public_keys.all(self.shop.call())
        (row,) = (row for row in rows if (row.purpose, row.state) == (KeyPurpose.SEALING, KeyState.ACTIVE))
        assert row.public_key is not None
        return row.version, row.public_key

    async def seal(self, *codes: bytes, key: tuple[int, bytes] | None = None, **fields: Any) -> Sealed:
        """Seal codes for the shop and now, save for what is given."""
        version, public = key or await self.key()
        submission = Submission(
            audience=SHOP,
            program="netcash",
            purpose=VALIDATE,
            seal_time_ms=self.shop.clock.now_ms,
            nonce=os.urandom(16),
            codes=[code.decode() for code in codes],
        )
        submission.MergeFrom(Submission(**fields))
        return Sealed(seal_submission(public, version, submission))


class Shop:
    """A shop that presents codes; each request has a body of its own."""

    def __init__(self, vault: Workshop, principal: str = SHOP, grants: Grants = GRANTS) -> None:
        self.vault = vault
        self.principal = principal
        self.grants = grants
        self._count = itertools.count()

    def call(self, method: str, request_id: UUID | None = None, body: bytes | None = None) -> Call:
        """Make a call."""
        body = b"%d" % next(self._count) if body is None else body
        call = self.vault.call(method, request_id=request_id or uuid4(), body=body, principal=self.principal)
        return call._replace(grants=self.grants)

    async def ask(
        self,
        *codes: Presented,
        call: Call | None = None,
        programs: Sequence[str] = ("netcash",),
        wish: Wish | None = None,
        several: bool = False,
        vault: Workshop | None = None,
    ) -> Told:
        """Validate codes."""
        field = "codes[{}]" if several else "code"
        inquiry = Inquiry(call or self.call("ValidateCode"), tuple(programs), codes, field, wish, several)
        return await (vault or self.vault).inquiries.ask(inquiry)
