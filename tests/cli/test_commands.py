"""The table of commands: help at once, one import for each, clear refusals."""

import subprocess
import sys
from importlib import import_module

import pytest

from vault.cli.commands import COMMANDS, Command, main

SLOW = ("grpc", "rich", "cryptography", "numpy", "google.protobuf", "nacl", "asyncio")


def run_cardvault(*arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "vault", *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True, input=given)


@pytest.mark.parametrize("arguments", [[], ["--help"], ["--version"], ["nonsense"]])
def test_help_imports_nothing_that_is_slow(arguments: list[str]) -> None:
    program = f"""
import contextlib, io, sys
from vault.cli.commands import main
out, err = io.StringIO(), io.StringIO()
with contextlib.suppress(SystemExit), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
    main({arguments!r})
print([name for name in {SLOW!r} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def test_help_lists_every_command_but_the_vaults_own(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    shown = capsys.readouterr().out
    for command in COMMANDS:
        assert (f"\n  {command.name} " in shown) == bool(command.help)


def test_no_command_shows_the_help_and_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "commands:" in capsys.readouterr().err


def test_an_unknown_command_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["isue"])
    assert caught.value.code == 2
    assert "'isue'" in capsys.readouterr().err


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_command_has_a_module_with_help(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    assert callable(import_module(command.module).configure)
    with pytest.raises(SystemExit) as caught:
        main([command.name, "--help"])
    assert caught.value.code == 0
    assert f"cardvault {command.name}" in capsys.readouterr().out


def test_what_cannot_be_reached_is_told_in_one_line() -> None:
    done = run_cardvault("program", "list")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("cardvault: how to reach the vault is not known: give --server, --ca, --cert, --key")


def test_a_key_pair_is_made_without_a_vault(tmp_path: object) -> None:
    done = run_cardvault("recipient", "keygen", "--out", f"{tmp_path}/key")
    assert done.returncode == 0
    assert len(done.stdout.strip()) == 44
    again = run_cardvault("recipient", "keygen", "--out", f"{tmp_path}/key")
    assert again.returncode == 1
    assert "never overwritten" in again.stderr
