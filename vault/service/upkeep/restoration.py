"""Letting a restored or moved copy be served: everything verified first, the vault's own row last.

1. A copy is verified whole (see ``content``) in the one transaction that makes it a vault; whatever fails or
   dies before its commit leaves a store that no process serves from, since the vault's own row is not in it.
2. In a restored vault every program that was running is stopped: codes spent after the backup would be good
   again, so no code is good until an operator starts its program.
3. Rows that are not what the vault wrote are restored only where that is asked for, as they are, and each is
   told: the vault goes on refusing them wherever they would decide something.
4. Both leave events: ``vault/Restore`` or ``vault/Move`` with the content digest, and one for each program
   stopped.

It does not bring back what happened after the backup: cards sold or redeemed since are as they were then, and
encryptions counted since against a key-encryption key's bound are not counted.
"""

from typing import NamedTuple

from vault.audit.event import Event
from vault.errors import FailedPrecondition, IntegrityFailure
from vault.model.rows import VaultRow
from vault.model.shape import SHAPES
from vault.model.states import ProgramState
from vault.service.recorder import Recorder, Scope
from vault.service.rotation.livekeys import LiveKeys, programs_to_rekey, put_keys
from vault.service.upkeep.content import Content, Forged, Watch, check_same, survey
from vault.stores.protocol import Transaction


class Restored(NamedTuple):
    """What was restored, the programs that were stopped for it, those that were stopped before, and forged rows.

    ``to_rekey`` are programs whose codes are found only after a re-key, since their index key is not in use any more.
    """

    content: Content
    stopped: list[str]
    stopped_before: list[str]
    forged: Forged
    to_rekey: list[str]


async def admit_restored(  # noqa: PLR0913  what is asked of a restore
    recorder: Recorder,
    vault: VaultRow | None,
    wanted: bytes | None,
    watch: Watch,
    *,
    accept_forged: bool = False,
    live: LiveKeys | None = None,
) -> Restored:
    """Verify a restored store, stop its programs, and make it a vault.

    Args:
        recorder: Over the restored store.
        vault: The vault's own row, where the store does not hold it yet.
        wanted: The content digest that it must have; None to take any.
        watch: Told of the rows verified.
        accept_forged: Restore rows that are not what the vault wrote with the others. Those of programs and keys
            are refused all the same, since no process could serve with them.
        live: Today's keys, which take the place of those in the backup; None to leave those.

    Raises:
        InvalidInput: KEYS_FROM: the keys are another vault's, or older than the backup's.
        IntegrityFailure: CONTENT_DIGEST: it is not what was backed up; ROW_TAG: rows are not what the vault
            wrote, and ``accept_forged`` is not asked for; ROOT_KEY: the root key is not this vault's.
    """

    def work(tx: Transaction) -> Restored:
        if vault is not None:
            tx.vault.insert(vault)
        sha256 = b""
        if live is not None:
            sha256 = survey(tx, None, watch, "reading").sha256  # as it was backed up
            put_keys(tx, live)
        scope = recorder.scope(tx)
        forged = Forged()
        content = survey(tx, scope.snapshot, watch, "verifying", forged=forged)
        sha256 = sha256 or content.sha256
        if wanted is not None and sha256 != wanted:
            message = "the backup does not hold what the digest says; it was changed, or is another one"
            raise IntegrityFailure(message, reason="CONTENT_DIGEST")
        if forged.count and not accept_forged:
            raise IntegrityFailure(forged.problem, reason="ROW_TAG")
        programs = scope.snapshot.programs.values()
        before = [row.program for row in programs if row.state == ProgramState.STOPPED]
        stopped = _stop_programs(recorder, scope)
        events = [Event("vault/Restore", program=program, note="stopped") for program in stopped]
        note = f"rows not as the vault wrote them: {forged.count}" if forged.count else ""
        recorder.write(scope, Event("vault/Restore", file_sha256=sha256, note=note), *events)
        return Restored(content, stopped, before, forged, programs_to_rekey(tx, scope.snapshot))

    return await recorder.store.transact(work)


async def admit_moved(recorder: Recorder, vault: VaultRow, source: Content, watch: Watch) -> None:
    """Verify that a store holds what another one does, and make it a vault.

    Raises:
        IntegrityFailure: CONTENT_DIGEST: it holds something else; ROW_TAG or AUDIT_EVENT: a row is not what the
            vault wrote.
    """

    def work(tx: Transaction) -> None:
        tx.vault.insert(vault)
        scope = recorder.scope(tx)
        check_same(survey(tx, scope.snapshot, watch, "verifying the copy", sum(source.counts.values())), source)
        tx.vault.bump_catalogue()
        recorder.write(scope, Event("vault/Move", file_sha256=source.sha256))

    await recorder.store.transact(work)


def check_not_a_vault(tx: Transaction) -> bool:
    """Return whether a store that holds no vault holds rows all the same: a copy into it was interrupted.

    Raises:
        FailedPrecondition: VAULT_IN_USE: it holds a vault.
    """
    if tx.vault.get() is not None:
        message = "there is a vault in the target store already; name an empty one"
        raise FailedPrecondition(message, reason="VAULT_IN_USE")
    return any(tx.tables.page(shape, None, 1) for shape in SHAPES.values())


def _stop_programs(recorder: Recorder, scope: Scope) -> list[str]:
    shape = SHAPES["program"]
    stopped = []
    for row in scope.snapshot.programs.values():
        if row.state == ProgramState.ACTIVE:
            changed = row._replace(state=ProgramState.STOPPED, revision=row.revision + 1)
            scope.tx.programs.update(scope.snapshot.tagger.tagged(shape, changed))
            stopped.append(row.program)
    recorder.catalogue.bump(scope.tx)
    return stopped
