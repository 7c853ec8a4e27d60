from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.pairs import read_pairs, write_pairs


@given(pairs=st.lists(st.tuples(st.binary(max_size=300), st.binary(max_size=300)), max_size=20))
def test_pairs_are_read_as_they_were_written(
    pairs: list[tuple[bytes, bytes]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("pairs") / "pairs"
    write_pairs(path, pairs)
    assert read_pairs(path) == pairs


def test_codes_in_files_are_for_their_user_alone(tmp_path: Path) -> None:
    path = tmp_path / "pairs"
    write_pairs(path, [(b"asked", b"answered")])
    assert path.stat().st_mode & 0o777 == 0o600
