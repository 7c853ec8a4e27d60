"""What is taken for right and for wrong, on answers made by the table that the server uses."""

from typing import Any

import pytest

from vault.contract.case import Case, Expected
from vault.contract.judge import Answer, Secrets, problems
from vault.contract.texts import DIGITS
from vault.errors import InvalidInput, PermissionDenied, Unavailable, VaultError
from vault.status import code_of, to_status

CODE = "4000001234567899"
SECRETS = Secrets([CODE])
REFUSED = Expected(("INVALID_ARGUMENT",), "LENGTH", "reason")


def answer(error: VaultError, correlation_id: str = "c-1") -> Answer:
    status = to_status(error, correlation_id)
    metadata: Any = status.trailing_metadata
    return Answer(code_of(error).name, error.message, b"", tuple(metadata))


def told(expected: Expected, given: Answer, **fields: Any) -> list[str]:
    return list(problems(Case("a case", "vault.v1.S/M", "elsewhere", expected, **fields), given, SECRETS))


def too_long(field: str = "reason", reason: str = "LENGTH") -> Answer:
    return answer(InvalidInput("too long", reason=reason, field=field))


def test_the_expected_refusal_is_right() -> None:
    assert told(REFUSED, too_long()) == []


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (Answer("OK"), "status is OK, not INVALID_ARGUMENT"),
        (answer(PermissionDenied("no", reason="ROLE_MISSING")), "status is PERMISSION_DENIED (ROLE_MISSING)"),
        (too_long(reason="PATTERN"), "reason is PATTERN, not LENGTH"),
        (too_long(field="note"), "the field named is note, not reason"),
        (too_long(field=""), "the field named is none, not reason"),
    ],
)
def test_another_answer_is_wrong(given: Answer, problem: str) -> None:
    assert [found for found in told(REFUSED, given) if found.startswith(problem)]


def test_a_refusal_needs_error_info_with_a_correlation_id() -> None:
    expected = Expected(("INVALID_ARGUMENT",))
    missing = "the refusal has no ErrorInfo of the vault with a correlation id"
    assert told(expected, Answer("INVALID_ARGUMENT", "no")) == [missing]
    assert told(expected, answer(InvalidInput("no"), correlation_id="")) == [missing]
    assert told(Expected(("CANCELLED",)), Answer("CANCELLED"), cancel_ms=0) == []


def test_a_value_in_bounds_may_be_refused_for_anything_but_its_form() -> None:
    accepted = Expected(accepted="reason")
    assert told(accepted, Answer("OK")) == []
    assert told(accepted, too_long(field="note")) == []
    assert told(accepted, too_long(reason="UPDATE_MASK")) == []
    assert told(accepted, too_long()) == ["reason is refused (LENGTH)"]
    assert told(accepted, answer(VaultError("internal error", reason="INTERNAL"))) != []


@pytest.mark.parametrize("digits", [CODE, "4000-0012 3456 7899", f"9{CODE}9", DIGITS, (DIGITS * 2)[3:12]])
def test_a_codes_digits_are_found_in_whatever_comes_back(digits: str) -> None:
    leak = ["the answer holds a code's digits"]
    assert told(Expected(("OK",)), Answer("OK", body=b"\x0a\x10" + digits.encode())) == leak
    assert told(Expected(("UNAVAILABLE",)), answer(Unavailable(f"no {digits}"))) == leak
    assert digits not in "".join(leak)
    assert CODE not in repr(SECRETS)


@pytest.mark.parametrize("text", ["1700000000000", CODE[:15], "7391-5"])
def test_other_digits_are_no_leak(text: str) -> None:
    assert told(Expected(("OK",)), Answer("OK", body=text.encode())) == []
