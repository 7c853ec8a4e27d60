"""Placeholders in the requests of cases: what stands in their place when a case is run.

Requests are protobuf JSON. In their strings:

    ${program}              the program that the run is about
    ${uuid}                 a new random UUID, another one wherever it stands
    ${card_id}              an id of a card; so for whatever ends in ``_id``. A random UUID, unless the run may have
                            effects: then the first that the program has
    ${page_token}           the page token that the case asks for first
    ${changed_page_token}   the same with one character changed
    ${x*33}                 a character 33 times
    ${zeros*33}             33 zero bytes, in base64; stands alone in the string of a bytes field
    ${times*1001}           last in a list of two: the list is the item before it, 1001 times

The last three keep the file of cases small; other languages fill them in a few lines.
"""

import base64
import re
from collections.abc import Callable
from typing import Any

PROGRAM, UUID, PAGE_TOKEN, CHANGED_PAGE_TOKEN = "program", "uuid", "page_token", "changed_page_token"
_PLACEHOLDER = re.compile(r"\$\{(?:(?P<character>[^$])\*(?P<count>\d+)|zeros\*(?P<zeros>\d+)|(?P<name>\w+))\}")
_TIMES = re.compile(r"\$\{times\*(\d+)\}")
_LONG = re.compile(r"([^$])\1{23,}")
_SHOWN_ZEROS = 3


def placeholder(name: str) -> str:
    """Return the placeholder of a name."""
    return f"${{{name}}}"


def shortened(text: str) -> str:
    """Return a string with its long runs of one character as placeholders."""
    return _LONG.sub(lambda run: f"${{{run[1]}*{len(run[0])}}}", text)


def zeros(count: int) -> str:
    """Return some zero bytes for a bytes field."""
    return f"${{zeros*{count}}}" if count > _SHOWN_ZEROS else base64.b64encode(bytes(count)).decode()


def times(item: Any, count: int) -> list[Any]:
    """Return a list of one item many times."""
    return [item] * count if count <= 1 else [item, f"${{times*{count}}}"]


def filled(value: Any, named: Callable[[str], str]) -> Any:
    """Return protobuf JSON without its placeholders.

    Args:
        value: The JSON.
        named: Returns what stands in place of a named placeholder.
    """
    if isinstance(value, str):
        return _PLACEHOLDER.sub(lambda found: _text(found, named), value)
    if isinstance(value, dict):
        return {key: filled(below, named) for key, below in value.items()}
    if isinstance(value, list):
        found = _TIMES.fullmatch(value[-1]) if value and isinstance(value[-1], str) else None
        items = value[:1] * int(found[1]) if found else value
        return [filled(item, named) for item in items]
    return value


def _text(found: re.Match[str], named: Callable[[str], str]) -> str:
    if found["character"]:
        return found["character"] * int(found["count"])
    if found["zeros"]:
        return base64.b64encode(bytes(int(found["zeros"]))).decode()
    return named(found["name"])
