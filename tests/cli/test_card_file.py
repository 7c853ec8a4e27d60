"""Cards from a file, sent in parts."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

import pytest

from vault.cli.card_file import Portion, read_cards, send_cards, show_sent
from vault.cli.failure import UsageProblem
from vault.cli.output import Output
from vault.codes.serial import generate_serials
from vault.v1.resources_pb2 import CardChange, CardSelector, ChangeOutcome

IDS = [str(UUID(int=number)) for number in range(2500)]
PEOPLE = Output(as_json=False)


def written(path: Path, lines: Sequence[str]) -> str:
    path.write_text("\n".join(lines))
    return str(path)


def random_bytes(size: int) -> bytes:
    return bytes(number % 256 for number in range(size))


def test_a_card_that_stands_twice_is_sent_once_in_the_files_order(tmp_path: Path) -> None:
    (serial,) = generate_serials(1, random_bytes)
    cards = read_cards(written(tmp_path / "cards", [IDS[1], "", serial.lower(), IDS[0].upper(), IDS[1], serial]))
    assert [card.card_id or card.serial for card in cards] == [IDS[1], serial, IDS[0]]


@pytest.mark.parametrize(
    ("line", "why"), [("4929000000000009", "card 2 is neither"), ("A0123456789BC", "card 2 is a serial with a wrong")]
)
def test_a_line_that_is_no_card_is_named_by_its_position(line: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(UsageProblem, match=why) as caught:
        read_cards(written(tmp_path / "cards", [IDS[0], line]))
    assert line not in str(caught.value)


def test_an_empty_file_is_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(UsageProblem, match="no card"):
        read_cards(written(tmp_path / "cards", ["", " "]))


async def test_cards_are_sent_in_parts_and_those_there_before_count(capsys: pytest.CaptureFixture[str]) -> None:
    sizes: list[int] = []

    async def send(portion: Portion) -> Sequence[CardChange]:
        sizes.append(len(portion))
        outcome = ChangeOutcome.CHANGE_OUTCOME_REPEATED if len(sizes) == 1 else ChangeOutcome.CHANGE_OUTCOME_NOT_FOUND
        return [CardChange(outcome=outcome) for _ in portion]

    sent = await send_cards(PEOPLE, [CardSelector(card_id=card) for card in IDS], send, "again")
    assert sizes == [1000, 1000, 500]
    assert (sent.total, sent.added, sent.status) == (2500, 1000, 3)
    assert sent.refused[0] == (1001, "not_found")
    show_sent(PEOPLE, sent)
    told = capsys.readouterr().out
    assert "1,000 of 2,500 cards are chosen" in told
    assert "1,480 more" in told


async def test_an_interruption_tells_how_to_go_on(capsys: pytest.CaptureFixture[str]) -> None:
    async def send(portion: Portion) -> Sequence[CardChange]:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await send_cards(PEOPLE, [CardSelector(card_id=IDS[0])], send, "cardvault incident add")
    assert "0 of 1 cards were sent; to go on: cardvault incident add" in capsys.readouterr().err
