"""What is done for many at once is what is done for each."""

import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault.crypto.primitives import hmac_sha256_many
from vault.crypto.rowtag import TAG_SIZE, Tagger
from vault.errors import IntegrityFailure
from vault.model.incident_rows import SelectionRow
from vault.model.rows import JobRow
from vault.model.shape import SHAPES
from vault.model.states import JobKind, JobState
from vault.secret import Secret

KEYS = {1: Secret(b"1" * 32), 2: Secret(b"2" * 32)}
SHAPE = SHAPES["selection"]
JOB = SHAPES["job"]


def _rows(count: int, tagger: Tagger) -> list[SelectionRow]:
    return tagger.tag_many(SHAPE, [SelectionRow(bytes(16), bytes([n]) * 16, "netcash", b"") for n in range(count)])


@given(st.binary(min_size=32, max_size=32), st.lists(st.binary(max_size=300), max_size=12))
def test_macs_of_many_messages_are_those_of_each(key: bytes, messages: list[bytes]) -> None:
    assert hmac_sha256_many(key, messages) == [hmac.digest(key, message, "sha256") for message in messages]


@pytest.mark.parametrize("size", [0, 31, 33, 65])
def test_a_key_of_another_size_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        hmac_sha256_many(bytes(size), [])


@pytest.mark.parametrize("count", [0, 1, 3, 4, 9])
def test_rows_tagged_under_any_key_that_is_there_are_accepted(count: int) -> None:
    tagger = Tagger(KEYS, 2)
    rows = _rows(count, tagger) + _rows(count, Tagger(KEYS, 1))
    tagger.verify_many(SHAPE, rows)
    for row in rows:
        tagger.verify(SHAPE, row)


@pytest.mark.parametrize(
    "forged",
    [
        None,
        b"",
        b"\x01",
        b"\x01\x00\x00\x00\x01",
        b"\x01\x00\x00\x00\x09",
        b"\x09\x00\x00\x00\x01",
        b"\x01\x00\x00\x00\x01" + bytes(16),
        b"\x01\x00\x00\x00\x09" + bytes(16),
        b"\x09\x00\x00\x00\x01" + bytes(16),
    ],
)
@pytest.mark.parametrize("count", [1, 9])
def test_one_row_that_is_forged_among_many_is_refused_by_name(forged: bytes | None, count: int) -> None:
    tagger = Tagger(KEYS, 1)
    rows = _rows(count, tagger)
    rows[-1] = rows[-1]._replace(tag=forged)  # type: ignore[arg-type]  # NULL is what a database may hold
    with pytest.raises(IntegrityFailure, match=f"card_id {rows[-1].card_id.hex()}"):
        tagger.verify_many(SHAPE, rows)


def test_a_tag_that_is_longer_or_of_another_row_is_refused() -> None:
    tagger = Tagger(KEYS, 1)
    rows = _rows(9, tagger)
    for tag in (rows[3].tag + b"\x00", rows[4].tag, rows[3].tag[: TAG_SIZE - 1]):
        with pytest.raises(IntegrityFailure):
            tagger.verify_many(SHAPE, [*rows[:3], rows[3]._replace(tag=tag), *rows[4:]])


def test_columns_that_are_younger_than_a_rows_tag_must_be_empty() -> None:
    tagger = Tagger(KEYS, 1)
    row = JobRow(
        bytes(16), JobKind.REISSUE, "netcash", bytes(16), JobState.DONE, "p", 1, 1, 0, "", 0, 0, None, b"", None, 0
    )
    older = tagger.tagged(JOB._replace(tag_version=1), row)
    tagger.verify_many(JOB, [older, tagger.tagged(JOB, row)])
    with pytest.raises(IntegrityFailure):
        tagger.verify_many(JOB, [older._replace(spec=b"spec")])


def test_tags_cut_at_another_place_are_refused() -> None:
    tagger = Tagger(KEYS, 1)
    rows = _rows(6, tagger)
    joined = rows[2].tag + rows[3].tag
    rows[2:4] = [rows[2]._replace(tag=joined[:16]), rows[3]._replace(tag=joined[16:])]
    with pytest.raises(IntegrityFailure):
        tagger.verify_many(SHAPE, rows)
