"""Each call to the store failing, one after the other, in adding cards to an incident and freezing it."""

import itertools
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from uuid import UUID

import pytest

from tests.contracts.faults import FaultyStore, Moment
from tests.service.desk import Desk
from tests.service.invariants import check_invariants
from tests.workshop import Workshop, workshop
from vault.errors import Unavailable
from vault.model.incident_rows import IncidentRow
from vault.model.states import CardState, Detail, IncidentState
from vault.service.issuing.issue import CardPlan
from vault.service.select import Selector
from vault.stores.protocol import Store

REQUEST = UUID(int=5)
Prepared = tuple[IncidentRow, list[bytes], list[bytes]]


async def _prepare(folder: Path) -> Prepared:
    """Open an incident over two of three cards; return it, the cards and their codes."""
    async with workshop(folder) as shop:
        await shop.program()
        issued = (await shop.issue(3, plan=CardPlan(state=CardState.ACTIVE))).codes
        cards, codes = [code.card_id for code in issued], [code.code.expose() for code in issued]
        return await Desk(shop).over(cards[:2]), cards, codes


async def _add(desk: Desk, prepared: Prepared) -> None:
    incident, cards, _ = prepared
    selectors = [Selector(card) for card in cards]
    call = desk.call("AddToSelection", REQUEST)
    added = await desk.selection.add_cards(call, "netcash", incident.incident_id, selectors)
    assert (added.card_count, [change.outcome.name for change in added.changes]) == (3, ["REPEATED"] * 2 + ["DONE"])


async def _add_found(desk: Desk, prepared: Prepared) -> None:
    incident, _, codes = prepared
    package = await desk.found(*(code.decode() for code in codes))
    call = desk.call("AddToSelection", REQUEST)
    added = await desk.selection.add_found(call, "netcash", incident.incident_id, package)
    assert (added.card_count, len(added.serials), added.unknown_count) == (3, 3, 0)


async def _freeze(desk: Desk, prepared: Prepared) -> None:
    call = desk.call("FreezeIncident", REQUEST)
    view = await desk.freezing.freeze(
        call, "netcash", prepared[0].incident_id, stop_issuance=False, validate_only=False
    )
    assert view.row.state == IncidentState.FROZEN
    judged = await desk.shop.judge(*prepared[2])
    assert [each.detail for each in judged] == [Detail.FROZEN, Detail.FROZEN, Detail.GOOD]


def _state(shop: Workshop) -> tuple[object, ...]:
    (incident,) = shop.database.rows("incident")
    steps, selection = shop.database.count("incident_step"), shop.database.count("selection")
    assert incident["revision"] == steps
    assert incident["card_count"] == selection
    assert shop.database.count("hold") == (incident["state"] == IncidentState.FROZEN)
    return incident["state"], steps, selection


@pytest.mark.parametrize("moment", list(Moment))
@pytest.mark.parametrize("act", [_add, _add_found, _freeze])
async def test_no_half_state_whichever_call_fails_and_a_retry_has_one_effect(
    tmp_path: Path, act: Callable[[Desk, Prepared], Awaitable[None]], moment: Moment
) -> None:
    folder = tmp_path / "prepared"
    folder.mkdir()
    prepared = await _prepare(folder)
    for fail_at in itertools.count(1):
        copy = tmp_path / str(fail_at)
        shutil.copytree(folder, copy)
        stores: list[FaultyStore] = []

        def wrap(store: Store, stores: list[FaultyStore] = stores, fail_at: int = fail_at) -> Store:
            stores.append(FaultyStore(store, fail_at, moment))
            return stores[0]

        async with workshop(copy, wrap=wrap) as shop:
            desk, answered = Desk(shop), True
            untouched = _state(shop)
            try:
                await act(desk, prepared)
            except Unavailable:
                answered = False
            reached, stores[0].fail_at = stores[0].failed, None
            between = _state(shop)
            await act(desk, prepared)
            after = _state(shop)
            assert between == after if answered else between in (untouched, after)
            frozen = act is _freeze
            assert after == (IncidentState.FROZEN if frozen else IncidentState.OPEN, 3, 2 if frozen else 3)
            assert await check_invariants(shop) == 3
        shutil.rmtree(copy)
        if not reached:
            break
    assert fail_at > 8
