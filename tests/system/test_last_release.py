"""The client of the last release against this tree's server; this tree's own client where nothing was released yet."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.system.running import Running

ROOT = Path(__file__).parents[2]
RELEASES = ROOT / "releases"


@pytest.fixture
def client(tmp_path: Path) -> Path:
    released = sorted(RELEASES.glob("*/client.zip"))
    assert len(released) <= 1, "the last release alone is kept"
    if released:
        return released[0]
    packed = tmp_path / "client.zip"
    command = [sys.executable, "-m", "tests.system.tour", "--pack", str(packed)]
    subprocess.run(command, check=True, cwd=ROOT)
    return packed


def test_the_last_releases_client_gets_what_it_was_promised(tmp_path: Path, client: Path) -> None:
    names = set(zipfile.ZipFile(client).namelist())
    assert {"__main__.py", "vault/client/channel.py"} <= names
    assert not any(name.startswith(("vault/service/", "vault/stores/", "vault/rpc/")) for name in names), (
        "no server code"
    )
    vault = Running(tmp_path / "vault", workers=1)
    vault.start()
    try:
        command = [sys.executable, "-P", str(client), vault.address, str(vault.folder / "certificates")]
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=900, cwd=tmp_path)
    finally:
        vault.stop()
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{client}: set up, issue, validate"), "the packed modules are those that ran"
