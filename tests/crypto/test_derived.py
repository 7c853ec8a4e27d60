import gc

from vault.crypto.derived import Derived
from vault.secret import Secret


def test_a_value_is_made_once_and_let_go_of_with_its_secret() -> None:
    made: list[bytes] = []

    def double(secret: Secret) -> bytes:
        made.append(secret.expose())
        return secret.expose() * 2

    derived = Derived(double)
    one, other = Secret(b"1"), Secret(b"2")
    assert [derived(one), derived(other), derived(one)] == [b"11", b"22", b"11"]
    assert made == [b"1", b"2"]
    assert len(derived) == 2
    del one
    gc.collect()
    assert len(derived) == 1
    assert derived(other) == b"22"


def test_equal_secrets_are_not_taken_for_each_other_and_no_memory_place_is_mixed_up() -> None:
    derived = Derived(Secret.expose)
    for number in range(1000):
        value = str(number).encode()
        assert derived(Secret(value)) == value
    gc.collect()
    assert len(derived) == 0
