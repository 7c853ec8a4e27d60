import hashlib
import hmac
import struct
from typing import Any

import pytest

from tests.vectors import load
from vault.crypto.digest import Digester
from vault.secret import Secret

KEY = Secret(bytes(range(32)))
DIGITS = b"4929123412341234"


@pytest.mark.parametrize("case", load("digest"))
def test_frozen_digests_hold(case: dict[str, Any]) -> None:
    key, program, digits = bytes.fromhex(case["key"]), case["program"], case["digits"].encode()
    assert Digester(1, Secret(key), program).digest(digits).hex() == case["digest"]
    name = program.encode()
    message = b"cardvault.v1.digest\x00" + struct.pack(">I", len(name)) + name + digits
    assert hmac.new(key, message, hashlib.sha256).hexdigest() == case["digest"]


def test_many_digests_are_those_of_one_at_a_time() -> None:
    digester = Digester(7, KEY, "netcash")
    codes = [b"%016d" % number for number in range(50)]
    assert digester.digest_many(codes) == [digester.digest(code) for code in codes]
    assert digester.version == 7


def test_a_digest_depends_on_program_key_and_every_digit() -> None:
    digester = Digester(1, KEY, "netcash")
    seen = {digester.digest(DIGITS)}
    seen.add(Digester(1, Secret(bytes(32)), "netcash").digest(DIGITS))
    seen.add(Digester(1, KEY, "netcash2").digest(DIGITS))
    seen.add(Digester(1, KEY, "netcas").digest(DIGITS))
    seen.add(digester.digest(DIGITS[:-1]))
    for place in range(16):
        seen.add(digester.digest(DIGITS[:place] + b"0" + DIGITS[place + 1 :]))
    assert len(seen) == 21


def test_no_digits_pass_from_the_program_to_the_code() -> None:
    assert Digester(1, KEY, "a1").digest(b"2345678") != Digester(1, KEY, "a").digest(b"12345678")


def test_the_version_is_not_part_of_a_digest() -> None:
    assert Digester(1, KEY, "a").digest(DIGITS) == Digester(2, KEY, "a").digest(DIGITS)
