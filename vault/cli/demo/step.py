"""``cardvault demo-step``: one party's process. The demo starts it; nobody types it."""

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
from vault.cli.failure import EXIT_DONE, EXIT_FAILED


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("step", choices=[step.name for step in STEPS])
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--cards", type=int, required=True)
    parser.set_defaults(run=_run)


def _run(parsed: argparse.Namespace) -> int:
    module, _, function = next(step.program for step in STEPS if step.name == parsed.step).partition(":")
    program = getattr(import_module(f"vault.cli.demo.parties.{module}"), function)
    stage = Stage(Place(parsed.folder), plan(parsed.cards))
    started = time.monotonic()
    result = asyncio.run(program(stage))
    result.setdefault("seconds", time.monotonic() - started)
    print(json.dumps({"result": result, "problems": stage.problems}), flush=True)
    return EXIT_FAILED if stage.problems else EXIT_DONE
