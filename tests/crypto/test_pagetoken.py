import base64
import os
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.vectors import Stream, load
from vault.crypto.pagetoken import open_page, seal_page
from vault.errors import InvalidInput
from vault.secret import Secret

KEYS = {1: Secret(bytes(32)), 2: Secret(bytes(range(32)))}
QUERY = b"vault.v1.CardService/ListCards\0alice\0netcash"


def refused(text: str, query: bytes = QUERY, keys: dict[int, Secret] = KEYS) -> None:
    with pytest.raises(InvalidInput) as caught:
        open_page(keys, text, query)
    assert (caught.value.reason, caught.value.field) == ("PAGE_TOKEN", "page_token")
    assert "page_token" in caught.value.message


@given(st.binary(max_size=100), st.binary(max_size=100))
def test_a_cursor_comes_back_for_its_own_query(cursor: bytes, query: bytes) -> None:
    text = seal_page(KEYS[2], 2, query, cursor, os.urandom)
    assert open_page(KEYS, text, query) == cursor
    assert set(text) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


def test_another_query_and_a_missing_or_wrong_key_are_refused() -> None:
    text = seal_page(KEYS[2], 2, QUERY, b"cursor", os.urandom)
    refused(text, QUERY + b"2")
    refused(text, b"")
    refused(text, keys={})
    refused(text, keys={2: KEYS[1]})
    refused(text, keys={1: KEYS[2]})


def test_any_changed_character_is_refused() -> None:
    text = seal_page(KEYS[2], 2, QUERY, b"cursor", os.urandom)
    for place, right in enumerate(text):
        for wrong in "AZz9_-=+/ é":
            if wrong != right:
                refused(text[:place] + wrong + text[place + 1 :])
        refused(text[:place])
        refused(text[:place] + "\n" + text[place:])
    refused(text + "=")
    refused(text + "A")


def test_a_changed_header_is_refused() -> None:
    blob = base64.urlsafe_b64decode(seal_page(KEYS[2], 2, QUERY, b"cursor12", os.urandom) + "==")
    for head in (b"\x02\x00\x00\x00\x02", b"\x01\x00\x00\x00\x01", b"\x01\x00\x00\x00\x03"):
        refused(base64.urlsafe_b64encode(head + blob[5:]).rstrip(b"=").decode())


@given(st.text(max_size=60))
def test_arbitrary_text_is_refused(text: str) -> None:
    refused(text)


@pytest.mark.parametrize("case", load("pagetoken"))
def test_frozen_tokens_hold(case: dict[str, Any]) -> None:
    key, version, query = Secret(bytes.fromhex(case["key"])), case["version"], bytes.fromhex(case["query"])
    cursor = bytes.fromhex(case["cursor"])
    assert open_page({version: key}, case["page_token"], query) == cursor
    assert seal_page(key, version, query, cursor, Stream(case["seed"])) == case["page_token"]
