"""Rows that stand in for rows that were not found, so that not finding costs what finding does."""

from typing import NamedTuple

from vault.crypto.rowtag import Tagger
from vault.model.rows import CardRow, CodeRow
from vault.model.shape import SHAPES
from vault.model.states import CardState, Usage


class Decoys(NamedTuple):
    """A code and a card that no store holds, with tags that hold."""

    code: CodeRow
    card: CardRow


def make_decoys(tagger: Tagger) -> Decoys:
    """Make decoys under a tagger's active key."""
    card_id = bytes(16)
    code = CodeRow(bytes(32), 1, "decoy", card_id, 1, "A000000000000", b"", b"", b"")
    card = CardRow(
        "decoy",
        card_id,
        card_id,
        0,
        CardState.INACTIVE,
        Usage.UNUSED,
        1,
        "",
        None,
        0,
        None,
        None,
        None,
        0,
        None,
        None,
        1,
        b"",
    )
    return Decoys(tagger.tagged(SHAPES["code"], code), tagger.tagged(SHAPES["card"], card))
