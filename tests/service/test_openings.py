"""Which exchange is open for a code: the rule, over every history of a card with up to four codes."""

import itertools

import pytest

from vault.model.incident_rows import ExchangeRow, IncidentRow, ReissueRow
from vault.model.rows import CardRow
from vault.model.states import CardState, IncidentScope, IncidentState, Proof, Usage
from vault.service.exchanging.openings import Reissued, is_open, opening_of

NOW = 1_000_000
CARD = bytes(16)


def _card(generation: int, activated_ms: int = 0) -> CardRow:
    return CardRow(
        "netcash",
        CARD,
        None,
        None,
        CardState.ACTIVE,
        Usage.UNUSED,
        generation,
        "",
        None,
        0,
        activated_ms,
        None,
        None,
        0,
        None,
        None,
        generation,
        b"",
    )


def _incident(number: int, *, proof: Proof | None = Proof.SERIAL, leaked: bool = False, until: int = 1) -> IncidentRow:
    begin, end = (None, None) if proof is None else (NOW, NOW + until)
    return IncidentRow(
        bytes([number]) * 16,
        "netcash",
        IncidentState.OPEN,
        "a leak",
        IncidentScope.PROGRAM,
        b"",
        0,
        int(leaked),
        0,
        proof,
        begin,
        end,
        "officer",
        0,
        None,
        None,
        None,
        1,
        b"",
    )


def _made(
    generation: int, incident: IncidentRow, state: CardState = CardState.ACTIVE, reissued_ms: int = 0
) -> Reissued:
    return Reissued(incident, ReissueRow(bytes(16), CARD, "netcash", generation, state, reissued_ms, b""))


def _exchanged(generation: int) -> ExchangeRow:
    return ExchangeRow("netcash", CARD, generation, bytes(16), "shop", bytes(16), bytes(32), 0, b"")


SOLD, UNSOLD, ALONE = "sold", "unsold", "alone"


@pytest.mark.parametrize("history", list(itertools.product([SOLD, UNSOLD, ALONE], repeat=3)))
@pytest.mark.parametrize("generation", [1, 2, 3])
def test_every_code_since_must_have_been_made_by_an_incident_while_the_card_was_sold(
    history: tuple[str, ...], generation: int
) -> None:
    states = {SOLD: CardState.SUSPENDED, UNSOLD: CardState.INACTIVE}
    found = [_made(later, _incident(later), states[how]) for later, how in enumerate(history, 2) if how is not ALONE]
    opened = opening_of(_card(4), generation, found, [], NOW)
    expected = all(how is SOLD for how in history[generation - 1 :])
    assert (opened is not None) == expected
    assert opened is None or opened.incident_id == bytes([4]) * 16


@pytest.mark.parametrize("generation", [2, 3])
def test_a_code_that_is_current_or_younger_than_its_card_is_not_exchanged(generation: int) -> None:
    found = [_made(2, _incident(2)), _made(3, _incident(3))]
    assert opening_of(_card(2), generation, found, [], NOW) is None


@pytest.mark.parametrize(("exchanged", "opened"), [([], True), ([2], False), ([3], True), ([2, 3], False)])
def test_a_code_whose_successor_was_superseded_too_leads_on_unless_it_was_exchanged(
    exchanged: list[int], opened: bool
) -> None:
    found = [_made(2, _incident(2)), _made(3, _incident(3))]
    assert (opening_of(_card(3), 1, found, map(_exchanged, exchanged), NOW) is not None) == opened


@pytest.mark.parametrize("proof", list(Proof))
@pytest.mark.parametrize("leaked", [2, 3])
def test_serials_that_leaked_with_any_code_since_prove_nothing(proof: Proof, leaked: int) -> None:
    found = [_made(number, _incident(number, proof=proof, leaked=number == leaked)) for number in (2, 3)]
    assert (opening_of(_card(3), 1, found, [], NOW) is None) == (proof == Proof.SERIAL)
    assert (opening_of(_card(3), 2, found, [], NOW) is None) == (proof == Proof.SERIAL and leaked == 3)


@pytest.mark.parametrize(("activated_ms", "opened"), [(9, True), (10, True), (11, False), (20, False), (21, False)])
def test_the_code_of_before_a_sale_that_was_undone_leads_to_nothing_of_the_next_buyers(
    activated_ms: int, opened: bool
) -> None:
    found = [_made(2, _incident(2), reissued_ms=10), _made(3, _incident(3), reissued_ms=20)]
    assert (opening_of(_card(3, activated_ms), 1, found, [], NOW) is not None) == opened


def test_a_window_begins_and_ends_at_its_times() -> None:
    incident = _incident(1, until=10)
    assert [is_open(incident, NOW + ms) for ms in (-1, 0, 9, 10)] == [False, True, True, False]
    assert not is_open(_incident(1, proof=None), NOW)
