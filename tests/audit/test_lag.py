"""How long events wait, before and after they are durable."""

import asyncio
from types import SimpleNamespace

import pytest

from vault.audit.lag import Lag


async def test_the_oldest_event_that_waits_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("vault.audit.lag.time", SimpleNamespace(perf_counter=lambda: now))
    lag = Lag()
    assert lag.oldest_seconds() == 0
    gates = [asyncio.Event() for _ in range(2)]
    first = asyncio.create_task(lag.measured(gates[0].wait()))
    await asyncio.sleep(0)
    now += 4
    second = asyncio.create_task(lag.measured(gates[1].wait()))
    await asyncio.sleep(0)
    now += 1
    assert lag.oldest_seconds() == 5
    gates[0].set()
    assert await first
    assert lag.oldest_seconds() == 1
    gates[1].set()
    assert await second
    assert lag.oldest_seconds() == 0


async def test_what_fails_waits_no_more_and_is_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    lag = Lag()
    measured: list[float] = []
    monkeypatch.setattr(lag, "_durable", type("Bound", (), {"add": staticmethod(measured.append)}))

    async def fail() -> None:
        raise KeyError

    with pytest.raises(KeyError):
        await lag.measured(fail())
    assert (lag.oldest_seconds(), measured) == (0, [])
    assert await lag.measured(asyncio.sleep(0, result=7)) == 7
    assert len(measured) == 1
