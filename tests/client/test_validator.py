"""Codes that are asked about at the same time: groups, refusals, deadlines, room, over TLS."""

import asyncio
import time
from uuid import UUID

import pytest

from tests.client.conftest import Peer
from tests.client.crowd import PROGRAMS, code_of, right, serve_groups, until
from vault.client.validator import Validator
from vault.errors import FailedPrecondition, InvalidInput, PermissionDenied, Unavailable, VaultError
from vault.v1.validation_service_pb2 import BatchValidateCodesRequest

SEALED = bytes([1]) * 565


async def test_what_is_asked_together_travels_together_and_each_gets_its_own_answer(peer: Peer) -> None:
    groups = serve_groups(peer)
    codes = [code_of(number) for number in range(64)]
    async with await peer.client() as client, Validator(client) as validator:
        answers = await asyncio.gather(*(validator.validate(code, PROGRAMS) for code in codes))
    assert answers == [right(code) for code in codes]
    assert groups.sizes == [64]


async def test_a_caller_alone_is_answered_at_once(peer: Peer) -> None:
    groups = serve_groups(peer)
    async with await peer.client() as client, Validator(client) as validator:
        for number in range(3):
            assert await validator.validate(code_of(number), PROGRAMS) == right(code_of(number))
    assert groups.sizes == [1, 1, 1]


async def test_groups_on_their_way_and_their_size_are_bounded(peer: Peer) -> None:
    groups = serve_groups(peer)
    groups.gate.clear()
    async with await peer.client() as client, Validator(client, groups=3, group_size=5) as validator:
        asking = [asyncio.create_task(validator.validate(code_of(number), PROGRAMS)) for number in range(40)]
        await until(lambda: groups.at_once == 3)
        await asyncio.sleep(0.05)
        groups.gate.set()
        assert await asyncio.gather(*asking) == [right(code_of(number)) for number in range(40)]
    assert groups.most_at_once == 3
    assert max(groups.sizes) == 5


async def test_what_was_typed_is_sent_as_its_digits(peer: Peer) -> None:
    groups = serve_groups(peer)
    typed = " 1234-5678 9012\u3000\uff13\uff14\uff15\uff12"
    async with await peer.client() as client, Validator(client) as validator:
        assert await validator.validate(typed, PROGRAMS) == right("1234567890123452")
    assert groups.requests[0].codes[0].code == "1234567890123452"


@pytest.mark.parametrize(
    ("code", "field"),
    [("1234", "code.code"), ("not a code", "code.code"), ("9" * 20, "code.code"), (b"short", "code.sealed")],
)
async def test_what_cannot_be_a_code_is_refused_unsent(peer: Peer, code: str | bytes, field: str) -> None:
    groups = serve_groups(peer)
    async with await peer.client() as client, Validator(client) as validator:
        with pytest.raises(InvalidInput) as refused:
            await validator.validate(code, PROGRAMS)
    assert refused.value.field == field
    assert groups.requests == []


async def test_programs_are_a_list_without_repetition(peer: Peer) -> None:
    async with await peer.client() as client, Validator(client) as validator:
        for programs, reason in (("netcash", "PROGRAMS_MALFORMED"), (["a-b", "a-b"], "PROGRAMS_REPEATED")):
            with pytest.raises(InvalidInput) as refused:
                await validator.validate(code_of(1), programs)
            assert refused.value.reason == reason


async def test_other_programs_other_lengths_and_sealed_codes_go_in_groups_of_their_own(peer: Peer) -> None:
    groups = serve_groups(peer)
    asked: list[tuple[str | bytes, list[str]]] = [
        *((code_of(number), ["netcash"]) for number in range(4)),
        *((code_of(number), ["gift", "netcash"]) for number in range(4)),
        *((code_of(number), ["netcash", "gift"]) for number in range(4, 8)),
        *((code_of(number, 12), ["netcash"]) for number in range(4)),
        *((bytes([1, number]) * 300, ["netcash"]) for number in range(4)),
    ]
    async with await peer.client() as client, Validator(client) as validator:
        answers = await asyncio.gather(*(validator.validate(code, programs) for code, programs in asked))
    assert answers == [right(code) for code, _ in asked]
    assert sorted(groups.sizes) == [4, 4, 4, 8]
    for request in groups.requests:
        assert len({(len(form.code), bool(form.sealed)) for form in request.codes}) == 1


def refuses_odd(request: BatchValidateCodesRequest) -> VaultError | None:
    for place, form in enumerate(request.codes):
        if form.code.endswith("7"):
            field = f"codes[{place}].code"
            return FailedPrecondition("not this one", reason="NOT_THIS", field=field, metadata={"why": "7"})
    return None


async def test_one_refused_code_never_fails_its_neighbours(peer: Peer) -> None:
    groups = serve_groups(peer, refuses_odd)
    codes = [code_of(number) for number in range(30)]
    async with await peer.client() as client, Validator(client) as validator:
        answers = await asyncio.gather(*(validator.validate(code, PROGRAMS) for code in codes), return_exceptions=True)
    for code, answer in zip(codes, answers, strict=True):
        if code.endswith("7"):
            assert isinstance(answer, FailedPrecondition)
            assert (answer.reason, answer.field, answer.metadata["why"]) == ("NOT_THIS", "code.code", "7")
        else:
            assert answer == right(code)
    assert groups.sizes == [30, 29, 28, 27]


async def test_sealed_codes_that_are_asked_again_without_a_refused_one_have_a_new_request_id(peer: Peer) -> None:
    def refuses_third(request: BatchValidateCodesRequest) -> VaultError | None:
        third = [place for place, form in enumerate(request.codes) if form.sealed[1] == 3]
        error = InvalidInput("of several", reason="SUBMISSION_ALONE", field=f"codes[{third[0] if third else 0}].sealed")
        return error if third else None

    groups = serve_groups(peer, refuses_third)
    blobs = [bytes([1, number]) * 300 for number in range(5)]
    async with await peer.client() as client, Validator(client) as validator:
        answers = await asyncio.gather(*(validator.validate(blob, PROGRAMS) for blob in blobs), return_exceptions=True)
    refused = answers.pop(3)
    assert isinstance(refused, InvalidInput)
    assert (refused.reason, refused.field) == ("SUBMISSION_ALONE", "code.sealed")
    assert answers == [right(blob) for blob in blobs if blob[1] != 3]
    first, second = groups.requests
    assert first.request_id
    assert second.request_id
    assert first.request_id != second.request_id


async def test_a_length_that_no_program_has_is_refused_for_all_of_it_at_once(peer: Peer) -> None:
    def refuses_short(request: BatchValidateCodesRequest) -> VaultError | None:
        short = [place for place, form in enumerate(request.codes) if len(form.code) == 12]
        if not short:
            return None
        return InvalidInput("not the length", reason="CODE_LENGTH", field=f"codes[{short[0]}].code")

    groups = serve_groups(peer, refuses_short)
    codes = [code_of(number, 12 if number % 2 else 16) for number in range(40)]
    async with await peer.client() as client, Validator(client) as validator:
        answers = await asyncio.gather(*(validator.validate(code, PROGRAMS) for code in codes), return_exceptions=True)
    for code, answer in zip(codes, answers, strict=True):
        if len(code) == 16:
            assert answer == right(code)
        else:
            assert isinstance(answer, InvalidInput)
            assert answer.field == "code.code"
    assert sorted(groups.sizes) == [20, 20]


async def test_what_is_refused_for_the_whole_group_is_an_error_of_its_own_for_each(peer: Peer) -> None:
    serve_groups(peer, lambda _request: PermissionDenied("no", reason="ROLE_MISSING", field="programs"))
    async with await peer.client() as client, Validator(client) as validator:
        asking = (validator.validate(code_of(number), PROGRAMS) for number in range(5))
        answers = await asyncio.gather(*asking, return_exceptions=True)
    assert [getattr(answer, "reason", "") for answer in answers] == ["ROLE_MISSING"] * 5
    assert [getattr(answer, "field", "") for answer in answers] == ["programs"] * 5
    assert len({id(answer) for answer in answers}) == 5


async def test_a_group_is_repeated_under_one_request_id_while_the_vault_is_unavailable(peer: Peer) -> None:
    failures = [Unavailable("starting"), Unavailable("starting")]
    groups = serve_groups(peer, lambda _request: failures.pop() if failures else None)
    async with await peer.client() as client, Validator(client) as validator:
        assert await validator.validate(SEALED, PROGRAMS) == right(SEALED)
    assert groups.sizes == [1, 1, 1]
    (request_id,) = {request.request_id for request in groups.requests}
    assert str(UUID(request_id)) == request_id


async def test_a_submission_of_several_codes_is_said_to_be_one(peer: Peer) -> None:
    groups = serve_groups(peer)
    async with await peer.client() as client, Validator(client) as validator:
        groups.gate.clear()
        asking = asyncio.create_task(validator.validate(SEALED, PROGRAMS))
        await until(lambda: groups.at_once == 1)
        groups.requests[0].codes.add(sealed=SEALED)  # so that the server answers twice
        groups.gate.set()
        with pytest.raises(InvalidInput) as refused:
            await asking
    assert (refused.value.reason, refused.value.field) == ("SEVERAL_CODES", "code.sealed")


async def test_a_callers_deadline_is_its_own_and_the_groups_is_the_last_ones(peer: Peer) -> None:
    groups = serve_groups(peer)
    groups.gate.clear()
    async with await peer.client() as client, Validator(client) as validator:
        patient = asyncio.create_task(validator.validate(code_of(2), PROGRAMS, timeout_seconds=200.0))
        began = time.monotonic()
        with pytest.raises(Unavailable) as late:
            await validator.validate(code_of(1), PROGRAMS, timeout_seconds=0.2)
        assert 0.15 < time.monotonic() - began < 100.0
        assert late.value.reason == "DEADLINE_EXCEEDED"
        groups.gate.set()
        assert await patient == right(code_of(2))
    assert groups.sizes == [2]
    assert groups.remaining[0] > 100.0


async def test_a_caller_without_any_time_left_is_not_asked_for(peer: Peer) -> None:
    groups = serve_groups(peer)
    async with await peer.client() as client, Validator(client) as validator:
        for seconds in (0.0, -1.0):
            with pytest.raises(Unavailable) as late:
                await validator.validate(code_of(1), PROGRAMS, timeout_seconds=seconds)
            assert late.value.reason == "DEADLINE_EXCEEDED"
    assert groups.requests == []


async def test_a_deadline_holds_in_the_queue_too_and_leaves_nothing_there(peer: Peer) -> None:
    groups = serve_groups(peer)
    groups.gate.clear()
    async with await peer.client() as client, Validator(client, groups=1, most_waiting=8) as validator:
        first = asyncio.create_task(validator.validate(code_of(0), PROGRAMS))
        await until(lambda: groups.at_once == 1)
        for _ in range(4):  # four times as many as may wait at a time
            late = (validator.validate(code_of(number), PROGRAMS, timeout_seconds=0.05) for number in range(8))
            answers = await asyncio.gather(*late, return_exceptions=True)
            assert [getattr(answer, "reason", "") for answer in answers] == ["DEADLINE_EXCEEDED"] * 8
        groups.gate.set()
        await first
    assert groups.sizes == [1]


async def test_the_caller_beyond_the_room_is_refused_at_once(peer: Peer) -> None:
    groups = serve_groups(peer)
    groups.gate.clear()
    async with await peer.client() as client, Validator(client, groups=1, most_waiting=5) as validator:
        first = asyncio.create_task(validator.validate(code_of(0), PROGRAMS))
        await until(lambda: groups.at_once == 1)
        waiting = [asyncio.create_task(validator.validate(code_of(number), PROGRAMS)) for number in range(1, 6)]
        await asyncio.sleep(0)
        with pytest.raises(Unavailable) as full:
            await validator.validate(code_of(9), PROGRAMS)
        assert full.value.reason == "VALIDATOR_FULL"
        assert full.value.retry_seconds
        groups.gate.set()
        assert await asyncio.gather(first, *waiting) == [right(code_of(number)) for number in range(6)]


async def test_a_cancelled_caller_leaves_its_group_to_the_others(peer: Peer) -> None:
    groups = serve_groups(peer)
    groups.gate.clear()
    async with await peer.client() as client, Validator(client) as validator:
        asking = [asyncio.create_task(validator.validate(code_of(number), PROGRAMS)) for number in range(4)]
        await until(lambda: groups.at_once == 1)
        asking[1].cancel()
        await asyncio.wait({asking[1]})
        groups.gate.set()
        answers = await asyncio.gather(*asking, return_exceptions=True)
    assert isinstance(answers[1], asyncio.CancelledError)
    assert [answers[place] for place in (0, 2, 3)] == [right(code_of(place)) for place in (0, 2, 3)]


async def test_a_group_that_all_callers_left_is_cancelled_and_its_place_free(peer: Peer) -> None:
    groups = serve_groups(peer, refuses_odd)
    groups.gate.clear()
    async with await peer.client() as client, Validator(client, groups=1) as validator:
        asking = [asyncio.create_task(validator.validate(code_of(number), PROGRAMS)) for number in range(3)]
        await until(lambda: groups.at_once == 1)
        for task in asking:
            task.cancel()
        await until(lambda: groups.cancelled == 1)
        groups.gate.set()
        assert await validator.validate(code_of(4), PROGRAMS) == right(code_of(4))


async def test_closing_lets_those_who_wait_be_answered_and_takes_no_more(peer: Peer) -> None:
    groups = serve_groups(peer)
    groups.seconds = 0.05
    async with await peer.client() as client:
        validator = Validator(client, group_size=2, groups=1)
        asking = [asyncio.create_task(validator.validate(code_of(number), PROGRAMS)) for number in range(6)]
        await until(lambda: groups.at_once == 1)
        await validator.close()
        assert [task.done() for task in asking] == [True] * 6
        assert [task.result() for task in asking] == [right(code_of(number)) for number in range(6)]
        with pytest.raises(Unavailable) as closed:
            await validator.validate(code_of(1), PROGRAMS)
    assert closed.value.reason == "VALIDATOR_CLOSED"


async def test_callers_of_a_client_that_is_closed_meanwhile_are_told(peer: Peer) -> None:
    groups = serve_groups(peer)
    groups.gate.clear()
    client = await peer.client()
    validator = Validator(client)
    asking = [asyncio.create_task(validator.validate(code_of(number), PROGRAMS)) for number in range(3)]
    await until(lambda: groups.at_once == 1)
    await client.close()
    answers = await asyncio.gather(*asking, return_exceptions=True)
    assert [type(answer) for answer in answers] == [Unavailable] * 3
    with pytest.raises(Unavailable):
        await validator.validate(code_of(1), PROGRAMS)
    await validator.close()


async def test_large_submissions_fill_a_group_by_their_bytes(peer: Peer) -> None:
    groups = serve_groups(peer)
    sealed = [bytes([1, number]) * 12_000 for number in range(100)]
    async with await peer.client() as client, Validator(client) as validator:
        answers = await asyncio.gather(*(validator.validate(blob, PROGRAMS) for blob in sealed))
    assert answers == [right(blob) for blob in sealed]
    assert max(groups.sizes) < 44
    assert max(request.ByteSize() for request in groups.requests) < 1.1 * 1024 * 1024


@pytest.mark.parametrize("wrong", [{"groups": 0}, {"group_size": 1001}, {"most_waiting": 0}])
async def test_numbers_out_of_their_bounds_are_refused(peer: Peer, wrong: dict[str, int]) -> None:
    async with await peer.client() as client:
        with pytest.raises(InvalidInput) as refused:
            Validator(client, **wrong)
    assert refused.value.field == next(iter(wrong))
