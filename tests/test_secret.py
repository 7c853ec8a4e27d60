import copy
import pickle
from typing import Any

import pytest

from vault.codes.code import Code
from vault.crypto.keyring import Key
from vault.model.states import KeyPurpose, KeyState
from vault.secret import Secret

HIDDEN = b"4929123412341234"
KINDS = pytest.mark.parametrize("kind", [Secret, Code])


@KINDS
def test_no_text_of_a_secret_shows_it(kind: type[Secret]) -> None:
    secret = kind(HIDDEN)
    texts = [repr(secret), str(secret), f"{secret}", f"{secret:>40}", f"{[secret]}", f"{(secret, 1)!s}"]
    shown = " ".join(texts)
    assert HIDDEN.decode() not in shown
    assert HIDDEN.hex() not in shown
    assert repr(secret) == f"<{kind.__name__}>"


@KINDS
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_secret_cannot_be_pickled(kind: type[Secret], protocol: int) -> None:
    with pytest.raises(TypeError, match="cannot be pickled") as caught:
        pickle.dumps(kind(HIDDEN), protocol)
    assert HIDDEN.decode() not in str(caught.value)


@KINDS
def test_copying_a_secret_makes_no_second_one(kind: type[Secret]) -> None:
    secret = kind(HIDDEN)
    assert copy.copy(secret) is secret
    assert copy.deepcopy([secret])[0] is secret


@KINDS
def test_a_secret_has_no_hash_no_dictionary_and_a_length(kind: type[Secret]) -> None:
    secret: Any = kind(HIDDEN)
    with pytest.raises(TypeError):
        hash(secret)
    assert not hasattr(secret, "__dict__")
    assert len(secret) == len(HIDDEN)
    assert secret.expose() == HIDDEN


def test_secrets_are_equal_to_their_own_kind_only() -> None:
    assert Secret(b"a") == Secret(b"a")
    assert Secret(b"a") != Secret(b"b")
    assert Secret(b"a") != b"a"
    assert Code(b"1") != b"1"


def test_a_key_shows_all_but_its_secret() -> None:
    key = Key(KeyPurpose.INDEX, "netcash", 3, KeyState.ACTIVE, Secret(HIDDEN))
    assert "netcash" in repr(key)
    assert HIDDEN.decode() not in repr(key)
