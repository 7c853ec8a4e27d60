import base64

import pytest

from vault.contract.filling import filled, placeholder, shortened, times, zeros


def test_placeholders_are_filled_wherever_they_stand() -> None:
    count = iter(range(10))
    request = {"program": placeholder("program"), "ids": [placeholder("uuid")] * 2, "below": {"flag": True, "n": 1}}
    assert filled(request, lambda name: "gift" if name == "program" else f"id-{next(count)}") == {
        "program": "gift",
        "ids": ["id-0", "id-1"],
        "below": {"flag": True, "n": 1},
    }


def test_long_runs_are_short_in_the_file_and_whole_when_filled() -> None:
    text = "x" + "a" * 100 + "\x01"
    assert shortened(text) == "x${a*100}\x01"
    assert filled(shortened(text), str) == text
    assert shortened("a" * 10) == "a" * 10


@pytest.mark.parametrize("count", [0, 1, 3, 4, 65_537])
def test_zero_bytes_are_as_many_as_asked_for(count: int) -> None:
    assert base64.b64decode(filled(zeros(count), str)) == bytes(count)


@pytest.mark.parametrize("count", [0, 1, 2, 1001])
def test_a_list_has_its_item_as_often_as_asked_for(count: int) -> None:
    assert filled(times({"a": 1}, count), str) == [{"a": 1}] * count
