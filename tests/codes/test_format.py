import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault.codes.format import CodeFormat, normalize, validate_format
from vault.errors import InvalidInput
from vault.model.states import CheckAlgorithm

SIXTEEN = CodeFormat(16, CheckAlgorithm.LUHN, "")
# As a Japanese keyboard types them: each ASCII character lies 0xFEE0 above.
FULL_WIDTH = {ord(character): ord(character) + 0xFEE0 for character in "0123456789-"}


def test_the_code_space_counts_neither_prefix_nor_check_digit() -> None:
    assert SIXTEEN.code_space == 10**15
    assert SIXTEEN._replace(prefix="4929").random_digits == 11


@pytest.mark.parametrize("length", [8, 16, 19])
@pytest.mark.parametrize("algorithm", CheckAlgorithm)
@pytest.mark.parametrize("prefix", ["", "0", "492912"])
def test_formats_within_bounds_are_accepted(length: int, algorithm: CheckAlgorithm, prefix: str) -> None:
    validate_format(CodeFormat(length, algorithm, prefix))


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"length": 7}, "length"),
        ({"length": 20}, "length"),
        ({"length": -1}, "length"),
        ({"check_algorithm": 0}, "check_algorithm"),
        ({"check_algorithm": 4}, "check_algorithm"),
        ({"prefix": "12a"}, "prefix"),
        ({"prefix": "\uff11"}, "prefix"),
        ({"prefix": "²"}, "prefix"),
        ({"prefix": " "}, "prefix"),
        ({"prefix": "1" * 15}, "prefix"),
        ({"prefix": "1" * 40}, "prefix"),
    ],
)
def test_a_format_out_of_bounds_is_refused_by_its_field(changes: dict[str, object], part: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        validate_format(SIXTEEN._replace(**changes))  # type: ignore[arg-type]
    assert caught.value.field == f"settings.code_format.{part}"
    assert caught.value.reason == "CODE_FORMAT"


def test_one_random_digit_is_enough() -> None:
    validate_format(SIXTEEN._replace(prefix="1" * 14))


@pytest.mark.parametrize(
    "typed",
    [
        "4929123456789012",
        "4929 1234 5678 9012",
        "4929-1234-5678-9012",
        " 4929123456789012 ",
        "4929\u30001234\u30005678\u30009012".translate(FULL_WIDTH),
        "4929-1234-5678-9012".translate(FULL_WIDTH),
        "4929\u20101234\u20115678\u22129012",
    ],
)
def test_what_hands_put_between_digits_is_left_out(typed: str) -> None:
    assert normalize(typed) == b"4929123456789012"


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "1234567",
        "12345678901234567890",
        "4929123456789o12",
        "4929_1234_5678_9012",
        "4929\n123456789012",
        "4929\t123456789012",
        "4929.1234.5678.9012",
        "\u0661\u0662\u0663\u0664\u0665\u0666\u0667\u0668\u0669",
        "²²²²²²²²",
        "\ud8001234567890",
        "+4929123456789012",
        "0x49291234567890",
    ],
)
def test_everything_else_is_refused_and_never_repeated(typed: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        normalize(typed, "codes[3].digits")
    assert caught.value.reason == "CODE_MALFORMED"
    assert caught.value.field == "codes[3].digits"
    assert caught.value.message == "a code is 8 to 19 digits"
    assert not caught.value.metadata


@given(st.text())
def test_what_is_accepted_is_8_to_19_ascii_digits(typed: str) -> None:
    try:
        digits = normalize(typed)
    except InvalidInput:
        return
    assert 8 <= len(digits) <= 19
    assert set(digits) <= set(b"0123456789")


@given(st.text("0123456789", min_size=8, max_size=19), st.lists(st.integers(0, 19)))
def test_separators_anywhere_change_nothing(digits: str, places: list[int]) -> None:
    typed = digits
    for place in places:
        typed = typed[:place] + "- "[place % 2] + typed[place:]
    assert normalize(typed) == digits.encode()
