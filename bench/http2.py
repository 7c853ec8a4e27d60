"""HTTP/2 by hand, as far as a client needs it that costs next to nothing, or misbehaves (RFC 9113, RFC 7541).

``Connection`` sends what it is given and sorts what comes back; it keeps no rule for its user, so that tests can break
each. The peer is asked to compress no header with a table (SETTINGS_HEADER_TABLE_SIZE 0), so that the one header that
matters, ``grpc-status``, can be read without one.
"""

import asyncio
import ssl
import struct
from pathlib import Path
from typing import NamedTuple

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
END_STREAM, ACK, END_HEADERS = 0x1, 0x1, 0x4
HEADER_TABLE_SIZE, INITIAL_WINDOW_SIZE = 1, 4
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
LARGEST_WINDOW = 2**31 - 1
DEFAULT_WINDOW = 65_535
CONNECT_SECONDS = 30.0

_FRAME_HEADER_BYTES = 9
_STATUS_NAME = b"\x0bgrpc-status"
_READ_BYTES = 1 << 18


class Frame(NamedTuple):
    """One frame as it came."""

    kind: int
    flags: int
    stream: int
    payload: bytes


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """Return a frame's bytes."""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def settings(**values: int) -> bytes:
    """Return a SETTINGS frame; settings by number, as in ``settings(_4=65535)``."""
    return frame(SETTINGS, 0, 0, b"".join(struct.pack(">HI", int(key[1:]), value) for key, value in values.items()))


def headers(path: str, authority: str, extra: tuple[tuple[str, str], ...] = ()) -> bytes:
    """Return the header block of a gRPC request: literals that are not indexed (RFC 7541 section 6.2.2)."""
    pairs = (
        (":method", "POST"),
        (":scheme", "https"),
        (":path", path),
        (":authority", authority),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
        *extra,
    )
    return b"".join(b"\0" + _text(name) + _text(value) for name, value in pairs)


def message(body: bytes) -> bytes:
    """Return a message with gRPC's prefix: not compressed, and its length."""
    return b"\0" + struct.pack(">I", len(body)) + body


def request(stream: int, block: bytes, body: bytes) -> bytes:
    """Return the frames of a whole unary request, whose body must fit one frame."""
    return frame(HEADERS, END_HEADERS, stream, block) + frame(DATA, END_STREAM, stream, message(body))


def status_of(block: bytes) -> int | None:
    """Return the grpc-status that a header block tells, None where it has none."""
    at = block.find(_STATUS_NAME)
    if at < 0:
        return None
    at += len(_STATUS_NAME)
    return int(block[at + 1 : at + 1 + block[at]])


def client_context(certificates: Path, caller: str) -> ssl.SSLContext:
    """Return the TLS settings of one caller, who takes any server of the folder's authority."""
    context = ssl.create_default_context(cafile=str(certificates / "ca.pem"))
    context.check_hostname = False
    context.load_cert_chain(certificates / f"{caller}.pem", certificates / f"{caller}.key")
    context.set_alpn_protocols(["h2"])
    return context


class Connection:
    """One connection; ``opened`` makes it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self._buffer = b""

    @classmethod
    async def opened(
        cls, host: str, port: int, context: ssl.SSLContext | None, *, window: int = LARGEST_WINDOW
    ) -> "Connection":
        """Connect, shake hands and say what is needed first.

        Args:
            host: Whom to connect to.
            port: His port.
            context: TLS settings; None for none.
            window: Bytes that the peer may send on a stream, and altogether where it is the largest.
        """
        async with asyncio.timeout(CONNECT_SECONDS):
            reader, writer = await asyncio.open_connection(host, port, ssl=context, limit=_READ_BYTES)
        writer.write(PREFACE + settings(**{f"_{HEADER_TABLE_SIZE}": 0, f"_{INITIAL_WINDOW_SIZE}": window}))
        if window == LARGEST_WINDOW:
            writer.write(frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", window - DEFAULT_WINDOW)))
        return cls(reader, writer)

    async def frames(self) -> list[Frame]:
        """Wait for the next bytes, and return the frames that are whole; none when the peer has closed.

        Settings and pings are answered; what other frames ask for is left to the caller.
        """
        while True:
            received = await self.reader.read(_READ_BYTES)
            if not received:
                return []
            found = self._split(self._buffer + received)
            for each in found:
                if each.kind in (SETTINGS, PING) and not each.flags & ACK:
                    self.writer.write(frame(each.kind, ACK, 0, each.payload if each.kind == PING else b""))
            if found:
                return found

    def close(self) -> None:
        """Break the connection."""
        self.writer.transport.abort()

    def _split(self, received: bytes) -> list[Frame]:
        found, at = [], 0
        while len(received) - at >= _FRAME_HEADER_BYTES:
            size = int.from_bytes(received[at : at + 3], "big")
            end = at + _FRAME_HEADER_BYTES + size
            if len(received) < end:
                break
            kind, flags, stream = struct.unpack_from(">BBI", received, at + 3)
            found.append(Frame(kind, flags, stream & 0x7FFFFFFF, received[at + _FRAME_HEADER_BYTES : end]))
            at = end
        self._buffer = received[at:]
        return found


def _text(value: str) -> bytes:
    """Return a string literal without Huffman's code (RFC 7541 section 5.2), its length a 7-bit prefix integer."""
    raw = value.encode("ascii")
    size, prefix = len(raw), 127
    if size < prefix:
        return bytes([size]) + raw
    rest, size = bytearray([prefix]), size - prefix
    while size > prefix:
        rest.append(size & prefix | 0x80)
        size >>= 7
    rest.append(size)
    return bytes(rest) + raw
