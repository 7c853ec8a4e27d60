import hashlib
import hmac
import struct
from typing import Any

import pytest

from tests.vectors import load
from vault.crypto.bodymac import body_mac, body_macs
from vault.secret import Secret

KEY = Secret(bytes(range(32)))


@pytest.mark.parametrize("case", load("bodymac"))
def test_frozen_macs_hold(case: dict[str, Any]) -> None:
    key, method, body = bytes.fromhex(case["key"]), case["method"], bytes.fromhex(case["body"])
    assert body_mac(Secret(key), method, body).hex() == case["mac"]
    parts = [(3, b"cardvault.v1.body"), (3, method.encode()), (4, body)]
    message = b"".join(struct.pack(">BI", kind, len(data)) + data for kind, data in parts)
    assert hmac.new(key, message, hashlib.sha256).hexdigest() == case["mac"]


def test_key_method_and_body_matter() -> None:
    seen = {
        body_mac(KEY, "a", b"bc"),
        body_mac(KEY, "ab", b"c"),
        body_mac(KEY, "a", b"b"),
        body_mac(KEY, "a", b""),
        body_mac(Secret(bytes(32)), "a", b"bc"),
    }
    assert len(seen) == 5
    assert {len(mac) for mac in seen} == {32}


@pytest.mark.parametrize("count", [0, 1, 3, 20])
def test_macs_of_many_requests_are_those_of_each(count: int) -> None:
    requests = [("vault.v1.A/B" + "C" * (place % 2), bytes([place]) * place * 40) for place in range(count)]
    assert body_macs(KEY, requests) == [body_mac(KEY, method, body) for method, body in requests]
