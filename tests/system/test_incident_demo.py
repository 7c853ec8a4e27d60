"""The incident's story as a newcomer plays it, on fewer cards: real shops, a real leak, real SIGKILLs."""

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.postgres import Cluster
from vault.cli.demo.plan import plan

CARDS = 2000
FEW = 300
TIMEOUT_SECONDS = 1500
pytestmark = pytest.mark.timeout(TIMEOUT_SECONDS + 100)
REACHED = (
    *("leak", "open", "select", "triage", "block", "refused", "freeze", "reissue", "package", "reprint"),
    *("acknowledge-new", "open-exchange", "thieves", "exchange", "contest", "thaw", "shop-1", "shop-2", "shop-3"),
    *("validate-renewed", "release", "close", "report", "verify", "ledger"),
)


def run_incident(cards: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "vault", "demo", "--incident", "--cards", str(cards), *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=TIMEOUT_SECONDS)


def assert_all_went_well(run: dict[str, Any], cards: int) -> None:
    assert run["wrong_answers"] == 0
    assert run["missed_answers"] == 0
    assert run["answers"] > 2 * cards
    assert run["reissued"] == cards
    assert run["exchanged"] == plan(cards).holders
    assert run["balances"] == plan(cards).sold
    assert run["balances_changed"] == 0
    assert run["superseded_uses"] >= cards
    assert run["freeze_seconds"] > 0
    assert run["freeze_seen_seconds"] > 0
    for window in ("idle", "during", "after"):
        waits = run[f"p50_{window}_ms"], run[f"p99_{window}_ms"]
        # On a busy machine no call of a shop may have begun and ended within one of these.
        assert 0 < waits[0] <= waits[1] if run[f"calls_{window}"] else waits == (None, None)
    assert [step["step"] for step in run["steps"] if step["step"] in REACHED] == list(REACHED)


def test_2006_goes_as_it_should_have_gone_while_shops_go_on_asking() -> None:
    done = run_incident(CARDS, "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    (run,) = told["runs"]
    assert_all_went_well(run, CARDS)
    assert (told["wrong_answers"], told["reissued"], run["kills"]) == (0, CARDS, [])
    assert told["freeze_seconds"] == run["freeze_seconds"]
    assert told["reissue_seconds"] == run["reissue_seconds"] > 0
    assert told["codes_found"] == 0
    assert told["codes_searched_for"] > 2 * CARDS
    assert told["problems"] == []


@pytest.fixture(params=["sqlite", "postgres"])
def databases(request: pytest.FixtureRequest) -> list[str]:
    """Say where two runs have their vaults."""
    if request.param == "sqlite":
        return []
    cluster: Cluster = request.getfixturevalue("cluster")
    return [argument for _ in range(2) for argument in ("--postgres", cluster.dsn(cluster.create()))]


def test_killing_the_job_process_at_random_points_ends_in_the_same_state(databases: list[str]) -> None:
    done = run_incident(CARDS, "--kill", "--json", *databases)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    one, two = told["runs"]
    for run in (one, two):
        assert_all_went_well(run, CARDS)
    assert not one["kills"]
    assert two["kills"]
    assert one["state_sha256"] == two["state_sha256"]
    assert told["codes_found"] == 0
    assert told["problems"] == []


def test_an_answer_that_is_not_what_a_shop_knows_to_be_true_makes_the_demo_fail() -> None:
    done = run_incident(FEW, "--plant")
    assert done.returncode == 1, done.stderr
    assert "old code, sold, in use, was not good" in done.stderr
    assert "wrong: 0;" not in done.stdout
    assert "1 codes stand in what the vault wrote" in done.stderr


@pytest.mark.parametrize(
    "arguments", [["--kill"], ["--postgres", "dbname=one"], ["--incident", "--kill", "--postgres", "dbname=one"]]
)
def test_arguments_that_do_not_go_together_are_wrong_usage(arguments: list[str]) -> None:
    command = [sys.executable, "-m", "vault", "demo", *arguments]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert "--postgres" in done.stderr
