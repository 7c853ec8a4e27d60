"""``cardvault edge`` before it starts anything."""

import subprocess
import sys

import pytest

from tests.rules.source import ROOT


@pytest.mark.parametrize(
    "arguments",
    [
        ["--port", "65536"],
        ["--port", "-1"],
        ["--cards", "0"],
        ["--cards", "1001"],
        ["--exchangeable", "0"],
        ["--exchangeable", "1001"],
    ],
)
def test_what_is_out_of_bounds_is_refused(arguments: list[str]) -> None:
    command = [sys.executable, "-m", "vault", "edge", *arguments]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr == "cardvault: --port is 0 to 65535, --cards and --exchangeable 1 to 1000\n"


def test_the_script_says_what_it_takes_and_starts_nothing() -> None:
    done = subprocess.run([ROOT / "scripts/edge", "--help"], check=True, capture_output=True, text=True)
    assert "--port" in done.stdout
    assert "sample shop" in done.stdout


def test_a_part_without_a_profile_is_told_in_one_line(tmp_path_factory: pytest.TempPathFactory) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "vault",
            "edge-part",
            "shop",
            "--profile",
            str(tmp_path_factory.mktemp("none") / "x.toml"),
        ],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
