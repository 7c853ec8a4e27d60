"""Takes secrets out of what is about to be shown.

1. Of a protobuf message, fields marked ``debug_redact`` and all bytes are left out.
2. In text, a run of digits that contains what could be a code of a known format, with its check digit right, is
   replaced as a whole; single spaces and hyphens between the digits do not hide it, nor do digits of other
   scripts.
3. In text that comes from exceptions, bytes literals and long hexadecimal runs (digests, keys) go as well.

Formats are set as programs are loaded; before that the default format is looked for. It does not recognise a
code with its check digit wrong, in another encoding, or in parts; what protects codes is that nobody writes
them. About one other number in ten of a code's length passes the check and is replaced too.
"""

import re
import unicodedata
from collections.abc import Collection
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from vault.codes.format import CodeFormat, has_check_digit
from vault.model.states import CheckAlgorithm

REDACTED = "[redacted]"
DEFAULT_FORMAT = CodeFormat(16, CheckAlgorithm.LUHN, "")
# What ``codes.format.normalize`` passes over: space, hyphen, and their wide forms.
_RUN = re.compile(r"\d(?:[ \-\u3000\u2010\u2011\u2212\uff0d]?\d){7,}")
_LITERAL = re.compile(r"""\bb'(?:[^'\\]|\\.)*'|\bb"(?:[^"\\]|\\.)*\"""")
_HEX = re.compile(r"[0-9A-Fa-f]{32,}")
_MOST_ITEMS = 10


class Redactor:
    """Finds codes of the formats it was given."""

    def __init__(self, formats: Collection[CodeFormat]) -> None:
        self._formats = tuple(dict.fromkeys(formats))

    def text(self, text: str) -> str:
        """Return the text with every run of digits that holds a possible code replaced."""
        return _RUN.sub(self._run, text)

    def _run(self, match: re.Match[str]) -> str:
        digits = "".join(str(unicodedata.decimal(letter)) for letter in match[0] if letter.isdecimal()).encode()
        return REDACTED if any(_holds(digits, each) for each in self._formats) else match[0]

    def exception_text(self, text: str) -> str:
        """Return text from an exception without possible codes, bytes literals and long hexadecimal runs."""
        return self.text(_HEX.sub(REDACTED, _LITERAL.sub(REDACTED, text)))

    def value(self, value: object) -> Any:
        """Return a value as what JSON can hold, without its secrets."""
        shown: Any
        match value:
            case None | bool():
                shown = value
            case int() | float():
                shown = value if self.text(str(value)) == str(value) else REDACTED
            case str():
                shown = self.text(value)
            case bytes() | bytearray() | memoryview():
                shown = f"[{len(value)} bytes]"
            case Message():
                shown = self.message(value)
            case dict():
                shown = {self.text(str(key)): self.value(item) for key, item in value.items()}
            case list() | tuple() | set() | frozenset():
                shown = self._items(list(value))
            case _:
                shown = self.exception_text(str(value))
        return shown

    def message(self, message: Message) -> dict[str, Any]:
        """Return a message's set fields by name, without those marked ``debug_redact``."""
        return {field.name: self._field(field, value) for field, value in message.ListFields()}

    def _field(self, field: FieldDescriptor, value: Any) -> Any:
        if field.GetOptions().debug_redact:
            return REDACTED
        if field.is_repeated and not isinstance(value, dict):
            return self._items(list(value))
        return self.value(value)

    def _items(self, items: list[object]) -> list[Any]:
        shown = [self.value(item) for item in items[:_MOST_ITEMS]]
        return [*shown, f"[{len(items) - _MOST_ITEMS} more]"] if len(items) > _MOST_ITEMS else shown


def _holds(digits: bytes, form: CodeFormat) -> bool:
    prefix = form.prefix.encode()
    windows = (digits[start : start + form.length] for start in range(len(digits) - form.length + 1))
    return any(each.startswith(prefix) and has_check_digit(each, form.check_algorithm) for each in windows)
