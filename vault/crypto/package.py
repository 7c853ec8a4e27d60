"""Packages: codes sealed to a recipient's X25519 key.

Format of a package:
    magic              4   "CVPK"
    format             1   0x01
    sealed key        80   libsodium sealed box (X25519, XSalsa20-Poly1305) of the 32-byte stream key
    header            24   of libsodium's secretstream (XChaCha20-Poly1305)
    chunks                 each 17 bytes longer than its plaintext. All but the last hold 65,536 bytes and have
                           tag MESSAGE; the last holds 0 to 65,535 and has tag FINAL.
Format of the plaintext: entries, each with its length before it as a protobuf varint.

1. Only the recipient's private key opens it; the vault keeps the stream key wrapped while it may be resumed.
2. The same head, stream key and plaintext give the same bytes, however writes are cut: a download resumes by
   byte offset.
3. A package changed, reordered, cut short or followed by anything is refused, with one error.

It does not say who made it: anyone can seal a package to a public key. The manifest's SHA-256, had from the
vault, does. Only libsodium and the standard library are needed here, for the client's sake.
"""

from collections.abc import Callable
from typing import Final, TypeAlias

from nacl.bindings import (
    crypto_box_seal,
    crypto_box_seal_open,
    crypto_scalarmult_base,
    crypto_secretstream_xchacha20poly1305_init_pull,
    crypto_secretstream_xchacha20poly1305_pull,
    crypto_secretstream_xchacha20poly1305_push,
    crypto_secretstream_xchacha20poly1305_state,
)
from nacl.bindings.crypto_secretstream import (
    crypto_secretstream_xchacha20poly1305_ABYTES,
    crypto_secretstream_xchacha20poly1305_TAG_FINAL,
    crypto_secretstream_xchacha20poly1305_TAG_MESSAGE,
)
from nacl.exceptions import CryptoError

from vault.errors import IntegrityFailure, InvalidInput
from vault.secret import Secret

Random: TypeAlias = Callable[[int], bytes]

CHUNK_SIZE: Final = 65536
LARGEST_ENTRY: Final = 65536

_START: Final = b"CVPK\x01"
_KEY_SIZE: Final = 32
_SEALED_KEY_END: Final = len(_START) + 80
HEAD_SIZE: Final = _SEALED_KEY_END + 24
_ADDED: Final = int(crypto_secretstream_xchacha20poly1305_ABYTES)
_FINAL: Final = int(crypto_secretstream_xchacha20poly1305_TAG_FINAL)
_MESSAGE: Final = int(crypto_secretstream_xchacha20poly1305_TAG_MESSAGE)
_CONTINUES: Final = 0x80
_VARINT_BYTES: Final = 5


def begin(recipient_public: bytes, random: Random) -> tuple[bytes, Secret]:
    """Begin a package to a recipient; do this once for each package.

    Args:
        recipient_public: An X25519 public key that ``check_recipient_key`` accepts.
        random: Source of the stream key and the header. The sealed box draws its own from libsodium.

    Returns:
        The package's head and its stream key, from which ``PackageWriter`` makes the rest.
    """
    drawn = random(_KEY_SIZE + HEAD_SIZE - _SEALED_KEY_END)
    stream_key = drawn[:_KEY_SIZE]
    return _START + crypto_box_seal(stream_key, recipient_public) + drawn[_KEY_SIZE:], Secret(stream_key)


def package_size(plaintext_size: int) -> int:
    """Return the size in bytes of the whole package of a plaintext's size."""
    return HEAD_SIZE + plaintext_size + _ADDED * (plaintext_size // CHUNK_SIZE + 1)


def _stream(header: bytes, key: bytes) -> crypto_secretstream_xchacha20poly1305_state:
    # Pushing goes on from here too: init_push draws a header, then sets the state as init_pull does from one.
    state = crypto_secretstream_xchacha20poly1305_state()
    crypto_secretstream_xchacha20poly1305_init_pull(state, header, key)
    return state


class PackageWriter:
    """Makes a package: all that ``write`` and ``finish`` return, one after the other, head included."""

    def __init__(self, head: bytes, stream_key: Secret) -> None:
        """Begin at the package's first byte.

        Raises:
            IntegrityFailure: PACKAGE: the head is none.
        """
        if len(head) != HEAD_SIZE or not head.startswith(_START):
            raise _refused()
        self._state = _stream(head[_SEALED_KEY_END:], stream_key.expose())
        self._ready = head
        self._plain = bytearray()

    def write(self, plaintext: bytes) -> bytes:
        """Return what can be sent once this plaintext has come too; often nothing."""
        plain = self._plain
        plain += plaintext
        pieces = [self._ready]
        self._ready = b""
        whole = len(plain) // CHUNK_SIZE * CHUNK_SIZE
        pieces += [
            crypto_secretstream_xchacha20poly1305_push(
                self._state, bytes(plain[start : start + CHUNK_SIZE]), tag=_MESSAGE
            )
            for start in range(0, whole, CHUNK_SIZE)
        ]
        del plain[:whole]
        return b"".join(pieces)

    def finish(self) -> bytes:
        """Return the rest of the package; the writer is of no use afterwards."""
        last = crypto_secretstream_xchacha20poly1305_push(self._state, bytes(self._plain), tag=_FINAL)
        return self._ready + last


class PackageReader:
    """Opens a package as it arrives. Act on nothing that it gave before ``finish`` has returned."""

    def __init__(self, private_key: Secret) -> None:
        """Take the recipient's X25519 private key.

        Raises:
            InvalidInput: PRIVATE_KEY: it is not 32 bytes long.
        """
        if len(private_key) != _KEY_SIZE:
            message = f"an X25519 private key has {_KEY_SIZE} bytes"
            raise InvalidInput(message, reason="PRIVATE_KEY")
        self._private_key = private_key
        self._state: crypto_secretstream_xchacha20poly1305_state | None = None
        self._waiting = bytearray()

    def feed(self, ciphertext: bytes) -> bytes:
        """Return the plaintext that can be read once these bytes have come too; often nothing.

        Raises:
            IntegrityFailure: PACKAGE: it was not sealed to this key, or was changed.
        """
        waiting = self._waiting
        waiting += ciphertext
        if self._state is None:
            if len(waiting) < HEAD_SIZE:
                return b""
            self._state = self._open_head(bytes(waiting[:HEAD_SIZE]))
            del waiting[:HEAD_SIZE]
        size = CHUNK_SIZE + _ADDED
        whole = len(waiting) // size * size
        chunks = (bytes(waiting[start : start + size]) for start in range(0, whole, size))
        plain = b"".join(_pull(self._state, chunk, _MESSAGE) for chunk in chunks)
        del waiting[:whole]
        return plain

    def finish(self) -> bytes:
        """Return the last plaintext once every byte has come.

        Raises:
            IntegrityFailure: PACKAGE: it is not whole, was changed, or something follows it.
        """
        if self._state is None:
            raise _refused()
        return _pull(self._state, bytes(self._waiting), _FINAL)

    def _open_head(self, head: bytes) -> crypto_secretstream_xchacha20poly1305_state:
        if not head.startswith(_START):
            raise _refused()
        private_key = self._private_key.expose()
        try:
            stream_key = crypto_box_seal_open(
                head[len(_START) : _SEALED_KEY_END], crypto_scalarmult_base(private_key), private_key
            )
        except CryptoError:
            raise _refused() from None
        return _stream(head[_SEALED_KEY_END:], stream_key)


def _pull(state: crypto_secretstream_xchacha20poly1305_state, chunk: bytes, expected: int) -> bytes:
    try:
        plain, tag = crypto_secretstream_xchacha20poly1305_pull(state, chunk)
    except CryptoError:
        raise _refused() from None
    if tag != expected:
        raise _refused()
    return plain


def _refused() -> IntegrityFailure:
    message = "the package is not whole, was changed, or was sealed to another key"
    return IntegrityFailure(message, reason="PACKAGE")


def frame(entry: bytes) -> bytes:
    """Return an entry (at most 65,536 bytes) with its length before it, as protobuf delimits messages."""
    size = len(entry)
    length = bytearray()
    while size >= _CONTINUES:
        length.append(size % _CONTINUES + _CONTINUES)
        size //= _CONTINUES
    length.append(size)
    return bytes(length) + entry


class Unframer:
    """Cuts a plaintext, as it arrives, into the entries that ``frame`` put together."""

    def __init__(self) -> None:
        self._waiting = bytearray()

    def feed(self, plaintext: bytes) -> list[bytes]:
        """Return the entries that are complete once these bytes have come too.

        Raises:
            IntegrityFailure: PACKAGE: a length is no varint, or above 65,536.
        """
        waiting = self._waiting
        waiting += plaintext
        entries = []
        place = 0
        while (found := _length(waiting, place)) is not None:
            size, start = found
            if start + size > len(waiting):
                break
            place = start + size
            entries.append(bytes(waiting[start:place]))
        del waiting[:place]
        return entries

    def finish(self) -> None:
        """Accept the end of the plaintext.

        Raises:
            IntegrityFailure: PACKAGE: it ends within an entry.
        """
        if self._waiting:
            raise _malformed()


def _length(waiting: bytearray, place: int) -> tuple[int, int] | None:
    """Read the varint at a place: return its value and where it ends, or None while it is not all there."""
    size = 0
    for index, byte in enumerate(waiting[place : place + _VARINT_BYTES]):
        size += byte % _CONTINUES << 7 * index
        if size > LARGEST_ENTRY:
            raise _malformed()
        if byte < _CONTINUES:
            return size, place + index + 1
    if len(waiting) - place >= _VARINT_BYTES:
        raise _malformed()
    return None


def _malformed() -> IntegrityFailure:
    message = "the package holds something other than whole entries"
    return IntegrityFailure(message, reason="PACKAGE")
