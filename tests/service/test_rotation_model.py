"""Any sequence of issuing, selling, freezing, re-issuing, re-keying and exchanging, against a plain model."""

import asyncio
import operator
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.postgres import Cluster
from tests.service.rotation_model import VERBS
from tests.service.rotation_play import PROCESSES, Play
from tests.workshop import workshop
from vault.model.states import JobKind, Unsold
from vault.service.rotation.naming import MOVED_BY
from vault.stores.postgres import Address

Act = tuple[Any, ...]

_place = st.integers(0, 9)
_places = st.lists(_place, min_size=1, max_size=4)
_lane = st.integers(0, PROCESSES)
_back = st.sampled_from([1, 1, 1, 2, 0])
_right = st.sampled_from([True, True, True, False])
_unsold = st.sampled_from([Unsold.REISSUE, Unsold.WITHDRAW])
_acts = st.one_of(
    st.tuples(st.just("issue"), st.integers(1, 3), st.booleans()),
    st.tuples(st.just("change"), st.sampled_from(sorted(VERBS)), _places),
    st.tuples(st.just("open"), st.just([]) | _places),
    st.tuples(st.just("turn_hold"), _place),
    st.tuples(st.just("offer"), _place),
    st.tuples(st.just("reissue"), st.none() | _place, _unsold),
    st.tuples(st.just("move"), st.sampled_from([JobKind.REKEY, *MOVED_BY])),
    st.tuples(st.just("renew"), _place),
    st.tuples(st.just("exchange"), st.integers(0, 3), _back, _right),
    st.tuples(st.just("repeat")),
    st.tuples(st.just("prepare"), _lane),
    st.tuples(st.just("write"), _lane, st.integers(1, 8)),
    st.tuples(st.just("finish")),
)
_BEGIN: list[Act] = [("issue", 4, True), ("issue", 2, False), ("open", [0, 1, 4]), ("open", [])]
"""Every sequence begins with cards, sold and unsold, and two incidents, so that little of it is idle."""

_LEAKED: list[Act] = [*_BEGIN, ("turn_hold", 1), ("reissue", 1, Unsold.REISSUE), ("finish",), ("offer", 1)]
"""Every other one begins in the middle of an exchange, which chance alone would hardly lead to."""

_SOLD_MEANWHILE: list[Act] = [
    *_BEGIN,
    ("reissue", 0, Unsold.REISSUE),
    *(("prepare", lane) for lane in range(PROCESSES + 1)),
    ("change", "activate", [4]),
    ("finish",),
    ("offer", 0),
    ("exchange", 4, 1, True),
]
"""A card that is sold when its new code is made, but not yet written, is its holder's to exchange."""

ACTS = st.builds(operator.add, st.sampled_from([_BEGIN, _LEAKED]), st.lists(_acts, min_size=10, max_size=40))
ANY = {"deadline": None, "suppress_health_check": list(HealthCheck)}


async def _play(folder: Path, acts: list[Act], address: Address | None = None) -> None:
    async with workshop(folder, address=address) as shop:
        await shop.program()
        play = Play(shop)
        for act in acts:
            await play.act(*act)
        await play.end()


def _run(acts: list[Act], address: Address | None = None) -> None:
    with tempfile.TemporaryDirectory() as folder, asyncio.Runner() as runner:
        runner.run(_play(Path(folder), acts, address))


@settings(max_examples=20, **ANY)  # type: ignore[arg-type]
@given(ACTS)
@example(_SOLD_MEANWHILE)
def test_any_sequence_does_what_the_model_does(acts: list[Act]) -> None:
    _run(acts)


@settings(max_examples=5, **ANY)  # type: ignore[arg-type]
@given(ACTS)
def test_any_sequence_does_what_the_model_does_on_postgres(cluster: Cluster, template: str, acts: list[Act]) -> None:
    name = cluster.borrow(template)
    try:
        _run(acts, Address(cluster.dsn(name)))
    finally:
        cluster.give_back(name)
