"""ValidationService, spoken."""

from collections.abc import Sequence

from vault.codes.format import normalize
from vault.codes.serial import parse_serial
from vault.errors import InvalidInput
from vault.model.states import Detail, Proof, Role
from vault.policy.call import Call
from vault.rpc import wire
from vault.secret import Secret
from vault.service.answering.judge import Judgement
from vault.service.answering.public_keys import PublicKeys
from vault.service.answering.redemption import Redemptions
from vault.service.answering.validation import Validation
from vault.service.cards import Cards
from vault.service.exchanging.claims import Shown
from vault.service.exchanging.exchange import Exchanges
from vault.v1 import resources_pb2 as res
from vault.v1 import validation_service_pb2 as pb


class ValidationServicer:
    """Answers ValidationService."""

    def __init__(
        self,
        validation: Validation,
        redemptions: Redemptions,
        exchanges: Exchanges,
        cards: Cards,
        public_keys: PublicKeys,
    ) -> None:
        self._validation = validation
        self._redemptions = redemptions
        self._exchanges = exchanges
        self._cards = cards
        self._public_keys = public_keys

    async def ValidateCode(self, call: Call, request: pb.ValidateCodeRequest) -> pb.ValidateCodeResponse:
        """Answer whether a code is good."""
        programs = _programs(call, request.programs)
        digits = normalize(request.code.code, "code.code")
        (judgement,) = await self._validation.validate(call, programs, [digits], "code.code")
        return pb.ValidateCodeResponse(result=_validated(call, programs, judgement))

    async def BatchValidateCodes(
        self, call: Call, request: pb.BatchValidateCodesRequest
    ) -> pb.BatchValidateCodesResponse:
        """Answer for many codes."""
        programs = _programs(call, request.programs)
        digits = [normalize(form.code, f"codes[{place}].code") for place, form in enumerate(request.codes)]
        judgements = await self._validation.validate(call, programs, digits, "codes[{}].code")
        return pb.BatchValidateCodesResponse(
            results=[_validated(call, programs, judgement) for judgement in judgements]
        )

    async def RedeemCode(self, call: Call, request: pb.RedeemCodeRequest) -> pb.RedeemCodeResponse:
        """Spend a code."""
        digits = normalize(request.code.code, "code.code")
        redemption = await self._redemptions.redeem(call, request.program, digits)
        good = redemption.detail == Detail.GOOD
        response = pb.RedeemCodeResponse(verdict=_verdict(redemption.detail))
        if good or call.grants.holds(Role.DETAIL, request.program):
            response.detail = res.Detail.ValueType(redemption.detail)
            response.card_id = wire.uuid_text(redemption.card_id)
        if good:
            response.redemption_id = wire.uuid_text(redemption.redemption_id)
            response.redeem_time.FromMilliseconds(redemption.redeemed_ms)
        return response

    async def ReverseRedemption(self, call: Call, request: pb.ReverseRedemptionRequest) -> pb.ReverseRedemptionResponse:
        """Undo a redemption."""
        card_id = await self._redemptions.reverse(
            call, request.program, wire.selector(request.card), wire.uuid_bytes(request.redemption_id)
        )
        return pb.ReverseRedemptionResponse(card_id=wire.uuid_text(card_id))

    async def ExchangeCode(self, call: Call, request: pb.ExchangeCodeRequest) -> pb.ExchangeCodeResponse:
        """Exchange a superseded code."""
        digits = normalize(request.code.code, "code.code")
        shown = _shown(request)
        exchanged = await self._exchanges.exchange(call, request.program, digits, shown, request.public_key)
        if exchanged.done:
            return pb.ExchangeCodeResponse(
                verdict=res.VERDICT_GOOD,
                card_id=wire.uuid_text(exchanged.card_id),
                sealed_code=exchanged.sealed_code,
            )
        response = pb.ExchangeCodeResponse(verdict=res.VERDICT_NOT_GOOD)
        if call.grants.holds(Role.DETAIL, request.program):
            response.detail = res.Detail.ValueType(exchanged.detail)
        return response

    async def BatchGetCardStatus(
        self, call: Call, request: pb.BatchGetCardStatusRequest
    ) -> pb.BatchGetCardStatusResponse:
        """Answer what may be done with cards."""
        statuses = await self._cards.statuses(call, request.program, wire.selectors(request.cards))
        return pb.BatchGetCardStatusResponse(
            statuses=[
                pb.CardStatus()
                if status.card is None
                else pb.CardStatus(
                    card_id=wire.uuid_text(status.card.card_id),
                    state=res.Card.State.ValueType(status.card.state),
                    usage=res.Usage.ValueType(status.card.usage),
                    expired=status.expired,
                    usable=status.usable,
                )
                for status in statuses
            ]
        )

    async def ListPublicKeys(self, call: Call, _: pb.ListPublicKeysRequest) -> pb.ListPublicKeysResponse:
        """List public keys."""
        return pb.ListPublicKeysResponse(keys=[wire.public_key(row) for row in await self._public_keys.all(call)])


def _programs(call: Call, named: Sequence[str]) -> tuple[str, ...]:
    """Return the programs to ask: those named, each once, or the only one for which the caller is a validator.

    Raises:
        InvalidInput: One is named twice, or none is named and the caller has several or all.
    """
    if not named:
        held = call.grants.programs(Role.VALIDATOR)
        if len(held) != 1 or "*" in held:
            raise InvalidInput("name the programs to ask", reason="PROGRAMS_REQUIRED", field="programs")
        return tuple(held)
    if len(set(named)) != len(named):
        raise InvalidInput("a program is named twice", reason="PROGRAMS_REPEATED", field="programs")
    return tuple(named)


def _shown(request: pb.ExchangeCodeRequest) -> Shown:
    """Return what the holder shows.

    Raises:
        InvalidInput: SERIAL_MALFORMED: it is a serial with a wrong check character, most likely mistyped.
    """
    match request.WhichOneof("proof"):
        case "serial":
            return Shown(Proof.SERIAL, Secret(parse_serial(request.serial, "serial").encode()))
        case "sale_secret":
            return Shown(Proof.SALE_SECRET, Secret(request.sale_secret))
        case _:
            return Shown(Proof.PURCHASE)


def _verdict(detail: Detail) -> res.Verdict.ValueType:
    return res.VERDICT_GOOD if detail == Detail.GOOD else res.VERDICT_NOT_GOOD


def _validated(call: Call, programs: Sequence[str], judgement: Judgement) -> pb.ValidatedCode:
    detail, card = judgement.detail, judgement.card
    if detail == Detail.GOOD and card is not None:
        return pb.ValidatedCode(
            verdict=res.VERDICT_GOOD,
            card_id=wire.uuid_text(card.card_id),
            program=card.program,
            usage=res.Usage.ValueType(card.usage),
            expire_time=wire.timestamp(card.expires_ms),
        )
    answer = pb.ValidatedCode(verdict=res.VERDICT_NOT_GOOD)
    concerned = programs if card is None else (card.program,)
    if all(call.grants.holds(Role.DETAIL, program) for program in concerned):
        answer.detail = res.Detail.ValueType(detail)
        if card is not None:
            answer.card_id = wire.uuid_text(card.card_id)
            answer.program = card.program
    return answer
