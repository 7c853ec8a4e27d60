"""An incident from opening to a verified report, by the command line, against a real vault."""

import hashlib
import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import pytest

from tests.cli.commanded import Commanded, commanded

CARDS = 200
STRANGER = "00000000-0000-4000-8000-000000000000"
LEAKER = "spiffe://cardvault.dev/redeemer"


class Leak(NamedTuple):
    """A batch of cards whose codes somebody has: the batch, and each card's id, serial and code."""

    batch: str
    entries: list[dict[str, str]]

    @property
    def codes(self) -> list[str]:
        return [entry["code"] for entry in self.entries]

    @property
    def serials(self) -> list[str]:
        return [entry["serial"] for entry in self.entries]


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Commanded]:
    with commanded(tmp_path_factory.mktemp("vault") / "place") as vault:
        vault.ask("operator", "program", "create", "netcash", "--clear-delivery")
        vault.ask("operator", "recipient", "create", "netcash", "printer", "--public-key", vault.keygen())
        yield vault


@pytest.fixture(scope="module")
def leak(vault: Commanded, tmp_path_factory: pytest.TempPathFactory) -> Leak:
    folder = tmp_path_factory.mktemp("leak")
    create = ("batch", "create", "netcash", "--count", str(CARDS), "--recipient", "printer", "--wait")
    batch = vault.ask("issuer", *create)["batch_id"]
    vault.ask("issuer", "batch", "export", "netcash", batch, "--out", str(folder / "package"))
    entries = vault.opened(folder / "package", folder / "codes")
    sold = "\n".join(entry["serial"] for entry in entries[: CARDS // 2])
    vault.ask("seller", "card", "activate", "netcash", "--from", "-", given=sold)
    return Leak(batch, entries)


def verdicts(vault: Commanded, codes: list[str]) -> set[str]:
    done = vault.run("shop", "card", "validate", "netcash", "--json", given="\n".join(codes))
    return {result["verdict"] for result in json.loads(done.stdout)}


def test_an_incident_runs_from_opening_to_a_verified_report(  # noqa: PLR0915  it is one long story
    vault: Commanded, leak: Leak, tmp_path: Path
) -> None:
    keys, report, package = tmp_path / "keys.json", tmp_path / "report.jws", tmp_path / "new.package"
    vault.ask("officer", "keys", "public", "--out", str(keys))
    sold = leak.codes[: CARDS // 2]
    assert verdicts(vault, sold) == {"VERDICT_GOOD"}

    over = ("incident", "open", "netcash", "--title", "lot of May", "--batch", leak.batch)
    dry = vault.ask("officer", *over)
    assert (dry["applied"], sum(count["count"] for count in dry["counts"])) == (False, CARDS)
    opened = vault.ask("officer", *over, "--apply", "--yes")
    incident = opened["incident"]["incident_id"]
    counts = {(count["state"], count["usage"]): count["count"] for count in opened["counts"]}
    assert counts == {("inactive", "unused"): CARDS // 2, ("active", "unused"): CARDS // 2}

    block = ("incident", "block", LEAKER, "--note", "read the lot", "--incident", incident)
    vault.ask("officer", *block, "--apply", "--yes")
    assert vault.run("redeemer", "card", "status", "netcash", leak.serials[0]).returncode == 1
    assert [blocked["principal"] for blocked in vault.ask("officer", "incident", "blocked")] == [LEAKER]

    of = ("netcash", incident)
    vault.ask("officer", "incident", "freeze", *of)
    assert verdicts(vault, sold) == {"VERDICT_GOOD"}
    assert vault.ask("officer", "incident", "freeze", *of, "--apply", "--yes")["applied"] is True
    assert verdicts(vault, sold) == {"VERDICT_NOT_GOOD"}
    assert vault.ask("officer", "incident", "holds", "netcash")[0]["incident_id"] == incident

    assert vault.ask("officer", "incident", "thaw", *of)["codes_replaced"] is False
    assert "BEWARE" in vault.run("officer", "incident", "thaw", *of).stdout
    reissue = ("rotate", "reissue", "netcash", "--incident", incident, "--recipient", "printer")
    assert "job" not in vault.ask("officer", *reissue)
    job = vault.ask("officer", *reissue, "--apply", "--yes")["job"]
    assert (job["state"], job["done_count"]) == ("STATE_DONE", str(CARDS))
    manifest = vault.ask("officer", "rotate", "export", "netcash", job["job_id"], "--out", str(package))["manifest"]
    renewed = vault.opened(package, tmp_path / "new-codes")
    assert {entry["superseded_serial"] for entry in renewed} == set(leak.serials)
    assert not {entry["code"] for entry in renewed} & set(leak.codes)
    digest = hashlib.sha256(package.read_bytes()).hexdigest()
    assert manifest["entries"] == str(CARDS)
    acknowledge = ("rotate", "acknowledge", "netcash", job["job_id"], "--sha256", digest)
    vault.ask("officer", *acknowledge, "--apply", "--yes")
    assert vault.run("officer", "rotate", "export", "netcash", job["job_id"], "--out", f"{package}2").returncode == 1

    window = ("--proof", "serial", "--until", "2036-12-31")
    vault.ask("officer", "incident", "exchange", "open", *of, *window, "--apply", "--yes")
    assert vault.ask("officer", "incident", "thaw", *of)["codes_replaced"] is True
    vault.ask("officer", "incident", "thaw", *of, "--apply", "--yes")
    by_serial = {entry["superseded_serial"]: entry["code"] for entry in renewed}
    assert verdicts(vault, [by_serial[serial] for serial in leak.serials[: CARDS // 2]]) == {"VERDICT_GOOD"}
    assert verdicts(vault, sold) == {"VERDICT_NOT_GOOD"}

    refused = vault.run("officer", "incident", "close", *of, "--apply", "--yes")
    assert (refused.returncode, "EXCHANGE_OPEN" in refused.stderr) == (1, True)
    vault.ask("officer", "incident", "exchange", "close", *of, "--apply", "--yes")
    vault.ask("officer", "incident", "close", *of, "--note", "served", "--apply", "--yes")
    reported = vault.ask("officer", "incident", "report", *of, "--out", str(report))
    assert reported["lineage_matches"] is True
    lineage = (tmp_path / "report.jws.lineage.csv").read_text().splitlines()
    assert {line.split(",")[0] for line in lineage} == set(leak.serials)
    _check_report(vault, report, keys, incident)
    shown = vault.run("officer", "incident", "show", *of).stdout
    assert "report" in shown.rpartition("next:")[2]
    assert not any(code in path.read_text() for path in (report, keys) for code in leak.codes)


def _check_report(vault: Commanded, report: Path, keys: Path, incident: str) -> None:
    """Verify a report without a vault; changed in one letter, or with another lineage, it is refused."""
    verified = vault.local("incident", "verify-report", str(report), "--keys", str(keys), "--json")
    assert verified.returncode == 0, verified.stderr
    claims = json.loads(verified.stdout)["claims"]
    assert incident in json.dumps(claims["incident"])
    assert claims["lineage"]["entries"] == CARDS
    lineage = report.with_name(report.name + ".lineage.csv")
    whole = lineage.read_bytes()
    lineage.write_bytes(whole[14:])
    assert vault.local("incident", "verify-report", str(report), "--keys", str(keys)).returncode == 1
    lineage.write_bytes(whole)
    signed = report.read_text()
    middle = signed.index(".") + 20
    report.write_text(signed[:middle] + ("A" if signed[middle] != "A" else "B") + signed[middle + 1 :])
    assert vault.local("incident", "verify-report", str(report), "--keys", str(keys)).returncode == 1
    report.write_text(signed)


def test_chosen_cards_are_added_from_files_and_found_codes_are_sealed(
    vault: Commanded, leak: Leak, tmp_path: Path
) -> None:
    chosen, found, serials = tmp_path / "chosen", tmp_path / "found", tmp_path / "serials"
    chosen.write_text("\n".join([*leak.serials[:30], leak.serials[0], STRANGER]))
    over = ("incident", "open", "netcash", "--title", "chosen", "--cards-from", str(chosen))
    partly = vault.run("officer", *over, "--apply", "--yes", "--json")
    assert partly.returncode == 3, partly.stderr
    told = json.loads(partly.stdout)
    assert (told["chosen"]["cards"], told["chosen"]["added"]) == (31, 30)
    assert told["chosen"]["not_added"] == [{"position": 31, "outcome": "not_found"}]
    incident = told["incident"]["incident_id"]
    found.write_text("\n".join([*leak.codes[25:40], "4929000000000009", "hello", "hello"]))
    send = ("incident", "found", "netcash", incident, "--from", str(found))
    assert vault.run("officer", *send).returncode == 1
    found.chmod(0o600)
    assert vault.ask("officer", *send)["applied"] is False
    refused = vault.run("officer", *send, "--serials-out", str(chosen), "--apply", "--yes")
    assert (refused.returncode, "FILE_EXISTS" in refused.stderr) == (1, True)
    assert vault.ask("officer", "incident", "show", "netcash", incident)["incident"]["card_count"] == "30"
    done = vault.run("officer", *send, "--serials-out", str(serials), "--apply", "--yes")
    assert done.returncode == 3, done.stderr
    assert "15 are codes of netcash, 2 are not" in done.stdout
    assert not re.search(r"\d{16}", done.stdout + done.stderr)
    assert len(serials.read_text().split()) == 15
    triage = vault.ask("officer", "incident", "triage", "netcash", incident)
    assert sum(count["count"] for count in triage["counts"]) == 40
    vault.ask("officer", "incident", "close", "netcash", incident, "--apply", "--yes")


def test_a_dry_run_changes_nothing(vault: Commanded, leak: Leak, tmp_path: Path) -> None:
    cards = tmp_path / "cards"
    cards.write_text("\n".join(leak.serials[:5]))
    before = _state(vault)
    for arguments in (
        ("incident", "open", "netcash", "--title", "dry", "--whole-program"),
        ("incident", "open", "netcash", "--title", "dry", "--cards-from", str(cards)),
        ("incident", "block", "spiffe://cardvault.dev/seller", "--note", "dry"),
        ("rotate", "reissue", "netcash", "--whole-program"),
        ("rotate", "reissue", "netcash", "--cards-from", str(cards)),
        ("rotate", "rekey", "netcash"),
        ("rotate", "rewrap", "netcash"),
        ("rotate", "reencrypt", "netcash"),
        ("rotate", "retag"),
        ("keys", "create", "--purpose", "index", "--program", "netcash"),
    ):
        assert vault.ask("officer", *arguments)["applied"] is False, arguments
    assert _state(vault) == before


def test_a_reissue_of_cards_from_a_file_tells_those_that_are_not_there_before_it_begins(
    vault: Commanded, leak: Leak, tmp_path: Path
) -> None:
    strangers = [str(UUID(int=number)) for number in range(1, 31)]
    cards = tmp_path / "cards"
    cards.write_text("\n".join([*strangers, *leak.serials[:2]]))
    given = ("rotate", "reissue", "netcash", "--cards-from", str(cards))
    told = vault.ask("officer", *given)
    assert (told["cards_given"], told["cards_known"], told["applied"]) == (32, 2, False)
    assert [each["position"] for each in told["not_known"]] == [*range(1, 31)]
    shown = vault.run("officer", *given)
    assert "2 of 32 cards of the file are in the program" in shown.stdout
    assert "10 more; --json lists them all" in shown.stdout
    waits = vault.run("officer", *given, "--apply", "--yes", "--json")
    assert waits.returncode == 3, waits.stderr
    job = json.loads(waits.stdout)["job"]
    assert (job["state"], job["total_count"]) == ("STATE_PAUSED", "2")
    vault.ask("officer", "rotate", "cancel", "netcash", job["job_id"], "--apply", "--yes")
    cards.write_text("\n".join(strangers))
    nobody = vault.run("officer", *given)
    assert (nobody.returncode, "no card of the file is in the program" in nobody.stderr) == (2, True)


def _state(vault: Commanded) -> Any:
    keys = vault.ask("officer", "keys", "list", "--count-rows")
    for key in keys["keys"]:
        if key["purpose"] == "PURPOSE_AUDIT_CHAIN":
            del key["row_count"]  # every call is on record
    jobs = [vault.ask("officer", "rotate", "list", program) for program in ("netcash", "-")]
    incidents = vault.ask("officer", "incident", "list", "netcash")
    cards = vault.ask("keeper", "card", "list", "netcash", "--limit", "0")
    return keys, jobs, incidents, vault.ask("officer", "incident", "blocked"), cards


def test_acting_takes_a_confirmation_and_refusals_have_status_1_or_2(vault: Commanded) -> None:
    rekey = ("rotate", "rekey", "netcash", "--apply")
    unasked = vault.run("officer", *rekey)
    assert (unasked.returncode, unasked.stderr.count("\n")) == (2, 1)
    assert "--yes" in unasked.stderr
    assert vault.run("officer", "incident", "freeze", "netcash", STRANGER, "--apply", "--yes").returncode == 1
    assert vault.run("officer", "rotate", "show", "netcash", STRANGER).returncode == 1
    assert vault.run("shop", "incident", "list", "netcash").returncode == 1
    assert vault.run("officer", "keys", "create", "--purpose", "index").returncode == 2
    destroy = ("keys", "destroy", "--purpose", "index", "--program", "netcash", "--version", "1")
    assert vault.run("officer", *destroy, "--apply", "--yes").returncode == 2


def test_ctrl_c_detaches_and_the_job_goes_on(vault: Commanded) -> None:
    vault.ask("operator", "program", "create", "busy", "--clear-delivery")
    for _ in range(3):
        vault.ask("issuer", "card", "issue", "busy", "--count", "1000", "--clear", "--stdout")
    reissue = ("rotate", "reissue", "busy", "--whole-program", "--rest", "60", "--apply", "--yes")
    process = vault.begin("officer", *reissue)
    assert process.stdout is not None
    job = re.findall(r"[0-9a-f-]{36}", process.stdout.readline())[0]
    time.sleep(1.0)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=240)
    assert process.returncode == 130, told
    for verb in ("watch", "pause", "cancel"):
        assert f"cardvault rotate {verb} busy {job}" in told
    assert vault.ask("officer", "rotate", "show", "busy", job)["state"] == "STATE_RUNNING"
    for verb, more, state in (
        ("pause", (), "STATE_PAUSED"),
        ("resume", ("--detach",), "STATE_RUNNING"),
        ("cancel", (), "STATE_CANCELLED"),
    ):
        assert vault.ask("officer", "rotate", verb, "busy", job)["applied"] is False
        turned = vault.ask("officer", "rotate", verb, "busy", job, *more, "--apply", "--yes")
        assert turned["job"]["state"] == state
        if verb == "pause":
            assert vault.run("officer", "rotate", "watch", "busy", job).returncode == 3
    for verb in ("pause", "resume"):
        refused = vault.run("officer", "rotate", verb, "busy", job)
        assert (refused.returncode, "a job that is cancelled cannot be" in refused.stderr) == (1, True), (
            "on a dry run too"
        )
    done = vault.ask("officer", "rotate", "list", "busy")[0]
    lineage = vault.ask("officer", "rotate", "lineage", "busy", job, "--limit", "0")
    assert (done["job_id"], int(done.get("done_count", 0))) == (job, len(lineage))
    assert vault.run("officer", "rotate", "watch", "busy", job).returncode == (3 if lineage else 1)


def test_a_key_is_moved_and_the_old_version_destroyed(vault: Commanded, tmp_path: Path) -> None:
    keys, statement = tmp_path / "keys.json", tmp_path / "statement.jws"
    vault.ask("officer", "keys", "public", "--out", str(keys))
    old = ("--purpose", "index", "--program", "netcash", "--version", "1")
    destroy = ("keys", "destroy", *old, "--out", str(statement))
    assert vault.run("officer", *destroy, "--apply", "--yes").returncode == 1
    assert not statement.exists()
    (card,) = vault.ask("issuer", "card", "issue", "netcash", "--activate", "--clear", "--stdout")
    job = vault.ask("officer", "rotate", "rekey", "netcash", "--apply", "--yes")["job"]
    assert job["state"] == "STATE_DONE"
    assert vault.ask("officer", *destroy)["applied"] is False
    vault.ask("officer", *destroy, "--apply", "--yes")
    listed = vault.ask("officer", "keys", "list", "--program", "netcash")["keys"]
    states = {key["version"]: key["state"] for key in listed if key["purpose"] == "PURPOSE_INDEX"}
    assert states == {"1": "STATE_DESTROYED", "2": "STATE_ACTIVE"}
    verified = vault.local("keys", "verify-statement", str(statement), "--keys", str(keys), "--json")
    assert verified.returncode == 0, verified.stderr
    assert verdicts(vault, [card["code"]]) == {"VERDICT_GOOD"}
    again = vault.run("officer", *destroy[:-1], f"{statement}2", "--apply", "--yes")
    assert (again.returncode, Path(f"{statement}2").read_text()) == (0, statement.read_text())


def test_what_verifies_needs_no_server_package(tmp_path: Path) -> None:
    program = """
import sys
sys.modules["cryptography"] = None
from vault.cli.commands import main
sys.exit(main(["keys", "verify-statement", "missing", "--keys", "missing"]))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (done.returncode, "No such file" in done.stderr) == (1, True), done.stderr
