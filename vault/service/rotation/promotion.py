"""The life of key versions: made, promoted, deactivated (NIST SP 800-57 part 1 revision 5, section 7).

1. A version moves forward only: pre-active, active, deactivated; destroying is ``destruction``'s.
2. There is at most one pre-active version of a key, and promoting it deactivates the one before, save for an index key:
   there the one before stays active beside it, looked up and claimed, until a job has proven that no code needs it.
3. Keys that others seal to or verify with are announced: the version after the active one is there, pre-active, from
   the first rotation on, so that nobody meets a key that he could not have known before. What was sealed to it already
   is opened.
4. Each step is in the audit log, and every process has it with its next transaction.

Whoever promotes waits until what began before has ended (``Store.settle``) before relying on it.
"""

from typing import Final

from vault.audit.event import Event
from vault.errors import FailedPrecondition
from vault.model.rows import JobRow, KeyVersionRow
from vault.model.shape import SHAPES
from vault.model.states import JobKind, KeyPurpose, KeyState
from vault.service.keys import PROGRAM_PURPOSES, KeyMaker, fresh_use
from vault.service.recorder import Recorder, Scope
from vault.service.rotation.naming import MOVED_BY

STAGED: Final = frozenset(MOVED_BY.values())
"""Purposes of keys that stored rows name, whose new versions wait, pre-active, for the job that moves the rows."""

ANNOUNCED: Final = frozenset({KeyPurpose.SEALING, KeyPurpose.RECEIPT})
"""Purposes of keys that others use, whose next version is announced, pre-active, while one is in use."""


class Promotion:
    """Makes, promotes and deactivates key versions, each in the transaction of a scope."""

    def __init__(self, recorder: Recorder, keys: KeyMaker) -> None:
        self._recorder = recorder
        self._keys = keys

    def create(self, scope: Scope, purpose: KeyPurpose, program: str) -> KeyVersionRow:
        """Make the next version of a key: pre-active where rows name it, else active in place of the one before.

        Of a key that is announced the version that waits becomes active and is returned, and another one waits.

        Raises:
            NotFound: There is no such program.
            FailedPrecondition: KEY_PENDING: a version waits already; PROGRAM_KEY or VAULT_KEY: the purpose's keys are
                each program's own, or the vault's.
        """
        _check_place(scope, purpose, program)
        if purpose in ANNOUNCED:
            active = self.promote(scope, purpose, program)
            self._make(scope, purpose, program, KeyState.PRE_ACTIVE)
            return active
        if of_state(scope, purpose, program, KeyState.PRE_ACTIVE):
            message = "a version of this key waits already, pre-active: start the job that moves the rows to it"
            raise FailedPrecondition(message, reason="KEY_PENDING")
        if purpose in STAGED:
            return self._make(scope, purpose, program, KeyState.PRE_ACTIVE)
        for row in of_state(scope, purpose, program, KeyState.ACTIVE):
            self.deactivate(scope, row)
        return self._make(scope, purpose, program, KeyState.ACTIVE)

    def promote(self, scope: Scope, purpose: KeyPurpose, program: str) -> KeyVersionRow:
        """Make the version that waits active, or a new one where none does, and return it.

        Of an index key with two active versions no third is made: the higher one is returned.
        """
        active = of_state(scope, purpose, program, KeyState.ACTIVE)
        if purpose == KeyPurpose.INDEX:
            if len(active) > 1:
                return active[-1]
        else:
            for row in active:
                self.deactivate(scope, row)
        waiting = of_state(scope, purpose, program, KeyState.PRE_ACTIVE)
        if not waiting:
            return self._make(scope, purpose, program, KeyState.ACTIVE)
        promoted = waiting[0]._replace(state=KeyState.ACTIVE, activated_ms=scope.now_ms)
        return self._put(scope, promoted, "vault/PromoteKey")

    def deactivate(self, scope: Scope, row: KeyVersionRow) -> None:
        """Let a version protect nothing anew; it still opens and verifies."""
        self._put(scope, row._replace(state=KeyState.DEACTIVATED, deactivated_ms=scope.now_ms), "vault/DeactivateKey")

    def _make(self, scope: Scope, purpose: KeyPurpose, program: str, state: KeyState) -> KeyVersionRow:
        snapshot = scope.snapshot
        version = 1 + max((row.version for row in versions(scope, purpose, program)), default=0)
        row = self._keys.row(snapshot.vault_id, purpose, program, version, scope.now_ms, self._keys.draw())
        if state == KeyState.PRE_ACTIVE:
            row = row._replace(state=state, activated_ms=None)
        row = snapshot.tagger.tagged(SHAPES["key_version"], row)
        scope.tx.keys.insert([row])
        if purpose == KeyPurpose.WRAPPING:
            scope.tx.keys.put_use(fresh_use(snapshot.tagger, program, version))
        self._tell(scope, row, "vault/CreateKey")
        return row

    def _put(self, scope: Scope, row: KeyVersionRow, action: str) -> KeyVersionRow:
        row = scope.snapshot.tagger.tagged(SHAPES["key_version"], row)
        scope.tx.keys.update(row)
        self._tell(scope, row, action)
        return row

    def _tell(self, scope: Scope, row: KeyVersionRow, action: str) -> None:
        self._recorder.catalogue.bump(scope.tx)
        self._recorder.write(scope, Event(action, program=row.program, subject=key_subject(row)))


def key_subject(row: KeyVersionRow) -> str:
    """Return a key version's name in the audit log."""
    return f"key/{KeyPurpose(row.purpose).name.lower()}/{row.version}"


def versions(scope: Scope, purpose: KeyPurpose, program: str) -> list[KeyVersionRow]:
    """Return every version of a key as the transaction has them now, those that it changed included, by version."""
    # The snapshot is as old as the transaction; what this very transaction has written is only in its rows.
    rows = [row for row in scope.tx.keys.all() if (row.purpose, row.program) == (purpose, program)]
    for row in rows:
        scope.snapshot.tagger.verify(SHAPES["key_version"], row)
    return rows


def of_state(scope: Scope, purpose: KeyPurpose, program: str, state: KeyState) -> list[KeyVersionRow]:
    """Return the versions of a key that are in one state, by version."""
    return [row for row in versions(scope, purpose, program) if row.state == state]


def rivals(one: JobKind, other: JobKind) -> bool:
    """Whether two kinds of job move the same rows, so that one of each may not be at work in one program."""
    if one not in MOVED_BY or other not in MOVED_BY:
        return False
    # A re-key changes the digests by which a rewrapping or re-encryption finds the codes that it has read.
    return (one == JobKind.RETAG) == (other == JobKind.RETAG)


def check_no_rival(scope: Scope, job: JobRow) -> None:
    """Accept a job that moves rows between keys, if no older one is at the same rows.

    Raises:
        FailedPrecondition: JOB_RUNNING, metadata ``job_id``: one runs, or is paused.
    """
    for other in scope.tx.jobs.unfinished(job.program):
        older = (other.created_ms, other.job_id) < (job.created_ms, job.job_id)
        if older and rivals(JobKind(job.kind), JobKind(other.kind)):
            message = "an older job moves the same rows; let it end, or cancel it"
            raise FailedPrecondition(message, reason="JOB_RUNNING", metadata={"job_id": other.job_id.hex()})


def _check_place(scope: Scope, purpose: KeyPurpose, program: str) -> None:
    if purpose in PROGRAM_PURPOSES:
        if not program:
            raise FailedPrecondition("this key is a program's own; name the program", reason="PROGRAM_KEY")
        scope.snapshot.open_program(program)
    elif program:
        raise FailedPrecondition("this key is the vault's, for all programs; name none", reason="VAULT_KEY")
