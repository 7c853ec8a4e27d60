"""``cardvault move``: copy a vault from one store into another, such as from SQLite into PostgreSQL."""

import argparse

from vault import config
from vault.cli.asking import add_confirmation, confirm
from vault.cli.failure import EXIT_DONE
from vault.cli.output import Output
from vault.cli.stages import add_config, add_json, show_counts, stages
from vault.wiring.move import move_vault, plan_move


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.description = (
        "Copy a stopped vault from the store of one configuration into the empty store of another, such as from "
        "SQLite into PostgreSQL. Every row is verified on both sides; the source is left as it was. Whoever wants "
        "to write to the source meanwhile waits. Both configurations name the same root key."
    )
    add_config(parser, "--config", "the configuration of the vault as it is")
    add_config(parser, "--to", "the configuration of the vault as it will be")
    parser.add_argument("--dry-run", action="store_true", help="check and count only; the target is not touched")
    parser.add_argument(
        "--restart", action="store_true", help="delete what an interrupted move or restore has left in the target"
    )
    add_confirmation(parser)
    add_json(parser)
    parser.set_defaults(run=_run)


def _run(parsed: argparse.Namespace) -> int:
    output = Output(as_json=parsed.json)
    source, target = config.load(parsed.config), config.load(parsed.to)
    if parsed.dry_run:
        plan = plan_move(source, target)
        if parsed.json:
            output.value({"tables": dict(plan.counts), "source_in_use_by": plan.users})
            return EXIT_DONE
        print(f"Would copy from {source.store.kind} into {target.store.kind}; both root keys open the vault's keys.")
        show_counts(output, plan.counts)
        if plan.users:
            print(f"But {plan.users} has the source open: stop the vault first.")
        return EXIT_DONE
    if parsed.restart:
        confirm(parsed, f"Delete what an interrupted move has left in the store of {parsed.to}?")
    with stages(quiet=parsed.json) as watch:
        content = move_vault(source, target, watch, restart=parsed.restart)
    if parsed.json:
        output.value({"tables": content.counts, "content_sha256": content.sha256.hex()})
        return EXIT_DONE
    print(f"Copied from {source.store.kind} into {target.store.kind}; every row and both digests hold.")
    show_counts(output, content.counts)
    print(f"Content digest {content.sha256.hex()}, of the source and of the target.")
    print(f"Next: cardvault serve --config {parsed.to}. The source is as it was; start no vault on it any more.")
    return EXIT_DONE
