"""The README's programs, as they stand: run in their order against a real vault, and type-checked."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rules.source import ROOT
from tests.system.running import Running

ADDRESS = 'ADDRESS = "127.0.0.1:7443"'
PROGRAMS = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
SAYS = [
    [r"issued (\S+) (?P<card>\S+)", r"good (?P=card)", r"a shop may not issue: ROLE_MISSING"],
    [r"Counter\(\{'good': 62, 'not good': 1, 'not a code': 1\}\)"],
    [r"not good", r"[1-9]\d* public keys"],
]
"""What each of the first programs says, line by line; the others check themselves."""

NAMES = [f"example{number or ''}.py" for number in range(len(PROGRAMS))]
MISTAKEN = """\
from vault.client import Validator


async def ask(validator: Validator) -> None:
    await validator.validate(1234567890123452)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Make a folder with the programs, the first as ``example.py``, and a running vault."""
    folder = tmp_path_factory.mktemp("readme")
    vault = Running(folder / "my-vault")
    vault.start()
    assert PROGRAMS[0].count(ADDRESS) == 1
    for name, program in zip(NAMES, PROGRAMS, strict=True):
        patient = program.replace("timeout_seconds=5.0", "timeout_seconds=120.0")
        (folder / name).write_text(patient.replace(ADDRESS, f'ADDRESS = "{vault.address}"'), encoding="utf-8")
    yield folder
    vault.stop()


def test_the_programs_in_the_readme_work(folder: Path) -> None:
    assert len(PROGRAMS) >= len(SAYS)
    for number, name in enumerate(NAMES):
        done = subprocess.run(
            [sys.executable, name], cwd=folder, capture_output=True, text=True, timeout=480, check=False
        )
        assert done.returncode == 0, f"{name}: {done.stderr}"
        if number < len(SAYS):
            assert re.fullmatch("\n".join(SAYS[number]) + "\n", done.stdout), f"{name}: {done.stdout}"


def test_a_strict_type_checker_finds_the_clients_types_and_nothing_wrong_in_the_programs(folder: Path) -> None:
    (folder / "mistaken.py").write_text(MISTAKEN, encoding="utf-8")
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(folder / "cache"), *NAMES, "mistaken.py"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=840, check=False)
    (problem, summary) = done.stdout.splitlines()
    assert problem.startswith("mistaken.py:5: error: Argument 1")
    assert summary.startswith("Found 1 error")
