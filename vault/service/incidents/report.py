"""An incident's report: what happened, counted and signed, for others to keep.

1. It is a statement of kind ``incident-report`` (see ``crypto.statement``), signed with the statement key:
   whoever has the public key verifies it without the vault.
2. Every row that it tells of was verified: steps, blocks, jobs, re-issued cards, serials, uses. Steps and
   re-issued cards of jobs that have ended are counted too, so those that were deleted are noticed.
3. Of the lineage from old serials to new ones it holds the number of entries and the SHA-256 over the lines
   ``old,new`` (ASCII, each ended by a line feed): jobs oldest first, the cards of a job by card id, as
   ListReissuedCards answers them. So the lineage itself, however long, can be kept beside it and checked.
4. It holds serials' digest, card counts and principals; no code, and no card by name save what officers wrote.

Cards and uses are counted in pieces, each as it was when it was read. While a job is running, or codes are
tried, the next report says more. Times are RFC 3339 in UTC.

Claims:
    vault_id            of the vault, a UUID
    report_time         when it was made
    incident            the incident's columns
    timeline            steps, by number: what officers did, and when
    cards               cards by state and usage
    blocked_principals  blocks in force that belong to it
    jobs                its jobs, oldest first, with their counts
    lineage             entries, sha256 (hexadecimal)
    exchanged           codes that were exchanged
    contested           cards on hold because their exchange was claimed twice
    superseded_uses     uses of codes that its re-issues superseded, and of how many cards
"""

import hashlib
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, NamedTuple
from uuid import UUID

from vault.crypto.statement import sign_statement
from vault.errors import IntegrityFailure
from vault.model.incident_rows import IncidentRow
from vault.model.shape import SHAPES
from vault.model.states import (
    CardState,
    HoldKind,
    IncidentScope,
    IncidentState,
    JobKind,
    JobState,
    KeyPurpose,
    Proof,
    Usage,
)
from vault.policy.call import Call
from vault.service.holds import split_ids
from vault.service.incidents.incidents import count_incident
from vault.service.incidents.timeline import incident_event, incident_of, jobs_of, steps_of
from vault.service.incidents.triage import Triage
from vault.service.recorder import Recorded, Recorder, Scope
from vault.service.rotation.jobview import JobView
from vault.service.rotation.lineage import reissued_cards
from vault.stores.incidents import Counts
from vault.stores.protocol import Transaction

KIND: Final = "incident-report"

PIECE: Final = 1000
"""Re-issued cards read and verified at a time."""


class _Piece(NamedTuple):
    """Some of a job's re-issued cards: their lines of the lineage, and the uses of their codes of before."""

    lines: list[str]
    uses: int
    used_cards: frozenset[bytes]
    last_id: bytes


class _Lineage(NamedTuple):
    """What became of all re-issued cards."""

    entries: int
    sha256: str
    uses: int
    used_cards: int


class Report:
    """Makes reports."""

    def __init__(self, recorder: Recorder, triage: Triage) -> None:
        self._recorder = recorder
        self._triage = triage

    async def make(self, call: Call, program: str, incident_id: bytes) -> str:
        """Return an incident's report, a compact JWS.

        Raises:
            NotFound: There is no such program, or no such incident in it.
            IntegrityFailure: A row is not what the vault wrote, or is missing.
        """

        def begin(tx: Transaction) -> tuple[IncidentRow, list[JobView]]:
            scope = self._recorder.scope(tx)
            scope.snapshot.check_principal(call.principal, program)
            row = incident_of(scope, program, incident_id)
            return row, [job for job in jobs_of(scope, row) if job.row.kind == JobKind.REISSUE]

        row, jobs = await self._recorder.store.read(begin)
        counts = await count_incident(self._triage, row)
        lineage = await self._lineage(program, jobs)

        def work(scope: Scope) -> Recorded[str]:
            claims = _claims(scope, incident_of(scope, program, incident_id), counts, lineage)
            signed = sign_statement(scope.snapshot.keyring.active(KeyPurpose.STATEMENT), KIND, claims)
            return Recorded(signed, incident_event(call, program, incident_id))

        return await self._recorder.record(work, call)

    async def _lineage(self, program: str, jobs: list[JobView]) -> _Lineage:
        digest = hashlib.sha256()
        entries = uses = 0
        used: set[bytes] = set()
        for job in jobs:
            after, expected = b"", entries + job.row.done_count
            look = partial(self._piece, job.row.job_id, program)
            while (piece := await self._recorder.store.read(partial(look, after))).lines:
                digest.update("".join(piece.lines).encode("ascii"))
                entries += len(piece.lines)
                uses += piece.uses
                used |= piece.used_cards
                after = piece.last_id
            if job.ended and entries != expected:
                raise IntegrityFailure("rows of re-issued cards are missing", reason="REISSUE_MISSING")
        return _Lineage(entries, digest.hexdigest(), uses, len(used))

    def _piece(self, job_id: bytes, program: str, after: bytes, tx: Transaction) -> _Piece:
        scope = self._recorder.scope(tx)
        cards = reissued_cards(scope, job_id, after, PIECE)
        before = {card.card_id: card.generation - 1 for card in cards}
        found = [use for use in tx.superseded_uses.get(program, list(before)) if use.generation == before[use.card_id]]
        scope.snapshot.tagger.verify_many(SHAPES["superseded_use"], found)
        return _Piece(
            [f"{card.superseded_serial},{card.serial}\n" for card in cards],
            sum(use.uses for use in found),
            frozenset(use.card_id for use in found),
            cards[-1].card_id if cards else b"",
        )


def _claims(scope: Scope, row: IncidentRow, counts: Counts, lineage: _Lineage) -> dict[str, Any]:
    snapshot = scope.snapshot
    contested = [
        hold
        for hold in snapshot.measures.laid
        if hold.kind == HoldKind.CONTESTED and hold.incident_id == row.incident_id
    ]
    return {
        "vault_id": _uuid(snapshot.vault_id),
        "report_time": _time(scope.now_ms),
        "incident": _incident(row),
        "timeline": [
            {
                "number": step.number,
                "action": step.action,
                "principal": step.principal,
                "time": _time(step.at_ms),
                "count": step.count,
                "note": step.note,
            }
            for step in steps_of(scope, row)
        ],
        "cards": [
            {"state": CardState(state).name, "usage": Usage(usage).name, "count": count}
            for (state, usage), count in sorted(counts.items())
        ],
        "blocked_principals": [
            {
                "principal": block.principal,
                "program": block.program,
                "note": block.note,
                "blocked_by": block.blocked_by,
                "time": _time(block.created_ms),
            }
            for block in snapshot.blocks
            if block.incident_id == row.incident_id
        ],
        "jobs": [_job(job) for job in jobs_of(scope, row)],
        "lineage": {"entries": lineage.entries, "sha256": lineage.sha256},
        "exchanged": scope.tx.exchanges.count(row.incident_id),
        "contested": len(contested),
        "superseded_uses": {"uses": lineage.uses, "cards": lineage.used_cards},
    }


def _incident(row: IncidentRow) -> dict[str, Any]:
    return {
        "incident_id": _uuid(row.incident_id),
        "program": row.program,
        "title": row.title,
        "state": IncidentState(row.state).name,
        "scope": IncidentScope(row.scope).name,
        "batch_ids": [_uuid(batch_id) for batch_id in split_ids(row.batch_ids)],
        "card_count": row.card_count,
        "serials_leaked": bool(row.serials_leaked),
        "stops_issuance": bool(row.stops_issuance),
        "exchange_proof": None if row.exchange_proof is None else Proof(row.exchange_proof).name,
        "exchange_from": _time(row.exchange_from_ms),
        "exchange_until": _time(row.exchange_until_ms),
        "principal": row.principal,
        "create_time": _time(row.created_ms),
        "freeze_time": _time(row.frozen_ms),
        "thaw_time": _time(row.thawed_ms),
        "close_time": _time(row.closed_ms),
    }


def _job(job: JobView) -> dict[str, Any]:
    row, progress = job.row, job.progress
    return {
        "job_id": _uuid(row.job_id),
        "kind": JobKind(row.kind).name,
        "state": JobState(row.state).name,
        "principal": row.principal,
        "total": row.total_count,
        "done": row.done_count,
        "withdrawn": progress.withdrawn_count,
        "skipped": progress.skipped_count,
        "errors": row.error_count,
        "last_error": row.last_error,
        "create_time": _time(row.created_ms),
        "finish_time": _time(row.finished_ms),
    }


def _uuid(value: bytes) -> str:
    return str(UUID(bytes=value))


def _time(at_ms: int | None) -> str | None:
    """Return a time in RFC 3339, to the millisecond; None where there is none."""
    if at_ms is None:
        return None
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
