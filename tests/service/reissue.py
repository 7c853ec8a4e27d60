"""Gives a card a second generation, as a re-issue will: new code, new serial, the old ones superseded."""

import os

from tests.workshop import Workshop
from vault.codes.generate import generate
from vault.codes.serial import generate_serials
from vault.crypto.envelope import Place, seal
from vault.model.rows import CodeRow, SerialRow
from vault.model.shape import SHAPES
from vault.service.formats import code_format
from vault.stores.protocol import Transaction


async def reissue(shop: Workshop, card_id: bytes, program: str = "netcash") -> tuple[bytes, str]:
    """Write the rows of a card's next generation, and return its code and serial."""

    def work(tx: Transaction) -> tuple[bytes, str]:
        snapshot = shop.recorder.scope(tx).snapshot
        tagged = snapshot.tagger.tagged
        card = tx.cards.get(program, [card_id])[card_id]
        generation = card.generation + 1
        (code,) = generate(code_format(snapshot.program(program)), 1, os.urandom)
        (serial,) = generate_serials(1, os.urandom)
        place = Place("code", "sealed_code", program, card_id, generation)
        blobs = seal(code.expose(), place, snapshot.keyring.active_wrapping_key(program), os.urandom)
        (digester,) = snapshot.keyring.digesters(program)
        row = CodeRow(digester.digest(code.expose()), 1, program, card_id, generation, serial, *blobs, b"")
        assert not tx.codes.claim([tagged(SHAPES["code"], row)])
        assert not tx.serials.claim([tagged(SHAPES["serial"], SerialRow(program, serial, card_id, generation, b""))])
        tx.cards.update([tagged(SHAPES["card"], card._replace(generation=generation, revision=card.revision + 1))])
        return code.expose(), serial

    return await shop.store.transact(work)
