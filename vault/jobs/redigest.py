"""New digests: every code of a program opened, and its row given the digest, version and tag under a new index key.

1. A new digest is made only of a code that opened at its own place, and only of a row whose tag holds.
2. Everything else of the row stays, what is sealed as it is by then.
3. Codes are opened in this process's memory, some thousand at a time.
"""

from collections.abc import Sequence
from typing import Any, Final

from vault.crypto.envelope import Place, open_many
from vault.crypto.rowtag import name_of
from vault.errors import IntegrityFailure
from vault.jobs.drain import Moved, Tray, kept
from vault.model.rows import CodeRow
from vault.model.shape import SHAPES
from vault.model.states import KeyPurpose
from vault.service.catalogue import Snapshot
from vault.service.recorder import Scope

CODE: Final = SHAPES["code"]


class Redigest:
    """Gives codes new digests."""

    purpose = KeyPurpose.INDEX
    trays = (Tray(CODE, ("digest", "index_version", "tag"), ("index_version",), ("sealed_code", "wrapped_code_key")),)

    async def reserve(self, program: str, count: int) -> int:  # noqa: ARG002  a digest costs nothing that counts
        """Return how many rows may be moved: as many as asked."""
        return count

    def move(self, snapshot: Snapshot, table: int, rows: Sequence[Any]) -> Moved:  # noqa: ARG002  there is one table
        """Make digests, versions and tags of codes under the newest index key."""
        program = rows[0].program
        digester = snapshot.keyring.digesters(program)[0]
        places = [Place("code", "sealed_code", program, row.card_id, row.generation) for row in rows]
        blobs = [(row.sealed_code, row.wrapped_code_key) for row in rows]
        opened = open_many(blobs, places, snapshot.keyring.wrapping_keys(program))
        holds = snapshot.tagger.holds_many(CODE, rows)
        codes = [code if held else None for held, code in zip(holds, opened, strict=True)]
        good = [row for row, code in zip(rows, codes, strict=True) if code is not None]
        digests = digester.digest_many(code for code in codes if code is not None)
        new = [CodeRow(digest, digester.version, *row[2:]) for digest, row in zip(digests, good, strict=True)]
        values = ((row.digest, row.index_version, row.tag) for row in snapshot.tagger.tag_many(CODE, new))
        made = [None if code is None else next(values) for code in codes]
        return kept(CODE, rows, made, "SEALED" if all(holds) else "ROW_TAG")


def check_alone(scope: Scope, moved: Moved) -> None:
    """See to it that rows which were not moved, as their new digest is taken, have it taken by their own code.

    Raises:
        IntegrityFailure: CODE_TWICE: a digest is another code's, which must not be.
    """
    there = scope.tx.codes.by_digest([digest for digest, *_ in moved.values])
    for row, (digest, *_) in zip(moved.rows, moved.values, strict=True):
        found = there.get(digest)
        if found is not None and (found.card_id, found.generation) != (row.card_id, row.generation):
            message = f"two cards have one code: {name_of(CODE, row)}, and {name_of(CODE, found)}"
            raise IntegrityFailure(message, reason="CODE_TWICE")
