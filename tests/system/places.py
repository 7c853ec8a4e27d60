"""Stores for tests that back up, restore and move: files, and databases of the tests' own cluster."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.postgres import Cluster
from tests.system.running import Running
from vault.client.channel import VaultClient
from vault.v1 import administration_service_pb2 as administration
from vault.v1 import issuance_service_pb2 as issuance
from vault.v1 import resources_pb2 as resources
from vault.v1 import validation_service_pb2 as validation


def cardvault(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a command."""
    command = [sys.executable, "-m", "vault", *map(str, arguments)]
    return subprocess.run(command, check=False, capture_output=True, text=True)


def told(*arguments: object) -> Any:
    """Run a command that is to be done, and return its JSON."""
    done = cardvault(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def refused(*arguments: object) -> str:
    """Run a command that is to be refused, and return the one line that says why."""
    done = cardvault(*arguments)
    assert done.returncode in (1, 2), done.stdout + done.stderr
    assert done.stderr.startswith("cardvault: ")
    assert done.stderr.count("\n") == 1, done.stderr
    assert not done.stdout
    return done.stderr


def set_store(configuration: Path, *, path: str = "", dsn: str = "") -> Path:
    """Have a configuration name another store."""
    text = configuration.read_text(encoding="utf-8")
    for name, value in (("kind", "postgres" if dsn else "sqlite"), ("dsn", dsn), ("path", path)):
        if value:
            section = text.index("[store]")
            changed = re.sub(rf'^{name} = ".*"$', f'{name} = "{value}"', text[section:], count=1, flags=re.MULTILINE)
            text = text[:section] + changed
    configuration.write_text(text, encoding="utf-8")
    return configuration


def another(configuration: Path, name: str, *, path: str = "", dsn: str = "") -> Path:
    """Copy a configuration beside itself, with another store."""
    copied = configuration.with_name(f"{name}.toml")
    shutil.copy(configuration, copied)
    return set_store(copied, path=path, dsn=dsn)


def new_store(kind: str, request: pytest.FixtureRequest, name: str) -> dict[str, str]:
    """Return where a new store of a kind is to be; nothing is made of SQLite's."""
    if kind == "sqlite":
        return {"path": f"data/{name}.db"}
    cluster: Cluster = request.getfixturevalue("cluster")
    return {"dsn": cluster.dsn(cluster.create())}


async def make_codes(vault: Running, count: int = 3) -> list[str]:
    """Create a program and cards that are sold, and return their codes."""
    async with vault.client("operator") as operator:
        settings = resources.ProgramSettings(clear_delivery=True, single_use=True)
        request = administration.CreateProgramRequest(program="netcash", settings=settings)
        await operator.call(operator.administration.CreateProgram, request)
    async with vault.client("issuer") as issuer:
        wanted = issuance.IssueCardsRequest(program="netcash", request_id=str(uuid4()), activate=True, clear=True)
        wanted.cards.extend([issuance.NewCard()] * count)
        done = await issuer.call(issuer.issuance.IssueCards, wanted)
    return [card.code for card in done.cards]


async def verdicts(vault: Running, codes: list[str]) -> set[int]:
    """Validate codes, and return the verdicts that there were."""
    async with vault.client("shop") as shop:
        return {(await validate(shop, code)).verdict for code in codes}


async def validate(shop: VaultClient, code: str) -> validation.ValidatedCode:
    """Validate a code."""
    request = validation.ValidateCodeRequest(programs=["netcash"], code=resources.PresentedCode(code=code))
    return (await shop.call(shop.validation.ValidateCode, request)).result


async def redeem(vault: Running, code: str) -> None:
    """Spend a code."""
    async with vault.client("redeemer") as redeemer:
        request = validation.RedeemCodeRequest(
            program="netcash", code=resources.PresentedCode(code=code), request_id=str(uuid4())
        )
        await redeemer.call(redeemer.validation.RedeemCode, request)
