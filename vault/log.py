"""Logs: JSON lines on standard error, one event a line, redacted before they are written.

Each line has ``time`` (RFC 3339, UTC), ``level``, ``event`` and the event's fields. What other libraries log
comes as the event ``log`` with its logger and message. ``redaction`` says what is taken out; it holds for
exceptions and their stacks as well.
"""

import datetime as dt
import json
import logging
import sys
import traceback
from collections.abc import Collection
from typing import Any, TextIO

from vault.codes.format import CodeFormat
from vault.redaction import DEFAULT_FORMAT, Redactor

_FIELDS = "cardvault_fields"
_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
LEVELS = tuple(_LEVELS)


class Log:
    """Writes events of one module."""

    __slots__ = ("_logger",)

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger

    def debug(self, event: str, **fields: object) -> None:
        """Log what only helps to find a mistake in the vault."""
        self._write(logging.DEBUG, event, fields)

    def info(self, event: str, **fields: object) -> None:
        """Log what happened as it should."""
        self._write(logging.INFO, event, fields)

    def warning(self, event: str, **fields: object) -> None:
        """Log what someone should look at some time."""
        self._write(logging.WARNING, event, fields)

    def error(self, event: str, **fields: object) -> None:
        """Log what someone must look at."""
        self._write(logging.ERROR, event, fields)

    def exception(self, event: str, error: BaseException, **fields: object) -> None:
        """Log an exception that nobody foresaw, with its stack."""
        self._write(logging.ERROR, event, fields, error)

    def debugs(self) -> bool:
        """Whether what ``debug`` is given is written."""
        return self._logger.isEnabledFor(logging.DEBUG)

    def _write(self, level: int, event: str, fields: dict[str, object], error: BaseException | None = None) -> None:
        if self._logger.isEnabledFor(level):
            exc_info = (type(error), error, error.__traceback__) if error else None
            self._logger.log(level, event, exc_info=exc_info, extra={_FIELDS: fields})


class _Formatter(logging.Formatter):
    """Renders a record as one redacted JSON line."""

    def __init__(self) -> None:
        super().__init__()
        self.redactor = Redactor([DEFAULT_FORMAT])

    def format(self, record: logging.LogRecord) -> str:
        """Return the line without its end."""
        time = dt.datetime.fromtimestamp(record.created, dt.UTC)
        line: dict[str, Any] = {
            "time": time.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
        }
        fields = getattr(record, _FIELDS, None)
        if fields is None:
            line |= {
                "event": "log",
                "logger": record.name,
                "message": self.redactor.exception_text(record.getMessage()),
            }
        else:
            line["event"] = self.redactor.text(record.msg)
            line |= {name: self.redactor.value(value) for name, value in fields.items() if name not in line}
        if record.exc_info and record.exc_info[1]:
            line["exception"] = type(record.exc_info[1]).__name__
            line["stack"] = self.redactor.exception_text("".join(traceback.format_exception(record.exc_info[1])))
        return json.dumps(line, ensure_ascii=False)


_formatter = _Formatter()


def get(name: str) -> Log:
    """Return the log of a module, by its dotted name."""
    return Log(logging.getLogger(name))


def configure(level: str = "info", stream: TextIO | None = None) -> None:
    """Send every log of this process to a stream, in place of where it went before.

    Args:
        level: The least level written: ``debug``, ``info``, ``warning`` or ``error``.
        stream: Standard error when None.
    """
    sink = logging.StreamHandler(stream or sys.stderr)
    sink.setFormatter(_formatter)
    root = logging.getLogger()
    root.handlers[:] = [sink]
    root.setLevel(_LEVELS[level])
    logging.captureWarnings(capture=True)
    logging.raiseExceptions = False  # it would print the record unredacted


def may_hold_code(text: str) -> bool:
    """Whether a text has a run of digits that could be a code, so that it would be taken out of a log."""
    return _formatter.redactor.text(text) != text


def set_formats(formats: Collection[CodeFormat]) -> None:
    """Look for codes of these formats from now on, besides the default one."""
    _formatter.redactor = Redactor([DEFAULT_FORMAT, *formats])
