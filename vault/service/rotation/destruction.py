"""Destroying a version of a key, and the root key that wrapped it.

A key that was only deleted lives on in every backup, under a root key that still opens it. So a key is destroyed thus:

1. Nothing is done unless no row names the version: counted on one snapshot, after everything that began before has
   ended. It must not be active; once it is not, nothing new is written under it, so the count cannot rise.
2. Custody makes a new root version, unless it has one that never wrapped the key; from then on every process wraps by
   it. When all that began before has ended, one transaction strikes out the key and wraps every other key of the vault
   by the new root version.
3. Only when that is durable, and no key is found under them, the older root versions are destroyed in custody.
4. A signed statement says what was done: which version, that no row of any table named it, how many keys were
   rewrapped, by which root version, and what custody says that it did to the others.

Killed between 2 and 3, the older root versions are destroyed when the job process starts, or when the request comes
again, or with the next destruction. Whatever happens, a key that must live is never under a root version that is gone.

From then on older backups of the database are worth nothing: what they hold is wrapped by root keys that are no more.
`cardvault restore --keys-from` opens what must live with today's keys, and nothing of what was destroyed. A root key
that custody shares with another vault would be lost to that one too: each vault has its own.
"""

import asyncio
import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from vault.audit.event import Event
from vault.crypto.statement import sign_statement
from vault.custody.protocol import Custody
from vault.errors import FailedPrecondition, Unavailable
from vault.formats.v1.request_result_pb2 import RequestResult
from vault.model.rows import KeyVersionRow
from vault.model.shape import SHAPES
from vault.model.states import KeyPurpose, KeyState
from vault.policy.call import Call
from vault.service.keys import KeyMaker, root_version_of
from vault.service.recorder import Recorded, Recorder, Replay, Scope, event_of
from vault.service.rotation.keyversions import KeyView, find, view_of
from vault.service.rotation.naming import NAMES, count_rows
from vault.service.rotation.promotion import key_subject

STATEMENT: Final = "destruction"
"""The kind of statement: its type is ``vault-destruction+jwt``."""


class Destroyed(NamedTuple):
    """A version that was destroyed, or (no statement) would be; rows that name it by table; keys that are rewrapped."""

    key: KeyView
    statement: str
    rows_naming: Mapping[str, int]
    rewrapped: int


class _Struck(NamedTuple):
    """What the transaction did: the row, keys rewrapped, by which root version, by which they were before, and when."""

    row: KeyVersionRow
    rewrapped: int
    root_version: int
    older: Sequence[int]
    at_ms: int


class Destruction:
    """Destroys versions of keys."""

    def __init__(self, recorder: Recorder, keys: KeyMaker, custody: Custody) -> None:
        self._recorder = recorder
        self._keys = keys
        self._custody = custody

    async def destroy(
        self, call: Call, purpose: KeyPurpose, program: str, version: int, *, validate_only: bool
    ) -> Destroyed:
        """Destroy a version of a key for good.

        Args:
            call: Who asks.
            purpose: What the key is for.
            program: The program of an index or wrapping key; empty for the vault's own.
            version: Which version.
            validate_only: Change nothing, and say what names the version.

        Raises:
            NotFound: There is no such version.
            FailedPrecondition: KEY_ACTIVE: it is in use; KEY_DESTROYED: it is gone already; KEY_IN_USE: rows name it,
                metadata: their number by table; or custody does not let the root key be replaced.
            Unavailable: The store or custody cannot be reached; the destruction is completed later.
        """
        if not validate_only and await self._recorder.answered(call):
            struck = await self._strike(call, purpose, program, version, 0)
            return await self._finished(struck)
        view, counts, others = await self._examine(call, purpose, program, version)
        if validate_only:
            event = event_of(call, program=program)._replace(subject=key_subject(view.row))
            await self._recorder.record(lambda _: Recorded(None, event), call)
            return Destroyed(view, "", counts, others)
        if any(counts.values()):
            message = "rows name this version; move them to another by a job, then destroy it"
            metadata = {table: str(count) for table, count in counts.items() if count}
            raise FailedPrecondition(message, reason="KEY_IN_USE", metadata=metadata)
        root = await asyncio.to_thread(self._root_beside, view.root_version)
        await self._recorder.store.settle()
        return await self._finished(await self._strike(call, purpose, program, version, root))

    async def finish(self) -> list[int]:
        """Destroy the root versions that an interrupted destruction has left, and return them.

        Raises:
            Unavailable: The store or custody cannot be reached.
        """
        rows = await self._recorder.store.read(lambda tx: self._recorder.scope(tx).snapshot.key_rows)
        if all(row.state != KeyState.DESTROYED for row in rows):
            return []
        await self._recorder.store.settle()
        rows = await self._recorder.store.read(lambda tx: self._recorder.scope(tx).snapshot.key_rows)
        oldest = min(root_version_of(row) for row in rows if row.state != KeyState.DESTROYED)
        live = await asyncio.to_thread(lambda: self._custody.versions)
        older = sorted(version for version in live if version < oldest)
        for version in older:
            words = await asyncio.to_thread(self._custody.destroy_version, version)
            event = Event("vault/DestroyRootKey", subject=f"root/{version}", note=words)
            await self._recorder.record(lambda _, event=event: Recorded(None, event))  # type: ignore[misc]
        return older

    async def _examine(
        self, call: Call, purpose: KeyPurpose, program: str, version: int
    ) -> tuple[KeyView, dict[str, int], int]:
        """Return a version that may be destroyed, the rows that name it by table, and how many keys would live."""

        def look(scope: Scope) -> tuple[KeyView, dict[str, int], int]:
            scope.snapshot.check_principal(call.principal, *call.programs)
            row = _doomed(scope, purpose, program, version)
            return view_of(row), count_rows(scope.tx, purpose, program, version), len(_survivors(scope, row))

        store = self._recorder.store
        await store.read(lambda tx: _doomed(self._recorder.scope(tx), purpose, program, version))
        await store.settle()
        return await store.read(lambda tx: look(self._recorder.scope(tx)))

    def _root_beside(self, wraps: int) -> int:
        """Return a root version newer than the one that wraps the key; it is made unless custody has one."""
        newest = self._custody.root_version
        return newest if newest > wraps else self._custody.create_version()

    async def _strike(self, call: Call, purpose: KeyPurpose, program: str, version: int, root: int) -> _Struck:
        def work(scope: Scope) -> Recorded[_Struck]:
            row = _doomed(scope, purpose, program, version)
            others = _survivors(scope, row)
            older = sorted({root_version_of(key) for key in (row, *others)} - {root})
            if any(number > root for number in older):
                raise FailedPrecondition("another destruction is at work; try again", reason="ROOT_VERSION")
            tagged = scope.snapshot.tagger.tagged
            gone = row._replace(
                state=KeyState.DESTROYED, wrapped_key=b"", deactivated_ms=row.deactivated_ms or scope.now_ms
            )
            gone = tagged(SHAPES["key_version"], gone)
            scope.tx.keys.update(gone)
            moved = [key for key in others if root_version_of(key) != root]
            for key in moved:
                scope.tx.keys.update(self._keys.rewrapped(scope.snapshot.vault_id, key))
            self._recorder.catalogue.bump(scope.tx)
            return struck(_Struck(gone, len(moved), root, older, scope.now_ms))

        def struck(result: _Struck) -> Recorded[_Struck]:
            note = f"{result.rewrapped} keys rewrapped by root version {result.root_version}"
            subject = key_subject(result.row)
            return Recorded(result, event_of(call, program=program)._replace(subject=subject, note=note))

        def keep(result: _Struck) -> RequestResult:
            numbers = [result.root_version, *result.older]
            return RequestResult(time_ms=result.at_ms, count=result.rewrapped, numbers=numbers)

        def restore(scope: Scope, kept: RequestResult) -> Recorded[_Struck]:
            row = find(scope, purpose, program, version)
            return struck(_Struck(row, kept.count, kept.numbers[0], kept.numbers[1:], kept.time_ms))

        return await self._recorder.once(call, work, Replay(keep, restore))

    async def _finished(self, struck: _Struck) -> Destroyed:
        """Destroy the older root versions, and state it."""
        await self.finish()
        live = await asyncio.to_thread(lambda: self._custody.versions)
        if live.intersection(struck.older):
            message = "the older root key wraps a key still; the destruction is completed when it does not"
            raise Unavailable(message, reason="ROOT_VERSION", retry_seconds=1.0)
        # Asked of custody again, since a retry states the same; it has nothing left to do.
        words = [await asyncio.to_thread(self._custody.destroy_version, version) for version in struck.older]
        snapshot = await self._recorder.store.read(self._recorder.catalogue.at)
        row = struck.row
        tables = [name.shape.table for name in NAMES if name.purpose == row.purpose]
        claims: dict[str, Any] = {
            "vault": snapshot.vault_id.hex(),
            "purpose": KeyPurpose(row.purpose).name,
            "program": row.program,
            "version": row.version,
            "rows_naming": dict.fromkeys(tables, 0),
            "rewrapped_keys": struck.rewrapped,
            "root_version": struck.root_version,
            "destroyed_root_versions": list(struck.older),
            "custody": words,
            "destroy_time": _written(struck.at_ms),
        }
        statement = sign_statement(snapshot.keyring.active(KeyPurpose.STATEMENT), STATEMENT, claims)
        return Destroyed(view_of(row), statement, claims["rows_naming"], struck.rewrapped)


def _doomed(scope: Scope, purpose: KeyPurpose, program: str, version: int) -> KeyVersionRow:
    row = find(scope, purpose, program, version)
    if row.state == KeyState.ACTIVE:
        message = "the version is active; a job or a new version takes its place first"
        raise FailedPrecondition(message, reason="KEY_ACTIVE")
    if row.state == KeyState.DESTROYED:
        raise FailedPrecondition("the version is destroyed already", reason="KEY_DESTROYED")
    return row


def _survivors(scope: Scope, doomed: KeyVersionRow) -> list[KeyVersionRow]:
    rows = [row for row in scope.tx.keys.all() if row.state != KeyState.DESTROYED and row[:3] != doomed[:3]]
    for row in rows:
        scope.snapshot.tagger.verify(SHAPES["key_version"], row)
    return rows


def _written(time_ms: int) -> str:
    return dt.datetime.fromtimestamp(time_ms / 1000, dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
