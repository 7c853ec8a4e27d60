"""The audit log's writer: counts and chains events inside the transactions that they describe.

1. An event is written in the transaction that it describes, so one is never without the other.
2. Each process has one writer at a time; its events are counted from 1 without gaps, and each chain value is a
   keyed MAC over the one before and the event's bytes, so that an event changed, moved or taken out of the
   middle is noticed by whoever holds the key.
3. When it is not known whether an event became durable, the chain ends there and a new writer id begins, so a
   count is never used twice.

What it does not protect against: cutting off a chain's end, or a whole chain. The tree and its signed
checkpoints, built over these events later, do.

Stored chain value: key version (4 bytes, big-endian), HMAC-SHA-256 (32 bytes).
"""

from collections.abc import Callable, Iterable

from vault.audit.event import Event, encode
from vault.crypto import chain
from vault.crypto.keyring import Key
from vault.model.rows import AuditEventRow
from vault.stores.protocol import Transaction

Random = Callable[[int], bytes]


class Log:
    """Writes events. Used only from inside transactions, which one thread runs at a time."""

    def __init__(self, *, clock_ms: Callable[[], int], random: Random) -> None:
        self._clock_ms = clock_ms
        self._random = random
        self.restart()

    def restart(self) -> None:
        """End the chain and begin a new one under a new writer id."""
        self._writer_id = self._random(16)
        self._counter = 0
        self._chain = chain.GENESIS

    def append(self, tx: Transaction, key: Key, events: Iterable[Event]) -> None:
        """Write events, chained under the active chain key."""
        tx.on_failure(self.restart)
        rows = []
        for event in events:
            time_ms = self._clock_ms()
            self._counter += 1
            data = encode(event, writer_id=self._writer_id, counter=self._counter, time_ms=time_ms)
            self._chain = chain.advance(key.secret, self._chain, data)
            value = key.version.to_bytes(4, "big") + self._chain
            rows.append(AuditEventRow(self._writer_id, self._counter, time_ms, event.program, data, value))
        tx.audit.append(rows)
