"""The unit for systemd fits what the vault does."""

import tomllib
from pathlib import Path

from vault.child import EXIT_CONFIGURATION
from vault.config import EXAMPLE
from vault.supervisor import KILL_SECONDS, START_SECONDS

UNIT = Path(__file__).parents[2] / "packaging" / "cardvault.service"


def settings() -> dict[str, str]:
    lines = [line for line in UNIT.read_text(encoding="utf-8").splitlines() if not line.startswith(("#", "[")) and line]
    return dict(line.split("=", 1) for line in lines)


def test_the_unit_speaks_the_vaults_protocol() -> None:
    unit = settings()
    assert (unit["Type"], unit["NotifyAccess"], unit["KillMode"]) == ("notify", "main", "mixed")
    assert unit["ExecReload"].split()[1:] == ["-HUP", "$MAINPID"]
    assert int(unit["RestartPreventExitStatus"]) == EXIT_CONFIGURATION


def test_the_units_times_are_longer_than_the_vaults() -> None:
    unit, example = settings(), tomllib.loads(EXAMPLE)
    assert int(unit["TimeoutStopSec"]) > example["server"]["drain_seconds"] + 2 * KILL_SECONDS
    assert int(unit["TimeoutStartSec"]) > START_SECONDS + example["store"]["deadline_seconds"]
    assert int(unit["WatchdogSec"]) > example["server"]["hang_seconds"]
