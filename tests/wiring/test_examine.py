"""Each thing that can be broken is broken, one at a time, in a vault that is otherwise well."""

import asyncio
import hashlib
import json
import os
import shutil
import socketserver
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from tests.rpc.authority import Authority
from vault import config
from vault.cli.development import set_up
from vault.stores.sqlite import SqliteStore
from vault.wiring import create_root_key, examine_files
from vault.wiring.backup import confirm_copy
from vault.wiring.examine import examine
from vault.wiring.examine_store import look_at_store
from vault.wiring.finding import Finding, Mark
from vault.wiring.parts import clock_ms
from vault.wiring.setup import migrate


@pytest.fixture(scope="module")
def well(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A vault that is migrated and of whose root key a copy is confirmed."""
    folder = tmp_path_factory.mktemp("well") / "vault"
    settings = config.load(set_up(folder, address="127.0.0.1:0"))
    migrate(settings)
    copy = folder / "copy.key"
    shutil.copy(settings.custody.root_key, copy)
    return folder


@pytest.fixture
def folder(well: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("vault.wiring.backup.harden", lambda: None)  # it would be for all the tests' process
    copied = tmp_path / "vault"
    shutil.copytree(well, copied)
    confirm_copy(config.load(copied / "vault.toml"), copied / "copy.key")
    return copied


def found(folder: Path, *, thoroughly: bool = True) -> dict[str, Finding]:
    """Return what is not ok, by what was looked at."""
    findings = examine(config.load(folder / "vault.toml"), thoroughly=thoroughly)
    assert all(bool(each.to_do) == (each.mark is not Mark.OK) for each in findings)
    assert all(each.seen for each in findings)
    return {each.what: each for each in findings if each.mark is not Mark.OK}


def access_digest(folder: Path) -> bytes:
    return hashlib.sha256((folder / "access.toml").read_bytes()).digest()


def see_process(folder: Path, access_sha256: bytes) -> None:
    """Have another process say that it serves."""

    async def work() -> None:
        store = SqliteStore.open(folder / "data" / "vault.db")
        try:
            await store.transact(lambda tx: tx.processes.see(bytes(16), access_sha256))
        finally:
            await store.close()

    asyncio.run(work())


def test_a_vault_that_is_well_has_nothing_to_do(folder: Path) -> None:
    assert found(folder) == {}
    see_process(folder, access_digest(folder))
    assert found(folder) == {}


def test_what_a_start_needs_comes_first_and_is_the_same(folder: Path) -> None:
    settings = config.load(folder / "vault.toml")
    all_of_it = [each.what for each in examine(settings, thoroughly=True)]
    start = [each.what for each in examine(settings, thoroughly=False)]
    assert all_of_it[: len(start)] == start
    assert {"clock", "copy of the root key", "listener"} <= set(all_of_it) - set(start)


Break = Callable[[Path], object]


def rewrite(path: str, content: bytes | str) -> Break:
    data = content.encode() if isinstance(content, str) else content
    return lambda folder: (folder / path).write_bytes(data)


def other_certificate(folder: Path) -> None:
    pair = Authority().server()
    (folder / "certificates/server.pem").write_bytes(pair.certificate)


def expiring(days: float) -> Break:
    def work(folder: Path) -> None:
        pair = Authority().server(from_days=-30, to_days=days)
        for path, content in (("server.pem", pair.certificate), ("server.key", pair.private_key)):
            (folder / "certificates" / path).write_bytes(content)

    return work


def other_root_key(folder: Path) -> None:
    (folder / "root.key").unlink()
    create_root_key(folder / "root.key")


def change_rows(statement: str) -> Break:
    def work(folder: Path) -> None:
        with sqlite3.connect(folder / "data/vault.db") as connection:
            connection.execute(statement)
        connection.close()

    return work


@pytest.mark.parametrize(
    ("break_", "what", "seen", "to_do"),
    [
        (lambda folder: (folder / "certificates/server.key").chmod(0o644), "secret files", "0600", "chmod"),
        (lambda folder: (folder / "root.key").chmod(0o604), "secret files", "mode 0604", "chmod"),
        (lambda folder: (folder / "access.toml").chmod(0o666), "other files", "access.toml", "chmod go-w"),
        (expiring(-1), "server certificate", "has expired", "certificate"),
        (expiring(3), "server certificate", "in 2 days", "renew"),
        (other_certificate, "server certificate", "does not belong", "certificate"),
        (rewrite("certificates/ca.pem", "no"), "server certificate", "no PEM certificate", "authorities"),
        (rewrite("access.toml", "[[principal]"), "access file", "TOML", "access file"),
        (rewrite("root.key", b"\0" * 10), "root key", "root", "from its copy"),
        (other_root_key, "store", "root key", "from its copy"),
        (lambda folder: (folder / "data/vault.db").unlink(), "store", "not migrated", "cardvault migrate"),
        (rewrite("data/vault.db", b""), "store", "not migrated", "cardvault migrate"),
        (rewrite("data/vault.db", b"no database" * 1000), "store", "not a vault", "[store]"),
        (
            change_rows("UPDATE migration SET oldest_release = '999.0.0'"),
            "store",
            "run the newer release",
            "a newer one",
        ),
        (change_rows("UPDATE vault SET created_ms = 1"), "store", "", "was changed past the vault"),
    ],
)
def test_what_keeps_a_vault_from_starting_is_told_with_what_to_do(
    folder: Path, break_: Break, what: str, seen: str, to_do: str
) -> None:
    break_(folder)
    for thoroughly in (True, False):
        wrong = found(folder, thoroughly=thoroughly)
        assert wrong[what].mark is Mark.PROBLEM
        assert seen in wrong[what].seen
        assert to_do in wrong[what].to_do


def test_what_can_wait_is_a_warning(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expiring(20)(folder)
    (folder / "vault.toml").chmod(0o660)
    (folder / "data/vault.db").chmod(0o644)
    (folder / "access.toml").write_text("")
    monkeypatch.setattr(examine_files, "LEAST_FREE_BYTES", 1 << 62)
    change_rows("DELETE FROM root_copy")(folder)
    wrong = found(folder)
    assert set(wrong) == {"server certificate", "other files", "access file", "disk space", "copy of the root key"}
    assert {each.mark for each in wrong.values()} == {Mark.WARNING}
    assert "confirm-copy" in wrong["copy of the root key"].to_do
    (folder / "data/vault.db").chmod(0o600)
    assert "vault.toml" in found(folder)["other files"].seen


@pytest.mark.parametrize("off_ms", [-3_600_000, 3_600_000])
def test_a_clock_that_is_off_the_databases_is_a_problem(folder: Path, off_ms: int) -> None:
    settings = config.load(folder / "vault.toml")
    looking = look_at_store(settings, thoroughly=True, clock_ms=lambda: clock_ms() + off_ms)
    clock = next(each for each in asyncio.run(looking) if each.what == "clock")
    assert (clock.mark, "NTP" in clock.to_do) == (Mark.PROBLEM, True)
    assert "ms off the database's" in clock.seen


def test_an_event_from_the_future_is_a_problem(folder: Path) -> None:
    tomorrow = clock_ms() + 86_400_000
    change_rows(f"UPDATE audit_event SET recorded_ms = {tomorrow}")(folder)
    assert "dated after now" in found(folder)["clock"].seen


def test_a_process_by_another_access_file_is_a_problem_once_it_had_time(folder: Path) -> None:
    see_process(folder, b"\1" * 32)
    (folder / "access.toml").touch()
    assert "processes" not in found(folder)  # the file was written just now
    old = time.time() - 3600
    os.utime(folder / "access.toml", (old, old))
    see_process(folder, b"\1" * 32)
    wrong = found(folder)["processes"]
    assert "01010101" in wrong.seen
    assert "deploy the same access file" in wrong.to_do


class Answering:
    """Something that answers HTTP on a port of its own."""

    def __init__(self, status: HTTPStatus, body: bytes) -> None:
        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(status)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Keep silent."""

        self.server = socketserver.TCPServer(("127.0.0.1", 0), Answer)
        self.port = self.server.server_address[1]


@pytest.fixture
def answering(request: pytest.FixtureRequest) -> Iterator[Answering]:
    made = Answering(*request.param)
    thread = threading.Thread(target=made.server.serve_forever, args=(0.02,))
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join()


READY = json.dumps({"ready": True, "processes": "worker-1 ready"}).encode()


@pytest.mark.parametrize(
    ("answering", "seen"),
    [
        ((HTTPStatus.OK, READY), ""),
        ((HTTPStatus.SERVICE_UNAVAILABLE, READY), "not ready: worker-1"),
        ((HTTPStatus.OK, b"{}"), "something else"),
        ((HTTPStatus.OK, b"<html>"), "no answer that is a vault's"),
    ],
    indirect=["answering"],
)
def test_the_vault_that_runs_is_asked_whether_it_is_ready(
    folder: Path, answering: Answering, seen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules["vault.wiring.examine"], "PROBE_SECONDS", 120.0)
    path = folder / "vault.toml"
    text = path.read_text()
    path.write_text(
        text.replace("[operations]", "[operations]\n#", 1).replace(
            'address = "127.0.0.1:0"\n# Where traces', f'address = "127.0.0.1:{answering.port}"\n# Where traces'
        )
    )
    wrong = found(folder)
    assert (seen in wrong["listener"].seen) if seen else not wrong


def test_what_the_system_refuses_is_told_and_the_rest_is_looked_at(folder: Path) -> None:
    settings = config.load(folder / "vault.toml")
    settings.server.access_file.unlink()
    wrong = {each.what: each for each in examine(settings, thoroughly=True) if each.mark is not Mark.OK}
    assert set(wrong) == {"other files", "access file"}
    assert all("access.toml" in each.seen for each in wrong.values())
