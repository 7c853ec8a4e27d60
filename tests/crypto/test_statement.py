import base64
import json
import os
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from tests.vectors import load
from vault.crypto.jws import key_id
from vault.crypto.keypair import public_key
from vault.crypto.keyring import Key
from vault.crypto.statement import LARGEST_STATEMENT, sign_statement, verify_statement
from vault.errors import IntegrityFailure
from vault.model.states import KeyPurpose, KeyState
from vault.secret import Secret

SECRET = Secret(bytes(range(32)))
KEY = Key(KeyPurpose.STATEMENT, "", 3, KeyState.ACTIVE, SECRET)
PUBLIC = public_key(KeyPurpose.STATEMENT, SECRET) or b""
KEYS = {"statement-3": PUBLIC}
CLAIMS: dict[str, Any] = {"vault": "00ff", "rows": {"code": 0, "card": 0}, "words": "é ≥ \U0001f511", "none": None}
HEADER = {"alg": "EdDSA", "kid": "statement-3", "typ": "vault-report+jwt"}


def spell(value: object) -> str:
    data = value if isinstance(value, bytes) else json.dumps(value, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def forged(header: object, payload: object) -> str:
    """Sign any header and payload with the right key."""
    signed = f"{spell(header)}.{spell(payload)}"
    return f"{signed}.{spell(Ed25519PrivateKey.from_private_bytes(SECRET.expose()).sign(signed.encode()))}"


def refused(statement: str, keys: dict[str, bytes] = KEYS, kind: str = "report") -> str:
    with pytest.raises(IntegrityFailure) as caught:
        verify_statement(statement, keys, kind)
    assert caught.value.reason == "STATEMENT"
    return caught.value.message


def test_claims_come_back_and_the_same_claims_give_the_same_statement() -> None:
    statement = sign_statement(KEY, "report", CLAIMS)
    assert verify_statement(statement, {"statement-1": os.urandom(32), **KEYS}, "report") == CLAIMS
    assert sign_statement(KEY, "report", dict(reversed(CLAIMS.items()))) == statement


def test_an_independent_library_verifies_it() -> None:
    statement = sign_statement(KEY, "incident-report", CLAIMS)
    read = jwt.decode(statement, Ed25519PublicKey.from_public_bytes(PUBLIC), algorithms=["EdDSA"])
    assert read == CLAIMS
    assert jwt.get_unverified_header(statement) == {**HEADER, "typ": "vault-incident-report+jwt"}


def test_what_an_independent_library_signs_alike_is_accepted() -> None:
    assert verify_statement(forged(HEADER, {"a": 1}), KEYS, "report") == {"a": 1}


@pytest.mark.parametrize(
    "header",
    [
        {**HEADER, "alg": "none"},
        {**HEADER, "alg": "HS256"},
        {**HEADER, "alg": "ES256"},
        {**HEADER, "typ": "JWT"},
        {**HEADER, "typ": "vault-destruction+jwt"},
        {**HEADER, "kid": "statement-4"},
        {**HEADER, "crit": ["exp"]},
        {"alg": "EdDSA", "typ": "vault-report+jwt"},
        dict(reversed(HEADER.items())),
        [],
    ],
)
def test_another_header_is_refused_even_when_it_is_signed(header: object) -> None:
    refused(forged(header, CLAIMS))


@pytest.mark.parametrize(
    "payload", [[], 1, b'{"a": 1}', b'{"a":1,"a":1}', b'{"b":1,"a":1}', b"{", b"\xff", b'{"a":NaN}']
)
def test_another_spelling_of_the_payload_is_refused_even_when_it_is_signed(payload: object) -> None:
    refused(forged(HEADER, payload))


def test_a_statement_signed_without_a_key_is_refused() -> None:
    keys: list[tuple[str, Any]] = [("none", None), ("HS256", PUBLIC)]
    for algorithm, key in keys:
        refused(jwt.encode(CLAIMS, key, algorithm, headers={"kid": "statement-3", "typ": "vault-report+jwt"}))


def test_another_kind_or_key_is_refused() -> None:
    statement = sign_statement(KEY, "report", CLAIMS)
    refused(statement, kind="destruction")
    refused(statement, keys={})
    refused(statement, keys={"statement-2": PUBLIC})
    refused(statement, keys={"statement-3": os.urandom(32)})
    refused(statement, keys={"statement-3": PUBLIC[:31]})


def test_any_changed_character_is_refused_with_one_message() -> None:
    statement = sign_statement(KEY, "report", {"a": 1})
    changed = {statement[:at] + other + statement[at + 1 :] for at in range(len(statement)) for other in "AQgw.+= \n"}
    cut = {statement[:end] for end in range(len(statement))}
    longer = {statement + end for end in ("=", ".", "A", " ", "\n")} | {" " + statement, "A" * (LARGEST_STATEMENT + 1)}
    assert len({refused(text) for text in (changed | cut | longer) - {statement}}) == 1


@pytest.mark.parametrize("kind", ["", "Report", "a b", "a-", "ä", 'a"'])
def test_a_kind_of_another_form_is_not_signed(kind: str) -> None:
    with pytest.raises(ValueError, match="kind"):
        sign_statement(KEY, kind, {})


def test_only_the_statement_key_signs_and_only_what_has_json() -> None:
    with pytest.raises(ValueError, match="statement key"):
        sign_statement(KEY._replace(purpose=KeyPurpose.RECEIPT), "report", {})
    with pytest.raises(ValueError, match="JSON"):
        sign_statement(KEY, "report", {"a": float("nan")})


@pytest.mark.parametrize("case", load("statement"))
def test_frozen_statements_hold(case: dict[str, Any]) -> None:
    key = Key(KeyPurpose.STATEMENT, "", case["version"], KeyState.ACTIVE, Secret(bytes.fromhex(case["key"])))
    public = bytes.fromhex(case["public"])
    assert sign_statement(key, case["kind"], case["claims"]) == case["statement"]
    named = {key_id(key.purpose, key.version): public}
    assert verify_statement(case["statement"], named, case["kind"]) == case["claims"]
