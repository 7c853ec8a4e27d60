"""What jobs have written, portion by portion: found by the audit events of their chunks."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from bench.spool import Changes, Portion
from vault.formats.v1.audit_event_pb2 import AuditEvent
from vault.model.rows import AuditEventRow, CardRow, CodeRow
from vault.stores.protocol import Transaction
from vault.stores.records import AuditPlace

EVENTS_AT_ONCE = 100
_ALWAYS_MS = 1 << 62
_RENEWED = ("generation", "revision", "tag")
_REKEYED = ("digest", "index_version", "tag")
_REWRAPPED = ("wrapped_code_key",)
_SINGLE: dict[str, Changes] = {}


class _Chunk(NamedTuple):
    """A chunk's event, and its cards."""

    row: AuditEventRow
    program: str
    card_ids: list[bytes]


def issued(tx: Transaction) -> Iterator[Portion]:
    """Yield what issued the cards of every batch."""
    for chunk in _chunks(tx, "job/ISSUE_BATCH"):
        codes = tx.codes.of_cards(chunk.card_ids)
        yield Portion(len(chunk.card_ids), _whole(tx, chunk, codes) | {"audit_event": [tuple(chunk.row)]}, _SINGLE)


def reissued(tx: Transaction, job_id: str) -> Iterator[Portion]:
    """Yield the cards of a re-issue, none of which has changed since, as they were before, then what renewed them."""
    chunks = [chunk for chunk in _chunks(tx, "job/REISSUE", job_id) if chunk.card_ids]
    for chunk in chunks:
        cards = tx.cards.get(chunk.program, chunk.card_ids)
        older = [code for code in tx.codes.of_cards(chunk.card_ids) if code.generation < cards[code.card_id].generation]
        inserts = _whole(tx, chunk, older)
        inserts["card"] = _sorted(_before(card) for card in cards.values())
        yield Portion(0, inserts, _SINGLE)
    for chunk in chunks:
        cards = tx.cards.get(chunk.program, chunk.card_ids)
        newest = [c for c in tx.codes.of_cards(chunk.card_ids) if c.generation == cards[c.card_id].generation]
        inserts = _whole(tx, chunk, newest)
        del inserts["card"]
        inserts["reissue"] = _sorted(tx.reissues.get(_id(job_id), chunk.card_ids).values())
        inserts["audit_event"] = [tuple(chunk.row)]
        renewed = [(card.generation, card.revision, card.tag, card.program, card.card_id) for card in cards.values()]
        yield Portion(len(cards), inserts, {"card": Changes(_RENEWED, sorted(renewed, key=lambda row: row[-1]))})


def rekeyed(tx: Transaction, job_id: str) -> Iterator[Portion]:
    """Yield the codes that a re-key went through, under other digests, then their new digests, versions and tags."""
    chunks = [chunk for chunk in _chunks(tx, "job/REKEY", job_id) if chunk.card_ids]
    found = _codes_once(tx, chunks)
    for codes in found:
        older = [code._replace(digest=code.digest[::-1], index_version=code.index_version - 1) for code in codes]
        yield Portion(0, {"code": [tuple(code) for code in older]}, _SINGLE)
    for chunk, codes in zip(chunks, found, strict=True):
        changes = [(code.digest, code.index_version, code.tag, code.digest[::-1]) for code in codes]
        yield Portion(len(codes), {"audit_event": [tuple(chunk.row)]}, {"code": Changes(_REKEYED, changes)})


def rewrapped(tx: Transaction, job_id: str) -> Iterator[Portion]:
    """Yield the codes that a rewrap went through, none of which has changed since, then their new wrapped keys."""
    chunks = [chunk for chunk in _chunks(tx, "job/REWRAP", job_id) if chunk.card_ids]
    found = _codes_once(tx, chunks)
    for codes in found:
        yield Portion(0, {"code": [tuple(code) for code in codes]}, _SINGLE)
    for chunk, codes in zip(chunks, found, strict=True):
        changes = Changes(_REWRAPPED, [(code.wrapped_code_key, code.digest) for code in codes])
        yield Portion(len(codes), {"audit_event": [tuple(chunk.row)]}, {"code": changes})


def _chunks(tx: Transaction, action: str, job_id: str = "") -> Iterator[_Chunk]:
    subject = f"job/{_id(job_id).hex()}" if job_id else ""
    for row in _events(tx):
        event = AuditEvent.FromString(row.event)
        if event.action == action and event.items and (not subject or event.subject == subject):
            yield _Chunk(row, event.program, [item.card_id for item in event.items])


def _events(tx: Transaction) -> Iterator[AuditEventRow]:
    place: AuditPlace | None = None
    while rows := tx.audit.page(None, 0, _ALWAYS_MS, place, EVENTS_AT_ONCE):
        yield from rows
        place = AuditPlace(rows[-1].recorded_ms, rows[-1].writer_id, rows[-1].counter)


def _whole(tx: Transaction, chunk: _Chunk, codes: Sequence[CodeRow]) -> dict[str, Any]:
    """Return codes with their serials, and the cards."""
    serials = tx.serials.get(chunk.program, {code.serial for code in codes})
    cards = tx.cards.get(chunk.program, chunk.card_ids)
    return {"code": _sorted(codes), "serial": _sorted(serials.values()), "card": _sorted(cards.values())}


def _before(card: CardRow) -> CardRow:
    return card._replace(generation=card.generation - 1, revision=card.revision - 1)


def _codes_once(tx: Transaction, chunks: Sequence[_Chunk]) -> list[list[CodeRow]]:
    """Return each chunk's codes in the order of its items, each code once; a card may have several."""
    met: set[bytes] = set()
    found = []
    for chunk in chunks:
        places = {card_id: place for place, card_id in enumerate(chunk.card_ids)}
        codes = [code for code in tx.codes.of_cards(chunk.card_ids) if code.digest not in met]
        met.update(code.digest for code in codes)
        found.append(sorted(codes, key=lambda code: places[code.card_id]))
    return found


def _sorted(rows: Iterable[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    # The key's columns lead every row; what follows may be NULL.
    return sorted(map(tuple, rows), key=lambda row: row[:2])


def _id(job_id: str) -> bytes:
    return bytes.fromhex(job_id.replace("-", ""))
