import os
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum.iso7064 import mod_37_36

from tests.vectors import Stream, load
from vault.codes.serial import generate_serials, parse_serial
from vault.errors import InvalidInput

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def test_serials_have_their_form_and_an_independent_implementations_check_character() -> None:
    for serial in generate_serials(500, os.urandom):
        assert len(serial) == 13
        assert serial[0] in ALPHABET[10:]
        assert set(serial) <= set(ALPHABET)
        assert mod_37_36.is_valid(serial)
        assert parse_serial(serial) == serial


def test_letters_and_characters_are_uniform() -> None:
    serials = generate_serials(26_000, Stream("serials"))
    letters = Counter(serial[0] for serial in serials)
    # Chi-squared with 25 degrees of freedom: above 68 with a chance of 8 in a million; with 35, above 84.
    assert sum((letters[letter] - 1000) ** 2 / 1000 for letter in ALPHABET[10:]) < 68
    for place in range(1, 12):
        counts = Counter(serial[place] for serial in serials)
        expected = 26_000 / 36
        assert sum((counts[character] - expected) ** 2 / expected for character in ALPHABET) < 84


def test_every_kept_byte_is_used_evenly_and_no_other() -> None:
    def every_byte(count: int) -> bytes:
        return bytes(reversed(range(256))) * (count // 256 + 1)

    serials = generate_serials(234 * 252, every_byte)
    assert set(Counter(serial[0] for serial in serials).values()) == {9 * 252}
    assert set(Counter("".join(serial[1:12] for serial in serials)).values()) == {234 * 252 * 11 // 36}


def test_rejected_bytes_are_drawn_again() -> None:
    serials = generate_serials(3, lambda count: b"\xff" * (count - 1) + b"\x00")
    assert {serial[:12] for serial in serials} == {"A00000000000"}


@given(st.integers(0, 2**32))
def test_every_single_wrong_character_is_found(seed: int) -> None:
    (serial,) = generate_serials(1, Stream(str(seed)))
    for place in range(13):
        for wrong in ALPHABET:
            if wrong != serial[place]:
                with pytest.raises(InvalidInput):
                    parse_serial(serial[:place] + wrong + serial[place + 1 :])


def test_lower_case_spaces_and_hyphens_are_read() -> None:
    (serial,) = generate_serials(1, Stream("typed"))
    typed = "-".join(serial[start : start + 4] for start in range(0, 13, 4)).lower()
    assert parse_serial(f" {typed} ") == serial


@pytest.mark.parametrize("change", ["", "short", "long", "digits", "foreign", "dotless", "symbol"])
def test_a_malformed_serial_is_refused_and_never_repeated(change: str) -> None:
    (serial,) = generate_serials(1, Stream("malformed"))
    typed = {
        "": "",
        "short": serial[:12],
        "long": serial + "0",
        "digits": "4929123412341",
        "foreign": serial[:12] + "\uff10",
        "dotless": "\u0131" + serial[1:],
        "symbol": serial[:5] + "_" + serial[6:],
    }[change]
    with pytest.raises(InvalidInput) as caught:
        parse_serial(typed, "selection.serials[7]")
    assert (caught.value.reason, caught.value.field) == ("SERIAL_MALFORMED", "selection.serials[7]")
    assert not typed or typed not in caught.value.message


@pytest.mark.parametrize("case", load("serial"))
def test_frozen_serials_hold(case: dict[str, object]) -> None:
    serials: list[str] = case["serials"]  # type: ignore[assignment]
    assert generate_serials(len(serials), Stream(str(case["seed"]))) == serials
    assert [parse_serial(serial) for serial in serials] == serials


def test_serials_are_not_the_same_twice() -> None:
    assert len(set(generate_serials(10_000, os.urandom))) == 10_000
