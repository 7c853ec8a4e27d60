"""The README's program, run as it stands against a real vault."""

import re
import subprocess
import sys
from pathlib import Path

from tests.rules.source import ROOT
from tests.system.running import Running

ADDRESS = 'ADDRESS = "127.0.0.1:7443"'


def test_the_program_in_the_readme_works(tmp_path: Path) -> None:
    (program,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert program.count(ADDRESS) == 1
    vault = Running(tmp_path / "my-vault")
    vault.start()
    try:
        (tmp_path / "example.py").write_text(program.replace(ADDRESS, f'ADDRESS = "{vault.address}"'))
        done = subprocess.run(
            [sys.executable, "example.py"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
        )
    finally:
        vault.stop()
    assert done.returncode == 0, done.stderr
    issued, good, refused = done.stdout.splitlines()
    assert issued.startswith("issued ")
    assert good == f"good {issued.split()[-1]}"
    assert refused == "a shop may not issue: ROLE_MISSING"
