"""Runs work and writes its audit event in the same transaction.

1. What work returns reaches the caller only after its event, and its changes, are durable.
2. A request id is bound to its principal and to a keyed MAC of the method and the received bytes: the same
   request gets the same result for ``request_hours``, another one under the same id is refused.
3. What is kept of a request holds ids and outcomes, never a code.
4. A principal that is blocked is refused in the transaction that would have answered it: before the work, for
   the programs that its request names, and after it, for the one that its event names. Jobs, which nobody waits
   for, go on.
5. A long list may be read from a replica, so what it shows may be some moments old. Nothing is decided by it,
   and its event is written to the store before it is answered.
"""

from collections.abc import Callable, Sequence
from typing import Final, Generic, NamedTuple, TypeVar
from uuid import UUID

from vault.audit.event import Event, Item
from vault.audit.lag import Lag
from vault.audit.log import Log
from vault.crypto.bodymac import body_mac, body_macs
from vault.errors import AlreadyExists, VaultError
from vault.formats.v1.request_result_pb2 import RequestResult
from vault.model.rows import RequestRow
from vault.model.shape import SHAPES
from vault.model.states import KeyPurpose
from vault.policy.call import Call
from vault.service.catalogue import Catalogue, Snapshot
from vault.stores.protocol import Source, Store, Transaction

T = TypeVar("T")

RETRIED: Final = "RETRIED"
"""The reason in the event of a request that got a kept result."""

_OF_JOBS: Final = "job/"


class Scope(NamedTuple):
    """What work runs in: its transaction, programs and keys as that transaction sees them, and the time."""

    tx: Transaction
    snapshot: Snapshot
    now_ms: int


class Recorded(NamedTuple, Generic[T]):
    """A result and the event that describes how it came about."""

    result: T
    event: Event


Work = Callable[[Scope], Recorded[T]]


class Replay(NamedTuple, Generic[T]):
    """How a result is kept for a retry, and given again."""

    keep: Callable[[T], RequestResult]
    restore: Callable[[Scope, RequestResult], Recorded[T]]


class Lists(NamedTuple):
    """Where long lists are read from, with programs and keys as they are there."""

    source: Source
    catalogue: Catalogue


class Recorder:
    """Runs work against a store."""

    def __init__(
        self, store: Store, catalogue: Catalogue, log: Log, clock_ms: Callable[[], int], lists: Lists | None = None
    ) -> None:
        """Use a store; long lists are read from ``lists``, or from the store itself where that is None."""
        self.store = store
        self.catalogue = catalogue
        self._log = log
        self.clock_ms = clock_ms
        self._lists = lists or Lists(store, catalogue)
        self.lag = Lag()

    def scope(self, tx: Transaction) -> Scope:
        """Return the scope of a transaction."""
        return Scope(tx, self.catalogue.at(tx), self.clock_ms())

    def write(self, scope: Scope, *events: Event) -> None:
        """Write events in the scope's transaction."""
        self._log.append(scope.tx, scope.snapshot.keyring.active(KeyPurpose.AUDIT_CHAIN), events)

    async def record(self, work: Work[T], call: Call | None = None) -> T:
        """Run work once, with its event; a call that is given is one that may be refused before.

        Raises:
            PermissionDenied: The principal is blocked.
        """

        def run(tx: Transaction) -> T:
            scope = self.scope(tx)
            if call is not None:
                scope.snapshot.check_principal(call.principal, *call.programs)
            result, event = work(scope)
            _check_answered(scope.snapshot, event)
            self.write(scope, event)
            return result

        return await self.lag.measured(self.store.transact(run))

    async def listed(self, look: Callable[[Scope], T]) -> T:
        """Run what a long list reads, which may be of some moments ago.

        Raises:
            Unavailable: It cannot be read now.
        """
        source, catalogue = self._lists
        return await source.read(lambda tx: look(Scope(tx, catalogue.at(tx), self.clock_ms())))

    async def once(self, call: Call, work: Work[T], replay: Replay[T]) -> T:
        """Run the work of a request at most once, with its event; a retry gets the kept result.

        Raises:
            AlreadyExists: The request id was used for another request (reason ``REQUEST_ID_REUSED``).
            PermissionDenied: The principal is blocked.
        """
        request_id = call.request_id
        if request_id is None:
            return await self.record(work, call)

        def run(tx: Transaction) -> T:
            scope = self.scope(tx)
            snapshot = scope.snapshot
            snapshot.check_principal(call.principal, *call.programs)
            before = tx.requests.get(call.principal, request_id)
            if before is None:
                result, event = work(scope)
                row = request_row(scope, call, request_id, replay.keep(result))
                tx.requests.insert(snapshot.tagger.tagged(SHAPES["request"], row))
            else:
                result, event = replay.restore(scope, kept_result(snapshot, call, before))
                event = event._replace(reason=RETRIED)
            _check_answered(snapshot, event)
            self.write(scope, event)
            return result

        return await self.lag.measured(self.store.transact(run))

    async def answered(self, call: Call) -> bool:
        """Whether a request of this id has been answered, so that work for it need not be prepared.

        Raises:
            PermissionDenied: The principal is blocked, so nothing need be prepared either.
        """
        request_id = call.request_id
        if request_id is None:
            return False

        def look(tx: Transaction) -> bool:
            self.scope(tx).snapshot.check_principal(call.principal, *call.programs)
            return tx.requests.get(call.principal, request_id) is not None

        return await self.store.read(look)

    async def refuse(self, call: Call, error: VaultError, status: str) -> None:
        """Write the event of a call that is being refused, be its principal blocked or not."""
        event = event_of(call, status=status, reason=error.reason)
        await self.lag.measured(self.store.transact(lambda tx: self.write(self.scope(tx), event)))


def _check_answered(snapshot: Snapshot, event: Event) -> None:
    """Accept the event of an answer, unless its principal is blocked."""
    if not event.action.startswith(_OF_JOBS):
        snapshot.check_principal(event.principal, event.program)


def request_row(scope: Scope, call: Call, request_id: bytes, result: RequestResult) -> RequestRow:
    """Return the row that keeps the result of a request, without its tag."""
    return request_rows(scope, [(call, request_id, result)])[0]


def request_rows(scope: Scope, answered: Sequence[tuple[Call, bytes, RequestResult]]) -> list[RequestRow]:
    """Return the rows that keep the results of requests, without their tags; each with its call and request id."""
    key = scope.snapshot.keyring.active(KeyPurpose.REQUEST)
    macs = body_macs(key.secret, [(call.method, call.body) for call, _, _ in answered])
    head = key.version.to_bytes(4, "big")
    return [
        RequestRow(
            call.principal,
            request_id,
            call.method,
            head + mac,
            result.SerializeToString(deterministic=True),
            scope.now_ms,
            b"",
        )
        for (call, request_id, result), mac in zip(answered, macs, strict=True)
    ]


def kept_result(snapshot: Snapshot, call: Call, before: RequestRow) -> RequestResult:
    """Return what was kept of a request, for a call under its id.

    Raises:
        AlreadyExists: REQUEST_ID_REUSED: the call is another request.
        IntegrityFailure: The row is not what the vault wrote.
    """
    snapshot.tagger.verify(SHAPES["request"], before)
    mac = _mac(snapshot, call, int.from_bytes(before.body_mac[:4], "big"))
    if (before.method, before.body_mac) != (call.method, mac):
        raise AlreadyExists(
            "this request id was used for another request; make up a new one",
            reason="REQUEST_ID_REUSED",
            field="request_id",
        )
    return RequestResult.FromString(before.result)


def _mac(snapshot: Snapshot, call: Call, version: int) -> bytes:
    """Key version (4 bytes, big-endian) and MAC of a request as received."""
    key = snapshot.keyring.get(KeyPurpose.REQUEST, "", version)
    return version.to_bytes(4, "big") + body_mac(key.secret, call.method, call.body)


def event_of(  # noqa: PLR0913  what events of calls differ in, each by name
    call: Call,
    *,
    program: str = "",
    status: str = "OK",
    reason: str = "",
    items: Sequence[Item] = (),
    subject: str = "",
) -> Event:
    """Begin the event of a call."""
    trace = call.trace
    return Event(
        call.method,
        principal=call.principal,
        program=program,
        correlation_id=call.correlation_id,
        request_id=str(UUID(bytes=call.request_id)) if call.request_id else "",
        status=status,
        reason=reason,
        subject=subject,
        items=items,
        trace_id="" if trace is None else trace.trace_id,
        parent_id="" if trace is None else trace.parent_id,
    )
