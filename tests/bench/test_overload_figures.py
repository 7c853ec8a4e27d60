"""The figures of an overload, and the HTTP/2 that its clients speak."""

from collections.abc import Iterator

import pytest

from bench.flood import Flood
from bench.http2 import DATA, HEADERS, PING, Connection, Frame, frame, headers, message, request, status_of
from bench.overload import SLICE_SECONDS, recovery_seconds, shared, together

FLOOD = Flood("127.0.0.1:1", "c", "shop", "/a/B", "p", 0, 8, 100.0, 32, 1.0, 1000)


def calls(*took_ms: float) -> Iterator[tuple[float, int]]:
    """Make ten calls for each quarter of a second, each of which took so long."""
    for number, milliseconds in enumerate(took_ms):
        for tenth in range(10):
            yield number * SLICE_SECONDS + tenth * SLICE_SECONDS / 10, round(milliseconds * 1000)


@pytest.mark.parametrize(
    ("after", "seconds"),
    [
        ((5, 5, 5, 5), 0.0),
        ((11, 5, 5, 5), 0.25),
        ((5, 5, 11, 5), 0.75),
        ((900, 400, 5, 5), 0.5),
        ((900, 400, 300, 11), 5.0),
    ],
)
def test_recovery_is_over_when_calls_are_as_fast_as_before_and_stay_so(after: tuple[int, ...], seconds: float) -> None:
    assert recovery_seconds(list(calls(5, 5)), list(calls(*after))) == seconds


def test_processes_share_a_flood_and_ask_for_different_codes() -> None:
    one, other = shared(FLOOD, 2)
    assert (one.rate, one.in_flight, one.connections) == (50.0, 16, 4)
    assert other == one._replace(first=other.first)
    assert other.first > 0


def test_what_processes_saw_is_put_together() -> None:
    seen = together([{"good": [(2.0, 1)], "shed": [(1.0, 1)]}, {"good": [(1.0, 2)]}])
    assert seen == {"good": [(1.0, 2), (2.0, 1)], "shed": [(1.0, 1)]}


def test_frames_are_cut_as_they_were_put_together() -> None:
    sent = request(5, b"block", b"body") + frame(PING, 0, 0, b"12345678")
    connection = Connection.__new__(Connection)
    connection._buffer = b""
    found: list[Frame] = []
    for at in range(len(sent)):
        found += connection._split(connection._buffer + sent[at : at + 1])
    assert [(each.kind, each.stream) for each in found] == [(HEADERS, 5), (DATA, 5), (PING, 0)]
    assert found[1].payload == message(b"body") == b"\0\0\0\0\x04body"


def test_long_header_values_have_their_length_in_several_bytes() -> None:
    block = headers("/a", "b", (("x", "y" * 1337),))
    # RFC 7541 appendix C.1.2 for a 7-bit prefix: 1337 - 127 = 1210 = 58 + 9 * 128.
    assert b"\x01x\x7f" + bytes([58 | 0x80, 9]) + b"yyy" in block


@pytest.mark.parametrize(
    ("block", "status"), [(b"\0\x0bgrpc-status\x0214\0", 14), (b"\0\x0bgrpc-status\x010", 0), (b"", None)]
)
def test_the_status_is_read_from_a_header_block(block: bytes, status: int | None) -> None:
    assert status_of(block) == status
