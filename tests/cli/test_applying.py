"""Acting only when it is meant."""

import argparse
import io
import json
import sys
from collections.abc import Mapping
from typing import Any

import pytest

from vault.cli.applying import command, finish, go_ahead, would
from vault.cli.failure import UsageProblem
from vault.cli.output import Output


class Terminal(io.StringIO):
    """What somebody types."""

    def isatty(self) -> bool:
        return True


def parsed(*, apply: bool = False, yes: bool = False) -> argparse.Namespace:
    return argparse.Namespace(apply=apply, yes=yes)


def output(*, as_json: bool = False) -> Output:
    return Output(as_json=as_json)


async def preview() -> Mapping[str, Any]:
    sys.stdout.write("a preview\n")
    return {"would": "freeze"}


async def test_without_apply_what_would_be_done_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert not await go_ahead(parsed(yes=True), output(), "netcash", preview)
    assert capsys.readouterr().out == "a preview\nnext: nothing was changed; add --apply to do it\n"


async def test_a_dry_run_for_programs_is_one_json_value(capsys: pytest.CaptureFixture[str]) -> None:
    shown = output(as_json=True)
    assert not await go_ahead(parsed(), shown, "netcash", would(shown, "freeze it", cards=3))
    told = json.loads(capsys.readouterr().out)
    assert (told["applied"], told["would"], told["cards"]) == (False, "freeze it", 3)


async def test_yes_asks_nobody(capsys: pytest.CaptureFixture[str]) -> None:
    assert await go_ahead(parsed(apply=True, yes=True), output(), "netcash", preview)
    assert capsys.readouterr().out == ""


async def test_nobody_there_to_ask_is_wrong_usage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("netcash\n"))
    with pytest.raises(UsageProblem, match="--yes"):
        await go_ahead(parsed(apply=True), output(), "netcash", preview)


@pytest.mark.parametrize(("program", "typed"), [("netcash", "netcash"), ("", "vault")])
async def test_the_programs_name_is_typed_after_the_preview(
    program: str, typed: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", Terminal(f"{typed}\n"))
    assert await go_ahead(parsed(apply=True), output(), program, preview)
    told = capsys.readouterr()
    assert (told.out, told.err) == ("a preview\n", f"Type {typed} to do it: ")


@pytest.mark.parametrize("typed", ["yes", "", "NETCASH"])
async def test_anything_else_typed_does_nothing(typed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", Terminal(f"{typed}\n"))
    with pytest.raises(UsageProblem, match="nothing was done"):
        await go_ahead(parsed(apply=True), output(), "netcash", preview)


def test_what_only_reads_says_nothing_of_applying(capsys: pytest.CaptureFixture[str]) -> None:
    finish(output(as_json=True), {"count": 1}, ["look"], applied=None)
    assert json.loads(capsys.readouterr().out) == {"count": 1, "next": ["look"]}


def test_a_command_to_type_is_quoted_for_a_shell() -> None:
    assert command("incident", "block", "a b") == "cardvault incident block 'a b'"
