import hashlib
import os
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nacl.bindings import (
    crypto_secretstream_xchacha20poly1305_init_pull,
    crypto_secretstream_xchacha20poly1305_init_push,
    crypto_secretstream_xchacha20poly1305_push,
    crypto_secretstream_xchacha20poly1305_state,
)
from nacl.public import PrivateKey

from tests.vectors import Stream, load
from vault.crypto.package import CHUNK_SIZE, HEAD_SIZE, PackageReader, PackageWriter, begin, package_size
from vault.errors import IntegrityFailure, InvalidInput
from vault.secret import Secret

RECIPIENT = PrivateKey(bytes(range(32)))
PRIVATE = Secret(bytes(RECIPIENT))
SIZES = [0, 1, 100, CHUNK_SIZE - 1, CHUNK_SIZE, CHUNK_SIZE + 1, 3 * CHUNK_SIZE, 3 * CHUNK_SIZE + 5]


def packed(plaintext: bytes) -> bytes:
    writer = PackageWriter(*begin(bytes(RECIPIENT.public_key), os.urandom))
    return writer.write(plaintext) + writer.finish()


def opened(package: bytes, step: int = 1 << 20, private: Secret = PRIVATE) -> bytes:
    reader = PackageReader(private)
    parts = [reader.feed(package[start : start + step]) for start in range(0, len(package), step)]
    return b"".join([*parts, reader.finish()])


def refused(act: Callable[[], object]) -> None:
    with pytest.raises(IntegrityFailure) as caught:
        act()
    assert caught.value.reason == "PACKAGE"
    assert caught.value.message == "the package is not whole, was changed, or was sealed to another key"


@pytest.mark.parametrize("size", SIZES)
def test_a_package_opens_and_has_the_size_foretold(size: int) -> None:
    plaintext = Stream("plain")(size)
    package = packed(plaintext)
    assert len(package) == package_size(size)
    assert opened(package) == plaintext


@pytest.mark.parametrize("size", [0, CHUNK_SIZE, CHUNK_SIZE + 5])
@pytest.mark.parametrize("step", [1009, CHUNK_SIZE, CHUNK_SIZE + 17])
def test_a_package_may_arrive_in_any_pieces(size: int, step: int) -> None:
    plaintext = Stream("plain")(size)
    assert opened(packed(plaintext), step) == plaintext


def test_the_same_head_key_and_plaintext_give_the_same_bytes() -> None:
    plaintext = Stream("plain")(2 * CHUNK_SIZE + 77)
    head, key = begin(bytes(RECIPIENT.public_key), os.urandom)
    first = PackageWriter(head, key)
    package = first.write(plaintext) + first.finish()
    for step in (1000, 65535, 65536, 65537, 200_000):
        writer = PackageWriter(head, key)
        parts = [writer.write(plaintext[start : start + step]) for start in range(0, len(plaintext), step)]
        assert b"".join([*parts, writer.finish()]) == package
    assert packed(plaintext) != package


@settings(max_examples=25)
@given(st.lists(st.integers(0, 90_000), max_size=5))
def test_how_writes_are_cut_changes_nothing(cuts: list[int]) -> None:
    plaintext = Stream("plain")(sum(cuts))
    head, key = begin(bytes(RECIPIENT.public_key), Stream("key"))
    whole, cut = PackageWriter(head, key), PackageWriter(head, key)
    start, parts = 0, []
    for size in cuts:
        parts.append(cut.write(plaintext[start : start + size]))
        start += size
    assert b"".join([*parts, cut.finish()]) == whole.write(plaintext) + whole.finish()


def test_a_writer_continues_a_stream_exactly_as_libsodium_began_it() -> None:
    key = os.urandom(32)
    pushed = crypto_secretstream_xchacha20poly1305_state()
    pulled = crypto_secretstream_xchacha20poly1305_state()
    header = crypto_secretstream_xchacha20poly1305_init_push(pushed, key)
    crypto_secretstream_xchacha20poly1305_init_pull(pulled, header, key)
    writer = PackageWriter(b"CVPK\x01" + bytes(80) + header, Secret(key))
    plaintext = Stream("plain")(CHUNK_SIZE + 9)
    made = writer.write(plaintext) + writer.finish()
    for state in (pushed, pulled):
        first = crypto_secretstream_xchacha20poly1305_push(state, plaintext[:CHUNK_SIZE], tag=0)
        last = crypto_secretstream_xchacha20poly1305_push(state, plaintext[CHUNK_SIZE:], tag=3)
        assert made[HEAD_SIZE:] == first + last


def test_any_changed_byte_is_refused() -> None:
    package = packed(b"a plaintext")
    for place in range(len(package)):
        changed = package[:place] + bytes((package[place] ^ 1,)) + package[place + 1 :]
        refused(partial(opened, changed))


def test_a_package_cut_short_anywhere_is_refused() -> None:
    package = packed(b"a plaintext")
    for end in range(len(package)):
        refused(partial(opened, package[:end]))


def test_chunks_left_out_swapped_or_added_are_refused() -> None:
    package = packed(Stream("plain")(2 * CHUNK_SIZE + 9))
    size = CHUNK_SIZE + 17
    head, first, second = package[:HEAD_SIZE], package[HEAD_SIZE:][:size], package[HEAD_SIZE + size :][:size]
    last = package[HEAD_SIZE + 2 * size :]
    assert opened(head + first + second + last)
    for parts in (
        (head, second, first, last),
        (head, first, last),
        (head, second, last),
        (head, first, second),
        (head, first),
        (head,),
        (head, first, second, last, b"\x00"),
        (head, first, second, last, last),
        (head, first, second, last, first),
    ):
        refused(partial(opened, b"".join(parts)))


def test_a_stream_that_ends_or_goes_on_in_the_wrong_place_is_refused() -> None:
    head, key = begin(bytes(RECIPIENT.public_key), os.urandom)
    for size, tag in ((CHUNK_SIZE, 3), (10, 0)):
        state = crypto_secretstream_xchacha20poly1305_state()
        crypto_secretstream_xchacha20poly1305_init_pull(state, head[-24:], key.expose())
        chunk = crypto_secretstream_xchacha20poly1305_push(state, bytes(size), tag=tag)
        refused(partial(opened, head + chunk))


def test_another_private_key_is_refused() -> None:
    refused(lambda: opened(packed(b"a plaintext"), private=Secret(bytes(32))))


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_private_key_of_another_size_is_refused(size: int) -> None:
    with pytest.raises(InvalidInput, match="32 bytes"):
        PackageReader(Secret(bytes(size)))


@pytest.mark.parametrize("head", [b"", bytes(HEAD_SIZE), b"CVPK\x02" + bytes(HEAD_SIZE - 5), b"CVPK\x01"])
def test_a_writer_refuses_what_is_no_head(head: bytes) -> None:
    refused(lambda: PackageWriter(head, Secret(bytes(32))))


@pytest.mark.parametrize("case", load("package"))
def test_frozen_packages_hold(case: dict[str, Any]) -> None:
    plaintext = Stream(case["seed"])(case["size"])
    head, stream_key = bytes.fromhex(case["head"]), Secret(bytes.fromhex(case["stream_key"]))
    writer = PackageWriter(head, stream_key)
    package = writer.write(plaintext) + writer.finish()
    assert hashlib.sha256(package).hexdigest() == case["sha256"]
    if "package" in case:
        assert package.hex() == case["package"]
    assert opened(package, private=Secret(bytes.fromhex(case["private_key"]))) == plaintext
