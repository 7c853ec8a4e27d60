"""What goes to standard output: no code that was not delivered."""

import json

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from vault.cli.output import Column, Output, conceal, moment, plain, word
from vault.v1.card_service_pb2 import GetRecordResponse
from vault.v1.issuance_service_pb2 import IssueCardsResponse, IssuedCard
from vault.v1.resources_pb2 import Card, PresentedCode, Usage
from vault.v1.validation_service_pb2 import BatchValidateCodesRequest

CODE = "4929000000000009"
COLUMNS: tuple[Column[IssuedCard], ...] = (
    Column("card", lambda card: card.card_id),
    Column("serial", lambda card: card.serial),
)


def issued() -> IssueCardsResponse:
    return IssueCardsResponse(cards=[IssuedCard(card_id="id", serial="A00000000000B", code=CODE)])


def test_secret_fields_are_left_out_at_any_depth() -> None:
    request = BatchValidateCodesRequest(codes=[PresentedCode(code=CODE)] * 3)
    for message in (issued(), request, GetRecordResponse(payload=CODE.encode())):
        conceal(message)
        assert CODE.encode() not in message.SerializeToString()


def test_concealing_for_display_leaves_the_message_itself_alone() -> None:
    message = issued()
    assert CODE not in json.dumps(plain(message))
    assert message.cards[0].code == CODE


def test_a_code_is_shown_when_it_is_delivered_on_purpose() -> None:
    assert plain(issued(), delivered=True)["cards"][0]["code"] == CODE


@pytest.mark.parametrize("as_json", [False, True])
def test_neither_a_table_nor_json_shows_a_code(as_json: bool, capsys: pytest.CaptureFixture[str]) -> None:
    output = Output(as_json=as_json)
    output.many(issued().cards, COLUMNS)
    output.one(issued().cards[0], COLUMNS)
    shown = capsys.readouterr().out
    assert "A00000000000B" in shown
    assert CODE not in shown


def test_json_is_one_value_and_notes_go_elsewhere(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output(as_json=True)
    output.note("by the way")
    output.many(issued().cards, COLUMNS)
    captured = capsys.readouterr()
    assert json.loads(captured.out) == [{"card_id": "id", "serial": "A00000000000B"}]
    assert captured.err == "by the way\n"


def test_a_table_off_the_terminal_is_plain_columns(capsys: pytest.CaptureFixture[str]) -> None:
    Output(as_json=False).many(issued().cards, COLUMNS)
    assert capsys.readouterr().out == "card  serial\nid    A00000000000B\n"


def test_enums_and_times_are_words() -> None:
    assert word(Usage, Usage.USAGE_IN_USE) == "in_use"
    assert word(Card.State, Card.STATE_ACTIVE) == "active"
    assert word(Usage, 0) == "-"
    assert moment(Timestamp()) == "-"
    assert moment(Timestamp(seconds=1149811200)) == "2006-06-09 00:00:00Z"
