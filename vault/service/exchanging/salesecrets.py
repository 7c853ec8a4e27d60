"""Selling cards, with a secret of each that its holder can show when codes are exchanged after an incident.

1. A secret is stored in the transaction that activates its card, encrypted under a data key of its own, and
   only for a card that this very call activates: nobody can give a card that is sold already another secret.
2. A new sale replaces the secret of an earlier one. Undoing a sale voids it, so that what the first buyer knows
   is worth nothing to a card that was sold again without a secret.
3. A secret is compared in constant time, and where a card has none the same is done over a stand-in, so that it
   looks alike.

It does not make a short secret long: a few digits are guarded by the waits of ``attempts`` alone.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

from vault.crypto.envelope import Place, WrappingKey, open_sealed, seal, seal_many
from vault.errors import InvalidInput
from vault.model.incident_rows import SaleSecretRow
from vault.model.shape import SHAPES
from vault.policy.call import Call
from vault.secret import Secret
from vault.service import rules
from vault.service.budget import WrapBudget
from vault.service.catalogue import Snapshot
from vault.service.change import Change, Changes, Order
from vault.service.issuing.delivery import Random
from vault.service.issuing.preparation import until_fresh
from vault.service.recorder import Scope
from vault.service.select import Selector

_SHAPE: Final = SHAPES["sale_secret"]
_VOID: Final = Secret(b"")

# Opened where a card has no secret. It hides nothing, so its key and nonces may be known.
_STAND_IN_KEYS: Final = {1: WrappingKey(1, Secret(bytes(32)))}
_STAND_IN_PLACE: Final = Place("sale_secret", "sealed_secret", "decoy", bytes(16), 1)
_STAND_IN: Final = seal(bytes(8), _STAND_IN_PLACE, _STAND_IN_KEYS[1], bytes)


class Sales:
    """Activates cards, and undoes it."""

    def __init__(self, changes: Changes, budget: WrapBudget, random: Random) -> None:
        self._changes = changes
        self._budget = budget
        self._random = random

    async def activate(
        self, call: Call, program: str, selectors: Sequence[Selector], secrets: Sequence[Secret] = ()
    ) -> list[Change]:
        """Activate cards that are sold; every item has its own outcome.

        Args:
            call: Who asks.
            program: The program.
            selectors: The cards, at most 1,000.
            secrets: A secret of 4 to 64 bytes for each card, in the same order; none: none is stored.

        Raises:
            InvalidInput: SALE_SECRETS: there are secrets, but not as many as cards.
            NotFound: There is no such program.
            FailedPrecondition: The program is stopped or closed.
        """
        if secrets and len(secrets) != len(selectors):
            message = f"there must be one secret for each card: {len(selectors)} cards, {len(secrets)} secrets"
            raise InvalidInput(message, reason="SALE_SECRETS", field="sale_secrets")

        def store(scope: Scope, changed: Mapping[int, bytes]) -> None:
            self._put(scope, program, {card_id: secrets[place] for place, card_id in changed.items()})

        order = Order(program, selectors, rules.activate, current_serial=True, needs_running=True)
        if not secrets:
            return await self._changes.apply(call, order)
        return await self._apply(call, order._replace(beside=store))

    async def deactivate(self, call: Call, program: str, selectors: Sequence[Selector]) -> list[Change]:
        """Undo sales of unused cards, within the program's window; every item has its own outcome.

        Raises:
            NotFound: There is no such program.
            FailedPrecondition: The program is closed.
        """

        def void(scope: Scope, changed: Mapping[int, bytes]) -> None:
            stored = scope.tx.exchanges.sale_secrets(program, set(changed.values()))
            self._put(scope, program, dict.fromkeys(stored, _VOID))

        order = Order(program, selectors, rules.deactivate, current_serial=True, beside=void)
        return await self._apply(call, order)

    async def _apply(self, call: Call, order: Order) -> list[Change]:
        async def attempt() -> list[Change]:
            await self._budget.reserve(order.program, len(order.selectors))
            return await self._changes.apply(call, order)

        return await until_fresh(attempt)

    def _put(self, scope: Scope, program: str, secrets: Mapping[bytes, Secret]) -> None:
        """Store the secrets of cards, each one version above what is there."""
        if not secrets:
            return
        snapshot, exchanges = scope.snapshot, scope.tx.exchanges
        self._budget.spend(snapshot, program, len(secrets))
        stored = exchanges.sale_secrets(program, secrets.keys())
        for row in stored.values():
            snapshot.tagger.verify(_SHAPE, row)
        places = [_place(program, i, stored[i].secret_version + 1 if i in stored else 1) for i in secrets]
        plain = [secret.expose() for secret in secrets.values()]
        blobs = seal_many(plain, places, snapshot.keyring.active_wrapping_key(program), self._random)
        rows = [
            SaleSecretRow(program, place.card_id, place.generation, *blob, b"")
            for place, blob in zip(places, blobs, strict=True)
        ]
        exchanges.put_sale_secrets(snapshot.tagger.tag_many(_SHAPE, rows))


def is_secret(snapshot: Snapshot, row: SaleSecretRow | None, shown: Secret) -> bool:
    """Return whether what is shown is the secret that was stored; False for a card without one.

    Raises:
        IntegrityFailure: The row or its ciphertext is not what the vault wrote.
    """
    opening = partial(open_sealed, *_STAND_IN, _STAND_IN_PLACE, _STAND_IN_KEYS)
    if row is not None:
        place = _place(row.program, row.card_id, row.secret_version)
        keys = snapshot.keyring.wrapping_keys(row.program)
        opening = partial(open_sealed, row.sealed_secret, row.wrapped_secret_key, place, keys)
    stored = Secret(opening())
    return (stored == shown) & (row is not None) & (len(stored) > 0)


def _place(program: str, card_id: bytes, version: int) -> Place:
    return Place("sale_secret", "sealed_secret", program, card_id, version)
