"""Answering whether codes are good, in whatever form they come, and with a receipt where one is asked for.

1. As in ``validation``, calls that arrive together share one commit, codes are judged on a snapshot that the
   transaction makes sure of, and an answer leaves only after its audit event is durable.
2. Submissions are opened before the transaction; it takes their nonces, keeps the result and writes the event,
   all or nothing, so that each is taken once and its request answered once.
3. The same request again gets the same answer and the same receipt, whatever has become of card, key or program
   since; another one under its id is refused.
4. Refused submissions look alike, and cost the same look-ups and rows; save that of several codes presented again
   by its own audience all are looked up, as its nonce is known to be spent only after that.
5. What is wrong with one inquiry, or with one of many submissions, is its own.

Codes in clear alone, without a receipt, are ``validation``'s, which keeps nothing of them.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from vault import metrics
from vault.errors import Unavailable, VaultError
from vault.service.answering.coalesce import Coalescer
from vault.service.answering.inquiry import Answer, Inquiry
from vault.service.answering.judge import Judgement
from vault.service.answering.judging import judge_inquiries
from vault.service.answering.receipts import DEFAULT_SECONDS, check_wish, receipt_over_batch, receipt_over_code
from vault.service.answering.settling import Settling
from vault.service.answering.superseded import SupersededUses
from vault.service.answering.validation import ATTEMPTS
from vault.service.answering.verdicts import Verdicts
from vault.service.recorder import Recorder


class Told(NamedTuple):
    """What a caller is told: judgements in the order of the codes, and the receipt, empty for none."""

    judgements: Sequence[Judgement]
    receipt: str = ""


class Inquiries:
    """Answers inquiries."""

    def __init__(
        self,
        recorder: Recorder,
        random: Callable[[int], bytes],
        superseded: SupersededUses | None = None,
        receipt_seconds: int = DEFAULT_SECONDS,
    ) -> None:
        """Have receipts count for ``receipt_seconds``.

        ``superseded`` is told of the superseded codes that are tried.
        """
        self._recorder = recorder
        self._superseded = superseded
        self._verdicts = Verdicts()
        self._settling = Settling(recorder, random, receipt_seconds)
        self._coalescer: Coalescer[Inquiry, Answer] = Coalescer(self._answer)

    async def ask(self, inquiry: Inquiry) -> Told:
        """Answer an inquiry.

        Raises:
            InvalidInput: A code in clear is as long as no code of the programs; SUBMISSION_ALONE: a submission
                of several codes is not alone, or not in BatchValidateCodes.
            PermissionDenied: The principal is blocked; AUDIENCE_NOT_ALLOWED: he may not have such a receipt.
            FailedPrecondition: SEAL_REQUIRED: a code is in clear, and a program takes sealed submissions only.
            AlreadyExists: REQUEST_ID_REUSED: the request id was used for another request.
            IntegrityFailure: The row of a nonce or request is not what the vault wrote.
            Unavailable: The store cannot be reached.
        """
        check_wish(inquiry.call, inquiry.wish)
        answer = await self._coalescer.ask(inquiry)
        for cause in answer.causes.values():
            metrics.submission_refused(cause.name.lower())
        if not answer.retried:
            self._verdicts.tell(answer.judgements)
        if self._superseded is not None and not answer.retried:
            self._superseded.note(answer.judgements)
        wish, terms = inquiry.wish, answer.terms
        if wish is None or terms is None:
            return Told(answer.judgements)
        if inquiry.several:
            return Told(answer.judgements, receipt_over_batch(terms, wish, answer.judgements))
        return Told(answer.judgements, receipt_over_code(terms, wish, answer.judgements[0]))

    async def _answer(self, inquiries: Sequence[Inquiry]) -> Sequence[Answer | VaultError]:
        for _ in range(ATTEMPTS):
            number, judged = await judge_inquiries(self._recorder, inquiries)
            writing = self._recorder.store.transact(partial(self._settling.settle, number, judged))
            settled = await self._recorder.lag.measured(writing)
            if settled is not None:
                return settled
        raise Unavailable("programs, keys or holds keep changing; try again", reason="STALE", retry_seconds=1.0)
