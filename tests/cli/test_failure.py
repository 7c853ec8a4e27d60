"""Errors become one line and an exit status."""

import argparse
from collections.abc import Callable

import pytest

from vault.cli.failure import NEXT_BY_REASON, NEXT_STEPS, UsageProblem, describe, guarded
from vault.errors import InvalidInput, PermissionDenied, Unavailable


def raising(error: BaseException) -> Callable[[argparse.Namespace], int]:
    def run(_parsed: argparse.Namespace) -> int:
        raise error

    return run


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (UsageProblem("not so"), 2, "cardvault: not so\n"),
        (
            PermissionDenied("the caller may not do this"),
            1,
            "cardvault: the caller may not do this (PERMISSION_DENIED); " + NEXT_STEPS[PermissionDenied] + "\n",
        ),
        (
            PermissionDenied("the caller is blocked", reason="PRINCIPAL_BLOCKED"),
            1,
            f"cardvault: the caller is blocked (PRINCIPAL_BLOCKED); {NEXT_BY_REASON['PRINCIPAL_BLOCKED']}\n",
        ),
        (
            InvalidInput("too long", reason="BOUNDS", field="cards[3].reference", metadata={"max": "100"}),
            1,
            "cardvault: too long [cards[3].reference] (BOUNDS, max 100)\n",
        ),
        (
            FileNotFoundError(2, "No such file or directory", "x.pem"),
            1,
            "cardvault: x.pem: No such file or directory\n",
        ),
        (KeyboardInterrupt(), 130, "cardvault: interrupted\n"),
    ],
)
def test_what_goes_wrong_is_one_line(
    error: BaseException, status: int, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert guarded(raising(error), argparse.Namespace()) == status
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", line)


@pytest.mark.parametrize(("module", "extra"), [("cryptography.x509", "server"), ("numpy", "demo")])
def test_a_package_that_a_plain_install_leaves_out_is_named(
    module: str, extra: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert guarded(raising(ModuleNotFoundError(name=module)), argparse.Namespace()) == 1
    assert f"pip install 'cardvault[{extra}]'" in capsys.readouterr().err


def test_a_module_of_ours_that_is_missing_is_our_fault() -> None:
    with pytest.raises(ModuleNotFoundError):
        guarded(raising(ModuleNotFoundError(name="vault.nonsense")), argparse.Namespace())


def test_a_message_of_several_lines_becomes_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded(raising(InvalidInput("first\nsecond")), argparse.Namespace()) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_what_the_vault_did_not_foresee_points_to_its_log() -> None:
    told = describe(Unavailable("internal error", reason="INTERNAL", metadata={"correlation_id": "c-1"}))
    assert told == "internal error (INTERNAL, correlation_id c-1); the vault's log tells more under the correlation id"
