"""The file of cases as another language reads it."""

import json
from pathlib import Path

from tests.contract.house import House
from tests.node.programs import node
from tests.rules.source import ROOT
from vault.contract.descriptors import descriptor_set

CASES = ROOT / "protos" / "contract" / "cases.json"


def test_a_node_client_finds_the_contract_kept(furnished: House, tmp_path: Path) -> None:
    descriptors = tmp_path / "descriptors.binpb"
    descriptors.write_bytes(descriptor_set())
    before = furnished.content()
    done = node("contract.mjs", furnished.vault.address, furnished.folder, CASES, descriptors)
    assert done.stdout, done.stderr
    report = json.loads(done.stdout)
    assert report["failures"] == []
    assert done.returncode == 0, done.stderr
    assert report["cases"] > 5_000
    assert furnished.content() == before
    assert furnished.codes_in_log() == []


def test_a_node_client_finds_a_contract_that_is_not_kept(furnished: House, tmp_path: Path) -> None:
    descriptors = tmp_path / "descriptors.binpb"
    descriptors.write_bytes(descriptor_set())
    suite = json.loads(CASES.read_text(encoding="utf-8"))
    (method,) = (method for method in suite["methods"] if method["method"].endswith("/SuspendCards"))
    for case in method["cases"]:
        if case["name"] == "reason: too long":
            case["expected"] = {"statuses": ["PERMISSION_DENIED"], "reason": "ROLE_MISSING"}
    wrong = tmp_path / "cases.json"
    wrong.write_text(json.dumps({**suite, "methods": [method]}), encoding="utf-8")
    done = node("contract.mjs", furnished.vault.address, furnished.folder, wrong, descriptors)
    assert done.returncode == 1, done.stderr
    assert json.loads(done.stdout)["failures"] == [
        "vault.v1.CardService/SuspendCards, reason: too long: INVALID_ARGUMENT LENGTH reason, not PERMISSION_DENIED"
    ]
