import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault.contract.options import SERVICES, bounds_of, methods
from vault.contract.pattern import Pattern, UnreadPattern
from vault.contract.requests import WELL_KNOWN

PATTERNS = [
    "[a-z][a-z0-9-]*[a-z0-9]",
    "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
    "[A-Z][0-9A-Z]{12}",
    "[A-Za-z0-9_-]*",
    "[0-9]*",
    "ab?c+[x-z]{2,4}",
]


def patterns_of_the_protos() -> set[str]:
    found: set[str] = set()
    seen: set[str] = set()
    waiting = [method.request for method in methods(SERVICES)]
    while waiting:
        message = waiting.pop()
        for field in message.fields:
            found.add(bounds_of(field).pattern)
            below = field.message_type
            if below and below.full_name not in seen | WELL_KNOWN:
                seen.add(below.full_name)
                waiting.append(below)
    return found - {""}


def test_every_pattern_of_the_protos_is_read() -> None:
    found = patterns_of_the_protos()
    assert len(found) >= 5
    for pattern in found:
        assert Pattern(pattern).elements


@pytest.mark.parametrize("pattern", PATTERNS)
@given(length=st.integers(0, 60))
def test_what_matches_matches_and_what_is_near_does_not(pattern: str, length: int) -> None:
    taken = Pattern(pattern)
    text = taken.match(length)
    if text is not None:
        assert len(text) == length
        assert re.fullmatch(pattern, text)
    for where, wrong in taken.near(length):
        assert where in {"start", "middle", "end"}
        assert len(wrong) == length
        assert not re.fullmatch(pattern, wrong)
        assert wrong.isascii()
        assert wrong.isprintable()


@given(pattern=st.sampled_from(PATTERNS), text=st.text("abcxyzA0-_9", max_size=12))
def test_a_string_matches_where_the_standard_library_says_so(pattern: str, text: str) -> None:
    assert Pattern(pattern)._matches(text) == bool(re.fullmatch(pattern, text))


@pytest.mark.parametrize(
    ("pattern", "length"), [("[a-z][a-z0-9-]*[a-z0-9]", 1), ("[A-Z][0-9A-Z]{12}", 12), ("[A-Z][0-9A-Z]{12}", 14)]
)
def test_there_is_no_match_of_a_wrong_length(pattern: str, length: int) -> None:
    assert Pattern(pattern).match(length) is None


@pytest.mark.parametrize("pattern", ["(ab)*", "a|b", r"\d+", "[^a]", "^a", "a$", ".", "a{"])
def test_a_pattern_that_is_not_read_is_refused(pattern: str) -> None:
    with pytest.raises(UnreadPattern, match="can't be made"):
        Pattern(pattern)
