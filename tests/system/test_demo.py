"""The demo as a newcomer runs it, on fewer cards: real server, separate clients, real certificates."""

import json
import subprocess
import sys

import pytest

CARDS = 2000
TIMEOUT_SECONDS = 1500
pytestmark = pytest.mark.timeout(TIMEOUT_SECONDS + 100)


def run_demo(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "vault", "demo", "--cards", str(CARDS), *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=TIMEOUT_SECONDS)


def test_every_expectation_of_the_demo_holds() -> None:
    done = run_demo("--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["cards"] == CARDS
    assert sum(told["by_state"].values()) == CARDS
    assert told["by_state"] == {
        "INACTIVE": told["by_kind"]["unsold"],
        "ACTIVE": CARDS - told["by_kind"]["unsold"],
    }
    assert told["validated"] >= CARDS
    assert told["wrong_answers"] == 0
    assert told["codes_found"] == 0
    assert told["codes_searched_for"] > CARDS
    assert told["bytes_searched"] > 0
    assert told["problems"] == []
    assert told["seconds"] > 0


def test_a_planted_code_makes_the_demo_fail() -> None:
    done = run_demo("--plant")
    assert done.returncode == 1, done.stderr
    assert "codes found: 1" in done.stdout
    assert "base64 of ASCII in planted" in done.stdout
    assert "1 codes stand in what the vault wrote" in done.stderr


@pytest.mark.parametrize("arguments", [["--cards", "99"], ["--cards", "many"]])
def test_a_number_of_cards_that_cannot_be_split_is_wrong_usage(arguments: list[str]) -> None:
    command = [sys.executable, "-m", "vault", "demo", *arguments]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stdout == ""
