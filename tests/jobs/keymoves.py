"""A vault with rows of every kind in it, its jobs that move rows from key to key, and what its blobs hold."""

from collections.abc import Iterable
from typing import Any
from uuid import uuid4

from tests.workshop import Workshop
from vault.crypto.envelope import Place, open_sealed, unwrap
from vault.model.shape import SHAPES
from vault.model.states import CardState, JobKind, JobState
from vault.service.issuing.delivery import Delivery
from vault.service.issuing.issue import CardPlan
from vault.service.rotation.joborder import RotationOrder
from vault.service.rotation.naming import BLOBS
from vault.service.rotation.reissue_card import CardRequest
from vault.service.select import Selector

BLOB_TABLES = sorted({blob.shape.table for blob in BLOBS})


async def everything(shop: Workshop) -> tuple[list[bytes], list[bytes]]:
    """Make two programs with codes, records and packages; return netcash's good codes and its superseded ones."""
    superseded = []
    for program in ("other", "netcash"):
        await shop.program(program)
        plan = CardPlan("a card", b"a record", state=CardState.ACTIVE)
        issued = (await shop.issue(20, program, plan=plan)).codes
        for card in issued[:4]:
            await shop.records.put(shop.call(), program, Selector(card.card_id), b"another record", "")
        view = await shop.issued_batch(12, program)
        await shop.package(view.row.batch_id, program=program)
        good = {card.card_id: card.code.expose() for card in issued}
        for card in issued[:5]:
            superseded.append(good[card.card_id])
            good[card.card_id] = await reissue(shop, program, card.card_id)
    return list(good.values()), superseded[5:]


async def reissue(shop: Workshop, program: str, card_id: bytes) -> bytes:
    """Give a card a new code, and return it."""
    request = CardRequest(program, Selector(card_id), Delivery(), "")
    (delivered,) = (await shop.card_reissue.reissue(shop.call(request_id=uuid4()), request)).codes
    return delivered.code.expose()


async def begin(shop: Workshop, kind: JobKind, program: str = "netcash") -> bytes:
    """Create a job, and return its id; a re-tagging is the whole vault's."""
    order = RotationOrder(kind, "" if kind == JobKind.RETAG else program)
    created = await shop.rotation.create(shop.call(request_id=uuid4()), order, validate_only=False)
    return created.job.row.job_id


async def move(shop: Workshop, kind: JobKind, program: str = "netcash") -> dict[str, Any]:
    """Create a job, have it done, and return its row."""
    job_id = await begin(shop, kind, program)
    await shop.work_all()
    (row,) = shop.database.rows("job", job_id=job_id)
    assert row["state"] == JobState.DONE, row["last_error"]
    return row


def stored(shop: Workshop, tables: Iterable[str]) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of tables, in the order of their keys, since a store may move a row that it rewrites."""
    return {
        table: [
            {name: row[name] for name in SHAPES[table].columns}
            for row in sorted(shop.database.rows(table), key=lambda row: [row[name] for name in SHAPES[table].key])
        ]
        for table in tables
    }


async def data_keys(shop: Workshop) -> dict[Place, bytes]:
    """Unwrap every data key."""
    keyring = (await shop.store.read(shop.recorder.catalogue.at)).keyring
    found = {}
    for blob in BLOBS:
        for values in stored(shop, [blob.shape.table])[blob.shape.table]:
            if values[blob.wrapped] is not None:
                place = blob.place(blob.shape.row(**values))
                found[place] = unwrap(values[blob.wrapped], place, keyring.wrapping_keys(place.program))
    return found


async def plaintexts(shop: Workshop) -> dict[Place, bytes]:
    """Open every sealed record."""
    keyring = (await shop.store.read(shop.recorder.catalogue.at)).keyring
    found = {}
    for blob in BLOBS:
        for values in stored(shop, [blob.shape.table])[blob.shape.table] if blob.sealed else []:
            if values[blob.sealed] is not None:
                place = blob.place(blob.shape.row(**values))
                keys = keyring.wrapping_keys(place.program)
                found[place] = open_sealed(values[blob.sealed], values[blob.wrapped], place, keys)
    return found
