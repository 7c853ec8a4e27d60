import asyncio
import time

import pytest

from vault.rpc.gate import (
    FIRST_CALLS,
    GIVEN_UP_SECONDS,
    LEAST_CALLS,
    LOOK_SECONDS,
    MOST_BYTES,
    MOST_RESTING,
    MOST_SHED_A_SECOND,
    PATIENCE_SECONDS,
    Gate,
    overloaded,
)
from vault.rpc.limits import ServingLimits

PATIENCE = round(PATIENCE_SECONDS / LOOK_SECONDS)
"""Looks that what is too much may last."""

IDLE, BUSY = 0.0, LOOK_SECONDS
"""CPU time of the event loop between two looks."""


def gate(calls: int = 4, streams: int = 2, queue_ms: int = 100) -> Gate:
    return Gate(ServingLimits(calls_in_flight=calls, open_streams=streams, queue_ms=queue_ms))


def pass_through(gate: Gate, count: int) -> int:
    """Have calls come and go, and return how many were let in."""
    entered = 0
    for _ in range(count):
        if gate.enter():
            entered += 1
            gate.leave(0)
    return entered


def test_no_more_calls_are_let_in_than_may_be_in_flight() -> None:
    it = gate(calls=4)
    assert [it.enter() for _ in range(6)] == [True] * 4 + [False] * 2
    it.leave(0)
    assert it.enter()
    assert not it.enter()
    assert it.load() == (4, 0, 0, 3)


def test_streams_are_counted_apart_from_calls() -> None:
    it = gate(calls=1, streams=2)
    assert it.enter()
    assert [it.enter_stream() for _ in range(3)] == [True, True, False]
    it.leave_stream(0)
    assert it.enter_stream()
    assert not it.enter()
    assert it.load() == (1, 2, 0, 2)


def test_while_too_many_bytes_are_in_memory_nothing_is_let_in() -> None:
    it = gate()
    assert it.enter()
    it.hold(MOST_BYTES + 1)
    assert not it.enter()
    assert not it.enter_stream()
    it.leave(MOST_BYTES + 1)
    assert it.enter()
    assert it.enter_stream()


def test_calls_that_wait_no_longer_than_they_may_are_not_shed() -> None:
    it = gate(queue_ms=100)
    pass_through(it, 100)
    it.look(LOOK_SECONDS, 0, 0.0, IDLE)
    for _ in range(40):  # 2,000 a second, of which 100 ms are 200
        assert pass_through(it, 100) == 100
        it.look(LOOK_SECONDS, 190, 0.0, IDLE)
    assert pass_through(it, 100) == 100
    assert it.load().shed == 0


def test_calls_that_wait_too_long_are_shed_but_no_more_than_is_worth_the_trouble() -> None:
    it = gate(queue_ms=100)
    pass_through(it, 100)
    it.look(LOOK_SECONDS, 0, 0.0, IDLE)
    for _ in range(PATIENCE):
        assert pass_through(it, 100) == 100
        it.look(LOOK_SECONDS, 205, 0.0, IDLE)  # five more than pass in 100 ms
    assert pass_through(it, 100) == 100
    it.look(LOOK_SECONDS, 205, 0.0, IDLE)
    assert pass_through(it, 100) == 95
    it.look(LOOK_SECONDS, 10_000, 0.0, IDLE)
    assert pass_through(it, 100) == 100 - round(MOST_SHED_A_SECOND * LOOK_SECONDS)
    assert it.load().waiting == 10_000


def test_the_queue_is_looked_at_less_often_only_while_it_is_short_and_the_loop_in_time() -> None:
    it = gate(queue_ms=100)
    for waiting, late, calm in ((0, 0.0, True), (90, 0.0, True), (110, 0.0, False), (0, 0.2, False), (0, 0.0, True)):
        pass_through(it, 100)  # 2,000 a second, of which 100 ms are 200
        it.look(LOOK_SECONDS, waiting, late, IDLE)
        assert it._calm is calm, (waiting, late)


def test_a_burst_is_not_an_overload() -> None:
    it = gate(queue_ms=10)
    for _ in range(10):
        for _ in range(PATIENCE):
            it.look(LOOK_SECONDS, 10_000, 0.0, IDLE)
            assert pass_through(it, 100) == 100
        it.look(LOOK_SECONDS, 0, 0.0, IDLE)
    assert it.load().shed == 0


def test_when_nothing_waits_any_more_nothing_is_shed() -> None:
    it = gate()
    for _ in range(PATIENCE + 1):
        it.look(LOOK_SECONDS, 10_000, 0.0, IDLE)
    assert pass_through(it, 100) < 100
    it.look(LOOK_SECONDS, 0, 0.0, IDLE)
    assert pass_through(it, 100) == 100


def test_while_the_loop_is_late_fewer_calls_are_let_in_and_more_again_afterwards() -> None:
    it = gate(calls=64, queue_ms=100)
    for _ in range(40):
        assert it.enter()
    for _ in range(2 * PATIENCE):
        it.look(LOOK_SECONDS, 0, 0.2, IDLE)  # the machine is busy, not the vault
    for _ in range(PATIENCE):
        it.look(LOOK_SECONDS, 0, 0.2, BUSY)
    assert it.enter()
    it.look(LOOK_SECONDS, 0, 0.2, BUSY)
    assert not it.enter(), "41 are in, of which half may be"
    for _ in range(20):
        it.look(LOOK_SECONDS, 0, 0.2, BUSY)
    for _ in range(41 - LEAST_CALLS):
        assert not it.enter()
        it.leave(0)
    assert not it.enter()
    it.leave(0)
    assert it.enter()
    looks = 0
    while it.load().calls < 64:
        looks += 1
        it.look(LOOK_SECONDS, 0, 0.01, IDLE)
        while it.enter():
            pass
    assert looks * LOOK_SECONDS < 3


def test_when_callers_leave_before_they_are_answered_fewer_calls_are_let_in() -> None:
    it = gate(calls=64)
    now = time.perf_counter()
    long_ago, soon = now - GIVEN_UP_SECONDS, now + 3600  # the call that is left soon is so however long this test takes
    for _ in range(40):
        assert it.enter()
    it.look(LOOK_SECONDS, 0, 0.0, IDLE)
    for began, size in ((soon, 100), (long_ago, 0)):  # one that was soon left, and one that never sent his request
        it.give_up(began, size)
    it.look(LOOK_SECONDS, 0, 0.0, IDLE)
    assert it.enter()
    it.give_up(long_ago, 100)
    it.look(LOOK_SECONDS, 0, 0.0, IDLE)
    assert not it.enter(), "41 are in, of which half may be"
    for _ in range(41 - 20):
        it.leave(0)
    assert not it.enter()
    it.leave(0)
    assert it.enter()


def test_callers_who_leave_now_and_then_change_nothing() -> None:
    it = gate(calls=64)
    for _ in range(20):
        pass_through(it, 100)
        it.give_up(0.0, 100)
        it.look(LOOK_SECONDS, 0, 0.0, IDLE)
    for _ in range(64):
        assert it.enter()


async def test_under_pressure_calls_are_begun_one_by_one_and_few_wait_for_it() -> None:
    it = gate(calls=64)
    it.look(LOOK_SECONDS, 10_000, 0.0, IDLE)
    assert not it.breath_seconds, "a queue alone, while the loop turns, is no reason"
    it.look(LOOK_SECONDS, 10_000, 0.04, IDLE)
    assert not it.breath_seconds, "nor while it is only the machine that is busy"
    it.look(LOOK_SECONDS, 10_000, 0.04, BUSY)
    assert it.breath_seconds == pytest.approx(0.005)
    begun: list[int] = []

    async def begin(number: int) -> None:
        await it.breathe()
        begun.append(number)

    waiting = [asyncio.create_task(begin(number)) for number in range(MOST_RESTING)]
    await asyncio.sleep(0)
    assert not it.enter()
    while len(begun) < MOST_RESTING:
        await asyncio.sleep(0.001)
        assert it.enter() == (len(begun) > 0)
    assert begun == list(range(MOST_RESTING))
    await asyncio.gather(*waiting)
    it.look(LOOK_SECONDS, 0, 0.04, BUSY)
    assert not it.breath_seconds


def test_officers_and_operators_get_through_a_flood() -> None:
    it = gate(calls=4)
    for _ in range(PATIENCE + 1):
        it.look(LOOK_SECONDS, 10_000, 0.5, BUSY)
    assert not it.enter()
    assert it.enter_first()
    for _ in range(1000):
        it.enter()
    assert it.load().calls == 4
    assert all(it.enter_first() for _ in range(FIRST_CALLS))
    assert not it.enter_first()


def test_a_shed_call_is_told_when_to_come_again() -> None:
    error = overloaded()
    assert (error.reason, error.retry_seconds) == ("OVERLOADED", 0.25)
