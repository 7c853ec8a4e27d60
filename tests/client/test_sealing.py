"""Which key an edge seals to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.client.signing import answer, published
from vault.client.sealing import Purpose, SealingKeys, compose
from vault.errors import FailedPrecondition, IntegrityFailure, InvalidInput
from vault.model.states import KeyPurpose, KeyState
from vault.v1.resources_pb2 import PublicKey

PRE_ACTIVE, ACTIVE, DEACTIVATED, COMPROMISED = (
    KeyState.PRE_ACTIVE,
    KeyState.ACTIVE,
    KeyState.DEACTIVATED,
    KeyState.COMPROMISED,
)


def sealing(version: int, state: KeyState = ACTIVE) -> PublicKey:
    return published(KeyPurpose.SEALING, version, state)


def knowing(*keys: PublicKey, pins: tuple[bytes, ...] = (), lowest_version: int = 1) -> SealingKeys:
    known = SealingKeys(pins=pins, lowest_version=lowest_version)
    known.accept(answer(*keys))
    return known


def refused(known: SealingKeys, *keys: PublicKey) -> None:
    """The answer is passed over, and what was known stays."""
    before = known.current()
    with pytest.raises(IntegrityFailure) as caught:
        known.accept(answer(*keys))
    assert caught.value.reason == "SEALING_KEYS"
    assert known.current() == before


def test_the_active_version_is_sealed_to_neither_the_one_before_nor_the_next() -> None:
    known = knowing(
        sealing(1, COMPROMISED),
        sealing(2, DEACTIVATED),
        sealing(3),
        sealing(4, PRE_ACTIVE),
        published(KeyPurpose.RECEIPT, 9),
    )
    assert known.current() == (3, sealing(3).public_key)
    assert known.highest_version == 3


def test_the_higher_of_two_active_versions_leads() -> None:
    assert knowing(sealing(3), sealing(2)).current().version == 3


def test_it_moves_on_with_the_vault() -> None:
    known = knowing(sealing(3), sealing(4, PRE_ACTIVE))
    known.accept(answer(sealing(3, DEACTIVATED), sealing(4)))
    assert known.current() == (4, sealing(4).public_key)
    known.accept(answer(sealing(4), sealing(5, PRE_ACTIVE)))
    assert known.current().version == 4


def test_a_downgrade_is_refused() -> None:
    known = knowing(sealing(3, DEACTIVATED), sealing(4))
    refused(known, sealing(3))
    refused(known, sealing(2))
    refused(known, sealing(3), sealing(4, DEACTIVATED))
    with pytest.raises(IntegrityFailure):
        knowing(sealing(3), lowest_version=4)


@pytest.mark.parametrize(
    ("before", "after"),
    [(COMPROMISED, ACTIVE), (DEACTIVATED, ACTIVE), (COMPROMISED, DEACTIVATED), (ACTIVE, PRE_ACTIVE)],
)
def test_a_key_never_goes_back_in_its_life(before: KeyState, after: KeyState) -> None:
    refused(knowing(sealing(3), sealing(5, before)), sealing(3), sealing(5, after))


def test_a_version_never_becomes_another_key() -> None:
    swapped = sealing(3)
    swapped.public_key = sealing(4).public_key
    refused(knowing(sealing(3)), swapped)


@pytest.mark.parametrize("state", [DEACTIVATED, COMPROMISED, PRE_ACTIVE])
def test_nothing_is_sealed_where_no_version_is_active(state: KeyState) -> None:
    with pytest.raises(FailedPrecondition) as caught:
        knowing(sealing(3, state)).current()
    assert caught.value.reason == "NO_SEALING_KEY"


def test_a_key_that_was_compromised_is_left_even_where_that_leaves_none() -> None:
    known = knowing(sealing(3))
    known.accept(answer(sealing(3, COMPROMISED)))
    with pytest.raises(FailedPrecondition):
        known.current()
    with pytest.raises(FailedPrecondition):
        SealingKeys().current()


def test_only_pinned_keys_exist_where_keys_are_pinned() -> None:
    pins = (sealing(3).public_key, sealing(4).public_key)
    known = knowing(sealing(3), sealing(9), pins=pins)
    assert known.current().version == 3
    known.accept(answer(sealing(3, DEACTIVATED), sealing(4), sealing(9, COMPROMISED)))
    assert known.current().version == 4
    known.accept(answer(sealing(9)))
    with pytest.raises(FailedPrecondition, match="pin"):
        known.current()
    assert known.highest_version == 4


@pytest.mark.parametrize(
    "key",
    [
        PublicKey(key_id="sealing-3", purpose=PublicKey.PURPOSE_SEALING, public_key=bytes(31)),
        PublicKey(key_id="sealing-3", purpose=PublicKey.PURPOSE_SEALING, public_key=bytes(32)),
        *(
            PublicKey(key_id=name, purpose=PublicKey.PURPOSE_SEALING, public_key=sealing(3).public_key)
            for name in ("", "3", "sealing-", "sealing-0", "sealing-03", "sealing-x", "sealing--3", "receipt-3")
        ),
        *(
            PublicKey(key_id=name, purpose=PublicKey.PURPOSE_SEALING, public_key=sealing(3).public_key)
            for name in ("sealing-٣", "sealing-4294967296", "sealing-99999999999", "Sealing-3")
        ),
    ],
    ids=lambda key: f"{key.key_id} {len(key.public_key)}",
)
def test_a_malformed_key_is_refused(key: PublicKey) -> None:
    refused(knowing(sealing(2)), sealing(2), key)


def test_a_version_that_is_there_twice_is_refused() -> None:
    refused(knowing(sealing(2)), sealing(2), sealing(3), sealing(3))


@given(st.lists(st.lists(st.tuples(st.integers(1, 4), st.sampled_from(KeyState)), max_size=4), max_size=8))
def test_whatever_is_answered_the_version_only_rises_and_is_never_one_left_behind(
    answers: list[list[tuple[int, KeyState]]],
) -> None:
    known = SealingKeys()
    left: set[int] = set()
    last = 0
    for offered in answers:
        try:
            known.accept(answer(*(sealing(version, state) for version, state in offered)))
        except IntegrityFailure:
            continue
        left |= {version for version, state in offered if state >= DEACTIVATED}
        try:
            version = known.current().version
        except FailedPrecondition:
            continue
        assert version >= last
        assert version not in left
        last = version


def test_codes_are_taken_as_they_are_typed() -> None:
    made = compose(
        ["4000 0012-3456 7899", "\uff14" * 16],
        audience="shop.example",
        program="netcash",
        purpose=Purpose.VALIDATE,
        serial="",
        public_key=b"",
    )
    assert list(made.codes) == ["4000001234567899", "4" * 16]


@pytest.mark.parametrize(
    ("codes", "purpose", "field"),
    [
        ([], Purpose.VALIDATE, "codes"),
        (["4000001234567899"] * 1001, Purpose.VALIDATE, "codes"),
        (["4000001234567899"] * 2, Purpose.REDEEM, "codes"),
        (["4000001234567899"] * 2, Purpose.EXCHANGE, "codes"),
        (["4000001234567899", "400000123456789x"], Purpose.VALIDATE, "codes[1]"),
        ("1234567", Purpose.REDEEM, "codes[0]"),
    ],
)
def test_what_cannot_be_a_code_is_named_by_its_position_only(
    codes: str | list[str], purpose: Purpose, field: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        compose(codes, audience="a", program="netcash", purpose=purpose, serial="", public_key=b"")
    assert caught.value.field == field
    assert "4000" not in caught.value.message
    assert "1234567" not in caught.value.message
