"""Times on the command line: ISO 8601 with a zone, or a date, whose beginning or end in UTC is meant."""

import argparse
from datetime import UTC, date, datetime, time

from google.protobuf.timestamp_pb2 import Timestamp

DATE_LENGTH = len("2030-12-31")


def parse_expiry(text: str) -> Timestamp:
    """Parse a time to a whole second; a date means its last second.

    Raises:
        argparse.ArgumentTypeError: It is no time.
    """
    return _parse(text, time(23, 59, 59))


def parse_instant(text: str) -> Timestamp:
    """Parse a time to a whole second; a date means its first second.

    Raises:
        argparse.ArgumentTypeError: It is no time.
    """
    return _parse(text, time())


def _parse(text: str, of_day: time) -> Timestamp:
    try:
        if len(text) == DATE_LENGTH:
            moment = datetime.combine(date.fromisoformat(text), of_day, UTC)
        else:
            moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        message = f"{text!r} is neither a date like 2030-12-31 nor a time like 2030-12-31T23:59:59+09:00"
        raise argparse.ArgumentTypeError(message)
    return Timestamp(seconds=int(moment.timestamp()))


def add_expiry(parser: argparse.ArgumentParser) -> None:
    """Add ``--expires`` to a command that issues."""
    parser.add_argument(
        "--expires", type=parse_expiry, metavar="TIME", help="when the cards expire, such as 2030-12-31 (never)"
    )
