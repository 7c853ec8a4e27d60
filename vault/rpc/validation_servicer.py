"""ValidationService, spoken."""

from collections.abc import Callable, Iterable, Sequence

from vault.codes.format import normalize
from vault.codes.serial import parse_serial
from vault.errors import InvalidInput
from vault.model.states import Detail, Proof, Role
from vault.policy.call import Call
from vault.rpc import wire
from vault.secret import Secret
from vault.service.answering.inquiries import Inquiries
from vault.service.answering.inquiry import Inquiry
from vault.service.answering.judge import Judgement
from vault.service.answering.public_keys import PublicKeys
from vault.service.answering.receipts import Wish
from vault.service.answering.redemption import Redemptions
from vault.service.answering.submissions import Presented, Sealed
from vault.service.answering.validation import Validation
from vault.service.cards import Cards
from vault.service.exchanging.claims import Shown
from vault.service.exchanging.exchange import Exchanges
from vault.v1 import resources_pb2 as res
from vault.v1 import validation_service_pb2 as pb


class ValidationServicer:
    """Answers ValidationService."""

    def __init__(  # noqa: PLR0913, PLR0917  a service for each kind of method
        self,
        validation: Validation,
        redemptions: Redemptions,
        exchanges: Exchanges,
        cards: Cards,
        public_keys: PublicKeys,
        inquiries: Inquiries,
    ) -> None:
        self._validation = validation
        self._redemptions = redemptions
        self._exchanges = exchanges
        self._cards = cards
        self._public_keys = public_keys
        self._inquiries = inquiries

    async def ValidateCode(self, call: Call, request: pb.ValidateCodeRequest) -> pb.ValidateCodeResponse:
        """Answer whether a code is good."""
        programs = _programs(call, request.programs)
        digits = request.code.code
        if digits and not request.HasField("receipt"):
            code = normalize(digits, "code.code")
            (judgement,) = await self._validation.validate(call, programs, [code], "code.code")
            return pb.ValidateCodeResponse(result=_validated(call, programs, judgement))
        codes = _presented(call, [request.code], "code")
        told = await self._inquiries.ask(
            Inquiry(_naming(call, request, programs), programs, codes, "code", _wish(request))
        )
        result = _validated(call, programs, told.judgements[0])
        return pb.ValidateCodeResponse(result=result, receipt=told.receipt)

    async def BatchValidateCodes(
        self, call: Call, request: pb.BatchValidateCodesRequest
    ) -> pb.BatchValidateCodesResponse:
        """Answer for many codes."""
        programs = _programs(call, request.programs)
        digits = [form.code for form in request.codes]
        if all(digits) and not request.HasField("receipt"):
            clear = [normalize(code, f"codes[{place}].code") for place, code in enumerate(digits)]
            judgements: Sequence[Judgement] = await self._validation.validate(call, programs, clear, "codes[{}].code")
            receipt = ""
        else:
            codes = _presented(call, request.codes, "codes[{}]")
            call = _naming(call, request, programs)
            inquiry = Inquiry(call, programs, codes, "codes[{}]", _wish(request), several=True)
            judgements, receipt = await self._inquiries.ask(inquiry)
        response = pb.BatchValidateCodesResponse(receipt=receipt)
        for judgement in judgements:
            _validated(call, programs, judgement, response.results.add)
        return response

    async def RedeemCode(self, call: Call, request: pb.RedeemCodeRequest) -> pb.RedeemCodeResponse:
        """Spend a code."""
        (code,) = _presented(call, [request.code], "code")
        redemption = await self._redemptions.redeem(call, request.program, code, _wish(request))
        good = redemption.detail == Detail.GOOD
        response = pb.RedeemCodeResponse(verdict=_verdict(redemption.detail))
        if good or call.grants.holds(Role.DETAIL, request.program):
            response.detail = res.Detail.ValueType(redemption.detail)
            response.card_id = wire.uuid_text(redemption.card_id)
        if good:
            response.redemption_id = wire.uuid_text(redemption.redemption_id)
            response.redeem_time.FromMilliseconds(redemption.redeemed_ms)
            response.receipt = redemption.receipt
        return response

    async def ReverseRedemption(self, call: Call, request: pb.ReverseRedemptionRequest) -> pb.ReverseRedemptionResponse:
        """Undo a redemption."""
        card_id = await self._redemptions.reverse(
            call, request.program, wire.selector(request.card), wire.uuid_bytes(request.redemption_id)
        )
        return pb.ReverseRedemptionResponse(card_id=wire.uuid_text(card_id))

    async def ExchangeCode(self, call: Call, request: pb.ExchangeCodeRequest) -> pb.ExchangeCodeResponse:
        """Exchange a superseded code."""
        (code,) = _presented(call, [request.code], "code")
        shown = _shown(request, sealed=isinstance(code, Sealed))
        exchanged = await self._exchanges.exchange(call, request.program, code, shown, request.public_key)
        if exchanged.done:
            return pb.ExchangeCodeResponse(
                verdict=res.VERDICT_GOOD,
                card_id=wire.uuid_text(exchanged.card_id),
                sealed_code=exchanged.sealed_code,
            )
        refused = exchanged.detail == Detail.SUBMISSION
        response = pb.ExchangeCodeResponse(verdict=res.VERDICT_SUBMISSION_REFUSED if refused else res.VERDICT_NOT_GOOD)
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
        published = await self._public_keys.publish(call)
        return pb.ListPublicKeysResponse(
            keys=[wire.public_key(row) for row in published.rows],
            time=wire.timestamp(published.now_ms),
            issuer=published.issuer,
        )


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


def _naming(
    call: Call, request: pb.ValidateCodeRequest | pb.BatchValidateCodesRequest, programs: Sequence[str]
) -> Call:
    """Return a call as if it had named its programs.

    Which those are that a request leaves out is up to the access file, so its bytes alone do not tell whether
    another one is the same.
    """
    if request.programs:
        return call
    return call._replace(body=call.body + type(request)(programs=programs).SerializeToString())


def _presented(call: Call, forms: Iterable[res.PresentedCode], field: str) -> list[Presented]:
    """Return codes as they are presented; ``field`` is their path, with ``{}`` for a code's position.

    Raises:
        InvalidInput: One is neither digits nor sealed; REQUEST_ID_REQUIRED: one is sealed, and there is no request id.
    """
    codes: list[Presented] = [
        normalize(form.code, f"{field.format(place)}.code") if form.code else Sealed(form.sealed)
        for place, form in enumerate(forms)
    ]
    if call.request_id is None and any(isinstance(code, Sealed) for code in codes):
        raise InvalidInput("a sealed code needs a request id", reason="REQUEST_ID_REQUIRED", field="request_id")
    return codes


def _wish(request: pb.ValidateCodeRequest | pb.BatchValidateCodesRequest | pb.RedeemCodeRequest) -> Wish | None:
    """Return the receipt that a request asks for."""
    return Wish(request.receipt.audience, request.receipt.nonce) if request.HasField("receipt") else None


def _shown(request: pb.ExchangeCodeRequest, *, sealed: bool) -> Shown | None:
    """Return what the holder shows; None where it is sealed with the code.

    Raises:
        InvalidInput: SERIAL_MALFORMED: it is a serial with a wrong check character, most likely mistyped;
            FIELD_REQUIRED: there is no proof, or no key; SEALED_ALREADY: a serial or key stands beside a submission,
            which holds it.
    """
    proof = request.WhichOneof("proof")
    if sealed:
        for field, given in (("serial", proof == "serial"), ("public_key", bool(request.public_key))):
            if given:
                raise InvalidInput(f"{field} is in the sealed submission", reason="SEALED_ALREADY", field=field)
    else:
        for field, missing in (("proof", proof is None), ("public_key", not request.public_key)):
            if missing:
                raise InvalidInput(f"{field} is required", reason="FIELD_REQUIRED", field=field)
    match proof:
        case "serial":
            return Shown(Proof.SERIAL, Secret(parse_serial(request.serial, "serial").encode()))
        case "sale_secret":
            return Shown(Proof.SALE_SECRET, Secret(request.sale_secret))
        case "purchase_proven":
            return Shown(Proof.PURCHASE)
        case _:
            return None


_VERDICTS = {Detail.GOOD: res.VERDICT_GOOD, Detail.SUBMISSION: res.VERDICT_SUBMISSION_REFUSED}


def _verdict(detail: Detail) -> res.Verdict.ValueType:
    return _VERDICTS.get(detail, res.VERDICT_NOT_GOOD)


def _validated(
    call: Call,
    programs: Sequence[str],
    judgement: Judgement,
    make: Callable[..., pb.ValidatedCode] = pb.ValidatedCode,
) -> pb.ValidatedCode:
    """Return what is told of a code; ``make`` makes the message, so that a list's own need not be copied."""
    detail, card = judgement.detail, judgement.card
    if detail == Detail.GOOD and card is not None:
        return make(
            verdict=res.VERDICT_GOOD,
            card_id=wire.uuid_text(card.card_id),
            program=card.program,
            usage=res.Usage.ValueType(card.usage),
            expire_time=wire.timestamp(card.expires_ms),
        )
    answer = make(verdict=_verdict(detail))
    concerned = programs if card is None else (card.program,)
    if all(call.grants.holds(Role.DETAIL, program) for program in concerned):
        answer.detail = res.Detail.ValueType(detail)
        if card is not None:
            answer.card_id = wire.uuid_text(card.card_id)
            answer.program = card.program
    return answer
