"""Sealed boxes, against libsodium's construction put together from its parts."""

import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from nacl.public import Box, PrivateKey, PublicKey, SealedBox

from tests.vectors import load
from vault.crypto.sealedbox import ADDED, draw_key, open_box, public_half, seal_box
from vault.errors import IntegrityFailure
from vault.secret import Secret

PLAIN = b"what is handed out"


def test_a_box_opens_with_the_private_key() -> None:
    key = draw_key()
    boxes = [seal_box(public_half(key), PLAIN) for _ in range(2)]
    assert boxes[0] != boxes[1]
    assert {len(box) for box in boxes} == {len(PLAIN) + ADDED}
    assert [open_box(key, box) for box in boxes] == [PLAIN, PLAIN]


def test_a_key_is_drawn_anew_each_time_and_is_x25519() -> None:
    keys = [draw_key() for _ in range(2)]
    assert keys[0] != keys[1]
    expected = X25519PrivateKey.from_private_bytes(keys[0].expose()).public_key().public_bytes_raw()
    assert public_half(keys[0]) == expected


def test_a_box_is_crypto_box_from_a_key_of_its_own() -> None:
    recipient, ephemeral = PrivateKey.generate(), PrivateKey.generate()
    start = bytes(ephemeral.public_key)
    nonce = hashlib.blake2b(start + bytes(recipient.public_key), digest_size=24).digest()
    made = start + Box(ephemeral, recipient.public_key).encrypt(PLAIN, nonce).ciphertext
    assert open_box(Secret(bytes(recipient)), made) == PLAIN


@pytest.mark.parametrize("case", load("sealedbox"))
def test_a_box_of_long_ago_still_opens(case: dict[str, str]) -> None:
    key = Secret(bytes.fromhex(case["private"]))
    assert open_box(key, bytes.fromhex(case["box"])) == bytes.fromhex(case["plain"])


def test_others_open_what_is_sealed_here() -> None:
    key = PrivateKey.generate()
    assert SealedBox(key).decrypt(seal_box(bytes(PublicKey(bytes(key.public_key))), PLAIN)) == PLAIN


@pytest.mark.parametrize("damage", ["flipped", "cut", "followed", "short", "none", "another key"])
def test_what_is_no_box_to_this_key_is_refused_with_one_error(damage: str) -> None:
    key = draw_key()
    box = seal_box(public_half(key), PLAIN)
    wrong = {
        "flipped": box[:-1] + bytes([box[-1] ^ 1]),
        "cut": box[:-1],
        "followed": box + b"x",
        "short": box[:40],
        "none": b"",
        "another key": seal_box(public_half(draw_key()), PLAIN),
    }
    with pytest.raises(IntegrityFailure) as refused:
        open_box(key, wrong[damage])
    assert (refused.value.reason, str(refused.value)) == (
        "SEALED",
        "the sealed answer was changed, or was sealed to another key",
    )
