"""Choosing cards, and the exit status for several."""

import argparse
from pathlib import Path

import pytest

from vault.cli.failure import UsageProblem
from vault.cli.output import Output
from vault.cli.selection import chosen_cards, parse_selector, portions, select, show_changes
from vault.v1.resources_pb2 import Card, CardChange, CardSelector, ChangeOutcome

CARD_ID = "6f2c7a86-7f0e-4c2c-9f7e-0c6f3d1e2b3a"
SERIAL = "A0123456789BC"
CODE = "4929000000000009"


def parsed(cards: list[str], cards_file: str | None = None) -> argparse.Namespace:
    return argparse.Namespace(cards=cards, cards_file=cards_file)


def test_card_ids_and_serials_are_told_apart_in_either_case() -> None:
    assert parse_selector(CARD_ID.upper()) == CardSelector(card_id=CARD_ID)
    assert parse_selector(SERIAL.lower()) == CardSelector(serial=SERIAL)


def test_what_is_neither_is_refused_without_repeating_it() -> None:
    with pytest.raises(argparse.ArgumentTypeError) as caught:
        parse_selector(CODE)
    assert CODE not in str(caught.value)
    with pytest.raises(UsageProblem, match="card 2 is neither") as told:
        select([SERIAL, CODE])
    assert CODE not in str(told.value)


def test_cards_come_from_arguments_and_a_file(tmp_path: Path) -> None:
    path = tmp_path / "cards"
    path.write_text(f"{CARD_ID}\n\n{SERIAL}\n")
    assert chosen_cards(parsed([SERIAL], str(path))) == [SERIAL, CARD_ID, SERIAL]


def test_no_card_is_wrong_usage() -> None:
    with pytest.raises(UsageProblem, match="no card was given"):
        chosen_cards(parsed([]))


def test_portions_hold_a_thousand() -> None:
    assert [len(portion) for portion in portions([CardSelector()] * 2500)] == [1000, 1000, 500]


DONE = ChangeOutcome.CHANGE_OUTCOME_DONE
NOT_FOUND = ChangeOutcome.CHANGE_OUTCOME_NOT_FOUND


@pytest.mark.parametrize(
    ("outcomes", "status"), [([DONE, DONE], 0), ([NOT_FOUND, NOT_FOUND], 1), ([DONE, NOT_FOUND], 3)]
)
def test_the_exit_status_tells_all_none_or_some(
    outcomes: list["ChangeOutcome.ValueType"], status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    changes = [CardChange(card_id=CARD_ID, outcome=outcome, state=Card.STATE_ACTIVE) for outcome in outcomes]
    assert show_changes(Output(as_json=False), [SERIAL, CARD_ID], changes) == status
    assert capsys.readouterr().out.splitlines()[0].split() == ["asked", "card", "outcome", "state", "etag"]
