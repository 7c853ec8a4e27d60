"""What an edge sealed opens whole and once it makes sense; everything else is refused alike."""

import contextlib
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nacl.bindings import sodium_pad
from nacl.public import PrivateKey, SealedBox

from tests.vectors import load
from vault.crypto import submission as module
from vault.crypto.keyring import Key
from vault.crypto.sealedbox import ADDED, public_half
from vault.crypto.submission import (
    BLOCK_SIZE,
    LARGEST,
    MOST_CODES,
    NONCE_SIZE,
    SMALLEST,
    open_submission,
    seal_submission,
    sealing_version,
)
from vault.errors import IntegrityFailure, InvalidInput
from vault.formats.v1.submission_pb2 import Submission
from vault.model.states import KeyPurpose, KeyState
from vault.secret import Secret

PRIVATE = Secret(bytes.fromhex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb"))
PUBLIC = public_half(PRIVATE)
KEY = Key(KeyPurpose.SEALING, "", 7, KeyState.ACTIVE, PRIVATE)
CODE = "4000001234567899"
SUBMISSION = Submission(
    audience="spiffe://shop.example/web",
    program="netcash",
    purpose=Submission.PURPOSE_VALIDATE,
    seal_time_ms=1_700_000_000_123,
    nonce=bytes(range(16)),
    codes=[CODE],
)
SEALED = seal_submission(PUBLIC, 7, SUBMISSION)

CASES: list[dict[str, Any]] = load("submission")
GOOD = [case for case in CASES if case["accepted"]]
BAD = [case for case in CASES if not case["accepted"]]

sound = st.builds(
    Submission,
    audience=st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=2048),
    program=st.from_regex(r"[a-z][a-z0-9-]{1,30}[a-z0-9]", fullmatch=True),
    purpose=st.just(Submission.PURPOSE_VALIDATE),
    seal_time_ms=st.integers(1, 2**63 - 1),
    nonce=st.binary(min_size=16, max_size=16),
    codes=st.lists(st.text("0123456789", min_size=8, max_size=19), min_size=1, max_size=5),
)


def refusal(blob: bytes, key: Key = KEY) -> str:
    with pytest.raises(IntegrityFailure) as caught:
        open_submission(key, blob)
    assert caught.value.reason == "SUBMISSION"
    assert caught.value.field == ""
    assert caught.value.__cause__ is None
    return caught.value.message


MESSAGE = refusal(b"")


def key_of(case: dict[str, Any]) -> Key:
    return Key(KeyPurpose.SEALING, "", case["version"], KeyState.ACTIVE, Secret(bytes.fromhex(case["private"])))


def fields_of(case: dict[str, Any]) -> Submission:
    fields = case["fields"]
    binary = {name: bytes.fromhex(fields[name]) for name in ("nonce", "public_key")}
    return Submission(**{**fields, **binary})


@pytest.mark.parametrize("case", GOOD, ids=lambda case: case["name"])
def test_frozen_submissions_open(case: dict[str, Any]) -> None:
    blob = bytes.fromhex(case["blob"])
    assert sealing_version(blob) == case["version"]
    opened = open_submission(key_of(case), blob)
    assert opened == fields_of(case)
    assert opened.SerializeToString(deterministic=True) == bytes.fromhex(case["message"])
    padded = SealedBox(PrivateKey(bytes.fromhex(case["private"]))).decrypt(blob[5:])
    content, mark, zeros = padded.rpartition(b"\x80")
    assert (content, mark, set(zeros) <= {0}) == (bytes.fromhex(case["message"]), b"\x80", True)
    assert 0 < len(mark + zeros) <= BLOCK_SIZE
    assert public_half(Secret(bytes.fromhex(case["private"]))) == bytes.fromhex(case["public"])


@pytest.mark.parametrize("case", BAD, ids=lambda case: case["name"])
def test_frozen_submissions_that_are_wrong_are_refused_alike(case: dict[str, Any]) -> None:
    assert refusal(bytes.fromhex(case["blob"]), key_of(case)) == MESSAGE


@given(sound)
def test_what_is_sealed_opens(submission: Submission) -> None:
    blob = seal_submission(PUBLIC, 7, submission)
    assert open_submission(KEY, blob) == submission
    assert SMALLEST <= len(blob) <= LARGEST
    assert (len(blob) - 5 - ADDED) % BLOCK_SIZE == 0


@settings(max_examples=300)
@given(st.integers(0, 8 * len(SEALED) - 1))
def test_any_flipped_bit_is_refused_alike(bit: int) -> None:
    changed = bytearray(SEALED)
    changed[bit // 8] ^= 1 << bit % 8
    assert refusal(bytes(changed)) == MESSAGE


@pytest.mark.parametrize("bit", range(8 * (5 + ADDED)))
def test_each_bit_of_the_head_the_key_and_the_tag_counts(bit: int) -> None:
    changed = bytearray(SEALED)
    changed[bit // 8] ^= 1 << bit % 8
    assert refusal(bytes(changed)) == MESSAGE


def test_any_truncation_is_refused_alike() -> None:
    longer = seal_submission(PUBLIC, 7, Submission(**{**_fields(), "codes": [CODE] * 100}))
    assert {refusal(longer[:end]) for end in range(len(longer))} == {MESSAGE}
    assert {refusal(longer[start:]) for start in range(1, len(longer), 97)} == {MESSAGE}


@given(st.binary(max_size=3 * BLOCK_SIZE))
def test_any_bytes_are_refused_alike(data: bytes) -> None:
    assert refusal(data) == MESSAGE
    assert refusal((SEALED[:5] + data).ljust(SMALLEST, b"\0")[:SMALLEST]) == MESSAGE


@given(st.binary(max_size=2 * BLOCK_SIZE))
def test_any_sealed_message_is_refused_or_means_what_it_says(content: bytes) -> None:
    blob = SEALED[:5] + SealedBox(PrivateKey(PRIVATE.expose()).public_key).encrypt(sodium_pad(content, BLOCK_SIZE))
    with contextlib.suppress(IntegrityFailure):
        assert open_submission(KEY, blob).ByteSize() == len(content)
        return
    assert refusal(blob) == MESSAGE


def test_another_version_or_key_is_refused_and_another_purpose_is_a_mistake() -> None:
    assert refusal(SEALED, KEY._replace(version=8)) == MESSAGE
    assert refusal(SEALED, KEY._replace(secret=Secret(bytes(31) + b"\x01"))) == MESSAGE
    with pytest.raises(ValueError, match="sealing key"):
        open_submission(KEY._replace(purpose=KeyPurpose.RECEIPT), SEALED)


def test_the_order_of_fields_does_not_matter() -> None:
    """Protobuf leaves it to whoever writes a message."""
    parts = [Submission(**{name: value}).SerializeToString() for name, value in _fields().items()]
    content = b"".join(reversed(parts))
    assert content != SUBMISSION.SerializeToString(deterministic=True)
    box = SealedBox(PrivateKey(PRIVATE.expose()).public_key).encrypt(sodium_pad(content, BLOCK_SIZE))
    assert open_submission(KEY, SEALED[:5] + box) == SUBMISSION


def test_a_thousand_of_the_longest_codes_fit_and_one_more_does_not() -> None:
    fields = {**_fields(), "audience": "a" * 2048, "program": "p" * 32, "seal_time_ms": 2**63 - 1}
    most = Submission(**{**fields, "codes": ["9" * 19] * MOST_CODES})
    assert open_submission(KEY, seal_submission(PUBLIC, 7, most)) == most
    with pytest.raises(InvalidInput) as caught:
        seal_submission(PUBLIC, 7, Submission(**{**fields, "codes": ["9" * 19] * (MOST_CODES + 1)}))
    assert caught.value.field == "codes"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("audience", ""),
        ("audience", "a b"),
        ("program", "Netcash"),
        ("purpose", 0),
        ("purpose", 4),
        ("seal_time_ms", 0),
        ("nonce", bytes(NONCE_SIZE - 1)),
        ("codes", ["4000-0012-3456-7899"]),
        ("codes", []),
        ("serial", "A00000000000A"),
        ("public_key", PUBLIC),
    ],
)
def test_what_the_vault_would_refuse_is_not_sealed_and_is_named_without_the_code(field: str, value: Any) -> None:
    with pytest.raises(InvalidInput) as caught:
        seal_submission(PUBLIC, 7, Submission(**{**_fields(), field: value}))
    assert (caught.value.reason, caught.value.field) == ("SUBMISSION", field)
    assert not any(character.isdigit() for character in caught.value.message)


@pytest.mark.parametrize("version", [0, -1, 2**32])
def test_a_version_that_is_none_is_not_sealed_to(version: int) -> None:
    with pytest.raises(InvalidInput, match="version"):
        seal_submission(PUBLIC, version, SUBMISSION)


@pytest.mark.parametrize("public", [b"", PUBLIC[:31], bytes(32), b"\x01" + bytes(31)])
def test_nothing_is_sealed_to_a_key_that_keeps_no_secret(public: bytes) -> None:
    with pytest.raises(InvalidInput) as caught:
        seal_submission(public, 7, SUBMISSION)
    assert caught.value.reason == "PUBLIC_KEY"


def test_sealing_needs_nothing_of_a_server() -> None:
    program = f"import sys, {module.__name__}\nprint(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert "nacl" in loaded
    assert not {"cryptography", "sqlite3", "grpc", "psycopg"} & set(loaded)


def _fields() -> dict[str, Any]:
    return {field.name: value for field, value in SUBMISSION.ListFields()}
