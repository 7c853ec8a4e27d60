"""The published service config, and a plain gRPC client of another maker that uses it."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest

from tests.rpc.authority import Authority
from tests.rpc.conftest import ROOT, Recorded, Running, serving
from vault.cli.service_config import as_text, is_retried, main, service_config
from vault.errors import FailedPrecondition, Unavailable, VaultError
from vault.rpc.bounds import is_required
from vault.rpc.contract import methods
from vault.rpc.gate import RETRY_SECONDS, overloaded
from vault.status import from_rpc_error

PUBLISHED = Path(__file__).parents[2] / "protos/service_config.json"
LIST = "/vault.v1.ValidationService/ListPublicKeys"
VALIDATE = "/vault.v1.ValidationService/ValidateCode"


class Recovering(Recorded):
    """Servicers that fail as often as they are told to."""

    def __init__(self, error: Callable[[], VaultError], failures: int) -> None:
        super().__init__()
        self.error, self.failures = error, failures
        self.tries: list[float] = []

    def servicers(self) -> dict[str, object]:
        made = super().servicers()
        answer = made["vault.v1.ValidationService"].ListPublicKeys  # type: ignore[attr-defined]

        async def sometimes(call: Any, request: Any) -> Any:
            self.tries.append(time.monotonic())
            if len(self.tries) <= self.failures:
                raise self.error()
            return await answer(call, request)

        made["vault.v1.ValidationService"].ListPublicKeys = sometimes  # type: ignore[attr-defined]
        return made


@pytest.fixture
def authority() -> Authority:
    return Authority()


def plain_channel(running: Running) -> grpc.aio.Channel:
    """Return a channel that knows nothing of the vault but the published file."""
    pair = running.authority.client(ROOT)
    credentials = grpc.ssl_channel_credentials(running.authority.certificate, pair.private_key, pair.certificate)
    options = [
        ("grpc.service_config", PUBLISHED.read_text(encoding="utf-8")),
        ("grpc.enable_retries", 1),
        ("grpc.use_local_subchannel_pool", 1),
    ]
    return grpc.aio.secure_channel(f"localhost:{running.port}", credentials, options=options)


def test_the_published_file_is_what_the_protos_give(tmp_path: Path) -> None:
    assert PUBLISHED.read_text(encoding="utf-8") == as_text()
    assert main(["--check", str(PUBLISHED)]) == 0
    stale = tmp_path / "config.json"
    assert main(["--check", str(stale)]) == 1
    stale.write_text(as_text().replace("round_robin", "pick_first"), encoding="utf-8")
    assert main(["--check", str(stale)]) == 1
    assert main([str(stale)]) == 0
    assert stale.read_text(encoding="utf-8") == as_text()


def test_every_method_has_its_entry_and_is_retried_only_where_it_can_do_nothing_twice() -> None:
    entries = {entry["name"][0]["method"]: entry for entry in service_config()["methodConfig"]}
    assert len(entries) == len(methods())
    for method in methods():
        descriptor: Any = method.request.DESCRIPTOR
        needs_id = any(each.name == "request_id" and is_required(each) for each in descriptor.fields)
        reads = method.name.startswith(("Get", "List", "BatchGet", "Validate", "BatchValidate", "Export", "Watch"))
        assert ("retryPolicy" in entries[method.name]) == (reads or needs_id) == is_retried(method)
        assert ("timeout" in entries[method.name]) == (not method.streams)


def test_a_method_whose_request_id_may_be_left_out_is_not_retried() -> None:
    [method] = [each for each in methods() if each.name == "ValidateCode"]
    assert is_retried(method), "it reads"
    assert not is_retried(method._replace(name="SpendCode"))


async def test_a_plain_client_waits_as_long_as_a_vault_that_sheds_asks_for(
    tmp_path: Path, authority: Authority
) -> None:
    recorded = Recovering(overloaded, failures=2)
    async with serving(tmp_path, authority, recorded) as running, plain_channel(running) as channel:
        stub: Any = channel.unary_unary(LIST)
        assert await stub(b"") == b""
    waits = [after - before for before, after in zip(recorded.tries, recorded.tries[1:], strict=False)]
    assert len(waits) == 2
    assert min(waits) >= RETRY_SECONDS * 0.95


async def test_a_plain_client_gives_up_after_four_tries(tmp_path: Path, authority: Authority) -> None:
    recorded = Recovering(lambda: Unavailable("away", reason="STORE"), failures=100)
    async with serving(tmp_path, authority, recorded) as running, plain_channel(running) as channel:
        stub: Any = channel.unary_unary(LIST)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub(b"")
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert len(recorded.tries) == 4


async def test_a_plain_client_does_not_retry_what_is_refused(tmp_path: Path, authority: Authority) -> None:
    recorded = Recovering(lambda: FailedPrecondition("no"), failures=100)
    async with serving(tmp_path, authority, recorded) as running, plain_channel(running) as channel:
        stub: Any = channel.unary_unary(LIST)
        with pytest.raises(grpc.aio.AioRpcError):
            await stub(b"")
    assert len(recorded.tries) == 1


async def test_a_plain_client_sends_nothing_that_is_too_large(tmp_path: Path, authority: Authority) -> None:
    largest = next(each for each in service_config()["methodConfig"] if each["name"][0]["method"] == "ValidateCode")
    recorded = Recorded()
    async with serving(tmp_path, authority, recorded) as running, plain_channel(running) as channel:
        stub: Any = channel.unary_unary(VALIDATE)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub(bytes(largest["maxRequestMessageBytes"] + 1))
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert from_rpc_error(caught.value).reason == "THROTTLED", "gRPC refuses it itself, without details of ours"
