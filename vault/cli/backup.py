"""``cardvault backup``: back up the store that a configuration names, while vaults go on serving from it."""

import argparse
from pathlib import Path

from vault import config
from vault.cli.failure import EXIT_DONE
from vault.cli.output import Output
from vault.cli.stages import add_config, add_json, show_counts, stages
from vault.wiring.backup import make_backup
from vault.wiring.sidecar import sidecar_path

UNCONFIRMED = (
    "warning: nobody has confirmed a copy of the root key (version {versions}); this backup opens nothing without "
    "it. Keep a copy apart from the backups, and confirm it: cardvault keys confirm-copy --config {config} COPY"
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.description = (
        "Back up a vault's store into a new file, while vaults go on serving from it. A backup holds no code and no "
        "key in clear, and opens nothing without the root key, which is not in it. BACKUP.json beside it holds "
        "the counts and the content digest; keep the digest elsewhere too."
    )
    add_config(parser)
    parser.add_argument("out", type=Path, metavar="BACKUP", help="the file to make; nothing is overwritten")
    add_json(parser)
    parser.set_defaults(run=_run)


def _run(parsed: argparse.Namespace) -> int:
    output = Output(as_json=parsed.json)
    with stages(quiet=parsed.json) as watch:
        made = make_backup(config.load(parsed.config), parsed.out, watch)
    sidecar = made.sidecar
    if parsed.json:
        output.value(
            {
                "backup": str(parsed.out),
                **sidecar._asdict(),
                "problem": made.problem,
                "unconfirmed_root_versions": made.unconfirmed_roots,
            }
        )
    else:
        print(f"Backed up a {sidecar.kind} store into {parsed.out}, {sidecar.bytes:,} bytes.")
        show_counts(output, sidecar.tables)
        print(f"Content digest {sidecar.content_sha256}, also in {sidecar_path(parsed.out)}; note it elsewhere too.")
    if made.problem:
        output.note(f"warning: {made.problem}; a restore takes this backup with --accept-forged only")
    if made.unconfirmed_roots:
        versions = ", ".join(map(str, made.unconfirmed_roots))
        output.note(UNCONFIRMED.format(versions=versions, config=parsed.config))
    return EXIT_DONE
