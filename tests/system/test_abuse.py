"""Clients that mean harm, or are broken: the worker lives, its memory is bounded and comes back."""

import asyncio
import hashlib
import os
import struct
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from bench.http2 import (
    DATA,
    END_HEADERS,
    GOAWAY,
    HEADERS,
    PING,
    RST_STREAM,
    Connection,
    frame,
    headers,
    request,
    status_of,
)
from tests.rpc.filled import filled
from tests.system.abusive import Attacker, abused, ask
from tests.system.issued import PROGRAM, create_program
from tests.system.running import Running, running
from vault.crypto.keypair import public_key
from vault.model.states import KeyPurpose
from vault.rpc.contract import methods
from vault.rpc.limits import HANDSHAKE_SECONDS
from vault.secret import Secret
from vault.v1 import administration_service_pb2 as administration
from vault.v1 import issuance_service_pb2 as issuance
from vault.v1 import resources_pb2 as resources

VALIDATE = "/vault.v1.ValidationService/ValidateCode"
EXPORT = "/vault.v1.IssuanceService/ExportBatch"
FUZZED_BYTES = 1_000_000
UNAVAILABLE = 14


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("abuse"), workers=1) as it:
        asyncio.run(_warm_up(it))
        yield it


async def _warm_up(vault: Running) -> None:
    await create_program(vault)
    await ask(vault, 200)


async def _idle(vault: Running, count: int, most_mib: float, *, may_be_replaced: bool = False) -> None:
    async with abused(vault, most_mib, may_be_replaced=may_be_replaced):
        connections = await Attacker(vault).connections(count)
        await ask(vault)
        for connection in connections:
            connection.close()


async def test_a_thousand_idle_connections(vault: Running) -> None:
    await _idle(vault, 1000, most_mib=200)


@pytest.mark.long
async def test_ten_thousand_idle_connections(tmp_path: Path) -> None:
    """They leave a worker with twice the memory that it had, so another one takes its place."""
    vault = Running(tmp_path / "vault", workers=1)
    settings = vault.configuration.read_text()
    vault.configuration.write_text(settings.replace("worker_mib = 0", "worker_mib = 112"))
    vault.start()
    try:
        await _warm_up(vault)
        await _idle(vault, 9_900, most_mib=1500, may_be_replaced=True)
    finally:
        vault.kill()


async def _streams(vault: Running, count: int, most_mib: float, least_ended: int = 0) -> Counter[int | None]:
    """Open streams that send their headers and no more, and return how those that ended did: so many at least."""
    attacker = Attacker(vault)
    each = 500
    ends: Counter[int | None] = Counter()

    async def open_all(connection: Connection) -> None:
        block = headers(VALIDATE, attacker.authority)
        for first in range(0, each, 50):
            numbers = range(2 * first + 1, 2 * (first + 50), 2)
            connection.writer.write(b"".join(frame(HEADERS, END_HEADERS, number, block) for number in numbers))
            await connection.writer.drain()
        answered = 0
        while answered < each and (frames := await connection.frames()):
            ended = [status_of(one.payload) for one in frames if one.kind == HEADERS]
            ends.update(ended)
            answered += len(ended)

    async with abused(vault, most_mib):
        connections = await attacker.connections(count // each)
        listening = [asyncio.create_task(open_all(connection)) for connection in connections]
        await asyncio.wait(listening, timeout=3)
        async with asyncio.timeout(240):
            while ends.total() < least_ended:  # noqa: ASYNC110  no event tells
                await asyncio.sleep(0.05)
        await ask(vault)
        for connection in connections:
            connection.close()
        for task in listening:
            task.cancel()
        await asyncio.gather(*listening, return_exceptions=True)
    return ends


async def test_two_thousand_streams_without_a_body(vault: Running) -> None:
    """Most are given up or reset, since only so many bodies may be on their way."""
    ends = await _streams(vault, 2000, most_mib=100, least_ended=1501)
    assert set(ends) <= {UNAVAILABLE, 1}


@pytest.mark.long
async def test_ten_thousand_streams_without_a_body(vault: Running) -> None:
    assert set(await _streams(vault, 10_000, most_mib=300)) <= {UNAVAILABLE, 1}


async def test_a_flood_of_pings_is_cut_off(vault: Running) -> None:
    async with abused(vault, most_mib=50):
        connection = await Attacker(vault).connection()
        pings = b"".join(frame(PING, 0, 0, struct.pack(">Q", number)) for number in range(10_000))
        connection.writer.write(pings)
        seen: list[int] = []
        async with asyncio.timeout(120):
            while frames := await connection.frames():
                seen += [each.kind for each in frames]
                goodbyes = [each.payload for each in frames if each.kind == GOAWAY]
                if goodbyes:
                    assert b"too_many_pings" in goodbyes[-1]
                    break
        assert GOAWAY in seen
        connection.close()


async def test_streams_that_are_opened_and_reset_at_once(vault: Running) -> None:
    """The "rapid reset" of CVE-2023-44487."""
    attacker = Attacker(vault)
    block = headers(VALIDATE, attacker.authority)
    reset = struct.pack(">I", 8)
    async with abused(vault, most_mib=100):
        connection = await attacker.connection()
        for first in range(0, 10_000, 500):
            numbers = range(2 * first + 1, 2 * (first + 500), 2)
            connection.writer.write(
                b"".join(request(each, block, b"") + frame(RST_STREAM, 0, each, reset) for each in numbers)
            )
            await asyncio.sleep(0.02)
            if connection.writer.is_closing():
                break
        await ask(vault)
        connection.close()


async def test_handshakes_that_are_never_finished_are_given_up(vault: Running) -> None:
    attacker = Attacker(vault)
    hello = bytes.fromhex("16030100c8010000c40303")  # a ClientHello that says it has more to say
    async with abused(vault, most_mib=50):
        begin = time.monotonic()
        half_open = [await asyncio.open_connection(attacker.host, attacker.port) for _ in range(200)]
        for number, (_, writer) in enumerate(half_open):
            writer.write(hello[: number % (len(hello) + 1)])
        await ask(vault)
        async with asyncio.timeout(HANDSHAKE_SECONDS + 120):
            await asyncio.gather(*(_closed(reader) for reader, _ in half_open))
        assert time.monotonic() - begin > HANDSHAKE_SECONDS - 1
        for _, writer in half_open:
            writer.close()


async def _closed(reader: asyncio.StreamReader) -> None:
    try:
        while await reader.read(1024):
            pass
    except ConnectionError:
        return


async def test_readers_that_do_not_read_hold_up_themselves_alone(vault: Running) -> None:
    cards, readers = 10_000, 40
    batch = await _batch(vault, cards)
    attacker = Attacker(vault, "issuer")
    async with vault.client("issuer") as issuer:
        body = issuance.ExportBatchRequest(program=PROGRAM, batch_id=batch).SerializeToString()
        block = headers(EXPORT, attacker.authority)
        async with abused(vault, most_mib=100):
            connections = [await attacker.connection(window=1024) for _ in range(readers)]
            for connection in connections:
                connection.writer.write(request(1, block, body))
            await asyncio.sleep(3)
            received = sum([len(part.chunk) async for part in issuer.export_batch(PROGRAM, batch)])
            assert received > cards * 16, "another reader gets the whole package meanwhile"
            got = await asyncio.gather(*(connection.frames() for connection in connections))
            assert max(sum(len(one.payload) for one in frames if one.kind == DATA) for frames in got) <= 1024
            for connection in connections:
                connection.close()


async def _batch(vault: Running, cards: int) -> str:
    """Issue a batch, and return its id once it can be exported."""
    public = public_key(KeyPurpose.SEALING, Secret(os.urandom(32)))
    assert public is not None
    async with vault.client("operator") as client:
        await client.call(
            client.administration.CreateRecipient,
            administration.CreateRecipientRequest(program=PROGRAM, recipient="printer", public_key=public),
        )
    async with vault.client("issuer") as client:
        wanted = issuance.CreateBatchRequest(program=PROGRAM, count=cards, recipient="printer")
        batch = (await client.call(client.issuance.CreateBatch, wanted)).batch
        async with asyncio.timeout(600):
            while batch.state != resources.Batch.STATE_READY:
                await asyncio.sleep(0.1)
                asked = issuance.GetBatchRequest(program=PROGRAM, batch_id=batch.batch_id)
                batch = (await client.call(client.issuance.GetBatch, asked)).batch
        return batch.batch_id


async def test_fuzzed_requests_are_refused_and_nothing_more(vault: Running) -> None:
    """Random bytes and broken requests to every method, by a caller who may call it."""
    served = methods()
    size = FUZZED_BYTES // len(served) // 24
    codes: Counter[str] = Counter()
    sent = 0
    async with abused(vault, most_mib=100):
        for number, method in enumerate(served):
            caller = {"validator": "shop"}.get(method.role.name.lower(), method.role.name.lower())
            noise = hashlib.shake_256(f"fuzz {number}".encode()).digest(size * 24)
            whole = filled(method.request, most_items=2).SerializeToString()
            bodies = [noise[at : at + size] for at in range(0, len(noise), 2 * size)]
            bodies += [_broken(whole, noise[at : at + 8])[:20_000] for at in range(0, 12 * 8, 8)]
            async with vault.client(caller) as client:
                kind: Any = client.channel.unary_stream if method.streams else client.channel.unary_unary
                for body in bodies:
                    sent += len(body)
                    call = kind(f"/{method.full_name}")(body, timeout=120)
                    try:
                        await (call.read() if method.streams else call)
                    except grpc.aio.AioRpcError as error:
                        codes[error.code().name] += 1
                    else:
                        codes["OK"] += 1
    assert sent >= FUZZED_BYTES
    assert codes["INVALID_ARGUMENT"] > len(served) * 12
    assert not {"INTERNAL", "UNKNOWN", "DATA_LOSS", "CANCELLED", "DEADLINE_EXCEEDED"} & set(codes), codes


def _broken(whole: bytes, noise: bytes) -> bytes:
    """Return a request with some bytes changed, or cut, or both."""
    place, cut = int.from_bytes(noise[:3], "big") % (len(whole) + 1), int.from_bytes(noise[3:6], "big")
    changed = whole[:place] + noise[6:] + whole[place + 1 :]
    return changed[: cut % (len(changed) + 1)] if noise[7] & 1 else changed
