"""The parts of documents that are made from the code."""

from pathlib import Path

import pytest

from vault.cli.reference import PARTS, StalePart, main, rewrite
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
