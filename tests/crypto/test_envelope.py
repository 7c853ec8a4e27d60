import os
import struct
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from tests.vectors import Stream, load
from vault.crypto.envelope import (
    SEALED_LABEL,
    WRAPPED_LABEL,
    Place,
    WrappingKey,
    open_sealed,
    seal,
    seal_many,
    unwrap,
    version_of,
    wrap,
)
from vault.errors import IntegrityFailure
from vault.secret import Secret

PLACE = Place("code", "sealed_code", "netcash", bytes(range(16)), 1)
ELSEWHERE = [
    PLACE._replace(table="card"),
    PLACE._replace(column="sealed_record"),
    PLACE._replace(program="netcash2"),
    PLACE._replace(program="Netcash"),
    PLACE._replace(card_id=bytes(range(1, 17))),
    PLACE._replace(generation=2),
    PLACE._replace(generation=-1),
    PLACE._replace(table="cod", column="esealed_code"),
]
KEY = WrappingKey(3, Secret(bytes(range(32))))
KEYS = {3: KEY, 4: WrappingKey(4, Secret(bytes(32)))}
DIGITS = b"4929123412341234"


def refusal(act: Callable[[], object]) -> str:
    with pytest.raises(IntegrityFailure) as caught:
        act()
    assert caught.value.reason == "SEALED"
    return caught.value.message


@given(st.binary(max_size=300))
def test_what_is_sealed_opens_in_its_place(plaintext: bytes) -> None:
    sealed, wrapped = seal(plaintext, PLACE, KEY, os.urandom)
    assert open_sealed(sealed, wrapped, PLACE, KEYS) == plaintext
    assert len(sealed) == 33 + len(plaintext)
    assert len(wrapped) == 65
    assert version_of(sealed) == version_of(wrapped) == 3


@pytest.mark.parametrize("place", ELSEWHERE)
def test_nothing_opens_in_another_place(place: Place) -> None:
    sealed, wrapped = seal(DIGITS, PLACE, KEY, os.urandom)
    refusal(lambda: open_sealed(sealed, wrapped, place, KEYS))
    refusal(lambda: unwrap(wrapped, place, KEYS))
    # Even with its data key wrapped anew for the other place.
    moved = wrap(unwrap(wrapped, PLACE, KEYS), place, KEY, os.urandom)
    refusal(lambda: open_sealed(sealed, moved, place, KEYS))


def test_every_place_field_is_bound() -> None:
    assert set(Place._fields) == {"table", "column", "program", "card_id", "generation"}
    for name in Place._fields:
        assert any(getattr(place, name) != getattr(PLACE, name) for place in ELSEWHERE), name
    assert PLACE.associated_data(SEALED_LABEL) != PLACE.associated_data(WRAPPED_LABEL)


def test_any_changed_byte_is_refused_with_one_message() -> None:
    sealed, wrapped = seal(DIGITS, PLACE, KEY, os.urandom)
    messages = set()
    for blob in (sealed, wrapped):
        for place in range(len(blob)):
            for flip in (0x01, 0x80):
                changed = blob[:place] + bytes((blob[place] ^ flip,)) + blob[place + 1 :]
                one, two = (changed, wrapped) if blob is sealed else (sealed, changed)
                messages.add(refusal(partial(open_sealed, one, two, PLACE, KEYS)))
    assert len(messages) == 1


def test_a_version_that_names_another_key_is_refused() -> None:
    sealed, wrapped = seal(DIGITS, PLACE, KEY, os.urandom)
    four = b"\x01\x00\x00\x00\x04"
    refusal(lambda: open_sealed(sealed, four + wrapped[5:], PLACE, KEYS))
    refusal(lambda: open_sealed(four + sealed[5:], wrapped, PLACE, KEYS))
    # Even where both versions are the same key.
    refusal(lambda: unwrap(four + wrapped[5:], PLACE, {3: KEY, 4: WrappingKey(4, Secret(bytes(range(32))))}))


def test_short_long_and_swapped_blobs_are_refused() -> None:
    sealed, wrapped = seal(DIGITS, PLACE, KEY, os.urandom)
    other, other_wrapped = seal(DIGITS, PLACE, KEY, os.urandom)
    for cut in range(len(wrapped)):
        refusal(partial(open_sealed, sealed, wrapped[:cut], PLACE, KEYS))
    for cut in range(len(sealed)):
        refusal(partial(open_sealed, sealed[:cut], wrapped, PLACE, KEYS))
    refusal(lambda: open_sealed(sealed + b"\x00", wrapped, PLACE, KEYS))
    refusal(lambda: open_sealed(sealed, wrapped + b"\x00", PLACE, KEYS))
    refusal(lambda: open_sealed(sealed, other_wrapped, PLACE, KEYS))
    refusal(lambda: open_sealed(other, wrapped, PLACE, KEYS))
    refusal(lambda: open_sealed(wrapped, wrapped, PLACE, KEYS))
    refusal(lambda: open_sealed(sealed, sealed, PLACE, KEYS))
    refusal(lambda: version_of(b""))
    refusal(lambda: version_of(b"\x02" + wrapped[1:]))


def test_a_missing_or_wrong_key_is_refused() -> None:
    sealed, wrapped = seal(DIGITS, PLACE, KEY, os.urandom)
    refusal(lambda: open_sealed(sealed, wrapped, PLACE, {}))
    refusal(lambda: open_sealed(sealed, wrapped, PLACE, {4: KEYS[4]}))
    refusal(lambda: open_sealed(sealed, wrapped, PLACE, {3: KEYS[4]}))


def test_a_rewrapped_key_opens_the_untouched_record() -> None:
    sealed, wrapped = seal(DIGITS, PLACE, KEY, os.urandom)
    rewrapped = wrap(unwrap(wrapped, PLACE, KEYS), PLACE, KEYS[4], os.urandom)
    assert version_of(rewrapped) == 4
    assert open_sealed(sealed, rewrapped, PLACE, {4: KEYS[4]}) == DIGITS


def test_data_keys_and_nonces_are_fresh_for_each_record() -> None:
    blobs = seal_many([DIGITS] * 50, [PLACE] * 50, KEY, os.urandom)
    assert len({sealed[5:17] for sealed, _ in blobs} | {wrapped[5:17] for _, wrapped in blobs}) == 100
    assert len({unwrap(wrapped, PLACE, KEYS) for _, wrapped in blobs}) == 50


def test_many_are_sealed_as_one_at_a_time_from_one_draw() -> None:
    draws: list[int] = []

    def random(count: int) -> bytes:
        draws.append(count)
        return os.urandom(count)

    places = [PLACE._replace(generation=number) for number in range(5)]
    plaintexts = [bytes(number) for number in range(5)]
    blobs = seal_many(plaintexts, places, KEY, random)
    assert draws == [5 * 56]
    opened = [open_sealed(*blob, place, KEYS) for blob, place in zip(blobs, places, strict=True)]
    assert opened == plaintexts
    with pytest.raises(ValueError, match="shorter"):
        seal_many(plaintexts, places[:4], KEY, os.urandom)


def by_hand(label: str, head: bytes, place: Place) -> bytes:
    """Associated data as the format's description says, without our encoding."""

    def text(value: str) -> bytes:
        return b"\x03" + struct.pack(">I", len(value.encode())) + value.encode()

    card_id = b"\x04" + struct.pack(">I", len(place.card_id)) + place.card_id
    names = text(place.table) + text(place.column) + text(place.program)
    version, generation = struct.pack(">Bq", 1, 1), struct.pack(">Bq", 1, place.generation)
    return head + text(label) + version + names + card_id + generation


@pytest.mark.parametrize("case", load("envelope"))
def test_frozen_envelopes_hold(case: dict[str, Any]) -> None:
    table, column, program, card_id, generation = case["place"]
    place = Place(table, column, program, bytes.fromhex(card_id), generation)
    plaintext, root = bytes.fromhex(case["plaintext"]), bytes.fromhex(case["wrapping_key"])
    key = WrappingKey(case["version"], Secret(root))
    sealed, wrapped = bytes.fromhex(case["sealed"]), bytes.fromhex(case["wrapped"])
    assert open_sealed(sealed, wrapped, place, {case["version"]: key}) == plaintext
    assert seal(plaintext, place, key, Stream(case["seed"])) == (sealed, wrapped)
    bound = by_hand("cardvault.v1.wrapped", wrapped[:5], place)
    data_key = AESGCM(root).decrypt(wrapped[5:17], wrapped[17:], bound)
    bound = by_hand("cardvault.v1.sealed", sealed[:5], place)
    assert AESGCM(data_key).decrypt(sealed[5:17], sealed[17:], bound) == plaintext
