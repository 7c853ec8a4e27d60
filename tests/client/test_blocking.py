"""Calls from threads: answers, deadlines, many at once, closing, forks, and the end of the process."""

import asyncio
import gc
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.client.conftest import Peer
from tests.client.crowd import PROGRAMS, Groups, code_of, right, serve_groups
from vault.client.blocking import BlockingClient, connect_blocking
from vault.client.channel import VaultClient
from vault.errors import FailedPrecondition, InvalidInput, NotFound, Unavailable, VaultError
from vault.v1.resources_pb2 import PresentedCode
from vault.v1.validation_service_pb2 import BatchValidateCodesRequest

QUESTION = BatchValidateCodesRequest(programs=PROGRAMS, codes=[PresentedCode(code=code_of(2))])


class Served:
    """A peer in a thread of its own, as a vault is elsewhere."""

    def __init__(self, certificates: Path) -> None:
        self.certificates = certificates
        self.error: VaultError | None = None
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()
        self.groups, self.port = asyncio.run_coroutine_threadsafe(self._serve(), self.loop).result(120)

    async def _serve(self) -> tuple[Groups, int]:
        self.peer = Peer(self.certificates)
        groups = serve_groups(self.peer, lambda _request: self.error)
        await self.peer.server.start()
        return groups, self.peer.port

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self.peer.server.stop(None), self.loop).result(120)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()

    def client(self, timeout_seconds: float = 120.0) -> BlockingClient:
        folder = self.certificates
        return connect_blocking(
            f"localhost:{self.port}",
            ca=folder / "ca.pem",
            certificate=folder / "shop.pem",
            private_key=folder / "shop.key",
            timeout_seconds=timeout_seconds,
        )


@pytest.fixture
def served(certificates: Path) -> Iterator[Served]:
    served = Served(certificates)
    yield served
    served.stop()


def test_a_call_waits_for_its_answer(served: Served) -> None:
    with served.client() as client:
        assert list(client.call(client.validation.BatchValidateCodes, QUESTION).results) == [right(code_of(2))]
        assert client.validate(code_of(4), PROGRAMS) == right(code_of(4))


def test_a_refusal_is_raised_in_the_callers_thread(served: Served) -> None:
    served.error = NotFound("none", reason="CARD_NOT_FOUND")
    with served.client() as client:
        with pytest.raises(NotFound) as refused:
            client.call(client.validation.BatchValidateCodes, QUESTION)
        with pytest.raises(InvalidInput):
            client.validate("no code", PROGRAMS)
    assert refused.value.reason == "CARD_NOT_FOUND"


def test_many_threads_get_their_own_answers_over_one_connection_and_share_calls(served: Served) -> None:
    served.groups.seconds = 0.1
    codes = [code_of(number) for number in range(400)]
    with served.client() as client, ThreadPoolExecutor(64) as pool:
        answers = list(pool.map(lambda code: client.validate(code, PROGRAMS), codes))
    assert answers == [right(code) for code in codes]
    assert len(served.groups.requests) < 200


def test_a_call_ends_by_its_deadline(served: Served) -> None:
    served.groups.seconds = 600.0
    with served.client() as client:
        for ask in (
            lambda: client.validate(code_of(1), PROGRAMS, 0.1),
            lambda: client.call(client.validation.BatchValidateCodes, QUESTION, 0.1),
            lambda: client.run(lambda _client: asyncio.sleep(600.0), 0.1),
        ):
            began = time.monotonic()
            with pytest.raises(Unavailable) as late:
                ask()
            assert late.value.reason == "DEADLINE_EXCEEDED"
            assert time.monotonic() - began < 60.0


def test_asynchronous_work_is_done_with_the_same_client(served: Served) -> None:
    async def work(client: VaultClient) -> int:
        answer = await client.call(client.validation.BatchValidateCodes, QUESTION)
        return len(answer.results)

    with served.client() as client:
        assert client.run(work) == 1


def test_a_blocking_call_in_the_clients_own_thread_is_refused(served: Served) -> None:
    with served.client() as client:

        async def work(_client: VaultClient) -> None:
            client.validate(code_of(1), PROGRAMS)

        with pytest.raises(FailedPrecondition) as refused:
            client.run(work)
    assert refused.value.reason == "OWN_THREAD"


def test_closing_ends_the_thread_the_loop_and_its_tasks(served: Served) -> None:
    client = served.client()
    client.validate(code_of(1), PROGRAMS)
    inner = client._loop
    forgotten = asyncio.run_coroutine_threadsafe(asyncio.sleep(60.0), inner._loop)
    client.close()
    client.close()
    assert not inner.thread.is_alive()
    assert inner._loop.is_closed()
    assert forgotten.cancelled()
    for ask in (
        lambda: client.validate(code_of(1), PROGRAMS),
        lambda: client.call(client.validation.BatchValidateCodes, QUESTION),
    ):
        with pytest.raises(Unavailable) as closed:
            ask()
        assert closed.value.reason == "CLIENT_CLOSED"


def test_closing_lets_codes_on_their_way_be_answered_and_ends_other_calls(served: Served) -> None:
    served.loop.call_soon_threadsafe(served.groups.gate.clear)
    client = served.client()
    with ThreadPoolExecutor(2) as pool:
        code = pool.submit(client.validate, code_of(2), PROGRAMS)
        work = pool.submit(client.run, lambda _client: asyncio.sleep(600.0))
        while not served.groups.requests:
            time.sleep(0.01)
        threading.Timer(0.4, served.loop.call_soon_threadsafe, [served.groups.gate.set]).start()
        client.close()
        assert code.result() == right(code_of(2))
        with pytest.raises(Unavailable):
            work.result()


def test_a_client_that_nobody_has_any_more_ends_its_thread(served: Served) -> None:
    client = served.client()
    thread, gone = client._loop.thread, weakref.ref(client)
    del client
    gc.collect()
    assert gone() is None
    assert not thread.is_alive()


def test_a_client_that_cannot_be_made_leaves_no_thread(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    missing = tmp_path / "missing.pem"
    with pytest.raises(InvalidInput, match=r"missing\.pem"):
        connect_blocking("localhost:1", ca=missing, certificate=missing, private_key=missing)
    assert set(threading.enumerate()) <= before


PROGRAM = """
import os, sys
from pathlib import Path
from vault.client.blocking import connect_blocking
from vault.errors import FailedPrecondition

folder = Path(sys.argv[1])
client = connect_blocking(
    sys.argv[2],
    ca=folder / "ca.pem",
    certificate=folder / "shop.pem",
    private_key=folder / "shop.key",
    timeout_seconds=120.0,
)
client.validate("1234567890123452", ["netcash"])
child = os.fork()
if not child:
    try:
        client.validate("1234567890123452", ["netcash"])
    except FailedPrecondition as error:
        client.close()
        os._exit(7 if error.reason == "FORKED" else 8)
    os._exit(9)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
client.validate("1234567890123452", ["netcash"])
print("done", flush=True)
"""


def test_after_a_fork_the_client_is_the_parents_and_an_unclosed_one_lets_the_process_end(served: Served) -> None:
    address = f"localhost:{served.port}"
    command = [sys.executable, "-c", PROGRAM, str(served.certificates), address]
    done = subprocess.run(command, capture_output=True, text=True, timeout=480, check=False)
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr
    assert "Traceback" not in done.stderr
