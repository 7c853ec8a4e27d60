"""Which columns name versions of which keys, read from the shapes of the tables, so that none is forgotten.

1. A column is found by what it is called: ``tag`` names a row tag key, ``wrapped_*`` the key-encryption key of the
   row's program, ``index_version`` its index key, ``chain`` an audit chain's key, ``body_mac`` the request key. A new
   column of these is counted, and gone through by the jobs that move rows, from the day that it is added.
2. A ``sealed_*`` column stands beside the ``wrapped_*_key`` column that holds its data key; one that stands alone is
   refused when this module is loaded, since no job would know how to open it.
3. A sealed blob's own version only says under which version it was first sealed, and is not needed to open it; so it
   does not count as naming that version, but re-encryption moves it all the same.
4. Keys themselves are wrapped by the root key: ``key_version.wrapped_key`` names a root version, no key version.

Keys of the other purposes (receipts, statements, checkpoints, sealing, page tokens) are named by no row.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from vault.crypto.envelope import Place
from vault.model.shape import SHAPES, Shape
from vault.model.states import JobKind, KeyPurpose, KeyState
from vault.stores.moves import Older
from vault.stores.protocol import Transaction

EVERY_VERSION: Final = 1 << 32
"""Above all key versions."""

MOVED_BY: Final[Mapping[JobKind, KeyPurpose]] = {
    JobKind.REKEY: KeyPurpose.INDEX,
    JobKind.REWRAP: KeyPurpose.WRAPPING,
    JobKind.REENCRYPT: KeyPurpose.WRAPPING,
    JobKind.RETAG: KeyPurpose.ROW_TAG,
}
"""The purpose of the keys whose rows a kind of job moves."""

_AFTER_FORMAT: Final = 2
_AT_ONCE: Final = 1


class Name(NamedTuple):
    """A column that names versions of a key, which begin at its byte ``start`` (from 1) where it is no number."""

    shape: Shape
    column: str
    purpose: KeyPurpose
    start: int = _AFTER_FORMAT


class Blob(NamedTuple):
    """A wrapped data key, and the column of the record that it opens; empty where that is stored nowhere."""

    shape: Shape
    wrapped: str
    sealed: str

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that hold ciphertext: the wrapped key, and the sealed record if there is one."""
        return (self.wrapped, self.sealed) if self.sealed else (self.wrapped,)

    def place(self, row: Any) -> Place:
        """Return where a row's blobs are bound to."""
        owner, generation = _BOUND_TO[self.shape.table]
        count = getattr(row, generation) if generation else 0
        return Place(self.shape.table, self.sealed or self.wrapped, row.program, getattr(row, owner), count)


# Of each table with sealed columns, the columns that a blob's place is made of; no second one: generation 0.
_BOUND_TO: Final[Mapping[str, tuple[str, str]]] = {
    "batch": ("batch_id", ""),
    "card": ("card_id", "record_version"),
    "code": ("card_id", "generation"),
    "package": ("package_id", ""),
    "sale_secret": ("card_id", "secret_version"),
}


def names_in(shapes: Iterable[Shape]) -> tuple[Name, ...]:
    """Return every column of some tables that names versions of a key, in the order of the tables."""
    found = []
    for shape in shapes:
        for column in shape.columns:
            if column == "tag":
                found.append(Name(shape, column, KeyPurpose.ROW_TAG))
            elif column == "index_version":
                found.append(Name(shape, column, KeyPurpose.INDEX))
            elif column == "chain":
                found.append(Name(shape, column, KeyPurpose.AUDIT_CHAIN, _AT_ONCE))
            elif column == "body_mac":
                found.append(Name(shape, column, KeyPurpose.REQUEST, _AT_ONCE))
            elif column.startswith("wrapped_") and not _by_root(shape):
                found.append(Name(shape, column, KeyPurpose.WRAPPING))
    return tuple(found)


def blobs_in(shapes: Iterable[Shape]) -> tuple[Blob, ...]:
    """Return every wrapped data key of some tables, with its record, in the order of the tables.

    Raises:
        ValueError: A column is sealed, but no column beside it can hold its data key; or a table's blobs have no place.
    """
    found = []
    for shape in shapes:
        if _by_root(shape):
            continue
        sealed = {f"wrapped_{name.removeprefix('sealed_')}_key": name for name in shape.columns if _is_sealed(name)}
        wrapped = [name for name in shape.columns if name.startswith("wrapped_")]
        alone = sealed.keys() - set(wrapped)
        if alone or (wrapped and (shape.table not in _BOUND_TO or "program" not in shape.columns)):
            message = f"table {shape.table} has blobs that no job would know how to open"
            raise ValueError(message)
        found += [Blob(shape, name, sealed.get(name, "")) for name in wrapped]
    return tuple(found)


def _by_root(shape: Shape) -> bool:
    return shape.table == "key_version"


def _is_sealed(column: str) -> bool:
    return column.startswith("sealed_")


NAMES: Final = names_in(SHAPES.values())
"""Every column that names versions of a key."""

BLOBS: Final = blobs_in(SHAPES.values())
"""Every wrapped data key, with its record."""


def count_rows(tx: Transaction, purpose: KeyPurpose, program: str, version: int) -> dict[str, int]:
    """Count the rows that name a version of a key, by table; tables that could name one and don't are there with 0.

    Args:
        tx: What to read; whole tables are.
        purpose: What the key is for.
        program: The program of an index or wrapping key; empty for the vault's own.
        version: Which version.
    """
    counts: dict[str, int] = {}
    for name in NAMES:
        if name.purpose == purpose:
            naming = tx.tables.naming(name.shape, name.column, version, program or None, name.start)
            counts[name.shape.table] = counts.get(name.shape.table, 0) + naming
    return counts


def rows_to_move(tx: Transaction, kind: JobKind, program: str) -> int:
    """Count what a job of a kind that moves rows to another key would have to go through, were it created now.

    A row that holds two data keys counts twice in rewrapping and re-encryption.
    """
    if kind == JobKind.REKEY:
        return sum(
            tx.tables.naming(SHAPES["code"], "index_version", version, program) for version in _left(tx, program)
        )
    if kind == JobKind.RETAG:
        return sum(tx.tables.count(name.shape) for name in NAMES if name.purpose == KeyPurpose.ROW_TAG)
    return sum(tx.moves.left(Older(blob.shape, blob.columns, EVERY_VERSION, program)) for blob in BLOBS)


def _left(tx: Transaction, program: str) -> list[int]:
    """Return the active index versions that a re-key would leave: all, or all but the newest if one had begun."""
    keys = [row for row in tx.keys.all() if (row.purpose, row.program) == (KeyPurpose.INDEX, program)]
    active = sorted(row.version for row in keys if row.state == KeyState.ACTIVE)
    return active[:-1] if len(active) > 1 else active
