"""Taking the vault's word from a receipt, without asking the vault.

Whoever a receipt is for, such as a ledger, says what it has to agree with::

    verifier = ReceiptVerifier(keys, issuer=issuer, audience="ledger.example.org")
    receipt = verifier.verify(text, use=ReceiptUse.REDEMPTION)
    pay_once(receipt.receipt_id, receipt.card_id)

``crypto.receipt`` describes the bytes. What ``verify`` returns:

1. was signed by one of the vault's receipt keys that the verifier was given, as a receipt;
2. by the issuer, for the audience, for the use that were named, and carries the nonce, if one was named;
3. counts now, by the verifier's own clock and within its leeway;
4. is about one good code or, only where that was asked for, about a batch.

Whatever is wrong, the error is the same. ``alg`` "none", other algorithms, keys and types are refused.

It does not tell whether a receipt was shown before: keep the ``receipt_id`` of each redemption on which money
moved, as long as that money matters. A validation's receipt is advisory, as a freeze may come after it.
"""

import re
import time
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, Final, NamedTuple, Self

from vault.client.jwks import parse_jwk_set, verifying_keys
from vault.crypto.jws import unspell
from vault.crypto.receipt import refused, verify_receipt
from vault.errors import InvalidInput
from vault.v1.validation_service_pb2 import ListPublicKeysResponse

LEEWAY_SECONDS: Final = 30

_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


class ReceiptUse(StrEnum):
    """What the vault was asked to do."""

    VALIDATION = "validation"
    REDEMPTION = "redemption"


_OUTCOMES: Final[Mapping[ReceiptUse, str]] = {ReceiptUse.VALIDATION: "GOOD", ReceiptUse.REDEMPTION: "REDEEMED"}


class ReceiptResult(NamedTuple):
    """What a receipt says of one code: card id, program and generation (from 1) are there when it is good."""

    good: bool
    card_id: str = ""
    program: str = ""
    generation: int = 0


class Receipt(NamedTuple):
    """A receipt that counts.

    Fields:
        receipt_id: Names it, a UUID; of a redemption it is the redemption's id.
        issuer: Who signed it, the vault's ``urn:uuid:``.
        audience: Who it is for.
        use: What the vault was asked to do.
        issue_time: When it was signed, in seconds since 1970-01-01T00:00:00Z.
        start_time: From when it counts, likewise.
        expire_time: When it counts no more, likewise.
        nonce: The nonce that the vault was asked to put in; empty where there was none.
        results: One for the code, or of a batch one for each code in the request's order.
    """

    receipt_id: str
    issuer: str
    audience: str
    use: ReceiptUse
    issue_time: int
    start_time: int
    expire_time: int
    nonce: bytes
    results: tuple[ReceiptResult, ...]

    @property
    def card_id(self) -> str:
        """The card's id, a UUID, by which a ledger keys its balances; of a batch see ``results``."""
        (result,) = self.results
        return result.card_id


class ReceiptVerifier:
    """Verifies receipts of one vault for one audience."""

    def __init__(
        self,
        public_keys: Mapping[str, bytes],
        *,
        issuer: str,
        audience: str,
        leeway_seconds: int = LEEWAY_SECONDS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Take what receipts have to agree with.

        Args:
            public_keys: Ed25519 public keys of 32 bytes by their ids; only those of receipts count.
            issuer: Who the vault is, as ListPublicKeys says.
            audience: Who the receipts are for, as was asked of the vault.
            leeway_seconds: By how much the two clocks may differ.
            clock: Answers seconds since 1970-01-01T00:00:00Z.

        Raises:
            InvalidInput: RECEIPT_PARTY: issuer or audience is empty.
        """
        if not issuer or not audience:
            message = "receipts have an issuer and an audience"
            raise InvalidInput(message, reason="RECEIPT_PARTY")
        self._public_keys = dict(public_keys)
        self._issuer = issuer
        self._audience = audience
        self._leeway_seconds = leeway_seconds
        self._clock = clock

    @classmethod
    def of_answer(
        cls,
        answer: ListPublicKeysResponse,
        *,
        audience: str,
        leeway_seconds: int = LEEWAY_SECONDS,
        clock: Callable[[], float] = time.time,
    ) -> Self:
        """Return a verifier by an answer of ListPublicKeys that came from the vault itself.

        Args:
            answer: The answer; keys that are compromised are left out.
            audience: Who the receipts are for.
            leeway_seconds: By how much the two clocks may differ.
            clock: Answers seconds since 1970-01-01T00:00:00Z.

        Raises:
            InvalidInput: RECEIPT_PARTY: issuer or audience is empty.
        """
        keys = verifying_keys(answer.keys)
        return cls(keys, issuer=answer.issuer, audience=audience, leeway_seconds=leeway_seconds, clock=clock)

    @classmethod
    def of_jwk_set(
        cls,
        text: str | bytes,
        *,
        issuer: str,
        audience: str,
        leeway_seconds: int = LEEWAY_SECONDS,
        clock: Callable[[], float] = time.time,
    ) -> Self:
        """Return a verifier by a JWK set, such as ``cardvault keys public --jwks`` writes.

        Args:
            text: The set, in JSON.
            issuer: Who the vault is, as ListPublicKeys says.
            audience: Who the receipts are for.
            leeway_seconds: By how much the two clocks may differ.
            clock: Answers seconds since 1970-01-01T00:00:00Z.

        Raises:
            InvalidInput: JWK_SET: it is none; RECEIPT_PARTY: issuer or audience is empty.
        """
        keys = parse_jwk_set(text)
        return cls(keys, issuer=issuer, audience=audience, leeway_seconds=leeway_seconds, clock=clock)

    def verify(self, receipt: str, *, use: ReceiptUse, nonce: bytes | None = None, batch: bool = False) -> Receipt:
        """Return what a receipt says, if it counts.

        Args:
            receipt: The receipt, whoever it came from.
            use: What the vault must have been asked to do; money moves on a redemption's.
            nonce: What must stand in it, empty for none; None where whoever verifies does not know.
            batch: True for a receipt over a batch, False for one over one good code.

        Raises:
            IntegrityFailure: RECEIPT: it does not count, whatever the reason.
        """
        claims = verify_receipt(receipt, self._public_keys)
        found = _read(claims)
        now = self._clock()
        counts = (
            found.issuer == self._issuer
            and found.audience == self._audience
            and found.use == use
            and nonce in (None, found.nonce)
            and ("results" in claims) == batch
            and max(found.issue_time, found.start_time) <= now + self._leeway_seconds
            and found.expire_time > now - self._leeway_seconds
        )
        if not counts:
            raise refused()
        return found


def _read(claims: Mapping[str, Any]) -> Receipt:
    try:
        use, nonce = ReceiptUse(_text(claims, "use")), unspell(_text({"nonce": "", **claims}, "nonce"))
    except ValueError:
        raise refused() from None
    return Receipt(
        receipt_id=_uuid(claims, "jti"),
        issuer=_text(claims, "iss"),
        audience=_text(claims, "aud"),
        use=use,
        issue_time=_number(claims, "iat"),
        start_time=_number(claims, "nbf"),
        expire_time=_number(claims, "exp"),
        nonce=nonce,
        results=_read_batch(claims["results"]) if "results" in claims else (_read_good(claims, _OUTCOMES[use]),),
    )


def _read_batch(results: object) -> tuple[ReceiptResult, ...]:
    if not isinstance(results, list) or not results or not all(isinstance(claims, dict) for claims in results):
        raise refused()
    not_good = ReceiptResult(good=False)
    return tuple(not_good if claims.get("outcome") == "NOT_GOOD" else _read_good(claims, "GOOD") for claims in results)


def _read_good(claims: Mapping[str, Any], outcome: str) -> ReceiptResult:
    if claims.get("outcome") != outcome:
        raise refused()
    card_id, program, generation = _uuid(claims, "sub"), _text(claims, "program"), _number(claims, "generation")
    return ReceiptResult(good=True, card_id=card_id, program=program, generation=generation)


def _text(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name)
    if not isinstance(value, str):
        raise refused()
    return value


def _uuid(claims: Mapping[str, Any], name: str) -> str:
    value = _text(claims, name)
    if _UUID.fullmatch(value) is None:
        raise refused()
    return value


def _number(claims: Mapping[str, Any], name: str) -> int:
    value = claims.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise refused()
    return value
