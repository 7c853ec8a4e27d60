"""Runs cases against a vault and says what became of each.

1. Cases run method by method. After each method's the vault must be SERVING and answer a good call.
2. Cases that may have effects run only where they are asked for.
3. A case that lacks what it needs is left out and says so.
4. A vault that sheds load (UNAVAILABLE with RetryInfo) is asked again when it says; that is no answer to a
   case.
"""

import asyncio
import contextlib
import uuid
from collections.abc import Callable, Iterable
from itertools import groupby
from typing import Any, NamedTuple

from google.protobuf.json_format import ParseDict
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass

from vault.contract import filling
from vault.contract.callers import TWIN
from vault.contract.case import Case, Expected, PageOf
from vault.contract.filling import filled
from vault.contract.ids import sources, without_secrets
from vault.contract.judge import OK, Answer, Secrets, problems, refusal_of
from vault.contract.options import methods
from vault.contract.requests import FIXED_PROGRAM, good_request
from vault.contract.sending import Sender

AT_ONCE = 8
MOST_TRIES = 20
_LONGEST_WAIT_SECONDS = 5.0
_HEALTH = "grpc.health.v1.Health/Check"
_SERVING = b"\x08\x01"
_GOOD_CALL = "vault.v1.ValidationService/ListPublicKeys"
_LIVES_ON = "the vault lives on"
_CHANGED = -8
_BUSY = "UNAVAILABLE"

Report = Callable[[int, int], None]


class Result(NamedTuple):
    """What became of a case: what is wrong, nothing if it passed; or why it was left out."""

    case: Case
    problems: tuple[str, ...] = ()
    skipped: str = ""


class Runner:
    """Runs cases by one sender."""

    def __init__(self, sender: Sender, *, program: str = FIXED_PROGRAM, secrets: Secrets | None = None) -> None:
        """Take what a run needs.

        Args:
            sender: How requests get to the vault.
            program: The program that the run is about, for which the callers hold their roles.
            secrets: What no answer may hold; the made-up codes of the cases where None.
        """
        self._sender = sender
        self._program = program
        self._secrets = secrets or Secrets()
        self._methods = {method.name: method for method in methods()}
        self._ids: dict[str, str] = {}

    async def run(self, cases: Iterable[Case], *, effects: bool = False, report: Report | None = None) -> list[Result]:
        """Run cases and return their results, with one more after each method's: whether the vault lives on.

        Args:
            cases: The cases, those of one method together.
            effects: True to run those, too, that may have effects.
            report: Told after each method how many cases are done, and of how many.
        """
        chosen = [case for case in cases if effects or not case.effects]
        if effects:
            await self._find_ids()
        results: list[Result] = []
        done = 0
        for method, group in groupby(chosen, key=lambda case: case.method):
            found = await self._together(list(group))
            results += [*found, await self._lives_on(method)]
            done += len(found)
            if report:
                report(done, len(chosen))
        return results

    async def _together(self, cases: list[Case]) -> list[Result]:
        at_once = asyncio.Semaphore(AT_ONCE)

        async def one(case: Case) -> Result:
            async with at_once:
                return await self._result(case)

        return await asyncio.gather(*map(one, cases))

    async def _result(self, case: Case) -> Result:
        page_token = ""
        if case.page_of:
            page_token = await self._next_page(case.page_of)
            if not page_token:
                return Result(case, skipped=f"{case.page_of.method} has no second page to ask for")
        answer = await self._answered(case, page_token)
        try:
            return Result(case, tuple(problems(case, self._undelivered(case, answer), self._secrets)))
        except DecodeError:
            return Result(case, ("the answer, or its details, is not the message that it should be",))

    async def _answered(self, case: Case, page_token: str) -> Answer:
        """Send a case's request, again as long as the vault is too busy for it."""
        body, streams = self._body(case, page_token), self._methods[case.method].streams
        answer = await self._sender.send(case, body, streams=streams)
        for _ in range(MOST_TRIES):
            wait = _wait_seconds(answer)
            if wait is None or case.timeout_ms:
                break
            await asyncio.sleep(min(wait, _LONGEST_WAIT_SECONDS))
            answer = await self._sender.send(case, body, streams=streams)
        return answer

    def _undelivered(self, case: Case, answer: Answer) -> Answer:
        """Return an answer without what it delivers on purpose."""
        if answer.status != OK:
            return answer
        message = without_secrets(GetMessageClass(self._methods[case.method].response).FromString(answer.body))
        return answer._replace(body=message.SerializeToString())

    async def _lives_on(self, method: str) -> Result:
        """Ask for health and make a good call."""
        case = Case(_LIVES_ON, method, TWIN, Expected((OK,)))
        health = await self._sender.send(case._replace(method=_HEALTH), b"")
        found = [] if health.body == _SERVING else [f"health is not SERVING ({health.status})"]
        good = await self._answered(case._replace(method=_GOOD_CALL, raw=b""), "")
        if good.status != OK:
            found.append(f"{_GOOD_CALL} answers {good.status}")
        return Result(case, tuple(found))

    def _body(self, case: Case, page_token: str) -> bytes:
        if case.raw is not None:
            return case.raw
        kind = GetMessageClass(self._methods[case.method].request)
        request = filled(dict(case.request or {}), lambda name: self._named(name, page_token))
        return ParseDict(request, kind()).SerializeToString()

    def _named(self, name: str, page_token: str) -> str:
        """Return what stands in place of a placeholder."""
        match name:
            case filling.PROGRAM:
                return self._program
            case filling.PAGE_TOKEN:
                return page_token
            case filling.CHANGED_PAGE_TOKEN:
                return _with_change(page_token)
            case _:
                return self._ids.get(name) or str(uuid.uuid4())

    async def _find_ids(self) -> None:
        """Ask what the program has."""
        for source in sources(self._methods.values()):
            asked = Case("ids", source.method.name, TWIN, Expected(), good_request(source.method.request))
            answer = await self._answered(asked, "")
            if answer.status == OK and (found := source.first(answer.body)):
                self._ids[source.name] = found

    async def _next_page(self, page: PageOf) -> str:
        """Return the token of a method's second page of one item; empty if it has none."""
        method = self._methods[page.method]
        asked = Case("a page", page.method, page.caller, Expected())
        request = {**good_request(method.request), "page_size": 1}
        for _ in range(2):  # reading the audit log adds to it
            answer = await self._answered(asked._replace(request=request), "")
            if answer.status == OK:
                page_of_one: Any = GetMessageClass(method.response).FromString(answer.body)
                if page_of_one.next_page_token:
                    return str(page_of_one.next_page_token)
        return ""


def _wait_seconds(answer: Answer) -> float | None:
    """Return how long to wait before asking a busy vault again; None if it has answered."""
    if answer.status == _BUSY:
        with contextlib.suppress(DecodeError):  # told when the answer is judged
            return refusal_of(answer).retry_seconds
    return None


def _with_change(text: str) -> str:
    """Return a page token with one character changed."""
    changed = "B" if text[_CHANGED] == "A" else "A"
    return text[:_CHANGED] + changed + text[_CHANGED + 1 :]
