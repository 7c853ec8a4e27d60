"""``cardvault serve``: run a vault, or write what one for development needs.

The supervisor imports neither grpc nor what opens the store: only the processes that it starts, with ``--only``,
do.
"""

import argparse
from importlib import import_module
from pathlib import Path

from vault import config, supervisor
from vault.cli.failure import EXIT_DONE, UsageProblem

CONFIGURATION = Path("vault.toml")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "--config",
        type=Path,
        default=CONFIGURATION,
        metavar="FILE",
        help="the configuration (default: vault.toml)",
    )
    parser.add_argument(
        "--init",
        nargs="?",
        const=Path(),
        type=Path,
        metavar="DIR",
        help="write vault.toml with development certificates, root key and access file into a folder, and end",
    )
    parser.add_argument("--ready-file", type=Path, metavar="FILE", help="write host:port there once all serve")
    parser.add_argument("--only", choices=("worker", "jobs"), help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    parser.set_defaults(run=_run)


def _run(parsed: argparse.Namespace) -> int:
    if parsed.init is not None:
        return _initialise(parsed.init)
    if parsed.only is None:
        return supervisor.run(parsed.config, ready_file=parsed.ready_file)
    wiring = import_module("vault.wiring")
    if parsed.only == "jobs":
        return int(wiring.run_jobs(config.load(parsed.config)) or EXIT_DONE)
    if parsed.port is None:
        message = "--only worker needs --port"
        raise UsageProblem(message)
    return int(wiring.run_worker(config.load(parsed.config), parsed.port) or EXIT_DONE)


def _initialise(folder: Path) -> int:
    development = import_module("vault.cli.development")
    configuration = development.set_up(folder)
    profile = folder / "profiles" / "operator.toml"
    print(f"""\
Wrote {configuration}, with certificates for development (90 days), a root key and an access file.
Back up {folder / "root.key"}: without it the database is worth nothing.

Next:
  cardvault migrate --config {configuration}      makes the database
  cardvault serve --config {configuration}        runs the vault
  cardvault program create netcash --profile {profile}

Each caller has a profile in {folder / "profiles"}. For real use put your own certificates and access file in place.""")
    return EXIT_DONE
