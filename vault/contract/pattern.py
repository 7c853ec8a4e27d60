"""Strings that match a pattern of ``vault.v1.bounds``, and strings that all but match it.

It reads what those patterns are made of: characters and character classes, each with a count (``{n}``,
``{n,m}``, ``*``, ``+``, ``?``), one after the other. Groups, alternatives and escapes of classes are not read;
a pattern that needs them is refused when cases are made, so that it is noticed here and not passed over.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

_ELEMENT = re.compile(r"(?P<kind>\[(?P<class>[^\]^][^\]]*)\]|[^\\.()|[\]{}*+?^$])(?P<count>\{\d+(,\d*)?\}|[*+?])?")
_PRINTABLE = "".join(map(chr, range(0x21, 0x7F)))
_COUNTS = {"*": (0, None), "+": (1, None), "?": (0, 1), None: (1, 1)}


class UnreadPattern(Exception):
    """A pattern has what this module does not read."""


class Element(NamedTuple):
    """Characters to choose from, and how many; ``most`` is None for no limit."""

    characters: str
    least: int
    most: int | None


class Pattern:
    """A pattern, taken apart."""

    def __init__(self, pattern: str) -> None:
        """Take a pattern apart.

        Raises:
            UnreadPattern: It has what is not read here.
        """
        self.elements = tuple(_elements(pattern))

    def match(self, length: int) -> str | None:
        """Return a string of a length that matches as a whole; None if there is none."""
        counts = [element.least for element in self.elements]
        spare = length - sum(counts)
        for index, element in enumerate(self.elements):
            more = max(0, spare if element.most is None else min(spare, element.most - element.least))
            counts[index] += more
            spare -= more
        if spare:
            return None
        return "".join(element.characters[0] * count for element, count in zip(self.elements, counts, strict=True))

    def near(self, length: int) -> Iterator[tuple[str, str]]:
        """Walk strings of a length that don't match for one character: at the start, in the middle, at the end.

        Yields:
            Where the character is, and the string.
        """
        good = self.match(length)
        if not good:
            return
        for where, index, first in (("start", 0, "0-"), ("middle", length // 2, "A_"), ("end", length - 1, "-A")):
            for character in first + _PRINTABLE:
                wrong = good[:index] + character + good[index + 1 :]
                if not self._matches(wrong):
                    yield where, wrong
                    break

    def _matches(self, text: str) -> bool:
        """Tell whether a string matches, by trying every count; strings here have few places to differ."""
        ends = {0}
        for element in self.elements:
            ends = {end for begin in ends for end in _ends(element, text, begin)}
        return len(text) in ends


def _ends(element: Element, text: str, begin: int) -> Iterator[int]:
    end, most = begin, len(text) if element.most is None else begin + element.most
    if not element.least:
        yield end
    while end < min(most, len(text)) and text[end] in element.characters:
        end += 1
        if end - begin >= element.least:
            yield end


def _elements(pattern: str) -> Iterator[Element]:
    at = 0
    while at < len(pattern):
        found = _ELEMENT.match(pattern, at)
        if not found:
            message = f"the contract's cases can't be made from the pattern {pattern!r}: see vault.contract.pattern"
            raise UnreadPattern(message)
        characters = _members(found["class"]) if found["class"] else found["kind"]
        yield Element(characters, *_counts(found["count"]))
        at = found.end()


def _members(text: str) -> str:
    """Return the characters of a class, such as ``a-z0-9_``, letters and digits first."""
    members = []
    at = 0
    while at < len(text):
        if text[at + 1 : at + 2] == "-" and at + 2 < len(text):
            members += [chr(code) for code in range(ord(text[at]), ord(text[at + 2]) + 1)]
            at += 3
        else:
            members.append(text[at])
            at += 1
    return "".join(members)


def _counts(text: str | None) -> tuple[int, int | None]:
    if text in _COUNTS:
        return _COUNTS[text]
    least, comma, most = str(text)[1:-1].partition(",")
    if not comma:
        return int(least), int(least)
    return int(least), int(most) if most else None
