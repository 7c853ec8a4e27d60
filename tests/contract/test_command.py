"""``cardvault contract`` as people and programs type it."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.contract.house import USED_UP, House
from tests.contract.test_suite import FILE
from vault.contract.callers import CALLERS, NOBODY, load_callers
from vault.contract.descriptors import descriptor_set
from vault.errors import InvalidInput


def cardvault(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "vault", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)


def test_it_reports_to_people_and_to_programs(furnished: House) -> None:
    chosen = ("contract", furnished.vault.address, "--callers", furnished.folder, "--method", "ListPublicKeys")
    told = cardvault(*chosen)
    assert told.returncode == 0, told.stderr
    lines = told.stdout.splitlines()
    assert lines[0].split() == ["method", "passed", "failed", "left", "out"]
    assert lines[1].startswith("vault.v1.ValidationService/ListPublicKeys  ")
    assert lines[2].startswith("all  ")
    report = json.loads(cardvault(*chosen, "--json").stdout)
    assert (report["failed"], report["skipped"], report["failures"]) == (0, 0, [])
    assert report["passed"] == report["methods"][0]["passed"] > 20


def test_a_wrong_answer_is_told_and_is_the_exit_status(furnished: House, tmp_path: Path) -> None:
    folder = shutil.copytree(furnished.folder, tmp_path / "callers")
    for kind in ("pem", "key"):  # a stranger who is none
        shutil.copyfile(folder / f"twin.{kind}", folder / f"stranger.{kind}")
    chosen = ("contract", furnished.vault.address, "--callers", folder, "--method", "GetBatch")
    told = cardvault(*chosen)
    assert told.returncode == 1
    failed = [line for line in told.stdout.splitlines() if line.startswith("FAILED")]
    who = "vault.v1.IssuanceService/GetBatch, by one who is not in the access file"
    assert failed == [f"FAILED {who}: status is NOT_FOUND (PROGRAM_NOT_FOUND, program), not PERMISSION_DENIED"]
    (failure,) = json.loads(cardvault(*chosen, "--json").stdout)["failures"]
    assert failure["caller"] == "stranger"
    assert failure["expected"]["reason"] == "PRINCIPAL_UNKNOWN"


def test_a_program_that_may_be_used_up_gets_the_cases_with_effects(furnished: House) -> None:
    chosen = ("contract", furnished.vault.address, "--callers", furnished.folder, "--method", "GetCard", "--json")
    without = json.loads(cardvault(*chosen).stdout)
    told = cardvault(*chosen, "--program", USED_UP)
    assert told.returncode == 0, told.stderr
    assert json.loads(told.stdout)["passed"] > without["passed"]


def test_a_vault_that_is_not_there_fails_every_case(furnished: House) -> None:
    told = cardvault("contract", "127.0.0.1:1", "--callers", furnished.folder, "--method", "GetBatch", "--json")
    assert told.returncode == 1
    report = json.loads(told.stdout)
    assert report["failed"] > 50
    assert report["passed"] < 10  # those that TLS has to refuse look the same


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("127.0.0.1:1",), "give HOST:PORT and --callers FOLDER"),
        (("127.0.0.1:1", "--callers", ".", "--method", "Nonsense"), "no method has 'Nonsense' in its name"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments: tuple[str, ...], problem: str) -> None:
    told = cardvault("contract", *arguments)
    assert told.returncode == 2
    assert problem in told.stderr


def test_the_file_of_cases_is_written_and_checked(tmp_path: Path) -> None:
    file = tmp_path / "cases.json"
    assert cardvault("contract", "--write-cases", file).returncode == 0
    assert file.read_bytes() == FILE.read_bytes()
    assert cardvault("contract", "--check-cases", file, "--write-descriptors", tmp_path / "types").returncode == 0
    assert (tmp_path / "types").read_bytes() == descriptor_set()
    file.write_text("{}", encoding="utf-8")
    told = cardvault("contract", "--check-cases", file)
    assert told.returncode == 1
    assert "is not what the protos give" in told.stderr


def test_callers_are_made_for_a_program_and_a_folder_that_lacks_one_is_refused(
    furnished: House, tmp_path: Path
) -> None:
    folder = tmp_path / "callers"
    making = ("dev", "callers", folder, "--authority", furnished.vault.certificates)
    assert cardvault(*making, "--program", "gift").returncode == 0
    assert load_callers(folder).certificates.keys() == CALLERS.keys()
    assert '{ "gift" = ["keeper"] }' in (folder / "access.toml").read_text(encoding="utf-8")
    assert not (folder / f"{NOBODY}.pem").exists()
    assert "exists" in cardvault(*making).stderr
    (folder / "expired.key").unlink()
    with pytest.raises(InvalidInput, match=r"lacks expired\.key"):
        load_callers(folder)
