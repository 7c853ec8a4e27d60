"""ActivationService, spoken."""

from vault.policy.call import Call
from vault.rpc import wire
from vault.secret import Secret
from vault.service.exchanging.salesecrets import Sales
from vault.v1 import activation_service_pb2 as pb


class ActivationServicer:
    """Answers ActivationService."""

    def __init__(self, sales: Sales) -> None:
        self._sales = sales

    async def ActivateCards(self, call: Call, request: pb.ActivateCardsRequest) -> pb.ActivateCardsResponse:
        """Activate sold cards."""
        secrets = [Secret(secret) for secret in request.sale_secrets]
        cards = wire.selectors(request.cards)
        changes = await self._sales.activate(call, request.program, cards, secrets)
        return pb.ActivateCardsResponse(changes=wire.changes(changes))

    async def DeactivateCards(self, call: Call, request: pb.DeactivateCardsRequest) -> pb.DeactivateCardsResponse:
        """Undo sales."""
        changes = await self._sales.deactivate(call, request.program, wire.selectors(request.cards))
        return pb.DeactivateCardsResponse(changes=wire.changes(changes))
