"""Acting only when it is meant: a dry run by default, ``--apply`` to act, and what to do next.

1. Without ``--apply`` nothing is changed: the vault makes every check where the method can, and what would be
   sent is told where it cannot.
2. With it, somebody at the terminal types the program's name, or ``--yes`` says that a program decided.
3. What a command answers ends with what to do next; with ``--json`` that is ``next``, and ``applied`` tells
   whether anything was done.
"""

import argparse
import shlex
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from vault.cli.failure import EXIT_DONE, UsageProblem
from vault.cli.output import Output

WHOLE_VAULT = "vault"
"""What is typed where no single program is meant."""

OWN = "-"
"""What stands in a program's place for the vault's own jobs."""

Preview = Callable[[], Awaitable[Mapping[str, Any]]]
"""Shows people what would be done, and answers it for JSON."""


def add_applying(parser: argparse.ArgumentParser) -> None:
    """Add ``--apply`` and ``--yes`` to an action that changes something."""
    group = parser.add_argument_group("acting")
    group.add_argument("--apply", action="store_true", help="do it; without this, only what would be done is shown")
    group.add_argument("--yes", action="store_true", help="with --apply: do not ask at the terminal")


async def go_ahead(parsed: argparse.Namespace, output: Output, program: str, preview: Preview) -> bool:
    """Tell whether to act; where not, what would be done was shown.

    Args:
        parsed: The options.
        output: Where the preview goes.
        program: The name to type; empty for what concerns the whole vault.
        preview: Shows what would be done.

    Raises:
        UsageProblem: It is not meant, or nobody is there to ask.
    """
    if not parsed.apply:
        shown = await preview()
        finish(output, shown, ["nothing was changed; add --apply to do it"], applied=False)
        return False
    if parsed.yes:
        return True
    word = program or WHOLE_VAULT
    if not sys.stdin.isatty():
        message = "nobody is there to ask: add --yes if it is meant"
        raise UsageProblem(message)
    await preview()
    print(f"Type {word} to do it: ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip() != word:
        message = "not confirmed, nothing was done"
        raise UsageProblem(message)
    return True


def would(output: Output, what: str, **facts: Any) -> Preview:
    """Make a preview of an act that the vault cannot check beforehand.

    Args:
        output: Where it goes.
        what: What would be sent, for people, without "would".
        facts: The same for programs.
    """

    async def preview() -> Mapping[str, Any]:
        say(output, f"would {what}")
        return {"would": what, **facts}

    return preview


def say(output: Output, text: str) -> None:
    """Say something to people; nothing where JSON is asked for."""
    if not output.as_json:
        print(text)


def finish(output: Output, value: Mapping[str, Any], steps: Sequence[str], *, applied: bool | None = True) -> int:
    """Write the answer for programs, or for people what to do next, and answer the exit status of success.

    Args:
        output: Where to.
        value: The answer for programs.
        steps: What to do next.
        applied: Whether anything was done; None for what only reads.
    """
    if output.as_json:
        output.value({**({} if applied is None else {"applied": applied}), **value, "next": list(steps)})
    else:
        for step in steps:
            print(f"next: {step}")
    return EXIT_DONE


def command(*words: str) -> str:
    """Answer a command to type, quoted for a shell."""
    return shlex.join(("cardvault", *words))


def own_or(program: str) -> str:
    """Answer the program that a request names: empty where ``-`` stands for the vault's own."""
    return "" if program == OWN else program


def shown_program(program: str) -> str:
    """Answer how a program is typed: ``-`` for the vault's own."""
    return program or OWN
