"""``cardvault restore``: restore a backup into a store that is not there yet, with every program stopped."""

import argparse
from pathlib import Path

from vault import config
from vault.cli.failure import EXIT_DONE, EXIT_PARTLY, UsageProblem
from vault.cli.output import Output
from vault.cli.stages import add_config, add_json, show_counts, stages
from vault.errors import IntegrityFailure
from vault.wiring.restore import Order, restore_backup
from vault.wiring.sidecar import parse_digest, read_sidecar, sidecar_path

_SPENT = """\
Every program is stopped, so no code is good yet: codes that were spent, sold, closed or replaced after the
backup was made are again as they were then. Compare with the ledger first, then start program by program:"""

_REKEY = """\
Codes of {programs} have digests under an index key that is not in use any more: no code of theirs is found before a
re-key has ended, which opens each code and gives it a new digest: cardvault rotate rekey"""

_FORGED = "try an older backup, or --accept-forged to restore them with the others, still refused wherever they count"
_ACCEPTED = """\
warning: rows not as the vault wrote them: {count}. They were restored as they are, as evidence; the vault refuses
them wherever they would decide something, so their cards get "not good". Find out who could write to the database:
  {rows}"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.description = (
        "Restore a backup into the store that the configuration names, which must not be there or hold nothing. "
        "Every row is verified, then every program is stopped, and only then can a vault serve from it. Codes "
        "spent after the backup come back unspent; that is why programs must be started one by one."
    )
    add_config(parser)
    parser.add_argument("backup", type=Path, metavar="BACKUP", help="what `cardvault backup` made")
    digests = parser.add_mutually_exclusive_group()
    digests.add_argument("--digest", metavar="HEX", help="the content digest it must have (default: of BACKUP.json)")
    digests.add_argument(
        "--no-digest", action="store_true", help="take any content whose rows hold; rows left out go unnoticed"
    )
    parser.add_argument(
        "--restart", action="store_true", help="delete what an interrupted restore or move has left in the store"
    )
    parser.add_argument(
        "--accept-forged",
        action="store_true",
        help="restore although rows are not what the vault wrote; they are named, and the vault goes on refusing them",
    )
    parser.add_argument(
        "--keys-from",
        type=Path,
        metavar="CONFIG",
        help="take today's keys from the living vault that this configuration names (or from its SQLite database): for "
        "a backup older than the destruction of a key, whose own keys no root key opens any more",
    )
    add_json(parser)
    parser.set_defaults(run=_run)


def _run(parsed: argparse.Namespace) -> int:
    output = Output(as_json=parsed.json)
    wanted = _wanted(parsed)
    order = Order(
        parsed.backup,
        wanted,
        restart=parsed.restart,
        accept_forged=parsed.accept_forged,
        keys_from=parsed.keys_from,
    )
    try:
        with stages(quiet=parsed.json) as watch:
            restored = restore_backup(config.load(parsed.config), order, watch)
    except IntegrityFailure as error:
        if error.reason != "ROW_TAG" or parsed.accept_forged:
            raise
        raise IntegrityFailure(f"{error.message}; {_FORGED}", reason=error.reason) from None
    forged = restored.forged
    status = EXIT_PARTLY if forged.count else EXIT_DONE
    programs = sorted([*restored.stopped, *restored.stopped_before])
    digest = restored.content.sha256.hex()
    if parsed.json:
        output.value(
            {
                "restored": str(parsed.backup),
                "tables": restored.content.counts,
                "content_sha256": digest,
                "digest_compared": wanted is not None,
                "stopped_programs": restored.stopped,
                "programs_stopped_before": restored.stopped_before,
                "forged_rows": forged.count,
                "first_forged_rows": forged.first,
                "programs_to_rekey": restored.to_rekey,
            }
        )
        return status
    print(f"Restored {parsed.backup}; {'all other rows are' if forged.count else 'every row is'} what the vault wrote.")
    show_counts(output, restored.content.counts)
    print(f"Content digest {digest}, {'as wanted' if wanted else 'compared with none'}.")
    if programs:
        print(_SPENT)
        for program in programs:
            before = "    (was stopped when the backup was made)" if program in restored.stopped_before else ""
            print(f"  cardvault program start {program}{before}")
    else:
        print("There is no program in it that could be started.")
    if restored.to_rekey:
        print(_REKEY.format(programs=", ".join(restored.to_rekey)))
    if forged.count:
        output.note(_ACCEPTED.format(count=forged.count, rows="\n  ".join(forged.first)))
    return status


def _wanted(parsed: argparse.Namespace) -> bytes | None:
    if parsed.no_digest:
        return None
    if parsed.digest:
        return parse_digest(parsed.digest)
    sidecar = read_sidecar(parsed.backup)
    if sidecar is None:
        message = (
            f"there is no {sidecar_path(parsed.backup)}: give --digest HEX, or --no-digest to go without; a backup "
            "that was not finished has none"
        )
        raise UsageProblem(message)
    return bytes.fromhex(sidecar.content_sha256)
