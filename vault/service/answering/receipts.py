"""Receipts: what is signed about an answer, and how the same receipt is made again.

1. A receipt is made out only to an audience that the access file allows the caller.
2. It names the card, program and generation of codes that are good, and nothing of those that are not; never a
   code, digest or serial. One submission or code that was refused has none.
3. A retry of a validation gets the receipt that was made before, of the same time, id and key; it does not
   count any longer for that. One of a redemption gets a new one with the redemption's id, so that what it moves
   is moved once.

A validation's receipt is advisory: a freeze may come after it.
"""

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, Final, NamedTuple
from uuid import UUID

from vault.crypto.jws import spell
from vault.crypto.keyring import Key
from vault.crypto.receipt import sign_receipt
from vault.errors import PermissionDenied
from vault.formats.v1.request_result_pb2 import RequestResult
from vault.model.states import Detail, KeyPurpose, KeyState
from vault.policy.call import Call
from vault.service.answering.judge import Judgement
from vault.service.catalogue import Snapshot
from vault.service.issuing.issue import card_ids

DEFAULT_SECONDS: Final = 300


class Wish(NamedTuple):
    """A receipt as it is asked for: for whom, and with which nonce (empty for none)."""

    audience: str
    nonce: bytes = b""


class Terms(NamedTuple):
    """What makes a receipt the same again: its id (16 bytes), time and duration, who signs, and with which key.

    ``time_ms`` in milliseconds since 1970-01-01T00:00:00Z, ``seconds`` in seconds.
    """

    receipt_id: bytes
    time_ms: int
    seconds: int
    issuer: str
    key: Key

    @property
    def subject(self) -> str:
        """The receipt's name in the audit log."""
        return f"receipt/{_text(self.receipt_id)}"

    def keep(self, kept: RequestResult) -> None:
        """Put down what ``kept_terms`` needs."""
        kept.subject, kept.time_ms, kept.count = self.receipt_id, self.time_ms, self.seconds
        kept.numbers.append(self.key.version)


def check_wish(call: Call, wish: Wish | None) -> None:
    """Accept a receipt that the caller may have.

    Raises:
        PermissionDenied: AUDIENCE_NOT_ALLOWED: the access file does not allow the caller this audience.
    """
    if wish is not None and wish.audience not in call.grants.receipt_audiences:
        message = "the access file does not allow the caller receipts for this audience"
        raise PermissionDenied(message, reason="AUDIENCE_NOT_ALLOWED", field="receipt.audience")


def issuer_of(snapshot: Snapshot) -> str:
    """Return who the vault is in what it signs."""
    return _issuer(snapshot.vault_id)


@lru_cache(1)
def _issuer(vault_id: bytes) -> str:
    return f"urn:uuid:{UUID(bytes=vault_id)}"


def new_terms(snapshot: Snapshot, now_ms: int, seconds: int, random: Callable[[int], bytes]) -> Terms:
    """Return the terms of a new receipt."""
    (receipt_id,) = card_ids(1, random)
    return Terms(receipt_id, now_ms, seconds, issuer_of(snapshot), snapshot.keyring.active(KeyPurpose.RECEIPT))


def kept_terms(snapshot: Snapshot, kept: RequestResult) -> Terms:
    """Return the terms of a receipt that was made before.

    Its key signs again what it signed before, also when it signs nothing else any more; one that is destroyed
    or compromised does not, and the active one does.
    """
    keyring = snapshot.keyring
    key = keyring.versions(KeyPurpose.RECEIPT).get(kept.numbers[0])
    if key is None or key.state == KeyState.COMPROMISED:
        key = keyring.active(KeyPurpose.RECEIPT)
    return Terms(kept.subject, kept.time_ms, kept.count, issuer_of(snapshot), key)


def receipt_over_code(terms: Terms, wish: Wish, judgement: Judgement) -> str:
    """Sign a receipt of a code's validation; empty for one that is not good."""
    good = _good(judgement)
    return sign_receipt(terms.key, _claims(terms, wish, "validation") | good) if good else ""


def receipt_over_batch(terms: Terms, wish: Wish, judgements: Iterable[Judgement]) -> str:
    """Sign a receipt of many codes' validation, good or not, in their order."""
    results = [_good(judgement) or {"outcome": "NOT_GOOD"} for judgement in judgements]
    return sign_receipt(terms.key, _claims(terms, wish, "validation") | {"results": results})


def receipt_over_redemption(terms: Terms, wish: Wish, card_id: bytes, program: str, generation: int) -> str:
    """Sign a receipt of a redemption, whose id is the receipt's."""
    about = _about(card_id, program, generation, "REDEEMED")
    return sign_receipt(terms.key, _claims(terms, wish, "redemption") | about)


def _good(judgement: Judgement) -> dict[str, Any]:
    """Return the claims about a good code; none about another."""
    card = judgement.card
    if judgement.detail != Detail.GOOD or card is None:
        return {}
    return _about(card.card_id, card.program, judgement.generation, "GOOD")


def _about(card_id: bytes, program: str, generation: int, outcome: str) -> dict[str, Any]:
    return {"sub": _text(card_id), "program": program, "generation": generation, "outcome": outcome}


def _text(uuid: bytes) -> str:
    """Return the canonical form of a UUID, in a third of the time that ``uuid.UUID`` takes."""
    digits = uuid.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def _claims(terms: Terms, wish: Wish, use: str) -> dict[str, Any]:
    issued = terms.time_ms // 1000
    claims: dict[str, Any] = {
        "iss": terms.issuer,
        "aud": wish.audience,
        "iat": issued,
        "nbf": issued,
        "exp": issued + terms.seconds,
        "jti": _text(terms.receipt_id),
        "use": use,
    }
    if wish.nonce:
        claims["nonce"] = spell(wish.nonce)
    return claims
