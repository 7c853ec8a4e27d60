"""The runbook in the README: every command in it can be typed."""

import argparse
import re
import shlex
from importlib import import_module

import pytest

from tests.rules.source import ROOT
from vault.cli.commands import COMMANDS

SECTION = re.compile(r"^## When codes leak\n(.*?)^## ", re.DOTALL | re.MULTILINE)
BLOCK = re.compile(r"```sh\n(.*?)```", re.DOTALL)
VERBS = {
    "incident": (
        *("open", "add", "found", "triage", "freeze", "thaw", "exchange open", "exchange close", "block"),
        *("holds", "release", "show", "report", "verify-report", "close"),
    ),
    "rotate": ("reissue", "rekey", "reencrypt", "retag", "watch", "export", "acknowledge"),
    "keys": ("list", "destroy", "public", "verify-statement"),
}


def commands() -> list[list[str]]:
    (section,) = SECTION.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    lines = [line for block in BLOCK.findall(section) for line in block.splitlines()]
    return [words[1:] for line in lines if (words := shlex.split(line, comments=True))[:1] == ["cardvault"]]


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_a_command_of_the_runbook_can_be_typed(words: list[str]) -> None:
    (chosen,) = [command for command in COMMANDS if command.name == words[0]]
    parser = argparse.ArgumentParser(exit_on_error=False)
    import_module(chosen.module).configure(parser)
    assert callable(parser.parse_args(words[1:]).run)


@pytest.mark.parametrize("group", VERBS)
def test_the_runbook_names_every_verb_that_the_night_needs(group: str) -> None:
    typed = [" ".join(words) for words in commands()]
    for verb in VERBS[group]:
        assert any(line.startswith(f"{group} {verb} ") or line == f"{group} {verb}" for line in typed), verb
