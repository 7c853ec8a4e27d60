"""A real vault that tests speak to by the command line alone."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vault.cli.demo.place import Place
from vault.cli.demo.processes import VaultProcess, migrate
from vault.cli.development import set_up, write_profiles


class Commanded:
    """Runs commands as one of the development callers."""

    def __init__(self, place: Place) -> None:
        self.place = place

    def run(self, caller: str, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
        return self.local(*arguments, *self._reaching(caller), given=given)

    def local(self, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "vault", *arguments]
        return subprocess.run(command, check=False, capture_output=True, text=True, input=given, timeout=480)

    def ask(self, caller: str, *arguments: str, given: str = "") -> Any:
        done = self.run(caller, *arguments, "--json", given=given)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def begin(self, caller: str, *arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-u", "-m", "vault", *arguments, *self._reaching(caller)]
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def _reaching(self, caller: str) -> list[str]:
        """Return the options that reach the vault as a caller, who waits long for it."""
        return ["--profile", str(self.place.profile(caller)), "--timeout", "120"]

    def keygen(self) -> str:
        done = self.local("recipient", "keygen", "--out", str(self.place.house_key))
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def opened(self, package: Path, codes: Path) -> list[dict[str, str]]:
        opening = ("package", "open", str(package), "--key", str(self.place.house_key), "--format", "json")
        done = self.local(*opening, "--out", str(codes))
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in codes.read_text().splitlines()]


@contextmanager
def commanded(folder: Path) -> Iterator[Commanded]:
    """Run a vault in a folder that is not there yet."""
    place = Place(folder)
    place.make()
    set_up(place.vault, address="127.0.0.1:0")
    migrate(place)
    process = VaultProcess(place)
    try:
        write_profiles(place.vault, process.address)
        yield Commanded(place)
    finally:
        assert process.stop() == 0
