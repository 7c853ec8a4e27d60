import hashlib
import hmac
import struct
from itertools import permutations
from typing import Any

import pytest

from tests.vectors import load
from vault.crypto.chain import GENESIS, advance
from vault.secret import Secret

KEY = Secret(bytes(range(32)))


def chained(events: tuple[bytes, ...]) -> bytes:
    link = GENESIS
    for event in events:
        link = advance(KEY, link, event)
    return link


@pytest.mark.parametrize("case", load("chain"))
def test_frozen_chains_hold(case: dict[str, Any]) -> None:
    key, link = bytes.fromhex(case["key"]), GENESIS
    for event, expected in zip(case["events"], case["links"], strict=True):
        data = bytes.fromhex(event)
        message = b"cardvault.v1.chain\x00" + link + struct.pack(">I", len(data)) + data
        link = advance(Secret(key), link, data)
        assert link.hex() == expected
        assert hmac.new(key, message, hashlib.sha256).digest() == link


def test_order_content_and_number_of_events_matter() -> None:
    runs = [*permutations([b"a", b"b", b"c"]), (b"a", b"b"), (b"a", b"bc"), (b"abc",), ()]
    runs.append((b"a", b"", b"b", b"c"))
    assert len({chained(run) for run in runs}) == len(runs)


def test_another_key_makes_other_links() -> None:
    assert advance(KEY, GENESIS, b"a") != advance(Secret(bytes(32)), GENESIS, b"a")


@pytest.mark.parametrize("size", [0, 31, 33])
def test_what_is_no_link_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        advance(KEY, bytes(size), b"a")
