"""What went wrong, in one line on standard error, with what to do next; and the exit status for it."""

import argparse
import os
import sys
from collections.abc import Callable, Mapping
from types import MappingProxyType

from vault.errors import (
    Conflict,
    PermissionDenied,
    Throttled,
    Unauthenticated,
    Unavailable,
    VaultError,
)

EXIT_DONE = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_PARTLY = 3
EXIT_INTERRUPTED = 130

NEXT_STEPS: Mapping[type[VaultError], str] = MappingProxyType(
    {
        Unauthenticated: "check --cert and --key, or the profile",
        PermissionDenied: "the access file does not give this certificate's principal the role; ask the operator",
        Unavailable: "check --server, that the vault runs, and that --ca and --cert belong to it; then try again",
        Conflict: "it has changed meanwhile: read it again, then decide",
        Throttled: "wait a while, then try again",
    }
)
NEXT_BY_REASON: Mapping[str, str] = MappingProxyType(
    {
        "INTERNAL": "the vault's log tells more under the correlation id",
        "PRINCIPAL_BLOCKED": "an officer has cut this certificate's principal off (`cardvault incident blocked`)",
    }
)


class UsageProblem(Exception):
    """What was typed does not make sense; the message says why."""


def guarded(run: Callable[[argparse.Namespace], int], parsed: argparse.Namespace) -> int:
    """Run a command and answer its exit status, whatever it raises."""
    try:
        status = run(parsed)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has seen enough; without this Python would complain once more when it closes the stream.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED
    except (UsageProblem, VaultError, ModuleNotFoundError, OSError, KeyboardInterrupt) as error:
        line, status = _told(error)
        complain(line)
    return status


def _told(error: BaseException) -> tuple[str, int]:
    match error:
        case UsageProblem():
            return str(error), EXIT_USAGE
        case VaultError():
            return describe(error), EXIT_FAILED
        case ModuleNotFoundError():
            return missing_package(error), EXIT_FAILED
        case OSError():
            return f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror), EXIT_FAILED
        case _:
            return "interrupted", EXIT_INTERRUPTED


def describe(error: VaultError) -> str:
    """Answer the one line that tells an error: what, which field, why for programs, and what to do next."""
    field = f" [{error.field}]" if error.field else ""
    facts = "".join(f", {name} {value}" for name, value in sorted(error.metadata.items()))
    step = NEXT_BY_REASON.get(error.reason) or NEXT_STEPS.get(type(error), "")
    return f"{error.message.rstrip('.')}{field} ({error.reason}{facts})" + (f"; {step}" if step else "")


def missing_package(error: ModuleNotFoundError) -> str:
    """Answer the one line for a package that a plain install leaves out.

    Raises:
        ModuleNotFoundError: It is a module of ours, so the program itself is at fault.
    """
    name = (error.name or "").partition(".")[0]
    if name in ("", "vault"):
        raise error
    extra = "demo" if name == "numpy" else "server"
    return f"this takes the package {name}, which a plain install leaves out: pip install 'cardvault[{extra}]'"


def complain(message: str) -> None:
    """Write one line to standard error."""
    line = " ".join(message.split())
    print(f"cardvault: {line}", file=sys.stderr)
