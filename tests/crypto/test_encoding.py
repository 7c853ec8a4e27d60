import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.vectors import load
from vault.crypto.encoding import encode
from vault.model.states import CardState

values = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.text(),
    st.binary(),
)


def kinds(items: list[object]) -> list[tuple[type, str]]:
    """Tell values apart as the encoding must: by type as well, and -0.0 from 0.0."""
    return [(type(item), repr(item)) for item in items]


@given(st.lists(values), st.lists(values))
def test_different_values_have_different_bytes(first: list[object], second: list[object]) -> None:
    assert (encode(first) == encode(second)) == (kinds(first) == kinds(second))


@given(st.lists(values), st.lists(values))
def test_a_list_after_another_is_one_list(first: list[object], second: list[object]) -> None:
    assert encode(first) + encode(second) == encode(first + second)


@given(st.lists(values, min_size=1))
def test_no_list_begins_another_of_the_same_length(items: list[object]) -> None:
    # So appending anything after a fixed number of values stays injective.
    longer = encode(items) + b"\x00"
    for value in (None, 0, 0.0, "", b"", "a"):
        assert encode([*items[:-1], value]) != longer


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (["ab", "c"], ["a", "bc"]),
        (["a"], [b"a"]),
        ([None], [""]),
        ([None], [b""]),
        ([None, None], [None]),
        ([0], [0.0]),
        ([0], [None]),
        ([1], ["1"]),
        ([-1], [2**63 - 1]),
        ([b"\x00"], [None]),
    ],
)
def test_known_confusions_are_told_apart(first: list[object], second: list[object]) -> None:
    assert encode(first) != encode(second)


def test_an_enum_and_a_flag_are_the_int_that_a_store_gives_back() -> None:
    assert encode([CardState.ACTIVE]) == encode([2])
    assert encode([True]) == encode([1])


@pytest.mark.parametrize("number", [0, 1, 127, 128, 255, 256, 257, 65_535, 65_536, -1, -256])
def test_every_value_has_the_bytes_that_the_format_says(number: int) -> None:
    assert encode([number]) == struct.pack(">Bq", 1, number)
    assert encode([float(number)]) == struct.pack(">Bd", 2, number)
    size = abs(number)
    assert encode(["a" * size]) == struct.pack(">BI", 3, size) + b"a" * size
    assert encode(["é" * size]) == struct.pack(">BI", 3, 2 * size) + "é".encode() * size
    assert encode([bytes(size)]) == struct.pack(">BI", 4, size) + bytes(size)


@pytest.mark.parametrize("value", [bytearray(b"a"), memoryview(b"a"), (1,), object()])
def test_other_types_are_refused(value: object) -> None:
    with pytest.raises(TypeError, match="no encoding"):
        encode([value])


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1])
def test_an_int_beyond_64_bits_is_refused(value: int) -> None:
    with pytest.raises(struct.error):
        encode([value])


@pytest.mark.parametrize("case", load("encoding"))
def test_frozen_encodings_hold(case: dict[str, Any]) -> None:
    items = [bytes.fromhex(item["hex"]) if isinstance(item, dict) else item for item in case["values"]]
    assert encode(items).hex() == case["encoded"]
