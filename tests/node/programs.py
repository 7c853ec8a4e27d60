"""Node.js for tests: independent clients in JavaScript, whose packages ``scripts/node`` installs."""

import shutil
import subprocess
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
MISSING = "Node.js or its packages are missing: run scripts/node"


def node(program: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a program of this folder with Node.js; skip the test, saying so, where it can't be had."""
    command = shutil.which("node")
    if command is None or not (FOLDER / "node_modules" / ".installed").exists():
        pytest.skip(MISSING)
    return subprocess.run(
        [command, program, *map(str, arguments)], cwd=FOLDER, capture_output=True, text=True, timeout=840, check=False
    )
