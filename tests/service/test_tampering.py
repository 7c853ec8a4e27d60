"""Rows changed behind the vault's back: every table, every column, by the shapes."""

import asyncio
import itertools
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.service.database import Database
from tests.service.deciding import NOT_ASKED_FOR, survey_all
from tests.service.tampered import Row, Tampered
from tests.service.tampering import BOUND, DECIDES, build, candidates
from tests.workshop import Workshop, workshop
from vault.errors import IntegrityFailure
from vault.model.shape import SHAPES
from vault.model.states import JobKind, KeyPurpose
from vault.service.rotation.rotation import Rotation

LEASES = {("job", name) for name in SHAPES["job"].exempt}
COLUMNS = [(table, name) for table, shape in SHAPES.items() for name in shape.columns if (table, name) not in LEASES]


class Template(NamedTuple):
    """A vault to copy, and the digits of its codes."""

    folder: Path
    digits: dict[bytes, bytes]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Template:
    folder = tmp_path_factory.mktemp("template")
    with asyncio.Runner() as runner:
        return Template(folder, runner.run(build(folder)))


def _copy(template: Template, folder: Path) -> Path:
    shutil.copytree(template.folder, folder, dirs_exist_ok=True)
    return folder


def _changed(value: Any) -> Iterator[Any]:
    """Change a value a little at either end."""
    if isinstance(value, int | float):
        yield from (value + 1, -1 - value)
    elif isinstance(value, str):
        yield from ("x" + value[1:], value + "x")
    elif not value:
        yield bytes(16)
    else:
        yield from (bytes([value[0] ^ 1]) + value[1:], value[:-1] + bytes([value[-1] ^ 0x80]))


def _protected(table: str, row: Row) -> list[object]:
    return [row[name] for name in SHAPES[table].columns if (table, name) not in LEASES]


def _key(table: str, row: Row) -> tuple[object, ...]:
    return tuple(row[name] for name in SHAPES[table].key)


def _swaps(shop: Workshop, rows: list[dict[str, Any]], table: str, column: str) -> Iterator[tuple[Any, Any]]:
    """Find pairs of rows whose values differ and can be swapped without taking another row's key."""
    keys = Counter(_key(table, row) for row in shop.database.rows(table))
    for one, other in itertools.permutations(rows, 2):
        if one[column] != other[column]:
            swapped = [{**one, column: other[column]}, {**other, column: one[column]}]
            there = keys - Counter(_key(table, row) for row in (one, other))
            if (there + Counter(_key(table, row) for row in swapped)).most_common(1)[0][1] == 1:
                yield one, other


def _tamper(shop: Workshop, template: Template, table: str, column: str) -> Iterator[tuple[Row, Row, str]]:
    """Change a row in every way, one after the other, and put everything back after each.

    A row whose key is changed to one that nobody asks for is as good as deleted, which tags do not notice; so keys
    are swapped, or changed once where there is no other to swap with.
    """
    rows = candidates(shop, template.digits, table)
    for one, other in itertools.islice(_swaps(shop, rows, table, column), 1):
        shop.database.swap(table, column, one, other)
        yield one, {**one, column: other[column]}, "swapped"
        shop.database.swap(table, column, {**one, column: other[column]}, {**other, column: one[column]})
        if column in SHAPES[table].key:
            return
    one = next((row for row in rows if row[column] is not None), rows[0])
    filler = {"INTEGER": 7, "INT": 7, "TEXT": "x", "BLOB": b"x" * 16, "REAL": 0.5}[shop.database.kind(table, column)]
    for value in [filler] if one[column] is None else _changed(one[column]):
        shop.database.put(table, one["rowid"], **{column: value})
        yield one, {**one, column: value}, f"changed to {value!r}"
        if column in SHAPES[table].key:
            return
        shop.database.put(table, one["rowid"], **{column: one[column]})


def test_every_table_has_operations_that_its_rows_decide() -> None:
    assert DECIDES.keys() == SHAPES.keys()


@pytest.mark.parametrize("table", SHAPES)
async def test_rows_as_the_vault_wrote_them_are_accepted(tmp_path: Path, template: Template, table: str) -> None:
    _copy(template, tmp_path)
    for operation in DECIDES[table]:
        async with workshop(tmp_path, bound=BOUND) as shop:
            for row in candidates(shop, template.digits, table)[:2]:
                await operation(Tampered(shop, template.digits, row, row))


@pytest.mark.parametrize(("table", "column"), COLUMNS)
async def test_a_row_changed_in_any_column_is_refused(
    tmp_path: Path, template: Template, table: str, column: str
) -> None:
    _copy(template, tmp_path)
    operations = DECIDES[table][:1] if column in SHAPES[table].sealed else DECIDES[table]
    if (table, column) in NOT_ASKED_FOR:
        operations = (survey_all,)
    async with workshop(tmp_path, bound=BOUND) as shop:
        ways = 0
        for before, after, how in _tamper(shop, template, table, column):
            assert after[column] != before[column]
            assert _protected(table, after) in [_protected(table, row) for row in shop.database.rows(table)]
            ways += 1
            for operation in operations:
                case = Tampered(shop.restarted(BOUND), template.digits, before, after)
                try:
                    await operation(case)
                except IntegrityFailure:
                    continue
                pytest.fail(f"{operation.__name__} did not notice {table}.{column} {how}")
        assert ways > 0


@pytest.mark.parametrize("column", ["spec", "progress"])
async def test_the_orders_and_progress_of_a_rotation_job_are_believed_only_as_they_were_written(
    tmp_path: Path, template: Template, column: str
) -> None:
    _copy(template, tmp_path)
    async with workshop(tmp_path) as shop:
        row, other, *_ = shop.database.rows("job", kind=JobKind.REISSUE)
        rotation = Rotation(shop.recorder, shop.parts.random)
        await rotation.get(shop.call(), row["program"], row["job_id"])
        for value in (None, b"", other[column], *_changed(row[column])):
            shop.database.put("job", row["rowid"], **{column: value})
            with pytest.raises(IntegrityFailure):
                await rotation.get(shop.call(), row["program"], row["job_id"])


@pytest.mark.parametrize("column", ["purpose", "state", "version"])
async def test_a_key_version_of_a_kind_that_there_is_not_is_refused(
    tmp_path: Path, template: Template, column: str
) -> None:
    _copy(template, tmp_path)
    async with workshop(tmp_path) as shop:
        for row in shop.database.rows("key_version", program=""):
            shop.database.put("key_version", row["rowid"], **{column: 99})
            with pytest.raises(IntegrityFailure):
                await shop.restarted().programs.get(shop.call(), "netcash")
            shop.database.put("key_version", row["rowid"], **{column: row[column]})


async def test_another_root_key_opens_nothing(tmp_path: Path, template: Template) -> None:
    _copy(template, tmp_path)
    (tmp_path / "root.key").unlink()
    async with workshop(tmp_path) as shop:
        with pytest.raises(IntegrityFailure):
            await shop.programs.get(shop.call(), "netcash")


async def test_keys_of_one_vault_do_not_serve_another(tmp_path: Path, template: Template) -> None:
    """Both vaults have the same root key."""
    shutil.copy(template.folder / "root.key", tmp_path / "root.key")
    async with workshop(tmp_path) as shop:
        (foreign,) = Database(template.folder / "vault.db").rows("key_version", purpose=KeyPurpose.ROW_TAG)
        (row,) = shop.database.rows("key_version", purpose=KeyPurpose.ROW_TAG)
        shop.database.put("key_version", row["rowid"], wrapped_key=foreign["wrapped_key"], tag=foreign["tag"])
        with pytest.raises(IntegrityFailure):
            await shop.restarted().programs.page(shop.call(), frozenset({"*"}), "", 10)


async def test_a_card_moved_into_another_batch_is_not_given_to_its_recipient(
    tmp_path: Path, template: Template
) -> None:
    _copy(template, tmp_path)
    async with workshop(tmp_path) as shop:
        batches = candidates(shop, template.digits, "batch")[:2]
        one, other = (shop.database.rows("card", batch_id=batch["batch_id"])[0] for batch in batches)
        shop.database.swap("card", "batch_id", one, other)
        for batch in batches:
            with pytest.raises(IntegrityFailure):
                await shop.package(batch["batch_id"])
