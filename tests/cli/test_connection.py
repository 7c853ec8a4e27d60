"""How the command line finds a vault."""

import argparse
from pathlib import Path

import pytest

from vault.cli.certificates import create_all
from vault.cli.connection import PROFILE_VARIABLE, add_connection_options, open_client
from vault.cli.failure import UsageProblem
from vault.client.spread import SpreadChannel
from vault.errors import InvalidInput

PROFILE = """\
server = "localhost:7443"
ca = "certificates/ca.pem"
certificate = "certificates/shop.pem"
private_key = "certificates/shop.key"
"""


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    create_all(tmp_path / "certificates", {"shop": "spiffe://cardvault.dev/shop"})
    path = tmp_path / "shop.toml"
    path.write_text(PROFILE)
    return path


def parse(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_connection_options(parser)
    return parser.parse_args(arguments)


async def test_a_profile_is_enough_and_its_paths_are_its_folders(profile: Path) -> None:
    async with open_client(parse("--profile", str(profile))) as client:
        assert client.timeout_seconds == 10.0


async def test_the_server_may_be_several(profile: Path) -> None:
    several = ("--server", "localhost:7443, [::1]:7444")
    async with open_client(parse("--profile", str(profile), *several)) as client:
        assert isinstance(client.channel, SpreadChannel)


async def test_the_environment_names_a_profile(profile: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PROFILE_VARIABLE, str(profile))
    async with open_client(parse("--timeout", "3")) as client:
        assert client.timeout_seconds == 3.0


def test_an_option_wins_over_the_profile(profile: Path) -> None:
    with pytest.raises(InvalidInput, match=r"missing\.pem"):
        open_client(parse("--profile", str(profile), "--ca", "missing.pem"))


def test_what_is_missing_is_named_by_its_options(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PROFILE_VARIABLE, raising=False)
    with pytest.raises(UsageProblem, match=r"give --ca, --key, or --profile FILE"):
        open_client(parse("--server", "localhost:1", "--cert", "c.pem"))


@pytest.mark.parametrize("content", ["server = 1\n", 'sever = "localhost:1"\n', "not toml\n"])
def test_a_profile_that_is_not_understood_is_refused(content: str, tmp_path: Path) -> None:
    path = tmp_path / "profile.toml"
    path.write_text(content)
    with pytest.raises(UsageProblem, match=r"profile\.toml"):
        open_client(parse("--profile", str(path)))
