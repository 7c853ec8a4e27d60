"""Sealing at an edge: fresh keys, the vault's time, one asking for all, and nothing to a key left behind."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from tests.client.conftest import Peer
from tests.client.signing import answer, private_key, published
from vault.client import Purpose, Sealer
from vault.client.sealer import LONGEST_SECONDS, REFRESH_SECONDS, RETRY_SECONDS, steady_seconds
from vault.crypto.submission import open_submission, sealing_version
from vault.errors import FailedPrecondition, IntegrityFailure, InvalidInput, Unavailable
from vault.formats.v1.submission_pb2 import Submission
from vault.model.states import KeyPurpose, KeyState
from vault.v1 import validation_service_pb2_grpc
from vault.v1.resources_pb2 import PublicKey
from vault.v1.validation_service_pb2 import ListPublicKeysRequest, ListPublicKeysResponse

CODE, SHOP = "4000 0012 3456 7899", "spiffe://shop.example/web"
SEALING = KeyPurpose.SEALING
DEACTIVATED = KeyState.DEACTIVATED
BEGIN = 1_700_000_000.0


class Edge:
    """A vault's answers as an edge gets them, and a clock that only the test moves."""

    def __init__(self) -> None:
        self.now = 5000.0
        self.asked = 0
        self.keys: list[PublicKey] = [published(SEALING, 1)]
        self.problem: Exception | None = None
        self.takes_seconds = 0.0
        self.gate = asyncio.Event()
        self.gate.set()
        self.draws = 0

    def clock(self) -> float:
        return self.now

    def random(self, count: int) -> bytes:
        self.draws += 1
        return bytes([self.draws]) * count

    async def __call__(self) -> ListPublicKeysResponse:
        self.asked += 1
        await self.gate.wait()
        self.now += self.takes_seconds / 2
        found = answer(*self.keys, seconds=BEGIN + self.now)
        self.now += self.takes_seconds / 2
        if self.problem is not None:
            raise self.problem
        return found

    def sealer(self, **settings: Any) -> Sealer:
        return Sealer(self, clock=self.clock, random=self.random, **settings)


async def sealed(sealer: Sealer, codes: str | list[str] = CODE, purpose: Purpose = Purpose.VALIDATE) -> Submission:
    blob = await sealer.seal(codes, audience=SHOP, program="netcash", purpose=purpose)
    return open_submission(private_key(SEALING, sealing_version(blob)), blob)


async def version(sealer: Sealer) -> int:
    return sealing_version(await sealer.seal(CODE, audience=SHOP, program="netcash", purpose=Purpose.REDEEM))


async def settled(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(120):
        while not holds():  # noqa: ASYNC110  what happens in another task is looked at
            await asyncio.sleep(0)


async def test_a_code_is_sealed_with_the_vaults_time_and_a_nonce_of_its_own() -> None:
    edge = Edge()
    sealer = edge.sealer()
    first, second = await sealed(sealer), await sealed(sealer)
    assert first == Submission(
        audience=SHOP,
        program="netcash",
        purpose=Submission.PURPOSE_VALIDATE,
        seal_time_ms=1_700_005_000_000,
        nonce=b"\x01" * 16,
        codes=["4000001234567899"],
    )
    assert second.nonce == b"\x02" * 16
    assert edge.asked == 1


async def test_a_thousand_codes_are_sealed_together() -> None:
    assert len((await sealed(Edge().sealer(), [CODE] * 1000)).codes) == 1000


async def test_an_exchange_carries_its_serial_and_key() -> None:
    public = published(SEALING, 9).public_key
    blob = (
        await Edge()
        .sealer()
        .seal(
            CODE, audience=SHOP, program="netcash", purpose=Purpose.EXCHANGE, serial="A00000000000A", public_key=public
        )
    )
    opened = open_submission(private_key(SEALING, 1), blob)
    assert (opened.purpose, opened.serial, opened.public_key) == (3, "A00000000000A", public)


async def test_an_answer_that_took_a_while_is_taken_for_half_as_old() -> None:
    edge = Edge()
    edge.takes_seconds = 4.0
    assert (await sealed(edge.sealer())).seal_time_ms == (BEGIN + edge.now) * 1000


async def test_time_runs_on_between_askings() -> None:
    edge = Edge()
    sealer = edge.sealer()
    await sealer.refresh()
    edge.now += 123.5
    assert (await sealed(sealer)).seal_time_ms == 1_700_005_123_500


async def test_keys_are_asked_for_again_in_the_background() -> None:
    edge = Edge()
    async with edge.sealer() as sealer:
        assert await version(sealer) == 1
        edge.keys = [published(SEALING, 1, DEACTIVATED), published(SEALING, 2)]
        edge.now += REFRESH_SECONDS - 1
        assert await version(sealer) == 1
        assert edge.asked == 1
        edge.now += 1
        edge.gate.clear()
        assert await version(sealer) == 1
        assert await version(sealer) == 1
        edge.gate.set()
        await settled(lambda: sealer.highest_version == 2)
        assert await version(sealer) == 2
        assert edge.asked == 2


async def test_old_keys_are_used_while_the_vault_is_away_but_not_for_long() -> None:
    edge = Edge()
    sealer = edge.sealer()
    assert await version(sealer) == 1
    edge.problem = Unavailable("away")
    edge.now += REFRESH_SECONDS
    assert await version(sealer) == 1
    await settled(lambda: edge.asked == 2)
    await asyncio.sleep(0.01)
    for _ in range(3):
        assert await version(sealer) == 1
    assert edge.asked == 2
    edge.now += RETRY_SECONDS
    assert await version(sealer) == 1
    await settled(lambda: edge.asked == 3)
    edge.now += LONGEST_SECONDS
    with pytest.raises(Unavailable, match="away"):
        await version(sealer)
    edge.problem = None
    assert await version(sealer) == 1


async def test_callers_at_the_same_time_share_one_asking_and_one_that_leaves_harms_nobody() -> None:
    edge = Edge()
    edge.gate.clear()
    sealer = edge.sealer()
    waiting = [asyncio.create_task(version(sealer)) for _ in range(10)]
    await settled(lambda: edge.asked == 1)
    waiting[0].cancel()
    await asyncio.sleep(0)
    edge.gate.set()
    assert await asyncio.gather(*waiting[1:]) == [1] * 9
    assert edge.asked == 1


async def test_a_downgrade_is_passed_over_and_refused_once_the_keys_are_old() -> None:
    edge = Edge()
    edge.keys = [published(SEALING, 1, DEACTIVATED), published(SEALING, 2)]
    sealer = edge.sealer()
    assert await version(sealer) == 2
    edge.keys = [published(SEALING, 1)]
    with pytest.raises(IntegrityFailure) as caught:
        await sealer.refresh()
    assert caught.value.reason == "SEALING_KEYS"
    assert await version(sealer) == 2
    edge.now += LONGEST_SECONDS
    with pytest.raises(IntegrityFailure):
        await version(sealer)


async def test_a_version_of_an_earlier_run_is_not_fallen_behind() -> None:
    with pytest.raises(IntegrityFailure):
        await version(Edge().sealer(lowest_version=2))


async def test_a_compromised_key_is_left_at_once() -> None:
    edge = Edge()
    sealer = edge.sealer()
    assert await version(sealer) == 1
    edge.keys = [published(SEALING, 1, KeyState.COMPROMISED)]
    await sealer.refresh()
    with pytest.raises(FailedPrecondition) as caught:
        await version(sealer)
    assert caught.value.reason == "NO_SEALING_KEY"


async def test_a_relays_own_key_is_not_sealed_to_where_keys_are_pinned() -> None:
    edge = Edge()
    sealer = edge.sealer(pins={published(SEALING, 1).public_key, published(SEALING, 2).public_key})
    edge.keys = [published(SEALING, 9)]
    with pytest.raises(FailedPrecondition):
        await version(sealer)
    edge.keys = [published(SEALING, 1), published(SEALING, 9)]
    await sealer.refresh()
    assert await version(sealer) == 1


async def test_an_answer_without_the_vaults_time_is_refused() -> None:
    async def timeless() -> ListPublicKeysResponse:
        return ListPublicKeysResponse(keys=[published(SEALING, 1)])

    with pytest.raises(IntegrityFailure, match="time"):
        await version(Sealer(timeless))


async def test_a_source_that_hangs_is_left() -> None:
    edge = Edge()
    edge.gate.clear()
    with pytest.raises(Unavailable) as caught:
        await version(edge.sealer(timeout_seconds=0.01))
    assert caught.value.reason == "DEADLINE_EXCEEDED"


async def test_what_cannot_be_sealed_is_named_before_anything_is_asked() -> None:
    edge = Edge()
    with pytest.raises(InvalidInput) as caught:
        await edge.sealer().seal("4000 0012 3456 789x", audience=SHOP, program="netcash", purpose=Purpose.VALIDATE)
    assert caught.value.field == "codes[0]"
    assert edge.asked == 0
    with pytest.raises(InvalidInput) as caught:
        await edge.sealer().seal(CODE, audience="", program="netcash", purpose=Purpose.VALIDATE)
    assert caught.value.field == "audience"


async def test_closing_ends_an_asking_that_hangs() -> None:
    edge = Edge()
    edge.gate.clear()
    sealer = edge.sealer()
    asking = asyncio.create_task(sealer.refresh())
    await settled(lambda: edge.asked == 1)
    await sealer.close()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await Edge().sealer().close()


def test_the_clock_only_goes_forward() -> None:
    first = steady_seconds()
    assert 0 <= steady_seconds() - first < 60


async def test_a_client_of_the_vault_is_a_source(peer: Peer) -> None:
    class Validation(validation_service_pb2_grpc.ValidationServiceServicer):
        async def ListPublicKeys(self, _: ListPublicKeysRequest, __: Any) -> ListPublicKeysResponse:  # noqa: N802
            return answer(published(SEALING, 3), seconds=BEGIN)

    validation_service_pb2_grpc.add_ValidationServiceServicer_to_server(
        Validation(),  # type: ignore[abstract]  # the rest is never called
        peer.server,
    )
    async with await peer.client() as client, Sealer(client) as sealer:
        opened = await sealed(sealer)
    assert 0 <= opened.seal_time_ms - BEGIN * 1000 < 60_000
    assert len(opened.nonce) == 16
