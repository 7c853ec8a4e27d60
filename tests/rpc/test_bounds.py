import contextlib
import math
import uuid
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import DecodeError, Message
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from vault.errors import InvalidInput
from vault.rpc.bounds import compile_bounds, is_choice, is_required
from vault.rpc.contract import Method, methods
from vault.v1 import administration_service_pb2 as administration
from vault.v1 import card_service_pb2 as cards
from vault.v1 import issuance_service_pb2 as issuance
from vault.v1 import resources_pb2 as resources
from vault.v1 import validation_service_pb2 as validation

ID = str(uuid.uuid4())
CARD = resources.CardSelector(card_id=ID)
EMPTY_MARK = cards.CardMark(usage=resources.USAGE_EMPTY, card=resources.CardSelector())


def problem(message: Message) -> tuple[str, str]:
    """Return field and reason of the refusal, after checking that it does not repeat what was sent."""
    with pytest.raises(InvalidInput) as caught:
        compile_bounds(type(message))(message)
    assert caught.value.message.startswith(caught.value.field)
    return caught.value.field, caught.value.reason


def accept(message: Message) -> None:
    compile_bounds(type(message))(message)


def validate(code: str, *programs: str) -> validation.ValidateCodeRequest:
    return validation.ValidateCodeRequest(programs=programs, code=resources.PresentedCode(code=code))


def issue(**fields: Any) -> issuance.IssueCardsRequest:
    return issuance.IssueCardsRequest(
        **{"program": "netcash", "request_id": ID, "cards": [{}], "clear": True, **fields}
    )


def settings(**fields: Any) -> administration.CreateProgramRequest:
    return administration.CreateProgramRequest(program="netcash", request_id=ID, settings=fields)  # type: ignore[arg-type]


def test_an_empty_request_lacks_its_first_required_field(method: Method) -> None:
    fields: Any = method.request.DESCRIPTOR.fields
    if any(is_required(field) or is_choice(field) for field in fields):
        assert problem(method.request())[1] == "FIELD_REQUIRED"
    else:
        accept(method.request())


def test_good_requests_pass() -> None:
    accept(validate("4000 0012 3456 7899", "netcash"))
    accept(validate("".join(chr(0xFF10 + digit) for digit in range(10))))
    accept(issue())
    accept(issue(cards=[{"reference": "顧客 é", "payload": b"x", "expire_time": Timestamp(seconds=1)}] * 1000))
    accept(settings())
    accept(settings(max_guess_odds=1e-9, code_format={"length": 8, "prefix": "12"}))
    accept(settings(activation_undo_window=Duration(seconds=0)))
    accept(validation.ListPublicKeysRequest())


@pytest.mark.parametrize(
    ("message", "field", "reason"),
    [
        (validate("1" * 7), "code.code", "LENGTH"),
        (validate("1" * 41), "code.code", "LENGTH"),
        (validate("1234567\n8"), "code.code", "CHARACTERS"),
        (validate("1234567\u202e8"), "code.code", "CHARACTERS"),
        (validate("1234567\ue0008"), "code.code", "CHARACTERS"),
        (validate("1234567\u20288"), "code.code", "CHARACTERS"),
        (validation.ValidateCodeRequest(), "code", "FIELD_REQUIRED"),
        (validation.ValidateCodeRequest(code=resources.PresentedCode()), "code.form", "FIELD_REQUIRED"),
        (validate("12345678", *["netcash"] * 9), "programs", "TOO_MANY"),
        (validate("12345678", "netcash", ""), "programs[1]", "LENGTH"),
        (validate("12345678", "netcash", "NETCASH"), "programs[1]", "PATTERN"),
        (validate("12345678", "nétcash"), "programs[0]", "CHARACTERS"),
        (validate("12345678", "netcash\n"), "programs[0]", "CHARACTERS"),
        (issue(cards=[]), "cards", "FIELD_REQUIRED"),
        (issue(cards=[{}] * 1001), "cards", "TOO_MANY"),
        (issue(request_id="x"), "request_id", "LENGTH"),
        (issue(request_id="A" * 36), "request_id", "PATTERN"),
        (issue(program=""), "program", "FIELD_REQUIRED"),
        (issue(clear=False), "clear", "OUT_OF_RANGE"),
        (issue(recipient=""), "recipient", "LENGTH"),
        (issue(cards=[{}, {"payload": bytes(65537)}]), "cards[1].payload", "LENGTH"),
        (issue(cards=[{}, {"reference": "a\x7f"}]), "cards[1].reference", "CHARACTERS"),
        (issue(cards=[{"expire_time": Timestamp(seconds=253402300800)}]), "cards[0].expire_time", "OUT_OF_RANGE"),
        (issue(cards=[{"expire_time": Timestamp(seconds=1, nanos=-1)}]), "cards[0].expire_time", "OUT_OF_RANGE"),
        (settings(max_guess_odds=math.nan), "settings.max_guess_odds", "OUT_OF_RANGE"),
        (settings(max_guess_odds=math.inf), "settings.max_guess_odds", "OUT_OF_RANGE"),
        (settings(max_guess_odds=-1e-9), "settings.max_guess_odds", "OUT_OF_RANGE"),
        (settings(code_format={"length": 7}), "settings.code_format.length", "OUT_OF_RANGE"),
        (settings(code_format={"check_algorithm": 99}), "settings.code_format.check_algorithm", "ENUM_UNKNOWN"),
        (settings(code_format={"prefix": "1a"}), "settings.code_format.prefix", "PATTERN"),
        (settings(activation_undo_window=Duration(nanos=1)), "settings.activation_undo_window", "OUT_OF_RANGE"),
        (settings(activation_undo_window=Duration(seconds=-1)), "settings.activation_undo_window", "OUT_OF_RANGE"),
        (
            cards.MarkCardsRequest(program="netcash", request_id=ID, marks=[cards.CardMark(card=CARD)]),
            "marks[0].usage",
            "FIELD_REQUIRED",
        ),
        (
            cards.MarkCardsRequest(
                program="netcash", request_id=ID, marks=[cards.CardMark(usage=resources.USAGE_EMPTY)]
            ),
            "marks[0].card",
            "FIELD_REQUIRED",
        ),
        (
            cards.MarkCardsRequest(program="netcash", request_id=ID, marks=[EMPTY_MARK]),
            "marks[0].card.selector",
            "FIELD_REQUIRED",
        ),
        (
            cards.RevealCodeRequest(program="netcash", request_id=ID, card=CARD, reason="x"),
            "delivery",
            "FIELD_REQUIRED",
        ),
    ],
)
def test_a_field_at_fault_is_named_with_its_reason(message: Message, field: str, reason: str) -> None:
    assert problem(message) == (field, reason)


@pytest.mark.parametrize(
    ("paths", "field", "reason"),
    [
        ([], "update_mask.paths", "FIELD_REQUIRED"),
        (["a"] * 33, "update_mask.paths", "TOO_MANY"),
        (["reference", "a b"], "update_mask.paths[1]", "PATTERN"),
        (["a" * 101], "update_mask.paths[0]", "PATTERN"),
    ],
)
def test_masks_are_bounded(paths: list[str], field: str, reason: str) -> None:
    def updating(mask: list[str]) -> cards.UpdateCardsRequest:
        updates = [cards.CardUpdate(card=CARD)]
        return cards.UpdateCardsRequest(
            program="netcash",
            request_id=ID,
            updates=updates,
            update_mask=FieldMask(paths=mask),
        )

    accept(updating(["reference", "expire_time"]))
    assert problem(updating(paths)) == (field, reason)


@given(st.sampled_from(methods()), st.binary(max_size=200))
def test_any_bytes_that_parse_are_accepted_or_refused(method: Method, body: bytes) -> None:
    request = method.request()
    try:
        request.ParseFromString(body)
    except DecodeError:
        return
    with contextlib.suppress(InvalidInput):
        compile_bounds(method.request)(request)
