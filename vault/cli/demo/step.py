"""``cardvault demo-step``: a party's process, which takes steps in turn. The demo starts it; nobody types it."""

import argparse
import asyncio
import json
import time
from importlib import import_module
from pathlib import Path

from vault.cli.demo.place import Place
from vault.cli.demo.plan import plan
from vault.cli.demo.stage import Stage
from vault.cli.demo.steps import STEPS
from vault.cli.demo.story import ALL
from vault.cli.failure import EXIT_DONE, EXIT_FAILED

PROGRAMS = {step.name: step.program for step in (*STEPS, *ALL)}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("steps", nargs="+", choices=list(PROGRAMS))
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--cards", type=int, required=True)
    parser.set_defaults(run=_run)


def _run(parsed: argparse.Namespace) -> int:
    problems = 0
    for name in parsed.steps:
        module, _, function = PROGRAMS[name].partition(":")
        program = getattr(import_module(f"vault.cli.demo.parties.{module}"), function)
        stage = Stage(Place(parsed.folder), plan(parsed.cards), name)
        started = time.monotonic()
        result = asyncio.run(program(stage))
        result.setdefault("seconds", time.monotonic() - started)
        print(json.dumps({"result": result, "problems": stage.problems}), flush=True)
        problems += len(stage.problems)
    return EXIT_FAILED if problems else EXIT_DONE
