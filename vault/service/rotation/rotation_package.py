"""Packages of re-issued codes: as those of batches, the same bytes every time until they are acknowledged.

1. There is one package for a re-issue that is done and names a recipient; its entries are in the order of card
   ids. Each holds what was issued, whatever became of the card since: the code of that job's generation, its
   serial, and the serial that it took the place of.
2. Its key and head are made once and kept (the key wrapped) until it is acknowledged.
3. An export's event is durable before its first byte leaves; its manifest is durable before it is answered.
4. Rows are counted against the job's own count, so one that was deleted is noticed before a byte leaves.

A package's own row that was deleted is not noticed: the next export makes another package of the same codes, for the
same recipient, be the first one acknowledged or not.

Holds do not stand in its way: codes are replaced while an incident is frozen, and good nowhere until the thaw.
"""

from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import NamedTuple

from vault.codes.code import Code
from vault.codes.serial import SERIAL_LENGTH
from vault.crypto.envelope import Place, unwrap, wrap
from vault.crypto.package import begin
from vault.errors import FailedPrecondition, IntegrityFailure
from vault.formats.v1.job_record_pb2 import JobSpec
from vault.formats.v1.request_result_pb2 import RequestResult
from vault.model.incident_rows import PackageRow, ReissueRow
from vault.model.rows import JobRow
from vault.model.shape import SHAPES
from vault.model.states import CardState
from vault.policy.call import Call
from vault.secret import Secret
from vault.service.budget import WrapBudget
from vault.service.issuing.delivery import OpenedCode, entry, open_codes, recipient_of
from vault.service.issuing.packing import Contents, Manifest, check_offset, pack
from vault.service.issuing.preparation import until_fresh
from vault.service.recorder import Recorded, Recorder, Replay, Scope
from vault.service.rotation.jobview import UNFINISHED, JobView, job_event, refuse_state, view_of
from vault.service.rotation.lineage import reissue_of, reissue_rows, serials_of
from vault.stores.protocol import Transaction

SLICE = 2000
"""Cards opened, or rows counted, at a time."""


class _Begun(NamedTuple):
    """An export at its beginning."""

    job: JobRow
    unsold_only: bool
    code_length: int
    head: bytes
    key: Secret


class RotationPackages:
    """Exports packages of re-issued codes."""

    def __init__(self, recorder: Recorder, budget: WrapBudget, random: Callable[[int], bytes]) -> None:
        self._recorder = recorder
        self._budget = budget
        self._random = random

    async def stream(
        self, call: Call, program: str, job_id: bytes, offset: int
    ) -> AsyncIterator[int | bytes | Manifest]:
        """Yield the package's size, its bytes from ``offset`` on, and its manifest.

        Raises:
            NotFound: There is no such program or job.
            FailedPrecondition: The job is no re-issue, is not done, names no recipient, or its package was
                acknowledged.
            InvalidInput: The offset is beyond the end.
            IntegrityFailure: A row is missing or not what the vault wrote.
        """

        async def attempt() -> _Begun:
            await self._budget.reserve(program, 1)
            return await self._recorder.record(lambda scope: self._begin(scope, call, program, job_id, offset), call)

        begun = await until_fresh(attempt)
        entries, plain_size = await self._measure(begun)
        contents = Contents(entries, self._slices(call, begun), lambda _: plain_size)
        async for part in pack(begun.head, begun.key, contents, offset):
            if isinstance(part, Manifest):
                await self._recorder.record(partial(self._end, call=call, begun=begun, manifest=part), call)
            yield part

    async def acknowledge(self, call: Call, program: str, job_id: bytes, sha256: bytes) -> JobView:
        """Take down that the recipient holds the package, and forget the package's key.

        Raises:
            NotFound: There is no such program or job.
            FailedPrecondition: The package was not exported to its end, its SHA-256 is another, or it was
                acknowledged.
        """

        def work(scope: Scope) -> Recorded[JobView]:
            job, package = _package_of(scope, program, job_id)
            if package is None or package.manifest_sha256 is None:
                raise FailedPrecondition("the package was never exported to its end", reason="NOT_EXPORTED")
            if package.manifest_sha256 != sha256:
                raise FailedPrecondition(
                    "this is not the SHA-256 of the package; export it again",
                    reason="MANIFEST_MISMATCH",
                    field="sha256",
                )
            _put(
                scope,
                package._replace(package_head=None, wrapped_package_key=None, acknowledged_ms=scope.now_ms),
            )
            return Recorded(view_of(scope, job), job_event(call, job))

        def restore(scope: Scope, _: RequestResult) -> Recorded[JobView]:
            job = reissue_of(scope, program, job_id)
            return Recorded(view_of(scope, job), job_event(call, job))

        keep = Replay[JobView](lambda view: RequestResult(subject=view.row.job_id), restore)
        return await self._recorder.once(call, work, keep)

    def _begin(self, scope: Scope, call: Call, program: str, job_id: bytes, offset: int) -> Recorded[_Begun]:
        job, package = _package_of(scope, program, job_id)
        spec = JobSpec.FromString(job.spec or b"")
        if package is not None and package.manifest_size is not None:
            check_offset(offset, package.manifest_size)
        if package is None:
            recipient = recipient_of(scope, program, spec.recipient)
            head, key = begin(recipient.public_key, self._random)
            self._budget.spend(scope.snapshot, program, 1)
            wrapping = scope.snapshot.keyring.active_wrapping_key(program)
            wrapped = wrap(key.expose(), _place(program, job_id), wrapping, self._random)
            _put(scope, PackageRow(job_id, program, spec.recipient, head, wrapped, None, None, None, None, b""))
        else:
            if package.package_head is None or package.wrapped_package_key is None:
                raise IntegrityFailure("the package's head is missing", reason="PACKAGE_HEAD")
            head = package.package_head
            keys = scope.snapshot.keyring.wrapping_keys(program)
            key = Secret(unwrap(package.wrapped_package_key, _place(program, job_id), keys))
        event = job_event(call, job)._replace(delivered=True, note=f"offset {offset}")
        code_length = scope.snapshot.program(program).code_length
        return Recorded(_Begun(job, spec.package_unsold_only, code_length, head, key), event)

    async def _measure(self, begun: _Begun) -> tuple[int, int]:
        """Return how many entries there are and how long they are together, from rows alone."""
        after, rows, entries, size = b"", 0, 0, 0
        while some := await self._recorder.store.read(partial(self._rows, begun.job.job_id, after)):
            after = some[-1].card_id
            rows += len(some)
            wanted = [row for row in some if _wanted(begun, row)]
            entries += len(wanted)
            size += sum(_entry_size(begun.code_length, row.expires_ms) for row in wanted)
        if rows != begun.job.done_count:
            raise IntegrityFailure("rows of re-issued cards are missing", reason="REISSUE_MISSING")
        return entries, size

    def _rows(self, job_id: bytes, after: bytes, tx: Transaction) -> list[ReissueRow]:
        return reissue_rows(self._recorder.scope(tx), job_id, after, SLICE)

    async def _slices(self, call: Call, begun: _Begun) -> AsyncIterator[bytes]:
        after = b""
        while True:
            last, entries = await self._recorder.store.read(partial(self._slice, call, begun, after))
            if entries:
                yield entries
            if not last:
                return
            after = last

    def _slice(self, call: Call, begun: _Begun, after: bytes, tx: Transaction) -> tuple[bytes, bytes]:
        """Return the last card id of the next rows (empty: there are none) and their framed entries."""
        scope = self._recorder.scope(tx)
        scope.snapshot.check_principal(call.principal, begun.job.program)
        rows = reissue_rows(scope, begun.job.job_id, after, SLICE)
        wanted = [row for row in rows if _wanted(begun, row)]
        generations = {row.card_id: row.generation for row in wanted}
        serials = serials_of(scope, generations)
        opened = open_codes(scope, generations)
        entries = b"".join(
            entry(
                OpenedCode(row.card_id, *opened[row.card_id], row.expires_ms, serials[row.card_id, row.generation - 1])
            )
            for row in wanted
        )
        return rows[-1].card_id if rows else b"", entries

    def _end(self, scope: Scope, call: Call, begun: _Begun, manifest: Manifest) -> Recorded[None]:
        job, package = _package_of(scope, begun.job.program, begun.job.job_id)
        if package is None or package.package_head != begun.head:
            raise FailedPrecondition("the package was acknowledged meanwhile", reason="EXPORT_ENDED")
        if package.manifest_sha256 is None:
            _put(
                scope,
                package._replace(
                    manifest_entries=manifest.entries,
                    manifest_size=manifest.size,
                    manifest_sha256=manifest.sha256,
                ),
            )
        elif (package.manifest_entries, package.manifest_size, package.manifest_sha256) != manifest:
            raise IntegrityFailure("the package is not what it was", reason="PACKAGE_CHANGED")
        return Recorded(None, job_event(call, job)._replace(delivered=True, note="end"))


def _package_of(scope: Scope, program: str, job_id: bytes) -> tuple[JobRow, PackageRow | None]:
    """Return a job whose codes may be exported, and its package; None before the first export."""
    job = reissue_of(scope, program, job_id)
    if not JobSpec.FromString(job.spec or b"").recipient:
        raise FailedPrecondition("the job names no recipient", reason="NO_RECIPIENT", field="job_id")
    if job.state in UNFINISHED:  # one that was cancelled or failed has a package of the codes it did make
        raise refuse_state(job)
    package = scope.tx.reissues.package(job_id)
    if package is not None:
        scope.snapshot.tagger.verify(SHAPES["package"], package)
        if package.acknowledged_ms is not None:
            raise FailedPrecondition("the package was acknowledged", reason="PACKAGE_ACKNOWLEDGED", field="job_id")
    return job, package


def _put(scope: Scope, row: PackageRow) -> None:
    scope.tx.reissues.put_package(scope.snapshot.tagger.tagged(SHAPES["package"], row))


def _place(program: str, job_id: bytes) -> Place:
    return Place("package", "wrapped_package_key", program, job_id, 0)


def _wanted(begun: _Begun, row: ReissueRow) -> bool:
    return not begun.unsold_only or row.state == CardState.INACTIVE


def _entry_size(code_length: int, expires_ms: int | None) -> int:
    """Return the size of an entry; serials are all of one length, and so are a program's codes."""
    serial = "A" * SERIAL_LENGTH
    return len(entry(OpenedCode(b"", serial, Code(b"0" * code_length), expires_ms, serial)))
