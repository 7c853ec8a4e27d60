"""The parts of documents that are made from the code."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from vault.cli import collected, logevents, reasons
from vault.cli.reference import PARTS, StalePart, main, rewrite
from vault.metrics import METRICS
from vault.model.states import BatchState, CardState, JobState
from vault.rpc.contract import methods

DOCUMENT = "before\n<!-- generated: methods -->\nstale\n<!-- end -->\nafter\n"


def test_what_stands_outside_a_part_is_left_alone() -> None:
    new = rewrite(DOCUMENT)
    assert new.startswith("before\n<!-- generated: methods -->\n")
    assert new.endswith("<!-- end -->\nafter\n")
    assert "stale" not in new
    assert rewrite(new) == new


def test_every_method_is_in_the_table_with_its_role() -> None:
    table = PARTS["methods"]()
    for method in methods():
        (line,) = [line for line in table.splitlines() if line.startswith(f"| {method.name} |")]
        assert line.split("|")[2].strip().startswith(method.role.name.lower())
        assert ("second officer" in line.split("|")[2]) == method.second_officer


@pytest.mark.parametrize("text", ["nothing generated", "<!-- generated: weather -->\n<!-- end -->"])
def test_a_document_without_a_known_part_is_refused(text: str) -> None:
    with pytest.raises(StalePart):
        rewrite(text)


def test_checking_shows_the_difference_and_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "document.md"
    path.write_text(DOCUMENT)
    assert main(["--check", str(path)]) == 1
    assert "-stale" in capsys.readouterr().out
    assert path.read_text() == DOCUMENT
    assert main([str(path)]) == 0
    assert main(["--check", str(path)]) == 0
    assert main(["--check", str(tmp_path / "document.md")]) == 0


def test_reasons_and_log_events_are_found_in_the_code() -> None:
    assert "ROLE_MISSING" in PARTS["reasons"]()
    assert "row_refused" in PARTS["log-events"]()
    assert "[server]" in PARTS["configuration"]()


@pytest.mark.parametrize(
    ("found", "meanings"),
    [(collected.found_reasons, reasons.MEANINGS), (collected.found_events, logevents.MEANINGS)],
    ids=["reasons", "events of the log"],
)
def test_whatever_the_code_tells_has_a_meaning(
    found: Callable[[], Mapping[str, set[str]]], meanings: Mapping[str, str]
) -> None:
    assert set(found()) == set(meanings)
    assert all(meaning and "\n" not in meaning and "|" not in meaning for meaning in meanings.values())
    assert list(meanings) == sorted(meanings)


def test_a_table_without_a_meaning_for_something_is_not_made(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {**collected.found_reasons(), "NEW_REASON": {"NOT_FOUND"}}
    monkeypatch.setattr(collected, "found_reasons", lambda: found)
    with pytest.raises(StalePart, match="NEW_REASON"):
        PARTS["reasons"]()
    del found["NEW_REASON"], found["ROLE_MISSING"]
    with pytest.raises(StalePart, match="not in the code: ROLE_MISSING"):
        PARTS["reasons"]()


def test_every_way_to_give_a_reason_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "vault").mkdir()
    (tmp_path / "vault" / "some.py").write_text("""
KEPT: Final = "KEPT_REASON"
raise NotFound("x", reason="PLAIN" if late else "OTHERWISE")
raise errors.Conflict("x", reason=KEPT)
raise FailedPrecondition("x", reason=f"JOB_{name}")
Event("job/x", reason="ONLY_AUDIT")
print("x", reason="NO_REASON")
_log.exception("went_wrong", error)
_log.info("went_well")
log.info("not_ours")
KINDS = {1: (InvalidInput, "FROM_A_TABLE")}
""")
    monkeypatch.setattr(collected, "ROOT", tmp_path)
    found = collected.found_reasons()
    assert found["PLAIN"] == found["OTHERWISE"] == {"NOT_FOUND"}
    assert found["KEPT_REASON"] == {"ABORTED"}
    assert found["JOB_PAUSED"] == {"FAILED_PRECONDITION"}
    assert found["ONLY_AUDIT"] == {collected.AUDIT}
    assert found["FROM_A_TABLE"] == {"INVALID_ARGUMENT"}
    assert "NO_REASON" not in found
    assert collected.found_events() == {"log": {"of the library"}, "went_wrong": {"error"}, "went_well": {"info"}}


def test_reasons_of_states_are_those_of_the_states_that_there_are() -> None:
    states = {"BATCH_": BatchState, "JOB_": JobState, "CARD_": CardState}
    assert {start: set(ends) for start, ends in reasons.ENDINGS.items()} == {
        start: {state.name for state in enum} for start, enum in states.items()
    }


def test_every_metric_is_in_its_table() -> None:
    table = PARTS["metrics"]()
    assert all(f"| `{metric.full_name}` |" in table and metric.meaning in table for metric in METRICS)
