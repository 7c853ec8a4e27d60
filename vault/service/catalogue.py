"""Programs, keys and what incidents have in force, in memory, as of the transaction that asks.

1. ``at`` compares the catalogue number inside the caller's transaction, so what it returns is never older than
   that transaction's own snapshot.
2. Rows whose tag does not hold are refused: a forged program, key version, incident, hold or block stops the
   whole catalogue, loudly, rather than being left out (see also ``measures``).
3. A snapshot is immutable; work may keep it and compare it later.
"""

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from vault.crypto.keyring import Key, Keyring, key_context
from vault.crypto.rowtag import Tagger
from vault.custody.protocol import Custody
from vault.errors import FailedPrecondition, IntegrityFailure, NotFound
from vault.model.incident_rows import BlockRow, IncidentRow
from vault.model.rows import KeyVersionRow, ProgramRow
from vault.model.shape import SHAPES
from vault.model.states import KeyState, ProgramState
from vault.secret import Secret
from vault.service.answering.decoy import Decoys, make_decoys
from vault.service.holds import Holds
from vault.service.measures import Measures, MeasuresReader
from vault.stores.protocol import Transaction

_STATES = frozenset(KeyState)


class Snapshot(NamedTuple):
    """Programs, keys and what is in force at one catalogue number."""

    number: int
    vault_id: bytes
    programs: Mapping[str, ProgramRow]
    key_rows: tuple[KeyVersionRow, ...]
    keyring: Keyring
    tagger: Tagger
    decoys: Decoys
    measures: Measures = Measures()

    @property
    def holds(self) -> Holds:
        """Every hold that holds."""
        return self.measures.holds

    @property
    def incidents(self) -> Mapping[bytes, IncidentRow]:
        """Every incident that is not closed; its ``card_count`` and ``revision`` may be of some moments ago."""
        return self.measures.incidents

    @property
    def blocks(self) -> tuple[BlockRow, ...]:
        """Every block, by program and principal."""
        return self.measures.blocks

    def check_principal(self, principal: str, *programs: str) -> None:
        """Accept a principal that is blocked neither for all programs nor for one of these.

        Raises:
            PermissionDenied: PRINCIPAL_BLOCKED: it is.
        """
        self.measures.check_principal(principal, programs)

    def program(self, program: str) -> ProgramRow:
        """Return a program.

        Raises:
            NotFound: There is none of this id.
        """
        row = self.programs.get(program)
        if row is None:
            raise NotFound(f"there is no program {program!r}", reason="PROGRAM_NOT_FOUND", field="program")
        return row

    def running_program(self, program: str) -> ProgramRow:
        """Return a program that is neither stopped nor closed.

        Raises:
            NotFound: There is none of this id.
            FailedPrecondition: It is stopped or closed.
        """
        row = self.open_program(program)
        if row.state != ProgramState.ACTIVE:
            raise FailedPrecondition(f"program {program!r} is stopped", reason="PROGRAM_STOPPED")
        return row

    def issuing_program(self, program: str) -> ProgramRow:
        """Return a program in which cards may be issued.

        Raises:
            NotFound: There is none of this id.
            FailedPrecondition: It is stopped or closed, or an incident has stopped issuance (ISSUANCE_STOPPED).
        """
        row = self.running_program(program)
        if self.holds.stops_issuance(program):
            message = f"an incident has stopped issuance in program {program!r}"
            raise FailedPrecondition(message, reason="ISSUANCE_STOPPED")
        return row

    def open_program(self, program: str) -> ProgramRow:
        """Return a program that is not closed.

        Raises:
            NotFound: There is none of this id.
            FailedPrecondition: It is closed.
        """
        row = self.program(program)
        if row.state == ProgramState.CLOSED:
            raise FailedPrecondition(f"program {program!r} is closed", reason="PROGRAM_CLOSED")
        return row


class Catalogue:
    """Loads snapshots and keeps the newest."""

    def __init__(self, custody: Custody, on_load: Callable[[Snapshot], None] = lambda _: None) -> None:
        """Keep custody at hand to unwrap keys.

        Args:
            custody: Who holds the root key.
            on_load: Told of each new snapshot, from the thread that loads it.
        """
        self._custody = custody
        self._on_load = on_load
        self._snapshot: Snapshot | None = None
        self._unwrapped: dict[bytes, Secret] = {}
        self._measures = MeasuresReader()

    @property
    def latest(self) -> Snapshot | None:
        """The newest snapshot loaded, which may be out of date; None before the first."""
        return self._snapshot

    def at(self, tx: Transaction) -> Snapshot:
        """Return the snapshot that this transaction sees.

        Raises:
            FailedPrecondition: The vault is not initialised.
            IntegrityFailure: One of the rows is not what the vault wrote, or the root key is not the one.
        """
        number = tx.vault.catalogue_number()
        snapshot = self._snapshot
        if snapshot is None or snapshot.number != number:
            snapshot = self._load(tx, number)
            self._snapshot = snapshot
            self._on_load(snapshot)
        return snapshot

    def bump(self, tx: Transaction) -> None:
        """Tell every process that something has changed; a snapshot of work that fails is forgotten."""
        tx.vault.bump_catalogue()
        tx.on_failure(self._forget)

    def _forget(self) -> None:
        self._snapshot = None

    def _load(self, tx: Transaction, number: int) -> Snapshot:
        vault = tx.vault.get()
        if vault is None:
            raise FailedPrecondition(
                "the vault is not initialised: run `cardvault migrate`", reason="VAULT_NOT_INITIALISED"
            )
        key_rows = tuple(tx.keys.all())
        keyring = Keyring(self._unwrap(vault.vault_id, key_rows))
        tagger = keyring.tagger()
        tagger.verify(SHAPES["vault"], vault)
        for row in key_rows:
            tagger.verify(SHAPES["key_version"], row)
        programs = {row.program: row for row in tx.programs.all()}
        for program in programs.values():
            tagger.verify(SHAPES["program"], program)
        return Snapshot(
            number,
            vault.vault_id,
            MappingProxyType(programs),
            key_rows,
            keyring,
            tagger,
            make_decoys(tagger),
            self._measures.read(tx, tagger),
        )

    def _unwrap(self, vault_id: bytes, rows: Iterable[KeyVersionRow]) -> list[Key]:
        keys = []
        unwrapped: dict[bytes, Secret] = {}
        for row in rows:
            if row.state not in _STATES:
                raise IntegrityFailure("a key version has a state that there is not", reason="KEY_VERSION")
            if row.state == KeyState.DESTROYED:
                continue
            context = key_context(vault_id, row.purpose, row.program, row.version)
            known = context + row.wrapped_key
            secret = self._unwrapped.get(known)
            if secret is None:
                secret = self._custody.unwrap(row.wrapped_key, context)
            unwrapped[known] = secret
            keys.append(Key(row.purpose, row.program, row.version, KeyState(row.state), secret))
        self._unwrapped = unwrapped  # a key that was destroyed is forgotten
        return keys
