"""The auditor: verifies the report with the public keys kept from before, without any access to the vault."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vault.cli.demo.callers import principal
from vault.cli.demo.parties.officer import expected_groups
from vault.cli.demo.stage import CONTRACTOR, Stage
from vault.cli.incident_report import INCIDENT_REPORT, lineage_path
from vault.cli.keys_public import read_statement
from vault.cli.lineage import read_lineage
from vault.cli.public_keys import read_public_keys, statement_keys
from vault.crypto.statement import verify_statement
from vault.errors import IntegrityFailure


async def verify(stage: Stage) -> dict[str, Any]:
    """Verify the report's signature, and what it says against what is known."""
    place, plan = stage.place, stage.plan
    keys = statement_keys(read_public_keys(place.public_keys))
    statement = read_statement(place.report)
    claims = verify_statement(statement, keys, INCIDENT_REPORT)
    stage.expect(holds=_is_refused(statement, keys), otherwise="a report that was changed is verified")
    path = lineage_path(place.report)
    lineage = read_lineage(path)
    same = claims["lineage"] == {"entries": lineage.entries, "sha256": lineage.sha256}
    stage.expect(holds=same and lineage.entries == plan.cards, otherwise="the lineage is not the report's")
    pairs = dict(zip(place.read_paper("serials"), place.read_paper("renewed"), strict=True))
    stage.expect(holds=_pairs(path) == pairs, otherwise="the lineage is not what the fulfilment house printed")
    groups = {f"{count['state']} {count['usage']}": count["count"] for count in claims["cards"] if count["count"]}
    expected = {
        "claims.cards": groups == expected_groups(plan),
        "claims.exchanged": claims["exchanged"] == plan.holders,
        "claims.blocked_principals": [each["principal"] for each in claims["blocked_principals"]]
        == [principal(CONTRACTOR)],
        "claims.jobs": [(job["state"], job["done"], job["errors"]) for job in claims["jobs"]]
        == [("DONE", plan.cards, 0)],
        "claims.superseded_uses": claims["superseded_uses"]["cards"] == plan.cards,
    }
    for name, holds in expected.items():
        stage.expect(holds=holds, otherwise=f"the report is wrong: {name}")
    return {
        "count": lineage.entries,
        "superseded_uses": claims["superseded_uses"]["uses"],
        "timeline": [step["action"] for step in claims["timeline"]],
    }


def _pairs(path: Path) -> dict[str, str]:
    lines = path.read_text(encoding="ascii").splitlines()
    return {old: new for old, _, new in (line.partition(",") for line in lines)}


def _is_refused(statement: str, keys: Mapping[str, bytes]) -> bool:
    head, claims, signature = statement.split(".")
    middle = len(claims) // 2
    changed = claims[:middle] + ("A" if claims[middle] != "A" else "B") + claims[middle + 1 :]
    try:
        verify_statement(f"{head}.{changed}.{signature}", keys, INCIDENT_REPORT)
    except IntegrityFailure:
        return True
    return False
