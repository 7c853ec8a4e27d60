"""Exchanging a code that was sealed, with its serial and the one-time key."""

from typing import Any
from uuid import uuid4

import pytest

from tests.service.exchanging import DAY, SECRET, Leaked, leaked
from tests.service.refusals import compromise
from tests.service.sealing import EXCHANGE, Edge, Shop
from tests.workshop import Workshop
from vault.client.exchange import open_exchanged_code
from vault.crypto.sealedbox import draw_key, public_half
from vault.errors import FailedPrecondition, IntegrityFailure, InvalidInput
from vault.model.states import Detail, HoldKind, KeyPurpose, KeyState, Proof
from vault.policy.call import Call
from vault.secret import Secret
from vault.service.answering.submissions import AGE_MS, Presented, Sealed
from vault.service.exchanging.claims import Shown
from vault.service.exchanging.exchange import Exchanged


class Holder:
    """A holder at an edge, and the shop that passes on what it sealed."""

    def __init__(self, shop: Workshop, card: Leaked) -> None:
        self.shop = shop
        self.card = card
        self.private_key = draw_key()
        self.call = Shop(shop).call("ExchangeCode")

    async def seal(self, **fields: Any) -> Sealed:
        """Seal the old code with its serial."""
        own = {"serial": self.card.old.serial, "public_key": public_half(self.private_key), "purpose": EXCHANGE}
        return await Edge(self.shop).seal(self.card.old.code.expose(), **{**own, **fields})

    async def claim(self, sealed: Presented, shown: Shown | None = None, call: Call | None = None) -> Exchanged:
        """Pass on a submission."""
        return await self.shop.exchanges.exchange(call or self.call, "netcash", sealed, shown, b"")


async def test_a_sealed_claim_is_answered_to_the_key_inside_and_again_to_a_retry(shop: Workshop) -> None:
    _, _, (card,) = await leaked(shop)
    holder = Holder(shop, card)
    sealed = await holder.seal()
    for minutes in (0, 10):
        shop.clock.advance(60 * minutes)
        exchanged = await holder.claim(sealed)
        assert exchanged.done
        opened = open_exchanged_code(holder.private_key, exchanged.sealed_code)
        assert (opened.code.encode(), opened.serial) == (card.code, card.serial)
    replayed = await holder.claim(sealed, call=Shop(shop).call("ExchangeCode"))
    assert replayed == Exchanged(Detail.SUBMISSION)
    assert not shop.database.rows("hold")


async def test_the_same_code_sealed_again_for_another_key_contests_it(shop: Workshop) -> None:
    _, _, (card,) = await leaked(shop)
    first, second = Holder(shop, card), Holder(shop, card)
    assert (await first.claim(await first.seal())).done
    assert (await second.claim(await second.seal())).detail is Detail.FROZEN
    (hold,) = shop.database.rows("hold")
    assert hold["kind"] == HoldKind.CONTESTED


@pytest.mark.parametrize("proof", [Proof.SALE_SECRET, Proof.PURCHASE])
async def test_other_proofs_stand_beside_the_submission(shop: Workshop, proof: Proof) -> None:
    _, _, (card,) = await leaked(shop, proof)
    holder = Holder(shop, card)
    shown = Shown(proof, SECRET if proof == Proof.SALE_SECRET else Secret(b""))
    assert (await holder.claim(await holder.seal(serial=""), shown)).done


async def test_what_is_missing_or_mistyped_is_told_and_spends_nothing(shop: Workshop) -> None:
    _, _, (card,) = await leaked(shop)
    holder = Holder(shop, card)
    serial = card.old.serial
    mistyped = serial[:-1] + ("A" if serial[-1] != "A" else "B")
    for given, reason in (("", "FIELD_REQUIRED"), (mistyped, "SERIAL_MALFORMED")):
        with pytest.raises(InvalidInput) as refused:
            await holder.claim(await holder.seal(serial=given))
        assert refused.value.reason == reason
        late = await holder.seal(serial=given, seal_time_ms=shop.clock.now_ms - AGE_MS - 1)
        call = Shop(shop).call("ExchangeCode", uuid4())
        assert await holder.claim(late, call=call) == Exchanged(Detail.SUBMISSION)
    rows = shop.database.rows("submission")
    assert len(rows) == 2  # those of the late ones, which nobody has
    assert (await holder.claim(await holder.seal())).done


async def test_a_wrong_serial_inside_counts_as_a_wrong_proof(shop: Workshop) -> None:
    _, _, (card, other) = await leaked(shop, count=2)
    holder = Holder(shop, card)
    refused = await holder.claim(await holder.seal(serial=other.old.serial))
    assert (refused.done, refused.detail) == (False, Detail.SUPERSEDED)
    (row,) = shop.database.rows("attempt", card_id=card.old.card_id)
    assert row["failures"] == 1


async def test_a_code_in_clear_is_not_exchanged_where_sealing_is_required(shop: Workshop) -> None:
    _, _, (card,) = await leaked(shop)
    await shop.programs.update(shop.call(), "netcash", {"seal_required": 1}, "")
    holder = Holder(shop, card)
    with pytest.raises(FailedPrecondition) as refused:
        await shop.exchanges.exchange(
            Shop(shop).call("ExchangeCode"),
            "netcash",
            card.old.code.expose(),
            card.right[Proof.SERIAL],
            public_half(holder.private_key),
        )
    assert refused.value.reason == "SEAL_REQUIRED"
    assert (await holder.claim(await holder.seal())).done


async def _lose_key(shop: Workshop, state: KeyState) -> None:
    """Have the first sealing key compromised or destroyed."""
    if state == KeyState.COMPROMISED:
        await compromise(shop)
        return
    await shop.key_versions.create(shop.call(), KeyPurpose.SEALING, "")
    await shop.destruction.destroy(shop.call(), KeyPurpose.SEALING, "", 1, validate_only=False)


@pytest.mark.parametrize("state", [KeyState.COMPROMISED, KeyState.DESTROYED])
async def test_a_retry_whose_sealing_key_is_gone_gets_the_same_code_to_the_same_key(
    shop: Workshop, state: KeyState
) -> None:
    _, _, (card,) = await leaked(shop)
    holder = Holder(shop, card)
    sealed = await holder.seal()
    assert (await holder.claim(sealed)).done
    await _lose_key(shop, state)
    shop.clock.advance(DAY / 2)
    again = await holder.claim(sealed)
    opened = open_exchanged_code(holder.private_key, again.sealed_code)
    assert (opened.code.encode(), opened.serial) == (card.code, card.serial)
    retried = (await shop.all_events())[-1]
    assert (retried.reason, retried.delivered) == ("RETRIED", True)
    fresh = await holder.claim(sealed, call=Shop(shop).call("ExchangeCode"))
    assert fresh == Exchanged(Detail.SUBMISSION)


async def test_a_retry_whose_sealing_key_and_exchange_are_gone_gets_nothing(shop: Workshop) -> None:
    _, _, (card,) = await leaked(shop)
    holder = Holder(shop, card)
    sealed = await holder.seal()
    assert (await holder.claim(sealed)).done
    await _lose_key(shop, KeyState.DESTROYED)
    (row,) = shop.database.rows("exchange")
    shop.database.put("exchange", row["rowid"], public_key=public_half(draw_key()))
    with pytest.raises(IntegrityFailure):
        await holder.claim(sealed)
    shop.database.delete("exchange", row["rowid"])
    assert await holder.claim(sealed) == Exchanged(Detail.SUBMISSION)
