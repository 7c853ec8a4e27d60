"""The command line against a real vault."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import jwt
import pytest

from tests.cli.commanded import Commanded, commanded
from vault.client import parse_jwk_set

CODE = "4929000000000009"


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Commanded]:
    with commanded(tmp_path_factory.mktemp("vault") / "place") as vault:
        vault.ask("operator", "program", "create", "netcash", "--clear-delivery", "--display-name", "Net Cash")
        vault.ask("operator", "program", "create", "single", "--clear-delivery", "--single-use")
        vault.ask("operator", "recipient", "create", "netcash", "printer", "--public-key", vault.keygen())
        yield vault


def issue(vault: Commanded, program: str, count: int, *more: str) -> list[dict[str, str]]:
    answer: list[dict[str, str]] = vault.ask(
        "issuer", "card", "issue", program, "--count", str(count), "--clear", "--stdout", *more
    )
    return answer


def test_programs_are_shown_changed_and_stopped(vault: Commanded) -> None:
    assert {program["program"] for program in vault.ask("operator", "program", "list")} >= {"netcash", "single"}
    changed = vault.ask("operator", "program", "update", "single", "--undo-window", "60")
    assert changed["settings"]["activation_undo_window"] == "60s"
    assert vault.ask("operator", "program", "stop", "single", "--reason", "test")["state"] == "STATE_STOPPED"
    assert vault.ask("operator", "program", "start", "single")["state"] == "STATE_ACTIVE"
    assert "guessed an hour" in vault.run("operator", "program", "get", "netcash").stdout
    assert vault.ask("operator", "recipient", "list", "netcash")[0]["recipient"] == "printer"


def test_a_batch_is_issued_exported_opened_and_acknowledged(vault: Commanded, tmp_path: Path) -> None:
    create = ("batch", "create", "netcash", "--count", "25", "--recipient", "printer")
    assert "batch_id" not in vault.ask("issuer", *create, "--dry-run")
    batch = vault.ask("issuer", *create, "--wait", "--expires", "2036-12-31")
    assert (batch["state"], batch["issued_count"]) == ("STATE_READY", "25")
    package = tmp_path / "package"
    manifest = vault.ask("issuer", "batch", "export", "netcash", batch["batch_id"], "--out", str(package))
    assert manifest["entries"] == "25"
    codes = tmp_path / "codes.jsonl"
    command = [
        sys.executable,
        "-m",
        "vault",
        "package",
        "open",
        str(package),
        "--key",
        str(vault.place.house_key),
    ]
    subprocess.run([*command, "--format", "json", "--out", str(codes)], check=True, capture_output=True)
    entries = [json.loads(line) for line in codes.read_text().splitlines()]
    assert codes.stat().st_mode & 0o777 == 0o600
    assert len({entry["code"] for entry in entries}) == 25
    assert entries[0]["expire_time"].startswith("2036-12-31")
    shown = subprocess.run([*command, "--stdout"], check=True, capture_output=True, text=True).stdout
    assert shown.splitlines()[1].startswith(f"{entries[0]['serial']},{entries[0]['code']},")
    digest = subprocess.run(["sha256sum", package], check=True, capture_output=True, text=True).stdout[:64]
    done = vault.ask("issuer", "batch", "acknowledge", "netcash", batch["batch_id"], "--sha256", digest)
    assert done["state"] == "STATE_ACKNOWLEDGED"
    assert vault.ask("issuer", "batch", "list", "netcash")[0]["batch_id"] == batch["batch_id"]
    withdraw = ("batch", "withdraw", "netcash", batch["batch_id"])
    assert vault.ask("issuer", *withdraw, "--dry-run")["cards_to_close"] == 25
    refused = vault.run("issuer", *withdraw)
    assert (refused.returncode, "add --yes" in refused.stderr) == (2, True)
    assert vault.ask("issuer", *withdraw, "--yes", "--wait")["batch"]["closed_count"] == "25"


def test_a_package_is_not_opened_by_another_key(vault: Commanded, tmp_path: Path) -> None:
    package, key = tmp_path / "package", tmp_path / "key"
    vault.ask("issuer", "card", "issue", "netcash", "--recipient", "printer", "--out", str(package))
    subprocess.run(
        [sys.executable, "-m", "vault", "recipient", "keygen", "--out", str(key)],
        check=True,
        capture_output=True,
    )
    command = [sys.executable, "-m", "vault", "package", "open", str(package), "--key", str(key)]
    done = subprocess.run([*command, "--out", str(tmp_path / "codes")], check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert "sealed to another key" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["key", "package"]


def test_cards_are_sold_marked_suspended_and_closed(vault: Commanded) -> None:
    cards = issue(vault, "netcash", 3)
    ids = [card["card_id"] for card in cards]
    serials = "\n".join(card["serial"] for card in cards)
    outcomes = vault.ask("seller", "card", "activate", "netcash", "--from", "-", given=serials)
    assert [item["card_id"] for item in outcomes] == ids
    assert {item["outcome"] for item in outcomes} == {"CHANGE_OUTCOME_DONE"}
    for arguments in (
        ("mark", "netcash", "--usage", "in-use", ids[0]),
        ("update", "netcash", "--reference", "till 7", "--expires", "2036-12-31", *ids),
        ("suspend", "netcash", "--reason", "lost", ids[1]),
        ("resume", "netcash", ids[1]),
        ("close", "netcash", "--yes", ids[2]),
    ):
        vault.ask("keeper", "card", *arguments)
    card = vault.ask("keeper", "card", "get", "netcash", cards[0]["serial"])
    assert (card["usage"], card["reference"], card["state"]) == ("USAGE_IN_USE", "till 7", "STATE_ACTIVE")
    closed = vault.ask("keeper", "card", "list", "netcash", "--state", "closed", "--limit", "0")
    assert ids[2] in {card["card_id"] for card in closed}
    partly = vault.run("seller", "card", "deactivate", "netcash", ids[1], ids[2])
    assert partly.returncode == 3
    assert "wrong_state" in partly.stdout


def test_records_go_in_and_out(vault: Commanded, tmp_path: Path) -> None:
    card = issue(vault, "netcash", 1)[0]["card_id"]
    source, target = tmp_path / "in", tmp_path / "out"
    source.write_bytes(b"balance: 300\x00\xff")
    put = vault.ask("keeper", "card", "record", "put", "netcash", card, "--in", str(source))
    assert put["record_version"] == "1"
    assert vault.run("keeper", "card", "record", "get", "netcash", card, "--out", str(target)).returncode == 0
    assert target.read_bytes() == source.read_bytes()
    assert target.stat().st_mode & 0o777 == 0o600


def test_codes_are_validated_without_being_shown(vault: Commanded) -> None:
    cards = issue(vault, "netcash", 2, "--activate")
    codes = [cards[0]["code"], cards[1]["code"][:-1] + str((int(cards[1]["code"][-1]) + 1) % 10)]
    done = vault.run("shop", "card", "validate", "netcash", given="\n".join(codes))
    assert done.returncode == 3
    assert [line.split()[:2] for line in done.stdout.splitlines()[1:]] == [["1", "good"], ["2", "not_good"]]
    assert not any(code in done.stdout + done.stderr for code in codes)
    status = vault.ask("shop", "card", "status", "netcash", cards[0]["card_id"])
    assert status[0]["usable"] is True


def test_a_code_is_redeemed_once_and_reversed(vault: Commanded) -> None:
    card = issue(vault, "single", 1, "--activate")[0]
    redeemed = vault.ask("redeemer", "card", "redeem", "single", given=card["code"])
    assert redeemed["card_id"] == card["card_id"]
    assert vault.run("redeemer", "card", "redeem", "single", given=card["code"]).returncode == 1
    reverse = ("card", "reverse", "single", card["card_id"], redeemed["redemption_id"])
    assert vault.ask("redeemer", *reverse)["card_id"] == card["card_id"]


def test_a_code_is_revealed_into_a_private_file_only(vault: Commanded, tmp_path: Path) -> None:
    card = issue(vault, "netcash", 1)[0]
    path = tmp_path / "revealed"
    reveal = ("card", "reveal", "netcash", card["serial"], "--reason", "a customer's complaint", "--clear")
    done = vault.run("revealer", *reveal, "--out", str(path), "--json")
    assert done.returncode == 0, done.stderr
    assert card["code"] not in done.stdout + done.stderr
    assert json.loads(path.read_text())["code"] == card["code"]
    assert path.stat().st_mode & 0o777 == 0o600
    events = vault.ask("auditor", "audit", "list", "--program", "netcash", "--limit", "0")
    assert any(event["event"].get("note") == "a customer's complaint" for event in events)


def test_a_lost_card_gets_a_new_code_and_keeps_its_id(vault: Commanded, tmp_path: Path) -> None:
    card = issue(vault, "netcash", 1, "--activate")[0]
    path = tmp_path / "reissued"
    reissue = ("card", "reissue", "netcash", card["serial"], "--reason", "lost", "--clear", "--out", str(path))
    done = vault.run("keeper", *reissue)
    assert done.returncode == 0, done.stderr
    new = json.loads(path.read_text())
    assert not any(code in done.stdout + done.stderr for code in (card["code"], new["code"]))
    assert (new["card_id"], new["superseded_serial"], new["generation"]) == (card["card_id"], card["serial"], "2")
    validated = vault.run("shop", "card", "validate", "netcash", given=f"{card['code']}\n{new['code']}")
    assert [line.split()[1] for line in validated.stdout.splitlines()[1:]] == ["not_good", "good"]
    refused = vault.run("keeper", *reissue[:-1], f"{path}2")
    assert (refused.returncode, "OLD_SERIAL" in refused.stderr) == (1, True)


def test_codes_are_sealed_before_they_leave_the_terminal(vault: Commanded, tmp_path: Path) -> None:
    shop, keys = "spiffe://cardvault.dev/shop", tmp_path / "keys.json"
    vault.ask("operator", "program", "create", "sealed", "--clear-delivery", "--single-use", "--seal-required")
    codes = [card["code"] for card in issue(vault, "sealed", 2, "--activate")]
    validate = ("card", "validate", "sealed")
    refused = vault.run("shop", *validate, given=codes[0])
    assert (refused.returncode, "SEAL_REQUIRED" in refused.stderr) == (1, True)
    results = vault.ask("shop", *validate, "--seal-for", shop, given="\n".join(codes))
    assert [result["verdict"] for result in results] == ["VERDICT_GOOD"] * 2
    stranger = vault.run("shop", *validate, "--seal-for", "spiffe://cardvault.dev/keeper", given=codes[0])
    assert (stranger.returncode, "submission_refused" in stranger.stdout) == (1, True)
    assert vault.run("shop", "card", "validate", "--seal-for", shop, given=codes[0]).returncode == 2

    vault.ask("shop", "keys", "public", "--out", str(keys))
    redeem = ("card", "redeem", "sealed", "--seal-for", shop)
    assert "ROLE_MISSING" in vault.run("redeemer", *redeem, given=codes[0]).stderr
    redeemed = vault.ask("redeemer", *redeem, "--keys", str(keys), given=codes[0])
    assert redeemed["verdict"] == "VERDICT_GOOD"


def test_public_keys_are_given_as_a_jwk_set_and_with_the_issuer(vault: Commanded, tmp_path: Path) -> None:
    path, saved = tmp_path / "jwks.json", tmp_path / "keys.json"
    shown = vault.ask("shop", "keys", "public", "--jwks")
    assert set(parse_jwk_set(json.dumps(shown))) == {"receipt-1", "statement-1"}
    done = vault.ask("shop", "keys", "public", "--jwks", "--out", str(path))
    assert json.loads(path.read_text()) == shown
    vault.ask("shop", "keys", "public", "--out", str(saved))
    assert json.loads(saved.read_text())["issuer"] == done["issuer"]
    assert done["issuer"].startswith("urn:uuid:")
    jwt.PyJWKSet.from_dict(shown)


def test_what_a_caller_may_not_do_is_one_clear_line(vault: Commanded) -> None:
    done = vault.run("shop", "card", "list", "netcash")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert "ask the operator" in done.stderr


@pytest.mark.parametrize("arguments", [("get", "netcash", CODE), ("validate", CODE), ("redeem", "netcash", CODE)])
def test_a_code_among_the_arguments_is_refused_and_not_repeated(vault: Commanded, arguments: tuple[str, ...]) -> None:
    done = vault.run("keeper", "card", *arguments)
    assert done.returncode in (1, 2)
    assert CODE not in done.stdout + done.stderr
