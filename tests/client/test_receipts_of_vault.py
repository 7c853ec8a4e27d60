"""What the vault signs, as the client reads it."""

from uuid import UUID

from tests.client.signing import ISSUER, answer, private_key, published
from tests.crypto.specimens import specimen
from vault.client import ReceiptResult, ReceiptUse, ReceiptVerifier
from vault.crypto.receipt import LARGEST_RECEIPT
from vault.model.shape import SHAPES
from vault.model.states import Detail, KeyPurpose
from vault.service.answering.judge import Judgement
from vault.service.answering.receipts import (
    Terms,
    Wish,
    receipt_over_batch,
    receipt_over_code,
    receipt_over_redemption,
)

NOW = 1_700_000_100
LEDGER, NONCE = "ledger.example", b"order 1"
RECEIPT_ID, CARD_ID = UUID(int=2**127 + 1), UUID(int=2**126 + 5)
TERMS = Terms(RECEIPT_ID.bytes, NOW * 1000 + 999, 300, ISSUER, private_key(KeyPurpose.RECEIPT, 3))
WISH = Wish(LEDGER, NONCE)
GOOD = Judgement(Detail.GOOD, specimen(SHAPES["card"], 1)._replace(card_id=CARD_ID.bytes, program="netcash"), 7)
RESULT = ReceiptResult(good=True, card_id=str(CARD_ID), program="netcash", generation=7)
VERIFIER = ReceiptVerifier.of_answer(
    answer(published(KeyPurpose.RECEIPT, 3)), audience=LEDGER, leeway_seconds=0, clock=lambda: NOW + 1
)


def test_a_validation_is_read() -> None:
    text = receipt_over_code(TERMS, WISH, GOOD)
    receipt = VERIFIER.verify(text, use=ReceiptUse.VALIDATION, nonce=NONCE)
    assert (receipt.receipt_id, receipt.results) == (str(RECEIPT_ID), (RESULT,))
    assert (receipt.issue_time, receipt.start_time, receipt.expire_time) == (NOW, NOW, NOW + 300)


def test_a_redemption_is_read() -> None:
    text = receipt_over_redemption(TERMS, Wish(LEDGER), CARD_ID.bytes, "netcash", 7)
    receipt = VERIFIER.verify(text, use=ReceiptUse.REDEMPTION, nonce=b"")
    assert (receipt.receipt_id, receipt.card_id, receipt.results) == (str(RECEIPT_ID), str(CARD_ID), (RESULT,))


def test_a_batch_is_read_in_its_order() -> None:
    text = receipt_over_batch(TERMS, WISH, [Judgement(Detail.UNKNOWN), GOOD, Judgement(Detail.SUSPENDED, GOOD.card, 7)])
    receipt = VERIFIER.verify(text, use=ReceiptUse.VALIDATION, nonce=NONCE, batch=True)
    assert receipt.results == (ReceiptResult(good=False), RESULT, ReceiptResult(good=False))


def test_the_largest_batch_is_far_below_what_is_read() -> None:
    text = receipt_over_batch(TERMS, WISH, [GOOD] * 1000)
    assert len(text) < LARGEST_RECEIPT / 2
    assert VERIFIER.verify(text, use=ReceiptUse.VALIDATION, batch=True).results == (RESULT,) * 1000
