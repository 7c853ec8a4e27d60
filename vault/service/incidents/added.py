"""What became of cards that were added to a selection: for the answer, and for a retry of the request."""

from collections.abc import Collection, Sequence

from vault.formats.v1.request_result_pb2 import RequestResult
from vault.model.rows import CardRow
from vault.model.states import ChangeOutcome
from vault.service.change import Change
from vault.service.etags import etag
from vault.service.select import Selected


def found_cards(found: Sequence[Selected]) -> list[CardRow]:
    """Return the cards that were found, each once."""
    return [each.card for each in found if each.outcome == ChangeOutcome.DONE and each.card is not None]


def changes_of(found: Sequence[Selected], there: Collection[bytes]) -> list[Change]:
    """Return what became of each; REPEATED of those that were in the selection before."""
    changes = []
    for each in found:
        outcome = ChangeOutcome.REPEATED if each.card_id in there else each.outcome
        card = each.card
        if card is None:
            changes.append(Change(outcome, each.card_id))
        else:
            changes.append(Change(outcome, card.card_id, card.state, etag(card.revision)))
    return changes


def keep_changes(changes: Sequence[Change], count: int) -> RequestResult:
    """Return what is kept of changes for a retry, with a count."""
    kept = RequestResult(count=count)
    for each in changes:
        revision = int(each.etag[1:]) if each.etag else 0
        kept.items.add(card_id=each.card_id, outcome=each.outcome, state=each.state, revision=revision)
    return kept


def kept_changes(kept: RequestResult) -> list[Change]:
    """Return the changes that were kept."""
    return [
        Change(ChangeOutcome(item.outcome), item.card_id, item.state, etag(item.revision) if item.revision else "")
        for item in kept.items
    ]
