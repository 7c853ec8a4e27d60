"""Cases of what goes wrong on the way: bytes that are no message, page tokens, deadlines, hanging up."""

from collections.abc import Iterator, Sequence

from vault.contract import case
from vault.contract.callers import TWIN
from vault.contract.case import Case, Expected, PageOf
from vault.contract.fields import ELSEWHERE, REFUSED
from vault.contract.filling import CHANGED_PAGE_TOKEN, PAGE_TOKEN, placeholder
from vault.contract.options import Method
from vault.contract.requests import fixed_message, good_request

_PAGE_FIELD = "page_token"
_MALFORMED = {
    "a wire type that does not exist": b"\x0f\x00",
    "a length past the end": b"\x0a\x7fabc",
    "a group that is never closed": b"\x0b",
    "a number of eleven bytes": b"\x08" + b"\xff" * 10 + b"\x01",
    "field number zero": b"\x00\x01",
}


def malformed_cases(method: Method) -> Iterator[Case]:
    """Walk the cases of bytes that are not the method's message."""
    expected = Expected(REFUSED, case.MALFORMED)
    bodies = dict(_MALFORMED)
    if not method.request.fields:
        del bodies["field number zero"]  # protobuf's C parser (upb) passes over it in a message without fields
    good = fixed_message(method.request, good_request(method.request)).SerializeToString(deterministic=True)
    if good:
        bodies["a good request cut short"] = good[:-1]
    for what, raw in bodies.items():
        yield Case(f"{what}", method.name, ELSEWHERE, expected, raw=raw)


def time_cases(method: Method) -> Iterator[Case]:
    """Walk the cases of deadlines that have passed and of callers who hang up.

    A caller who hangs up may have had the answer by then, so that both are right; that the vault lives on, and
    that nothing is half done, is looked at afterwards.
    """
    good = good_request(method.request)
    late = ("DEADLINE_EXCEEDED", "UNAVAILABLE", "CANCELLED")
    gone = ("CANCELLED", "OK" if method.any_program else "PERMISSION_DENIED")
    yield Case("a deadline that has passed", method.name, ELSEWHERE, Expected(late), good, timeout_ms=1)
    for after_ms in (0, 2):
        name = f"cancelled after {after_ms} ms"
        yield Case(name, method.name, ELSEWHERE, Expected(gone), good, cancel_ms=after_ms)
        allowed = Case(f"{name}, allowed", method.name, method.role, Expected(), good, cancel_ms=after_ms)
        yield allowed._replace(effects=not method.reads_only)


def page_cases(method: Method, every: Sequence[Method]) -> Iterator[Case]:
    """Walk the cases of a method's page tokens; none where it has no pages.

    Args:
        method: The method.
        every: All methods; one of the others that have pages lends its token.
    """
    if not method.has(_PAGE_FIELD):
        return
    others = [other for other in reversed(every) if other.has(_PAGE_FIELD) and other.name != method.name]
    expected = Expected(REFUSED, "PAGE_TOKEN", _PAGE_FIELD)
    given = {**good_request(method.request), _PAGE_FIELD: placeholder(PAGE_TOKEN)}
    changed = {**given, _PAGE_FIELD: placeholder(CHANGED_PAGE_TOKEN)}
    for what, text in (("made up", "A" * 44), ("no base64url of anything", "A")):
        yield Case(f"a page token {what}", method.name, TWIN, expected, {**given, _PAGE_FIELD: text})
    own = PageOf(method.name, TWIN)
    yield Case("a changed page token", method.name, TWIN, expected, changed, page_of=own)
    yield Case("another caller's page token", method.name, method.role, expected, given, page_of=own)
    yield Case("its page token", method.name, TWIN, Expected(accepted=_PAGE_FIELD), given, page_of=own)
    if others:
        foreign = PageOf(others[0].name, TWIN)
        name = f"a page token of {_called(others[0])}"
        yield Case(name, method.name, TWIN, expected, given, page_of=foreign)


def _called(method: Method) -> str:
    return method.name.rpartition(".")[2]
