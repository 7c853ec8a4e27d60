"""Taking sealed submissions, each once: by its nonce, in the transaction that answers.

1. A nonce that is free is bound to the principal and request that take it; the unique key of its row lets no
   two transactions, of whatever process, both do so.
2. One that is bound to this very request may be taken again by it; any other use of it is a replay.
3. For a submission that is refused another nonce is written and looked for, one that nobody has, so that every
   refusal costs the same rows.

A row that was deleted has its nonce free again, until the submission is too old; a row that was changed is
refused.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from vault.errors import IntegrityFailure
from vault.model.rows import SubmissionRow
from vault.model.shape import SHAPES
from vault.policy.call import Call
from vault.service.answering.submissions import Cause, Opened, Presented, Sealed, Wanted, open_presented
from vault.service.catalogue import Snapshot
from vault.service.recorder import Recorder, Scope

_SHAPE = SHAPES["submission"]


class Taking(NamedTuple):
    """A submission that a request presents."""

    call: Call
    request_id: bytes
    opened: Opened


def take(
    scope: Scope, takings: Sequence[Taking], random: Callable[[int], bytes]
) -> list[Cause | IntegrityFailure | None]:
    """Take submissions, of two with the same nonce the first.

    Args:
        scope: The transaction that answers.
        takings: What is presented, refused ones included.
        random: Gives random bytes.

    Returns:
        For each in its place, None if it was taken, or why it is refused; or that the row of its nonce is not
        what the vault wrote.
    """
    if not takings:
        return []
    wanted: dict[bytes, Taking] = {}
    nonces: list[bytes] = []
    for taking in takings:
        nonce = taking.opened.nonce
        if taking.opened.cause is not None or nonce in wanted:
            nonce = random(16)
        wanted[nonce] = taking
        nonces.append(nonce)
    tagger = scope.snapshot.tagger
    rows = [SubmissionRow(n, each.call.principal, each.request_id, scope.now_ms, b"") for n, each in wanted.items()]
    bound = scope.tx.submissions.claim(tagger.tag_many(_SHAPE, rows))
    looked_for = bound.union(n for n, each in wanted.items() if n != each.opened.nonce)
    found = scope.tx.submissions.get(looked_for) if looked_for else {}
    return [
        _judged(scope.snapshot, taking, found.get(nonce), stands_in=nonce != taking.opened.nonce)
        for taking, nonce in zip(takings, nonces, strict=True)
    ]


class Single(NamedTuple):
    """The one code of a request; a submission as it was opened by the catalogue of some number."""

    call: Call
    wanted: Wanted
    code: Presented
    number: int = 0
    opened: Opened | None = None

    def __repr__(self) -> str:
        return f"<Single {'in clear' if self.opened is None else 'sealed'}>"

    def open(self, scope: Scope, sealed: Sealed) -> Opened:
        """Return the submission as the transaction's own catalogue opens it."""
        if self.opened is not None and scope.snapshot.number == self.number:
            return self.opened
        return open_presented(scope.snapshot, self.call, self.wanted, sealed, scope.now_ms)

    def take(self, scope: Scope, opened: Opened, random: Callable[[int], bytes]) -> Cause | None:
        """Take the submission; return why it is refused, None if it was taken.

        Raises:
            IntegrityFailure: ROW_TAG, in ``code.sealed``: the row of its nonce is not what the vault wrote.
        """
        (cause,) = take(scope, [Taking(self.call, self.call.request_id or b"", opened)], random)
        if isinstance(cause, IntegrityFailure):
            cause.field = "code.sealed"
            raise cause
        return cause


async def open_single(recorder: Recorder, call: Call, wanted: Wanted, code: Presented) -> Single:
    """Open the one code of a request, before the transaction that answers it.

    Raises:
        Unavailable: The store cannot be reached.
    """
    single = Single(call, wanted, code)
    if not isinstance(code, Sealed):
        return single
    snapshot = recorder.catalogue.latest
    if snapshot is None:
        snapshot = await recorder.store.read(recorder.catalogue.at)
    opened = open_presented(snapshot, call, wanted, code, recorder.clock_ms())
    return single._replace(number=snapshot.number, opened=opened)


def _judged(
    snapshot: Snapshot, taking: Taking, row: SubmissionRow | None, *, stands_in: bool
) -> Cause | IntegrityFailure | None:
    if row is not None:
        try:
            snapshot.tagger.verify(_SHAPE, row)
        except IntegrityFailure as error:
            return error
    if stands_in:
        return taking.opened.cause or Cause.REPLAYED
    if row is not None and (row.principal, row.request_id) != (taking.call.principal, taking.request_id):
        return Cause.REPLAYED
    return None
