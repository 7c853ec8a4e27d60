"""What must hold of a vault whose jobs have ended, whatever was killed, was full or failed before."""

from collections import defaultdict

from tests.service.invariants import check_invariants
from tests.workshop import Workshop
from vault.crypto.envelope import Place, open_sealed
from vault.model.rows import CodeRow
from vault.model.shape import SHAPES
from vault.model.states import CardState, Detail, JobKind, JobState, KeyState
from vault.service.answering.judge import BY_STATE
from vault.service.catalogue import Snapshot
from vault.service.rotation.naming import MOVED_BY, count_rows
from vault.stores.protocol import Transaction

AT_ONCE = 500


async def check_whole(shop: Workshop, program: str = "netcash") -> dict[bytes, list[bytes]]:
    """Check every row of a vault whose jobs are done; return each card's codes, oldest first.

    The invariants of every moment hold, every job is done without an error, every row tag holds, every code
    opens, no code is there twice, each has its digest under every live index key and under no other, its serial
    is its own, the newest one answers by its card's state and every one before is superseded.
    """
    await check_invariants(shop, program)
    for job in shop.database.rows("job"):
        assert (job["state"], job["error_count"]) == (JobState.DONE, 0), job["last_error"]
    snapshot = await shop.store.read(shop.recorder.catalogue.at)
    check_tags(shop, snapshot)
    codes = _open_codes(shop, snapshot, program)
    every = [code for generations in codes.values() for code in generations]
    assert len(set(every)) == len(every)
    await _check_answers(shop, program, codes)
    return codes


def check_tags(shop: Workshop, snapshot: Snapshot) -> None:
    """Check the tag of every row of every table that has tags."""
    for table, shape in SHAPES.items():
        if "tag" in shape.columns:
            for row in shop.database.rows(table):
                snapshot.tagger.verify(shape, shape.row(*(row[name] for name in shape.columns)))


async def check_moved(shop: Workshop, kind: JobKind, program: str = "netcash") -> None:
    """Check that no row names any version but the newest of the keys that a kind of job moves rows from."""
    purpose, program = MOVED_BY[kind], "" if kind == JobKind.RETAG else program
    rows = shop.database.rows("key_version", purpose=purpose, program=program)
    states = {row["version"]: row["state"] for row in rows}
    newest = max(states)
    assert newest > 1
    assert states == dict.fromkeys(states, KeyState.DEACTIVATED) | {newest: KeyState.ACTIVE}

    def count(tx: Transaction) -> dict[int, int]:
        return {version: sum(count_rows(tx, purpose, program, version).values()) for version in states}

    counts = await shop.store.read(count)
    assert counts.pop(newest) > 0
    assert not any(counts.values())


def _open_codes(shop: Workshop, snapshot: Snapshot, program: str) -> dict[bytes, list[bytes]]:
    keyring = snapshot.keyring
    digesters = {digester.version: digester for digester in keyring.digesters(program)}
    keys = keyring.wrapping_keys(program)
    rows = [CodeRow(*(row[name] for name in CodeRow._fields)) for row in shop.database.rows("code", program=program)]
    digests: dict[tuple[bytes, int], dict[int, bytes]] = defaultdict(dict)
    opened: dict[tuple[bytes, int], set[bytes]] = defaultdict(set)
    serials: dict[tuple[bytes, int], set[str]] = defaultdict(set)
    for row in rows:
        place = Place("code", "sealed_code", program, row.card_id, row.generation)
        which = row.card_id, row.generation
        digests[which][row.index_version] = row.digest
        opened[which].add(open_sealed(row.sealed_code, row.wrapped_code_key, place, keys))
        serials[which].add(row.serial)
    codes: dict[bytes, list[bytes]] = {card["card_id"]: [] for card in shop.database.rows("card", program=program)}
    for which in sorted(opened):
        (code,) = opened[which]
        assert digests[which] == {version: digester.digest(code) for version, digester in digesters.items()}
        assert len(codes[which[0]]) == which[1] - 1
        codes[which[0]].append(code)
    found = shop.database.rows("serial", program=program)
    assert {(row["card_id"], row["generation"]): {row["serial"]} for row in found} == serials
    return codes


async def _check_answers(shop: Workshop, program: str, codes: dict[bytes, list[bytes]]) -> None:
    assert not shop.database.rows("hold", program=program)
    cards = {card["card_id"]: card for card in shop.database.rows("card", program=program)}
    expected = {}
    for card_id, generations in codes.items():
        assert len(generations) == cards[card_id]["generation"]
        *before, current = generations
        expected.update(dict.fromkeys(before, Detail.SUPERSEDED))
        expected[current] = BY_STATE[CardState(cards[card_id]["state"])]
    for process in (shop, shop.restarted()):
        asked = list(expected)
        for first in range(0, len(asked), AT_ONCE):
            some = asked[first : first + AT_ONCE]
            judged = await process.judge(*some, programs=(program,))
            assert [judgement.detail for judgement in judged] == [expected[code] for code in some]
