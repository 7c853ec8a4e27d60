"""``cardvault incident report`` and ``verify-report``: what happened, signed, for others to keep.

``report`` writes two files: FILE, a compact JWS, and FILE.lineage.csv, the old and new serial of every card
that was given a new code, whose SHA-256 the report states. ``verify-report`` needs no vault.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from vault.cli.applying import command, finish, say
from vault.cli.connection import Actions
from vault.cli.failure import EXIT_DONE, EXIT_PARTLY
from vault.cli.incidents import PATIENCE_SECONDS, add_incident, get_incident, steps_of
from vault.cli.keys_public import add_verifying, read_statement
from vault.cli.lineage import Lineage, read_lineage, save_lineage
from vault.cli.output import Output
from vault.cli.public_keys import ask_public_keys, read_public_keys, statement_keys
from vault.client.channel import VaultClient
from vault.crypto.statement import verify_statement
from vault.errors import AlreadyExists, IntegrityFailure
from vault.v1.incident_service_pb2 import GetIncidentReportRequest

INCIDENT_REPORT = "incident-report"


def add_reports(actions: Actions) -> None:
    """Add the actions over reports."""
    report = actions.add("report", _report, "write an incident's signed report, and its lineage of serials")
    add_incident(report)
    report.add_argument("--out", type=Path, required=True, metavar="FILE", help="new file; FILE.lineage.csv beside it")
    report.add_argument(
        "--keys", type=Path, metavar="FILE", help="public keys, as `keys public --out` wrote them (default: ask)"
    )
    verify = actions.add_local("verify-report", "verify a report and its lineage, without a vault")
    verify.add_argument("report", type=Path, metavar="FILE", help="as `report` wrote it; FILE.lineage.csv beside it")
    verify.add_argument("--no-lineage", action="store_true", help="verify the report alone")
    add_verifying(verify)
    verify.set_defaults(run=_verify)


def lineage_path(report: Path) -> Path:
    """Answer where a report's lineage is."""
    return report.with_name(report.name + ".lineage.csv")


async def _report(client: VaultClient, parsed: argparse.Namespace, output: Output) -> int:
    beside = lineage_path(parsed.out)
    for path in (parsed.out, beside):
        if path.exists():
            message = f"{path} exists"
            raise AlreadyExists(message, reason="FILE_EXISTS")
    keys = statement_keys(read_public_keys(parsed.keys) if parsed.keys else await ask_public_keys(client))
    answer = await get_incident(client, parsed)
    lineage = await save_lineage(client, answer.jobs, beside, quiet=output.as_json)
    try:
        request = GetIncidentReportRequest(program=parsed.program, incident_id=parsed.incident)
        patience = max(parsed.timeout, PATIENCE_SECONDS)
        report = (await client.call(client.incidents.GetIncidentReport, request, patience)).report
        claims = verify_statement(report, keys, INCIDENT_REPORT)
        with parsed.out.open("x", encoding="ascii") as file:
            file.write(report + "\n")
    except BaseException:  # so that the same command can be given again
        beside.unlink(missing_ok=True)
        raise
    files = {"report": str(parsed.out), "lineage": str(beside)}
    whole = lineage == _claimed(claims)
    say(output, f"the report is in {parsed.out}, {lineage.entries:,} pairs of old and new serial are in {beside}")
    steps = [f"{command('incident', 'verify-report', str(parsed.out), '--keys', 'FILE')}  verifies both"]
    if not whole:
        steps = ["a re-issue went on meanwhile: delete both files and report again when it has ended"]
    value = {"files": files, "lineage_matches": whole, "claims": claims}
    finish(output, value, [*steps, *steps_of(answer.incident, answer.jobs)], applied=None)
    return EXIT_DONE if whole else EXIT_PARTLY


def _verify(parsed: argparse.Namespace) -> int:
    keys = statement_keys(read_public_keys(parsed.keys))
    claims = verify_statement(read_statement(parsed.report), keys, INCIDENT_REPORT)
    if not parsed.no_lineage and read_lineage(lineage_path(parsed.report)) != _claimed(claims):
        message = f"{lineage_path(parsed.report)} is not the lineage that the report states"
        raise IntegrityFailure(message, reason="LINEAGE_MISMATCH")
    output = Output(as_json=parsed.json)
    if parsed.json:
        output.value({"verified": True, "lineage_verified": not parsed.no_lineage, "claims": claims})
    else:
        what = "The report is" if parsed.no_lineage else "The report and its lineage are"
        print(f"{what} the vault's, and whole. It says:")
        print(json.dumps(claims, ensure_ascii=False, indent=2))
    return EXIT_DONE


def _claimed(claims: dict[str, Any]) -> Lineage | None:
    stated = claims.get("lineage")
    if not isinstance(stated, dict):
        return None
    return Lineage(stated.get("entries", -1), stated.get("sha256", ""))
