from pathlib import Path
from typing import NamedTuple

import pytest

from tests.service.tampering import build
from tests.workshop import workshop
from vault.crypto.envelope import unwrap
from vault.model.rows import CodeRow
from vault.model.shape import SHAPES, Shape
from vault.model.states import JobKind, KeyPurpose
from vault.service.rotation.naming import BLOBS, MOVED_BY, NAMES, blobs_in, count_rows, names_in, rows_to_move


class _Row(NamedTuple):
    program: str
    card_id: bytes
    index_version: int
    sealed_face: bytes
    wrapped_face_key: bytes
    wrapped_extra: bytes
    tag: bytes


NEW = Shape("code", _Row, ("card_id",), sealed=("sealed_face", "wrapped_face_key", "wrapped_extra"))


def test_a_new_column_is_found_by_what_it_is_called() -> None:
    found = {(name.column, name.purpose) for name in names_in([NEW])}
    assert found == {
        ("index_version", KeyPurpose.INDEX),
        ("wrapped_face_key", KeyPurpose.WRAPPING),
        ("wrapped_extra", KeyPurpose.WRAPPING),
        ("tag", KeyPurpose.ROW_TAG),
    }
    assert [blob[1:] for blob in blobs_in([NEW])] == [("wrapped_face_key", "sealed_face"), ("wrapped_extra", "")]


def test_every_sealed_column_and_every_tag_of_the_vault_is_found() -> None:
    sealed = {(shape.table, name) for shape in SHAPES.values() for name in shape.sealed}
    blobs = {(blob.shape.table, column) for blob in BLOBS for column in blob.columns}
    # Nothing else is sealed: keys under the root key, and what the audit log protects by itself.
    assert sealed - blobs == {("key_version", "wrapped_key"), ("audit_event", "event"), ("audit_event", "chain")}
    tagged = {name.shape.table for name in NAMES if name.purpose == KeyPurpose.ROW_TAG}
    assert tagged == {table for table, shape in SHAPES.items() if "tag" in shape.columns}
    assert {name.purpose for name in NAMES} >= {*MOVED_BY.values(), KeyPurpose.AUDIT_CHAIN, KeyPurpose.REQUEST}


def test_a_sealed_column_without_its_key_is_refused() -> None:
    for names in (("sealed_face",), ("sealed_face", "wrapped_face")):
        row = NamedTuple("row", [("program", str), *((name, bytes) for name in names)])  # type: ignore[misc]
        with pytest.raises(ValueError, match="no job would know"):
            blobs_in([Shape("card", row, ("program",), sealed=names)])


def test_a_wrapped_key_that_has_no_place_is_refused() -> None:
    with pytest.raises(ValueError, match="table other has blobs"):
        blobs_in([NEW._replace(table="other")])
    with pytest.raises(ValueError, match="table code has blobs"):
        blobs_in([Shape("code", type("row", (), {"_fields": ("wrapped_key",)}), ())])


async def test_what_is_counted_is_what_is_there_and_every_blob_opens_at_its_place(tmp_path: Path) -> None:
    await build(tmp_path)
    async with workshop(tmp_path, bound=1000) as shop:
        snapshot = await shop.store.read(shop.recorder.catalogue.at)
        stored = {table: shop.database.rows(table) for table in SHAPES}
        for key in snapshot.key_rows:
            counts = await shop.store.read(lambda tx, row=key: count_rows(tx, *row[:3]))  # type: ignore[misc]
            named: dict[str, int] = {}
            for name in NAMES:
                if name.purpose == key.purpose:
                    number = sum(
                        _version(row[name.column], name.start) == key.version
                        and (not key.program or row["program"] == key.program)
                        for row in stored[name.shape.table]
                    )
                    named[name.shape.table] = named.get(name.shape.table, 0) + number
            assert counts == named
            assert sum(counts.values()) or key.purpose not in MOVED_BY.values() or key.version < 3
        opened = set()
        for blob in BLOBS:
            for values in stored[blob.shape.table]:
                row = blob.shape.row(*(values[column] for column in blob.shape.columns))
                if values[blob.wrapped] is not None:
                    unwrap(values[blob.wrapped], blob.place(row), snapshot.keyring.wrapping_keys(row.program))
                    opened.add(blob.shape.table)
        assert opened >= {"card", "code", "batch"}

        async def to_move(kind: JobKind, program: str = "") -> int:
            return await shop.store.read(lambda tx: rows_to_move(tx, kind, program))

        codes = [
            CodeRow(*(row[name] for name in CodeRow._fields)) for row in stored["code"] if row["program"] == "netcash"
        ]
        wrapped = [
            row
            for blob in BLOBS
            for row in stored[blob.shape.table]
            if row[blob.wrapped] and row["program"] == "netcash"
        ]
        assert await to_move(JobKind.REKEY, "netcash") == len(codes)
        assert await to_move(JobKind.REWRAP, "netcash") == await to_move(JobKind.REENCRYPT, "netcash") == len(wrapped)
        assert await to_move(JobKind.RETAG) == sum(
            len(rows) for table, rows in stored.items() if table != "audit_event"
        )


def _version(value: object, start: int) -> int | None:
    if isinstance(value, bytes):
        return int.from_bytes(value[start - 1 : start + 3])
    return value if isinstance(value, int) else None
