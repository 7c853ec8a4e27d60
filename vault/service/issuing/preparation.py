"""Preparing cards outside the transaction, and doing it over when keys or programs change before they are written."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from vault.errors import InvalidInput, Unavailable
from vault.service.budget import WrapBudget
from vault.service.issuing.issue import CardPlan, Issuer, Prepared
from vault.service.recorder import Recorder

T = TypeVar("T")

WRAPS_PER_CARD = 2
"""One for the code and one for the record; what is left over serves cards that must be made again."""

ATTEMPTS = 8
"""How often prepared work is done over."""


class Preparation:
    """Prepares cards from the newest snapshot, off the event loop."""

    def __init__(self, recorder: Recorder, issuer: Issuer, budget: WrapBudget) -> None:
        self._recorder = recorder
        self._issuer = issuer
        self._budget = budget

    @property
    def most(self) -> int:
        """How many cards can be prepared at once, so that their wrappings fit under one key."""
        return self._budget.bound // WRAPS_PER_CARD

    async def prepare(self, program: str, plans: Sequence[CardPlan]) -> Prepared:
        """Make cards for plans.

        Raises:
            InvalidInput: An expiry is not in the future.
            NotFound: There is no such program.
            FailedPrecondition: The program is stopped or closed, or an incident has stopped issuance in it.
            Unavailable: The encryption budget was spent by others meanwhile (reason ``STALE``).
        """
        now_ms = self._recorder.clock_ms()
        for place, plan in enumerate(plans):
            if plan.expires_ms is not None and plan.expires_ms <= now_ms:
                raise InvalidInput(
                    "the expiry is not in the future", reason="EXPIRY_PAST", field=f"cards[{place}].expire_time"
                )
        await self._budget.reserve(program, WRAPS_PER_CARD * len(plans))
        snapshot = await self._recorder.store.read(self._recorder.catalogue.at)
        snapshot.issuing_program(program)
        return await asyncio.to_thread(self._issuer.prepare, snapshot, program, plans, now_ms)


async def until_fresh(attempt: Callable[[], Awaitable[T]]) -> T:
    """Try until what was prepared is not stale when it is written.

    Raises:
        Unavailable: It was stale every time.
    """
    for _ in range(ATTEMPTS):
        try:
            return await attempt()
        except Unavailable as error:
            if error.reason != "STALE":
                raise
    raise Unavailable("keys or programs keep changing; try again", retry_seconds=1.0)
