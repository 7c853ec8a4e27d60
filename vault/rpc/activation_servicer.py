"""ActivationService, spoken."""

from vault.policy.call import Call
from vault.rpc import wire
from vault.service import rules
from vault.service.change import Changes, Order
from vault.v1 import activation_service_pb2 as pb


class ActivationServicer:
    """Answers ActivationService."""

    def __init__(self, changes: Changes) -> None:
        self._changes = changes

    async def ActivateCards(self, call: Call, request: pb.ActivateCardsRequest) -> pb.ActivateCardsResponse:
        """Activate sold cards."""
        order = Order(
            request.program,
            wire.selectors(request.cards),
            rules.activate,
            current_serial=True,
            needs_running=True,
        )
        return pb.ActivateCardsResponse(changes=wire.changes(await self._changes.apply(call, order)))

    async def DeactivateCards(self, call: Call, request: pb.DeactivateCardsRequest) -> pb.DeactivateCardsResponse:
        """Undo sales."""
        order = Order(request.program, wire.selectors(request.cards), rules.deactivate, current_serial=True)
        return pb.DeactivateCardsResponse(changes=wire.changes(await self._changes.apply(call, order)))
