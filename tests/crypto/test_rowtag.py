import hashlib
import hmac
import struct
from typing import Any, NamedTuple

import pytest

from tests.crypto.specimens import other, specimen
from tests.vectors import load
from vault.crypto.rowtag import TAG_SIZE, Tagger
from vault.errors import IntegrityFailure
from vault.model.shape import SHAPES, Shape
from vault.model.states import CardState
from vault.secret import Secret

KEYS = {3: Secret(bytes(range(32))), 4: Secret(bytes(32))}
TAGGER = Tagger(KEYS, 3)
TAGGED = [shape for shape in SHAPES.values() if "tag" in shape.columns]
COLUMNS = [(shape, column) for shape in TAGGED for column in shape.tagged(shape.tag_version)]

every_table = pytest.mark.parametrize("shape", TAGGED, ids=lambda shape: shape.table)
every_column = pytest.mark.parametrize(
    ("shape", "column"), COLUMNS, ids=[f"{shape.table}.{column}" for shape, column in COLUMNS]
)


def refused(shape: Shape, row: Any, tagger: Tagger = TAGGER) -> str:
    with pytest.raises(IntegrityFailure) as caught:
        tagger.verify(shape, row)
    assert caught.value.reason == "ROW_TAG"
    return caught.value.message


def test_every_column_of_every_table_is_in_exactly_one_place() -> None:
    for shape in SHAPES.values():
        places = [*shape.tagged(shape.tag_version), *shape.sealed, *shape.exempt]
        places += ["tag"] * ("tag" in shape.columns)
        assert sorted(places) == sorted(shape.columns), shape.table


@every_table
def test_a_row_that_the_vault_wrote_is_accepted(shape: Shape) -> None:
    row = TAGGER.tagged(shape, specimen(shape, 1))
    TAGGER.verify(shape, row)
    assert type(row) is shape.row
    assert row == specimen(shape, 1)._replace(tag=TAGGER.tag(shape, row))
    assert len(row.tag) == TAG_SIZE == 21
    assert row.tag[:5] == bytes((shape.tag_version, 0, 0, 0, 3))


@every_column
def test_a_changed_column_is_refused(shape: Shape, column: str) -> None:
    row = TAGGER.tagged(shape, specimen(shape, 1))
    for value in (other(getattr(row, column)), None, b"", "", -1, 1.5):
        refused(shape, row._replace(**{column: value}))


@every_column
def test_a_column_of_another_row_is_refused(shape: Shape, column: str) -> None:
    first, second = (TAGGER.tagged(shape, specimen(shape, number)) for number in (1, 2))
    assert getattr(first, column) != getattr(second, column)
    refused(shape, first._replace(**{column: getattr(second, column)}))
    refused(shape, second._replace(**{column: getattr(first, column)}))


@every_column
def test_a_column_that_is_null_cannot_be_filled(shape: Shape, column: str) -> None:
    row = specimen(shape, 1)
    empty = TAGGER.tagged(shape, row._replace(**{column: None}))
    TAGGER.verify(shape, empty)
    refused(shape, empty._replace(**{column: getattr(row, column)}))


@every_table
def test_values_swapped_between_columns_of_one_row_are_refused(shape: Shape) -> None:
    row = TAGGER.tagged(shape, specimen(shape, 1))
    columns = shape.tagged(shape.tag_version)
    for first in columns:
        for second in columns:
            one, two = getattr(row, first), getattr(row, second)
            if one != two:
                refused(shape, row._replace(**{first: two, second: one}))


@every_table
def test_a_tag_of_another_row_and_any_changed_byte_of_a_tag_are_refused(shape: Shape) -> None:
    first, second = (TAGGER.tagged(shape, specimen(shape, number)) for number in (1, 2))
    refused(shape, first._replace(tag=second.tag))
    for place in range(TAG_SIZE):
        for flip in (0x01, 0x80, 0x07):
            tag = first.tag[:place] + bytes((first.tag[place] ^ flip,)) + first.tag[place + 1 :]
            refused(shape, first._replace(tag=tag))
    for tag in (b"", None, first.tag[:-1], first.tag + b"\x00", "x" * TAG_SIZE, bytes(TAG_SIZE)):
        refused(shape, first._replace(tag=tag))


@every_table
def test_columns_that_bind_themselves_or_are_exempt_are_not_covered(shape: Shape) -> None:
    row = TAGGER.tagged(shape, specimen(shape, 1))
    for column in (*shape.sealed, *shape.exempt):
        TAGGER.verify(shape, row._replace(**{column: None}))


def test_a_row_of_one_table_is_no_row_of_another() -> None:
    twin = SHAPES["serial"]._replace(table="serial2")
    refused(twin, TAGGER.tagged(SHAPES["serial"], specimen(SHAPES["serial"], 1)))


@every_table
def test_another_key_and_a_missing_key_are_refused(shape: Shape) -> None:
    row = TAGGER.tagged(shape, specimen(shape, 1))
    refused(shape, row, Tagger({3: KEYS[4]}, 3))
    refused(shape, row, Tagger({4: KEYS[4]}, 4))
    Tagger(KEYS, 4).verify(shape, row)


def test_a_tagger_without_its_active_key_is_not_made() -> None:
    with pytest.raises(KeyError):
        Tagger(KEYS, 5)


@every_table
def test_many_rows_are_tagged_as_one_at_a_time(shape: Shape) -> None:
    many = [specimen(shape, number) for number in range(4)]
    assert TAGGER.tag_many(shape, many) == [TAGGER.tagged(shape, row) for row in many]
    assert TAGGER.tag_many(shape, []) == []


def test_states_may_come_back_as_plain_ints() -> None:
    shape = SHAPES["card"]
    row = TAGGER.tagged(shape, specimen(shape, 1))
    plain = row._replace(state=int(row.state), usage=int(row.usage))
    assert type(plain.state) is int
    TAGGER.verify(shape, plain)
    refused(shape, plain._replace(state=int(CardState.REDEEMED)))


def test_a_table_without_tags_has_none_to_make() -> None:
    with pytest.raises(ValueError, match="audit_event have no tag"):
        TAGGER.tag(SHAPES["audit_event"], specimen(SHAPES["audit_event"], 1))


@every_table
def test_a_refusal_names_the_row_but_no_digest(shape: Shape) -> None:
    row = specimen(shape, 1)
    message = refused(shape, row)
    assert f"table {shape.table} " in message
    assert "digest" not in message
    public = ("card_id",) if shape.table == "code" else shape.key
    for column in public:
        value = getattr(row, column)
        assert f"{column} {value.hex() if isinstance(value, bytes) else value}" in message
    for column in set(shape.columns) - set(public):
        value = getattr(row, column)
        if isinstance(value, bytes | str):
            assert (value.hex() if isinstance(value, bytes) else value) not in message


class _Old(NamedTuple):
    name: str
    amount: int
    tag: bytes


class _New(NamedTuple):
    name: str
    amount: int
    colour: str | None
    weight: int | None
    tag: bytes


class _Lone(NamedTuple):
    name: str
    tag: bytes


OLD = Shape("thing", _Old, ("name",))
NEW = Shape("thing", _New, ("name",), since={"colour": 2, "weight": 3}, tag_version=3)


def test_a_row_of_an_older_tag_version_is_still_read_while_younger_columns_are_null() -> None:
    old = TAGGER.tagged(OLD, _Old("a", 1, b""))
    TAGGER.verify(NEW, _New("a", 1, None, None, old.tag))
    assert "name a" in refused(NEW, _New("a", 1, "red", None, old.tag))
    refused(NEW, _New("a", 1, None, 5, old.tag))
    refused(NEW, _New("a", 2, None, None, old.tag))


def test_a_new_row_cannot_pass_as_an_old_one_nor_an_old_as_new() -> None:
    new = TAGGER.tagged(NEW, _New("a", 1, None, None, b""))
    assert new.tag[0] == 3
    TAGGER.verify(NEW, new)
    for version in (0, 1, 2, 4, 255):
        refused(NEW, new._replace(tag=bytes((version,)) + new.tag[1:]))
    refused(OLD, _Old("a", 1, new.tag))


def test_a_table_of_one_tagged_column_has_tags_too() -> None:
    shape = Shape("lone", _Lone, ("name",))
    row = TAGGER.tagged(shape, _Lone("a", b""))
    TAGGER.verify(shape, row)
    refused(shape, row._replace(name="b"))


def _decoded(value: Any) -> Any:
    return bytes.fromhex(value["hex"]) if isinstance(value, dict) else value


@pytest.mark.parametrize("case", load("rowtag"), ids=lambda case: f"{case['table']}-{case.get('tag_version', 1)}")
def test_frozen_tags_hold(case: dict[str, Any]) -> None:
    shape = SHAPES[case["table"]]
    values = {name: _decoded(value) for name, value in case["row"].items()}
    row = shape.row(*(values.get(name) for name in shape.columns))
    tagger = Tagger({case["version"]: Secret(bytes.fromhex(case["key"]))}, case["version"])
    tagger.verify(shape, row)
    assert row.tag.hex() == _by_hand(case, values).hex()


def _by_hand(case: dict[str, Any], values: dict[str, Any]) -> bytes:
    """Make a tag as the format's description says, without our encoding."""
    message = b""
    version = case.get("tag_version", 1)
    for value in ("cardvault.v1.rowtag", case["table"], version, *(values[name] for name in case["covered"])):
        if value is None:
            message += b"\x00"
        elif isinstance(value, int):
            message += struct.pack(">Bq", 1, value)
        elif isinstance(value, float):
            message += struct.pack(">Bd", 2, value)
        else:
            data = value.encode() if isinstance(value, str) else value
            message += struct.pack(">BI", 3 if isinstance(value, str) else 4, len(data)) + data
    mac = hmac.new(bytes.fromhex(case["key"]), message + b"\x00", hashlib.sha256).digest()
    return struct.pack(">BI", version, case["version"]) + mac[:16]


def test_every_tag_version_of_every_table_has_a_frozen_tag() -> None:
    frozen = {(case["table"], case.get("tag_version", 1)) for case in load("rowtag")}
    assert frozen == {(shape.table, version) for shape in TAGGED for version in range(1, shape.tag_version + 1)}


def test_a_job_of_the_release_before_is_believed_only_without_orders_and_progress() -> None:
    (case,) = (case for case in load("rowtag") if case["table"] == "job" and case.get("tag_version", 1) == 1)
    shape = SHAPES["job"]
    row = shape.row(*(_decoded(case["row"].get(name)) for name in shape.columns))
    tagger = Tagger({case["version"]: Secret(bytes.fromhex(case["key"]))}, case["version"])
    tagger.verify(shape, row)
    assert row.tag[0] == 1
    assert row.spec is row.progress is None
    for column in ("spec", "progress"):
        for value in (b"", b"orders"):
            refused(shape, row._replace(**{column: value}), tagger)
    assert tagger.tagged(shape, row).tag[0] == 2
