from io import BytesIO

import pytest
from google.protobuf.proto import serialize_length_prefixed
from google.protobuf.wrappers_pb2 import BytesValue
from hypothesis import given
from hypothesis import strategies as st

from vault.crypto.package import LARGEST_ENTRY, Unframer, frame
from vault.errors import IntegrityFailure


@given(st.lists(st.binary(max_size=400)), st.integers(1, 50))
def test_entries_come_back_however_they_arrive(entries: list[bytes], step: int) -> None:
    data = b"".join(map(frame, entries))
    unframer = Unframer()
    back: list[bytes] = []
    for start in range(0, len(data), step):
        back += unframer.feed(data[start : start + step])
    unframer.finish()
    assert back == entries


@pytest.mark.parametrize("size", [0, 1, 125, 126, 16_379, 16_380, LARGEST_ENTRY - 4])
def test_the_length_is_protobufs_varint(size: int) -> None:
    written = BytesIO()
    serialize_length_prefixed(BytesValue(value=bytes(size)), written)
    body = BytesValue(value=bytes(size)).SerializeToString()
    assert frame(body) == written.getvalue()
    assert Unframer().feed(frame(body)) == [body]


@pytest.mark.parametrize(
    "data",
    [b"\xff" * 5, b"\x80" * 5, b"\xff\xff\xff\xff\x7f", frame(bytes(LARGEST_ENTRY + 1)), b"\x01a\xff\xff\xff"],
)
def test_a_length_that_is_none_or_too_large_is_refused(data: bytes) -> None:
    with pytest.raises(IntegrityFailure) as caught:
        Unframer().feed(data)
    assert caught.value.reason == "PACKAGE"


@pytest.mark.parametrize("end", [1, 2, 5])
def test_an_end_within_an_entry_is_refused(end: int) -> None:
    unframer = Unframer()
    assert unframer.feed(frame(bytes(300))[:end]) == []
    with pytest.raises(IntegrityFailure):
        unframer.finish()
