"""Receipts: the vault's signed word on an answer, which others verify without asking.

A receipt is a compact JWS as ``crypto.jws`` spells it, signed by the receipt key; its type is
"vault-receipt+jwt", its ``kid`` such as "receipt-1". Its claims; whole numbers, texts and lists only:
    iss         who signed: "urn:uuid:" and the vault's id, as ListPublicKeys gives it
    aud         who it is for, one text
    iat         when it was signed, in seconds since 1970-01-01T00:00:00Z
    nbf         from when it counts, likewise
    exp         when it counts no more, likewise
    jti         its id, a UUID; of a redemption the redemption's id
    use         "validation" or "redemption"
    nonce       the caller's, in base64url without padding; absent when none was given
  over one good code:
    sub         the card's id, a UUID
    program     its program
    outcome     "GOOD", of a redemption "REDEEMED"
    generation  which of the card's codes it was, from 1
  over a batch instead of these four:
    results     one object for each code, in the request's order: of a good one
                {"generation", "outcome": "GOOD", "program", "sub"}, of any other {"outcome": "NOT_GOOD"}

1. What verifies was signed whole, as a receipt, by the receipt key that it names; ``alg`` "none", another
   algorithm, type or key, and any changed byte are refused, with one error.
2. There is one spelling of a receipt, so it can be filed and compared by its bytes.
3. It holds no code, digest or serial.

It says nothing of whether the claims suit the one who reads it: issuer, audience, use and times are
``client.receipts``'. A receipt of a validation is advisory, as a freeze may come after it; money moves on a
redemption's. It needs nothing of a server.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from vault.crypto.jws import read, sign
from vault.errors import IntegrityFailure
from vault.model.states import KeyPurpose

if TYPE_CHECKING:
    from vault.crypto.keyring import Key  # a client that verifies has no use for what a keyring needs

TYPE: Final = "vault-receipt+jwt"
LARGEST_RECEIPT: Final = 1024 * 1024
"""Characters of a receipt at most, several times those over 1,000 codes; longer ones are refused unread."""

_SIGNER: Final = f"{KeyPurpose.RECEIPT.name.lower()}-"


def sign_receipt(key: "Key", claims: Mapping[str, Any]) -> str:
    """Sign claims as a receipt; what is derived from the key is kept as long as its secret.

    Args:
        key: A version of the receipt key.
        claims: As described above.

    Raises:
        ValueError: The key is for something else, or a claim has no JSON.
    """
    if key.purpose != KeyPurpose.RECEIPT:
        message = "receipts are signed with the receipt key"
        raise ValueError(message)
    return sign(key, TYPE, claims)


def verify_receipt(receipt: str, public_keys: Mapping[str, bytes]) -> dict[str, Any]:
    """Return the claims of a receipt.

    Args:
        receipt: The compact JWS; blanks around it are refused too.
        public_keys: Ed25519 public keys of 32 bytes by their ids, from whoever can be trusted to know them. Only
            those of receipt keys count.

    Raises:
        IntegrityFailure: RECEIPT: it is not a receipt signed by one of these keys.
    """
    signers = {name: public for name, public in public_keys.items() if name.startswith(_SIGNER)}
    claims = read(receipt, signers, TYPE, LARGEST_RECEIPT)
    if claims is None:
        raise refused()
    return claims


def refused() -> IntegrityFailure:
    """Return the one error of every receipt that does not count, whatever the reason."""
    message = "this is no receipt that counts here and now, signed by one of the vault's keys"
    return IntegrityFailure(message, reason="RECEIPT")
