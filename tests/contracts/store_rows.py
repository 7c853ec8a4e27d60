"""Rows come back as they were given."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, get_type_hints

import pytest

from tests.contracts.samples import extreme
from vault.model.shape import SHAPES
from vault.stores.protocol import Store, Transaction


class _Trip(NamedTuple):
    write: Callable[[Transaction, Any], object]
    read: Callable[[Transaction, Any], Any]


TRIPS: Mapping[str, _Trip] = MappingProxyType(
    {
        "vault": _Trip(lambda tx, row: tx.vault.insert(row), lambda tx, row: tx.vault.get()),
        "program": _Trip(lambda tx, row: tx.programs.insert(row), lambda tx, row: tx.programs.all()[0]),
        "key_version": _Trip(lambda tx, row: tx.keys.insert([row]), lambda tx, row: tx.keys.all()[0]),
        "key_use": _Trip(
            lambda tx, row: tx.keys.put_use(row), lambda tx, row: tx.keys.use(row.purpose, row.program, row.version)
        ),
        "recipient": _Trip(
            lambda tx, row: tx.recipients.insert(row), lambda tx, row: tx.recipients.get(row.program, row.recipient)
        ),
        "batch": _Trip(lambda tx, row: tx.batches.insert(row), lambda tx, row: tx.batches.get(row.batch_id)),
        "card": _Trip(
            lambda tx, row: tx.cards.insert([row]),
            lambda tx, row: tx.cards.get(row.program, [row.card_id])[row.card_id],
        ),
        "code": _Trip(
            lambda tx, row: tx.codes.claim([row]), lambda tx, row: tx.codes.by_digest([row.digest])[row.digest]
        ),
        "serial": _Trip(
            lambda tx, row: tx.serials.claim([row]),
            lambda tx, row: tx.serials.get(row.program, [row.serial])[row.serial],
        ),
        "tally": _Trip(
            lambda tx, row: tx.tallies.put(row), lambda tx, row: tx.tallies.get_locked(row.program, row.slot)
        ),
        "job": _Trip(lambda tx, row: tx.jobs.insert(row), lambda tx, row: tx.jobs.get(row.job_id)),
        "request": _Trip(
            lambda tx, row: tx.requests.insert(row), lambda tx, row: tx.requests.get(row.principal, row.request_id)
        ),
        "submission": _Trip(
            lambda tx, row: tx.submissions.claim([row]), lambda tx, row: tx.submissions.get([row.nonce])[row.nonce]
        ),
        "root_copy": _Trip(lambda tx, row: tx.root_copies.put(row), lambda tx, row: tx.root_copies.all()[0]),
        "incident": _Trip(lambda tx, row: tx.incidents.insert(row), lambda tx, row: tx.incidents.get(row.incident_id)),
        "incident_step": _Trip(
            lambda tx, row: tx.incidents.add_step(row), lambda tx, row: tx.incidents.steps(row.incident_id)[0]
        ),
        "selection": _Trip(
            # Ids of the lowest row are empty, and no page comes after an empty one but the first.
            lambda tx, row: tx.tables.load(SHAPES["selection"], [row]),
            lambda tx, row: tx.tables.page(SHAPES["selection"], None, 1)[0],
        ),
        "hold": _Trip(lambda tx, row: tx.holds.insert(row), lambda tx, row: tx.holds.get([row.hold_id])[row.hold_id]),
        "block": _Trip(lambda tx, row: tx.blocks.put(row), lambda tx, row: tx.blocks.all()[0]),
        "reissue": _Trip(
            lambda tx, row: tx.reissues.insert([row]),
            lambda tx, row: tx.reissues.get(row.job_id, [row.card_id])[row.card_id],
        ),
        "package": _Trip(
            lambda tx, row: tx.reissues.put_package(row), lambda tx, row: tx.reissues.package(row.package_id)
        ),
        "sale_secret": _Trip(
            lambda tx, row: tx.exchanges.put_sale_secrets([row]),
            lambda tx, row: tx.exchanges.sale_secrets(row.program, [row.card_id])[row.card_id],
        ),
        "exchange": _Trip(
            lambda tx, row: tx.exchanges.insert(row), lambda tx, row: tx.exchanges.get(row.program, row.card_id)[0]
        ),
        "attempt": _Trip(
            lambda tx, row: tx.exchanges.put_attempts(row),
            lambda tx, row: tx.exchanges.attempts(row.program, row.card_id),
        ),
        "superseded_use": _Trip(
            lambda tx, row: tx.superseded_uses.put([row]),
            lambda tx, row: tx.superseded_uses.get(row.program, [row.card_id])[0],
        ),
        "audit_event": _Trip(
            lambda tx, row: tx.audit.append([row]),
            lambda tx, row: tx.audit.page(row.program, row.recorded_ms, row.recorded_ms + 1, None, 1)[0],
        ),
    }
)


class RowContract:
    def test_every_table_makes_the_trip(self) -> None:
        assert set(TRIPS) == set(SHAPES)

    @pytest.mark.parametrize("high", [True, False], ids=["highest", "lowest"])
    @pytest.mark.parametrize("table", sorted(TRIPS))
    async def test_a_row_comes_back_as_it_was_given(self, store: Store, table: str, *, high: bool) -> None:
        row = extreme(SHAPES[table], high=high)
        await store.transact(lambda tx: TRIPS[table].write(tx, row))
        back = await store.read(lambda tx: TRIPS[table].read(tx, row))
        assert type(back) is SHAPES[table].row
        assert back == row
        assert [type(value) for value in back if isinstance(value, bytes | str | float)] == [
            type(value) for value in row if isinstance(value, bytes | str | float)
        ]

    @pytest.mark.parametrize("table", sorted(TRIPS))
    async def test_a_column_that_must_be_there_may_not_be_none(self, store: Store, table: str) -> None:
        shape = SHAPES[table]
        row = extreme(shape, high=True)
        for column, kind in get_type_hints(shape.row).items():
            if type(None) in getattr(kind, "__args__", ()):
                continue
            broken = row._replace(**{column: None})
            with pytest.raises(Exception):  # noqa: B017, PT011  a mistake of ours, in each driver's own words
                await store.transact(lambda tx, broken=broken: TRIPS[table].write(tx, broken))  # type: ignore[misc]
