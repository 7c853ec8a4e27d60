"""What is committed: no machine's paths, no registry, scripts that start, documents that are fresh."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.rules.source import ROOT, committed, name_of
from vault.cli.reference import main as reference

HOSTS = (
    "py" + "pi.org",
    "python" + "hosted",
    "registry." + "npmjs",
    "proxy." + "golang",
    "index" + "-url",
    "extra-" + "index",
)
PRIVATE = re.compile(r"(?<![\w./-])/(work|root|home/\w+)(/|\b)")
BINARY = {".db", ".bin", ".png"}
SCRIPTS = sorted(path for path in committed() if name_of(path).startswith(("scripts/", ".ci/")))
STARTERS = [path for path in SCRIPTS if path.name != "environment"]  # which is sourced


def _texts() -> list[tuple[str, str]]:
    return [(name_of(path), path.read_text(encoding="utf-8")) for path in committed() if path.suffix not in BINARY]


def test_nothing_names_a_registry() -> None:
    assert [(name, host) for name, text in _texts() for host in HOSTS if host in text] == []


def test_nothing_names_a_path_of_a_machine() -> None:
    found = [(name, line) for name, text in _texts() for line in text.splitlines() if PRIVATE.search(line)]
    assert [entry for entry in found if entry[0] != "tests/rules/test_tree.py"] == []


def test_requirements_are_pinned_by_hash_and_name_no_host() -> None:
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if "://" in line or line.startswith("-")] == []
    packages = [line for line in lines if line and not line.startswith((" ", "#"))]
    assert [line for line in packages if not re.fullmatch(r"[\w.\[\]-]+==[\w.]+( ; .+)? \\", line)] == []
    assert "".join(lines).count("--hash=sha256:") >= len(packages) > 0


@pytest.mark.parametrize("script", SCRIPTS, ids=name_of)
def test_a_script_is_sound(script: Path) -> None:
    subprocess.run(["bash", "-n", str(script)], check=True)
    assert os.access(script, os.X_OK) == (script in STARTERS)
    assert script in STARTERS or not script.read_text(encoding="utf-8").startswith("#!")


def test_the_readme_is_fresh(capsys: pytest.CaptureFixture[str]) -> None:
    assert reference(["--check", str(ROOT / "README.md")]) == 0, capsys.readouterr().out


def test_imports_run_downward() -> None:
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
