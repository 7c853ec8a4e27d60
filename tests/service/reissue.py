"""Gives a card its next generation by hand, on hold or not: new code, new serial, the old ones superseded.

Tests whose subject is the re-issue itself use the real one.
"""

import os

from tests.workshop import Workshop
from vault.codes.generate import generate
from vault.codes.serial import generate_serials
from vault.crypto.envelope import Place, seal
from vault.model.incident_rows import ReissueRow
from vault.model.rows import CodeRow, JobRow, SerialRow
from vault.model.shape import SHAPES
from vault.model.states import JobKind, JobState
from vault.service.formats import code_format
from vault.stores.protocol import Transaction


async def job_of(shop: Workshop, incident_id: bytes, program: str = "netcash") -> bytes:
    """Write a re-issue of an incident that is done, and return its id."""
    job_id = os.urandom(16)

    def work(tx: Transaction) -> None:
        scope = shop.recorder.scope(tx)
        row = JobRow(
            job_id,
            JobKind.REISSUE,
            program,
            incident_id,
            JobState.DONE,
            "officer",
            0,
            0,
            0,
            "",
            1,
            scope.now_ms,
            scope.now_ms,
            b"",
            None,
            0,
        )
        tx.jobs.insert(scope.snapshot.tagger.tagged(SHAPES["job"], row))

    await shop.store.transact(work)
    return job_id


async def reissue(
    shop: Workshop, card_id: bytes, program: str = "netcash", *, job_id: bytes | None = None
) -> tuple[bytes, str]:
    """Write the rows of a card's next generation, a job's where one is named, and return its code and serial."""

    def work(tx: Transaction) -> tuple[bytes, str]:
        scope = shop.recorder.scope(tx)
        snapshot = scope.snapshot
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
        if job_id is not None:
            row_of_job = ReissueRow(
                job_id, card_id, program, generation, card.state, scope.now_ms, b"", card.expires_ms
            )
            tx.reissues.insert([tagged(SHAPES["reissue"], row_of_job)])
        return code.expose(), serial

    return await shop.store.transact(work)
