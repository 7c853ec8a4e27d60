import os

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from nacl.public import PrivateKey

from tests.vectors import load
from vault.crypto.keypair import check_recipient_key, public_key
from vault.errors import InvalidInput
from vault.model.states import KeyPurpose
from vault.secret import Secret

SIGNING = {KeyPurpose.RECEIPT, KeyPurpose.STATEMENT, KeyPurpose.CHECKPOINT}


@pytest.mark.parametrize("purpose", KeyPurpose)
def test_public_keys_are_those_of_an_independent_implementation(purpose: KeyPurpose) -> None:
    seed = os.urandom(32)
    expected = None
    if purpose in SIGNING:
        expected = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
    elif purpose == KeyPurpose.SEALING:
        expected = X25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
    assert public_key(purpose, Secret(seed)) == expected


@pytest.mark.parametrize("case", load("keypair"))
def test_public_keys_are_those_of_the_rfcs(case: dict[str, str]) -> None:
    private = Secret(bytes.fromhex(case["private"]))
    assert public_key(KeyPurpose[case["purpose"]], private) == bytes.fromhex(case["public"])


def test_a_recipients_key_is_accepted() -> None:
    check_recipient_key(bytes(PrivateKey.generate().public_key))


# The points of small order and their other spellings, after the list of D. J. Bernstein's curve25519 page.
LOW_ORDER = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "0100000000000000000000000000000000000000000000000000000000000080",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
]


@pytest.mark.parametrize("point", LOW_ORDER)
def test_points_of_low_order_are_refused(point: str) -> None:
    with pytest.raises(InvalidInput, match="anybody") as caught:
        check_recipient_key(bytes.fromhex(point))
    assert (caught.value.reason, caught.value.field) == ("PUBLIC_KEY", "public_key")


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_public_key_of_another_size_is_refused(size: int) -> None:
    with pytest.raises(InvalidInput, match="32 bytes"):
        check_recipient_key(bytes(size))
