"""Receipts by a JWK set in Node.js: jose takes what the vault signs, and refuses what our verifier refuses."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.client.signing import ISSUER, private_key, published
from tests.node.programs import node
from vault.client import ReceiptUse, ReceiptVerifier, jwk_set
from vault.crypto.receipt import sign_receipt
from vault.errors import IntegrityFailure
from vault.model.states import KeyPurpose

NOW = 1_700_000_100
LEDGER = "ledger.example"
KEY = private_key(KeyPurpose.RECEIPT, 2)
SIGNER = Ed25519PrivateKey.from_private_bytes(KEY.secret.expose())
JWKS = jwk_set([published(KeyPurpose.RECEIPT, 1), published(KeyPurpose.RECEIPT, 2)])
HEADERS = {"kid": "receipt-2", "typ": "vault-receipt+jwt"}
CLAIMS: dict[str, Any] = {
    "iss": ISSUER,
    "aud": LEDGER,
    "iat": NOW,
    "nbf": NOW,
    "exp": NOW + 300,
    "jti": "7c9e6679-7425-40de-944b-e07fc1f90ae7",
    "use": "redemption",
    "sub": "0b0a5a0e-5d4e-4c0b-8d57-6a1f0c1e9b11",
    "program": "netcash",
    "outcome": "REDEEMED",
    "generation": 2,
}
BATCH = {name: CLAIMS[name] for name in ("iss", "aud", "iat", "nbf", "exp", "jti")} | {
    "use": "validation",
    "results": [
        {"generation": 1, "outcome": "GOOD", "program": "netcash", "sub": CLAIMS["sub"]},
        {"outcome": "NOT_GOOD"},
    ],
}
GOOD = sign_receipt(KEY, CLAIMS)


def forged(key: Any = SIGNER, algorithm: str | None = "EdDSA", **headers: str) -> str:
    claims = dict(sorted(CLAIMS.items()))
    return jwt.encode(claims, key, algorithm, headers=HEADERS | headers, sort_headers=True)


def changed() -> Iterator[str]:
    """Change each character of a receipt, one at a time."""
    for place, letter in enumerate(GOOD):
        yield f"{GOOD[:place]}{'B' if letter != 'B' else 'C'}{GOOD[place + 1 :]}"


REFUSED = {
    "alg none": (forged(None, None), "ERR_JOSE_ALG_NOT_ALLOWED"),
    "HS256 with the public key": (
        forged(SIGNER.public_key().public_bytes_raw(), "HS256"),
        "ERR_JOSE_ALG_NOT_ALLOWED",
    ),
    "ES256": (forged(ec.generate_private_key(ec.SECP256R1()), "ES256"), "ERR_JOSE_ALG_NOT_ALLOWED"),
    "another key": (forged(Ed25519PrivateKey.generate()), "ERR_JWS_SIGNATURE_VERIFICATION_FAILED"),
    "another key's id": (forged(kid="receipt-1"), "ERR_JWS_SIGNATURE_VERIFICATION_FAILED"),
    "an unknown key's id": (forged(kid="receipt-3"), "ERR_JWKS_NO_MATCHING_KEY"),
    "another type": (forged(typ="vault-statement+jwt"), "ERR_JWT_CLAIM_VALIDATION_FAILED typ"),
    "another issuer": (sign_receipt(KEY, CLAIMS | {"iss": "vault"}), "ERR_JWT_CLAIM_VALIDATION_FAILED iss"),
    "another audience": (sign_receipt(KEY, CLAIMS | {"aud": "shop"}), "ERR_JWT_CLAIM_VALIDATION_FAILED aud"),
    "expired": (sign_receipt(KEY, CLAIMS | {"exp": NOW}), "ERR_JWT_EXPIRED exp"),
    "not yet": (sign_receipt(KEY, CLAIMS | {"nbf": NOW + 1}), "ERR_JWT_CLAIM_VALIDATION_FAILED nbf"),
    "no end": (
        sign_receipt(KEY, {name: value for name, value in CLAIMS.items() if name != "exp"}),
        "ERR_JWT_CLAIM_VALIDATION_FAILED exp",
    ),
}


def in_node(folder: Path, *receipts: str) -> list[Any]:
    asked = {"jwks": JWKS, "issuer": ISSUER, "audience": LEDGER, "now": NOW, "receipts": receipts}
    (folder / "asked").write_text(json.dumps(asked), encoding="utf-8")
    done = node("receipts.mjs", folder / "asked")
    assert done.returncode == 0, done.stderr
    answers: list[Any] = json.loads(done.stdout)
    assert len(answers) == len(receipts)
    return answers


def counts_here(receipt: str) -> bool:
    verifier = ReceiptVerifier.of_jwk_set(
        json.dumps(JWKS), issuer=ISSUER, audience=LEDGER, leeway_seconds=0, clock=lambda: NOW
    )
    try:
        verifier.verify(receipt, use=ReceiptUse.REDEMPTION)
    except IntegrityFailure:
        return False
    return True


def test_jose_reads_what_the_vault_signs(tmp_path: Path) -> None:
    assert counts_here(GOOD)
    assert in_node(tmp_path, GOOD, sign_receipt(KEY, BATCH)) == [CLAIMS, BATCH]


def test_jose_and_our_verifier_refuse_what_was_forged_or_is_for_others(tmp_path: Path) -> None:
    assert forged() == GOOD  # so that each one below is wrong in one thing
    said = in_node(tmp_path, *(receipt for receipt, _ in REFUSED.values()))
    assert dict(zip(REFUSED, said, strict=True)) == {name: reason for name, (_, reason) in REFUSED.items()}
    assert [name for name, (receipt, _) in REFUSED.items() if counts_here(receipt)] == []


def test_jose_and_our_verifier_refuse_each_changed_character(tmp_path: Path) -> None:
    receipts = list(changed())
    assert len(set(receipts) - {GOOD}) == len(GOOD)
    assert [place for place, said in enumerate(in_node(tmp_path, *receipts)) if not isinstance(said, str)] == []
    assert [place for place, receipt in enumerate(receipts) if counts_here(receipt)] == []
