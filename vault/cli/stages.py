"""What the commands over whole stores share: their configuration, and a progress bar for each stage."""

import argparse
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from vault.cli.output import Output
from vault.cli.progress import Report, progress_bar
from vault.service.upkeep.content import Watch


def add_config(parser: argparse.ArgumentParser, name: str = "--config", what: str = "the configuration") -> None:
    """Add the option that names a vault's configuration."""
    default = Path("vault.toml") if name == "--config" else None
    parser.add_argument(
        name,
        type=Path,
        default=default,
        required=default is None,
        metavar="FILE",
        help=f"{what} (default: {default})" if default else what,
    )


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add ``--json``."""
    parser.add_argument("--json", action="store_true", help="write one JSON value to standard output")


@contextmanager
def stages(*, quiet: bool = False) -> Iterator[Watch]:
    """Give a function that is told of stages, and shows a bar for each, one after the other."""
    with ExitStack() as bars:
        reports: dict[str, Report] = {}

        def watch(stage: str, done: int, total: int) -> None:
            if stage not in reports:
                bars.close()
                reports[stage] = bars.enter_context(progress_bar(stage, quiet=quiet))
            reports[stage](done, total)

        yield watch


def show_counts(output: Output, counts: Mapping[str, int]) -> None:
    """Say to people how many rows each table has that has any."""
    rows = [[table, f"{count:,}"] for table, count in counts.items() if count]
    width = max((len(table) for table, _ in rows), default=0)
    for table, count in rows:
        output.note(f"  {table:{width}}  {count:>12}")
