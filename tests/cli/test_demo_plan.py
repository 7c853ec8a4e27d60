"""The split of 2006 at any scale, and the demo's folder."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault.cli.demo.place import Place
from vault.cli.demo.plan import CARDS_OF_2006, Plan, plan


def test_the_whole_is_that_of_2006() -> None:
    whole = plan(CARDS_OF_2006)
    assert whole == Plan(unsold=50_419, unused=2_286, zero=24_363, in_use=4_037)
    assert (whole.printed, whole.issued, whole.sold) == (52_705, 28_400, 30_686)


@given(st.integers(100, 1_000_000))
def test_every_scale_has_some_of_each_kind_and_none_too_many(cards: int) -> None:
    part = plan(cards)
    assert part.cards == cards
    assert min(part) >= 1


def test_too_few_cards_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 100"):
        plan(99)


def test_wallets_are_private_and_are_all_that_is_not_searched(tmp_path: Path) -> None:
    place = Place(tmp_path / "demo")
    place.make()
    place.fill_wallet("printed", ["1234567890123452", "4929000000000009"])
    place.write_paper("batch", "an id")
    wallet = tmp_path / "demo" / "wallets" / "printed"
    assert wallet.stat().st_mode & 0o777 == 0o600
    assert place.read_wallet("printed") == ["1234567890123452", "4929000000000009"]
    assert place.all_codes() == [b"1234567890123452", b"4929000000000009"]
    assert list(place.searched()) == [tmp_path / "demo" / "papers" / "batch.json"]
    assert place.read_paper("batch") == "an id"
