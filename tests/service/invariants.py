"""What must hold of the stored rows at any moment, whatever failed before."""

from collections import Counter

from tests.audit.chains import verify_chains
from tests.workshop import Workshop
from vault.model.states import BatchState, CardState, JobKind
from vault.service.tally import COUNTED


async def check_invariants(shop: Workshop, program: str = "netcash") -> int:
    """Check that cards, codes, serials, the tally and the audit log tell the same story; return how many cards."""
    database = shop.database
    cards = database.rows("card", program=program)
    codes = database.rows("code", program=program)
    serials = database.rows("serial", program=program)
    of_cards = Counter((c["card_id"], generation) for c in cards for generation in range(1, c["generation"] + 1))
    indexed = Counter((code["card_id"], code["generation"], code["index_version"]) for code in codes)
    assert {(card_id, generation) for card_id, generation, _ in indexed} == set(of_cards)
    assert set(indexed.values()) <= {1}
    assert Counter((serial["card_id"], serial["generation"]) for serial in serials) == of_cards
    assert {code["serial"] for code in codes} == {serial["serial"] for serial in serials}

    to_come = 0
    for batch in database.rows("batch", program=program):
        positions = sorted(card["batch_position"] for card in cards if card["batch_id"] == batch["batch_id"])
        assert positions == list(range(len(positions)))
        (job,) = database.rows("job", subject=batch["batch_id"], kind=JobKind.ISSUE_BATCH)
        assert job["done_count"] == job["cursor"] == len(positions)
        if batch["state"] == BatchState.ISSUING:
            to_come += batch["card_count"] - len(positions)
    live = sum(row["live"] for row in database.rows("tally", program=program))
    assert live == to_come + sum(CardState(card["state"]) in COUNTED for card in cards)

    tags: dict[bytes, bytes] = {}
    chains = await verify_chains(shop)
    # A re-tagging is the whole vault's, so its events are no program's.
    events = [event for chain in chains.values() for event in chain if event.program in {program, ""}]
    ids = {card["card_id"] for card in cards}
    items = [item for event in events for item in event.items if item.tag_after and item.card_id in ids]
    changes = {(item.card_id, item.tag_before): item.tag_after for item in items}
    for card in cards:
        tag = b""
        while (card["card_id"], tag) in changes:
            tag = changes.pop((card["card_id"], tag))
        tags[card["card_id"]] = tag
    assert not changes
    assert tags == {card["card_id"]: card["tag"] for card in cards}
    return len(cards)
