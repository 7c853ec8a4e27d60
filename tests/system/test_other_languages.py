"""Clients in other languages: the commands of the README's "Other languages", as they stand, with a real vault.

A command's tools are asked for first; where one is missing, or what it needs cannot be fetched, the test is
skipped and says which. The commands run in a copy of the examples, so the checkout stays as it is.
"""

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

import numpy as np
import pytest

from tests.rules.source import ROOT
from tests.system.images import forms_in
from tests.system.running import Running
from vault.client.channel import VaultClient
from vault.v1.administration_service_pb2 import CreateProgramRequest
from vault.v1.issuance_service_pb2 import IssueCardsRequest, IssuedCard, NewCard
from vault.v1.resources_pb2 import ProgramSettings

pytestmark = pytest.mark.timeout(3600)  # the first build of Go's library and gRPC takes a minute or two

README = (ROOT / "README.md").read_text(encoding="utf-8")
SECTION = README.partition("\n## Other languages\n")[2].partition("\n## ")[0]
T = TypeVar("T")
PROGRAM = "voucher"
ADDRESS = "127.0.0.1:7443"
FETCHES = ("go build", "go test", "mvn")
MISSING = re.compile(
    r"dial tcp|no such host|Could not transfer|Unknown host|i/o timeout|module lookup disabled"  # no network
    r"|x509:|TLS handshake timeout|connection reset|proxyconnect|50[234] |TLS certificate"  # or not all the way
    r"|requires go >=|invalid go version|unknown directive: tool|not defined: -C"  # Go is too old
)
STUBS = "validation_service_pb2_grpc.py"
OUTPUTS = ("gen", "bin", "till", "node_modules", "plugins", "target")
LINKED = ("protos", "third_party", "edge", "tests", "buf.yaml", ".venv")


class Place(NamedTuple):
    """A folder as the README's commands expect one, beside a vault."""

    folder: Path
    vault: Running

    def run(self, command: str, *tools: str) -> str:
        """Run a command and return its output; skip where a tool or what it fetches is not to be had."""
        for tool in tools:
            if shutil.which(tool, path=path()) is None:
                pytest.skip(f"{tool} is missing, so this was not tried: {command}")
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command.replace(ADDRESS, self.vault.address)],
            cwd=self.folder,
            env={**os.environ, "PATH": path(), "GOFLAGS": "-trimpath", "CGO_ENABLED": "0"},
            capture_output=True,
            text=True,
            timeout=3000,
            check=False,
        )
        with (self.folder / "output").open("a", encoding="utf-8") as output:
            output.write(done.stdout + done.stderr)
        if done.returncode and command.startswith(FETCHES) and MISSING.search(done.stdout + done.stderr):
            pytest.skip(f"what it needs is too old or cannot be fetched, so this was not tried: {command}")
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout


def path() -> str:
    return f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"


def commands(heading: str = "") -> list[str]:
    """Return the commands below a heading of the section, or those before its first one, as one text each."""
    part = SECTION.partition(f"### {heading}\n")[2] if heading else SECTION
    block = re.search(r"```sh\n(.*?)```", part.partition("\n### ")[0], re.DOTALL)
    assert block is not None, heading
    return [line.partition(" # ")[0].strip() for line in block[1].splitlines()] if heading else [block[1]]


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Run a vault that knows the README's till, and has a program of single-use codes, sealed ones alone."""
    folder = tmp_path_factory.mktemp("vault")
    vault = Running(folder / "my-vault", workers=1)
    Place(folder, vault).run(*commands())
    try:
        vault.start()
        settings = ProgramSettings(single_use=True, seal_required=True, clear_delivery=True)
        created = CreateProgramRequest(program=PROGRAM, settings=settings)
        ask(vault, "operator", lambda client: client.call(client.administration.CreateProgram, created))
        yield vault
    finally:
        if vault.process is not None:
            vault.kill()


@pytest.fixture
def place(vault: Running, tmp_path: Path) -> Place:
    """Make a folder with what the README's commands name, none of it generated yet."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples", ignore=shutil.ignore_patterns(*OUTPUTS))
    for name in LINKED:
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "my-vault").symlink_to(vault.folder)
    return Place(tmp_path, vault)


@pytest.fixture
def card(place: Place) -> IssuedCard:
    """Issue a card that is sold; its code lies in the file ``code`` of the place."""
    asked = IssueCardsRequest(program=PROGRAM, cards=[NewCard()], activate=True, clear=True)
    answer = ask(place.vault, "issuer", lambda client: client.call(client.issuance.IssueCards, asked))
    (place.folder / "code").write_text(answer.cards[0].code + "\n", encoding="utf-8")
    return answer.cards[0]


def ask(vault: Running, caller: str, work: Callable[[VaultClient], Awaitable[T]]) -> T:
    async def asked() -> T:
        async with vault.client(caller) as client:
            return await work(client)

    return asyncio.run(asked())


def check_till(place: Place, card: IssuedCard, till: str) -> None:
    """Run a till twice on a card's code, and check what it tells and that nothing written holds the code."""
    told: dict[str, Any] = json.loads(place.run(till))
    redemption = told.pop("redemption_id")
    assert str(UUID(redemption)) == redemption
    assert told == {
        "validated": "VERDICT_GOOD",
        "card_id": card.card_id,
        "receipt_card": card.card_id,
        "tampered_refused": True,
        "replayed": "VERDICT_SUBMISSION_REFUSED",
        "redeemed": "VERDICT_GOOD",
        "receipt_id": redemption,
        "refused_status": "INVALID_ARGUMENT",
        "refused_reason": "LENGTH",
        "refused_field": "code.code",
    }
    spent: dict[str, Any] = json.loads(place.run(till))
    assert spent.keys() == told.keys() | {"redemption_id"}
    assert {name: value for name, value in spent.items() if value} == {"validated": "VERDICT_NOT_GOOD"}
    for written in (place.folder / "output", place.vault.log):
        content = np.fromfile(written, np.uint8)
        assert content.size > 0
        assert forms_in(content, [card.code]) == set(), written.name


def test_a_till_in_go_takes_a_card_without_anybody_seeing_its_code(place: Place, card: IssuedCard) -> None:
    *building, till = commands("Go")
    place.run("go version", "go")
    for command in building:
        place.run(command)
    check_till(place, card, till)


def test_a_till_in_node_takes_a_card_without_anybody_seeing_its_code(place: Place, card: IssuedCard) -> None:
    installing, *building, till = commands("JavaScript and TypeScript")
    packages = ROOT / "examples/node/node_modules"
    assert installing.startswith("npm ci --prefix examples/node")
    if shutil.which("node") is None or not (packages / ".installed").exists():
        pytest.skip("Node.js or its packages are missing: run scripts/node")
    (place.folder / "examples/node/node_modules").symlink_to(packages)
    for command in building:
        place.run(command)
    assert (place.folder / "examples/node/gen/vault/v1/validation_service_pb.d.ts").exists()
    check_till(place, card, till)


@pytest.mark.parametrize("compiled", [False, pytest.param(True, marks=pytest.mark.long)])
def test_java_is_generated_and_compiles(place: Place, compiled: bool) -> None:
    *generating, compiling = commands("Java")
    for command in generating:
        place.run(command, "mvn")
    java = place.folder / "examples/java"
    made = {path.name for path in java.glob("gen/**/*.java")}
    assert made >= {"ValidateCodeRequest.java", "ValidationServiceGrpc.java", "Submission.java"}
    if compiled:
        place.run(compiling)
        assert (java / "target/classes/dev/cardvault/v1/ValidationServiceGrpc.class").exists()


def test_python_is_generated_and_can_be_imported(place: Place) -> None:
    for command in commands("Python"):
        place.run(command)
    made = place.folder / "examples/python/gen"
    stubs = [path.relative_to(made) for path in made.rglob("*_pb2_grpc.py")]
    assert stubs
    assert [name for name in stubs if (made / name).read_bytes() != (ROOT / name).read_bytes()] == []
    # -S: without the checkout, which is installed here.
    paths = f"PYTHONPATH=examples/python/gen:{sysconfig.get_path('purelib')}:{sysconfig.get_path('platlib')}"
    program = "import vault.v1.validation_service_pb2_grpc as it; it.ValidationServiceStub; print(it.__file__)"
    assert place.run(f"{paths} python3 -S -P -c '{program}'").strip() == str(made / stubs[0].with_name(STUBS))


def test_a_code_that_is_written_would_be_found(place: Place, card: IssuedCard) -> None:
    place.run("cat code")
    assert forms_in(np.fromfile(place.folder / "output", np.uint8), [card.code]) >= {"ASCII"}
