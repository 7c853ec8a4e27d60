"""Rows encoded column by column have the bytes that each has alone."""

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault.crypto.columns import encode_rows
from vault.crypto.encoding import encode
from vault.model.states import CardState, Usage

ints = st.integers(-(2**63), 2**63 - 1)
text = st.text(max_size=6)
anything = st.one_of(
    st.none(), ints, st.floats(), text, st.binary(max_size=6), st.booleans(), st.sampled_from([*CardState, *Usage])
)
column = st.sampled_from(
    [
        anything,
        st.none(),
        ints,
        st.integers(0, 1),
        st.one_of(st.none(), ints),
        st.one_of(st.booleans(), st.integers(0, 1), st.sampled_from(CardState), st.sampled_from([0.0, 1.0])),
        text,
        st.text("ab", min_size=2, max_size=2),
        st.text("aé", min_size=2, max_size=2),
        st.sampled_from(["netcash", "voucher"]),
        st.just("netcash"),
        st.binary(max_size=300),
        st.binary(min_size=16, max_size=16),
        st.just(b"same"),
        st.one_of(st.none(), st.binary(min_size=16, max_size=16)),
    ]
)


@st.composite
def tables(draw: st.DrawFn) -> list[tuple[Any, ...]]:
    columns = draw(st.lists(column, max_size=6))
    return draw(st.lists(st.tuples(*columns), min_size=draw(st.sampled_from([0, 16])), max_size=24))


@given(tables(), st.binary(max_size=4), st.binary(max_size=2))
def test_many_rows_have_the_bytes_of_each(rows: list[tuple[Any, ...]], start: bytes, end: bytes) -> None:
    assert encode_rows(start, rows, end) == [start + encode(row) + end for row in rows]


@pytest.mark.parametrize("length", [255, 256, 70_000])
@pytest.mark.parametrize("letters", ["abc", "éèê"])
def test_long_values_too(length: int, letters: str) -> None:
    words = [letters[place % 3] * length for place in range(20)]
    rows = [(word, word.encode()) for word in words]
    assert encode_rows(b"", rows) == [encode(row) for row in rows]


@pytest.mark.parametrize("count", [1, 20])
def test_what_has_no_encoding_is_refused(count: int) -> None:
    with pytest.raises(TypeError):
        encode_rows(b"", [("a", 1)] * count + [("a", object())])
    with pytest.raises(struct.error):
        encode_rows(b"", [(number,) for number in range(count)] + [(2**63,)])


def test_rows_of_several_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        encode_rows(b"", [(1, 2)] * 20 + [(1,)])
