"""What an operator sees of a real vault: metrics, health, the log, the audit log's traces, and the doctor."""

import asyncio
import http.client
import json
import os
import re
import shutil
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import trace
from prometheus_client.parser import text_string_to_metric_families

from tests.collecting import Collector, collector
from tests.postgres import Cluster
from tests.system.issued import activate, create_program, issue
from tests.system.places import cardvault
from tests.system.running import Running, running
from vault.crypto.keypair import public_key
from vault.errors import VaultError
from vault.metrics import METRICS
from vault.model.states import KeyPurpose
from vault.rpc.contract import methods
from vault.secret import Secret
from vault.v1 import administration_service_pb2 as administration
from vault.v1 import audit_service_pb2 as audit
from vault.v1 import card_service_pb2 as cards
from vault.v1 import issuance_service_pb2 as issuance
from vault.v1 import resources_pb2 as resources
from vault.v1 import validation_service_pb2 as validation

__all__ = ["collector"]

SECONDS = 240.0
CLIENTS, EACH = 8, 25
OUR_TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
LATE = '''\
"""Has a worker wait for a file before it begins."""

import sys
import time
from pathlib import Path

if "worker" in sys.orig_argv:
    while not Path({gate!r}).exists():
        time.sleep(0.05)
'''
TRACE_ID, PARENT_ID = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def port_of(vault: Running) -> int:
    """Return the port of a vault's listener, from its log."""
    deadline = time.monotonic() + SECONDS
    while True:
        lines = vault.log.read_text().splitlines()
        said = [json.loads(line) for line in lines if '"listener_open"' in line and line.endswith("}")]
        if said:
            return int(said[-1]["address"].rpartition(":")[2])
        assert time.monotonic() < deadline
        time.sleep(0.02)


def ask(port: int, path: str) -> tuple[int, str]:
    """Return the status and the body of an answer; 0 where nobody listens. A connection that breaks is tried again."""
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=SECONDS) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code, refused.read().decode()
        except (OSError, http.client.HTTPException) as broken:
            if isinstance(getattr(broken, "reason", None), ConnectionRefusedError):
                return 0, ""
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def samples(port: int) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Return every sample by name and labels."""
    status, text = ask(port, "/metrics")
    assert status == 200
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(port: int, name: str, **labels: str) -> float:
    """Return one sample; 0 where there is none."""
    return samples(port).get((f"cardvault_{name}", frozenset(labels.items())), 0.0)


def validated(port: int) -> float:
    return value(port, "call_seconds_count", method="ValidateCode", outcome="ok")


def until(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Running]:
    with running(tmp_path / "vault") as it:
        yield it


def asking(code: str, *programs: str) -> validation.ValidateCodeRequest:
    return validation.ValidateCodeRequest(programs=programs or ["netcash"], code=resources.PresentedCode(code=code))


async def validate(vault: Running, code: str, times: int = EACH) -> None:
    """Validate a code again and again, over a connection of its own."""
    async with vault.client("shop") as shop:
        for _ in range(times):
            await shop.call(shop.validation.ValidateCode, asking(code))


async def test_counts_add_up_over_workers_and_outlive_them(vault: Running) -> None:
    port = port_of(vault)
    await create_program(vault)
    issued = await issue(vault, 2, active=True)
    codes = [code for _, code in issued]
    await asyncio.gather(*(validate(vault, codes[0]) for _ in range(CLIENTS)))
    assert validated(port) == CLIENTS * EACH
    seconds = samples(port)["cardvault_call_seconds_sum", frozenset({("method", "ValidateCode"), ("outcome", "ok")})]
    assert 0 < seconds < CLIENTS * EACH * 10
    for worker in vault.children("worker"):
        os.kill(worker, signal.SIGKILL)
    until(lambda: value(port, "processes_ended_total", process="worker") == 2)
    until(lambda: json.loads(ask(port, "/ready")[1])["processes"].count("ready") == 3)
    assert validated(port) == CLIENTS * EACH
    await asyncio.gather(*(validate(vault, codes[1]) for _ in range(CLIENTS)))
    assert validated(port) == 2 * CLIENTS * EACH
    assert value(port, "audit_seconds_count") > CLIENTS
    until(lambda: value(port, "certificate_days_left") > 80)
    until(lambda: value(port, "store_reachable") == 1)
    assert value(port, "codes_judged_total", verdict="good") == 2 * CLIENTS * EACH
    until(lambda: 0 < value(port, "guess_odds_used_ratio") < 1e-3)
    until(lambda: value(port, "root_copies_missing") == 1)


def check_labels(port: int) -> None:
    """Assert that every label's value is one of the table's, or a method of the protos."""
    names = {method.name for method in methods()}
    table = {metric.full_name.removesuffix("_total"): metric for metric in METRICS}
    checked = 0
    for name, labels in samples(port):
        metric = table[re.sub("_(total|bucket|sum|count|created)$", "", name)] if name not in table else table[name]
        for label, found in labels:
            allowed = None if label == "le" else metric.labels[label]
            assert label == "le" or found in (allowed or names), (name, label, found)
            checked += 1
    assert checked > 50


async def refused(calling: Any) -> None:
    with pytest.raises(VaultError):
        await calling


async def test_no_metric_and_no_log_line_holds_what_a_caller_sent_or_a_code(vault: Running) -> None:
    port = port_of(vault)
    await create_program(vault)
    issued = await issue(vault, 20, active=True)
    inactive = await issue(vault, 3)
    codes = [code for _, code in issued + inactive]
    stranger = "prog-" + codes[0]
    async with vault.client("shop") as shop, vault.client("keeper") as keeper, vault.client("auditor") as auditor:
        traced = (("traceparent", f"00-{TRACE_ID[:16]}{codes[3]}-{PARENT_ID}-01"), ("x-card", codes[4]))
        for code in codes:
            await shop.call(shop.validation.ValidateCode, asking(code))
            await shop.validation.ValidateCode(asking(code), metadata=traced)
            await refused(shop.call(shop.validation.ValidateCode, asking(code + "0" * 4)))
            await refused(shop.call(shop.validation.ValidateCode, asking(code, code)))
        await shop.call(shop.validation.ValidateCode, asking(codes[1], stranger))
        await refused(shop.call(shop.issuance.IssueCards, _issue_of(codes[2])))
        for selector in (resources.CardSelector(serial=codes[5]), resources.CardSelector(card_id=codes[6])):
            await refused(keeper.call(keeper.cards.GetCard, cards.GetCardRequest(program="netcash", card=selector)))
        await keeper.call(
            keeper.cards.SuspendCards,
            cards.SuspendCardsRequest(
                program="netcash", cards=[resources.CardSelector(card_id=issued[0][0])], reason="x"
            ),
        )
        await refused(auditor.call(auditor.audit.ListAuditEvents, _events_of(codes[7])))
    check_labels(port)
    shown = ask(port, "/metrics")[1] + ask(port, "/ready")[1] + ask(port, "/live")[1] + vault.log.read_text()
    assert "SuspendCards" in shown
    assert "invalid" in shown
    hostile = [*codes, stranger, "prog-", *(card for card, _ in issued)]
    assert [each for each in hostile if each in shown] == []


def _issue_of(reference: str) -> Any:
    return issuance.IssueCardsRequest(program="netcash", cards=[issuance.NewCard(reference=reference)], clear=True)


def _events_of(page_token: str) -> audit.ListAuditEventsRequest:
    return audit.ListAuditEventsRequest(page_token=page_token)


async def test_a_trace_reaches_the_log_and_the_audit_log(vault: Running) -> None:
    await create_program(vault)
    (card, code), *_ = await issue(vault, 1)
    await activate(vault, [card])
    async with vault.client("shop") as shop, vault.client("keeper") as keeper, vault.client("auditor") as auditor:
        sent = (("traceparent", f"00-{TRACE_ID}-{PARENT_ID}-00"),)
        await shop.validation.ValidateCode(asking(code), metadata=sent)
        span = trace.SpanContext(int(OUR_TRACE_ID, 16), 7, is_remote=False)
        with trace.use_span(trace.NonRecordingSpan(span)):
            await shop.call(shop.validation.ValidateCode, asking(code))
        request = cards.GetCardRequest(program="netcash", card=resources.CardSelector(card_id=card))
        answer = await keeper.cards.GetCard(request, metadata=sent)
        assert answer.card.card_id == card
        events = (await auditor.call(auditor.audit.ListAuditEvents, audit.ListAuditEventsRequest())).events
    traced = {event.event.action for event in events if event.event.trace_id == TRACE_ID}
    assert traced == {"vault.v1.ValidationService/ValidateCode", "vault.v1.CardService/GetCard"}
    assert {event.event.parent_id for event in events} == {"", PARENT_ID, f"{7:016x}"}
    ours = [event.event for event in events if event.event.trace_id == OUR_TRACE_ID]
    assert [event.action for event in ours] == ["vault.v1.ValidationService/ValidateCode"]
    lines = [json.loads(line) for line in vault.log.read_text().splitlines()]
    (line,) = [line for line in lines if line["event"] == "call" and line["method"].endswith("/GetCard")]
    assert (line["trace_id"], line["parent_id"], line["outcome"]) == (TRACE_ID, PARENT_ID, "ok")
    named = {event.event.correlation_id for event in events if event.event.action.endswith("/GetCard")}
    assert named == {line["correlation_id"]}


async def test_a_collector_is_told_of_the_calls_that_their_caller_traces(
    tmp_path: Path, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "200")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "120")
    vault = Running(tmp_path / "vault", workers=1)
    settings = vault.configuration.read_text()
    vault.configuration.write_text(settings.replace('trace_endpoint = ""', f'trace_endpoint = "{collector.endpoint}"'))
    vault.start()
    try:
        await create_program(vault)
        (_, code), *_ = await issue(vault, 1)
        async with vault.client("shop") as shop:
            for flags in ("00", "01"):
                sent = (("traceparent", f"00-{TRACE_ID}-{PARENT_ID}-{flags}"),)
                await shop.validation.ValidateCode(asking(code), metadata=sent)
        await asyncio.to_thread(until, collector.spans)  # a process that ends waits for the collector, but not for long
        assert vault.stop() == 0
    finally:
        if vault.process is not None:
            vault.kill()
    (span,) = collector.spans()
    assert (span.trace_id.hex(), span.parent_span_id.hex()) == (TRACE_ID, PARENT_ID)
    assert span.name == "vault.v1.ValidationService/ValidateCode"
    assert code.encode() not in b"".join(request.SerializeToString() for request in collector.received)


async def test_jobs_are_told_while_they_run(vault: Running) -> None:
    port = port_of(vault)
    await create_program(vault)
    async with vault.client("operator") as operator:
        public = public_key(KeyPurpose.SEALING, Secret(bytes(range(32))))
        assert public is not None
        await operator.call(
            operator.administration.CreateRecipient,
            administration.CreateRecipientRequest(program="netcash", recipient="printer", public_key=public),
        )
    async with vault.client("issuer") as issuer:
        request = issuance.CreateBatchRequest(program="netcash", count=3000, recipient="printer")
        await issuer.call(issuer.issuance.CreateBatch, request)
    until(lambda: value(port, "job_items_total", kind="ISSUE_BATCH") == 3000)
    until(lambda: value(port, "jobs_unfinished", kind="ISSUE_BATCH") == 0)


def test_a_vault_that_starts_or_drains_lives_and_is_not_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gate, late = tmp_path / "gate", tmp_path / "late"
    late.mkdir()
    (late / "sitecustomize.py").write_text(LATE.format(gate=str(gate)))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(late), str(Path(__file__).parents[2])]))
    vault = Running(tmp_path / "vault")
    vault.begin()
    try:
        until(lambda: vault.children("worker"))
        port = port_of(vault)
        until(lambda: ask(port, "/live")[0] == 200)
        assert ask(port, "/ready")[0] == 503
        gate.touch()
        vault.wait_ready()
        assert [ask(port, path)[0] for path in ("/ready", "/live")] == [200, 200]
        stopped = vault.children("worker")[0]
        os.kill(stopped, signal.SIGSTOP)  # so that the drain takes as long as this test looks
        assert vault.process is not None
        vault.process.send_signal(signal.SIGTERM)
        until(lambda: ask(port, "/ready")[0] == 503)
        assert ask(port, "/live")[0] == 200
        os.kill(stopped, signal.SIGCONT)
        assert vault.process.wait(SECONDS) == 0
        assert ask(port, "/live")[0] == 0
    finally:
        if vault.process is not None and vault.process.poll() is None:
            vault.kill()


def test_a_vault_whose_database_is_gone_lives_and_is_not_ready(tmp_path: Path) -> None:
    cluster = Cluster()
    try:
        cluster.start()
        with running(tmp_path / "vault", dsn=cluster.dsn(cluster.create())) as vault:
            port = port_of(vault)
            until(lambda: ask(port, "/ready")[0] == 200)
            cluster.kill()
            until(lambda: ask(port, "/ready")[0] == 503)
            assert json.loads(ask(port, "/ready")[1])["store_reachable"] is False
            assert ask(port, "/live")[0] == 200
            cluster.start()
            until(lambda: ask(port, "/ready")[0] == 200)
    finally:
        cluster.stop()


def test_the_doctor_finds_nothing_wrong_with_a_vault_that_serves(vault: Running) -> None:
    settings = vault.configuration.read_text()
    port = port_of(vault)
    copy = vault.folder / "copy.key"
    shutil.copy(vault.folder / "root.key", copy)
    confirmed = cardvault("keys", "confirm-copy", str(copy), "--config", vault.configuration)
    assert confirmed.returncode == 0, confirmed.stderr
    listening = settings.replace('address = "127.0.0.1:0"', f'address = "127.0.0.1:{port}"')
    assert listening != settings
    vault.configuration.write_text(listening)
    deadline = time.monotonic() + SECONDS
    while True:
        done = cardvault("doctor", "--config", vault.configuration, "--json")
        found = json.loads(done.stdout)
        if {each["mark"] for each in found} == {"ok"} and any("2 serve" in each["seen"] for each in found):
            break
        assert time.monotonic() < deadline, found
    assert done.returncode == 0
    assert {each["seen"] for each in found if each["what"] == "listener"} == {
        "the vault is ready: jobs ready, worker-1 ready, worker-2 ready"
    }
    (vault.folder / "root.key").chmod(0o644)
    for command in ("doctor", "check-config"):
        done = cardvault(command, "--config", vault.configuration)
        assert done.returncode == 1
        assert "chmod 0600" in done.stdout
        assert "Traceback" not in done.stderr
    vault.configuration.write_text("[server]\nworkers = 0\n")
    for command in ("doctor", "check-config"):
        done = cardvault(command, "--config", vault.configuration, "--json")
        assert done.returncode == 1
        assert json.loads(done.stdout)[0]["to_do"] == "mend the setting in the configuration file"
