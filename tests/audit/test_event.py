"""The bytes of an event, which are chained and kept for ever."""

from vault.audit.event import Event, Item, decode, encode

# Written by the release before traces: AuditEvent 1 with a writer, a time, an action, a principal and one item.
BEFORE = bytes.fromhex(
    "080112100101010101010101010101010101010118072080e8c792cc312a11"
    "7661756c742e76312e532f4d6574686f64320473686f7052024f4b7a0b0a030102031204474f4f44"
)


def written(event: Event) -> bytes:
    return encode(event, writer_id=bytes([1]) * 16, counter=7, time_ms=1_704_067_200_000)


def test_an_event_keeps_its_trace() -> None:
    event = Event(
        "vault.v1.S/Method", principal="shop", trace_id="0af7651916cd43dd8448eb211c80319c", parent_id="b7" * 8
    )
    read = decode(written(event))
    assert (read.trace_id, read.parent_id) == (event.trace_id, event.parent_id)


def test_an_event_without_a_trace_has_the_bytes_that_it_had_before() -> None:
    event = Event("vault.v1.S/Method", principal="shop", items=[Item(b"\1\2\3", "GOOD")])
    assert written(event) == BEFORE
    assert decode(BEFORE).trace_id == ""
