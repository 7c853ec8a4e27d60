"""Codes that were found, sealed before they are sent."""

import pytest
from nacl.public import PrivateKey

from vault.client import open_package, seal_codes
from vault.errors import IntegrityFailure, InvalidInput
from vault.secret import Secret

CODES = ["4929 0000 0000 0009", "4929-0000-0000-0017"]


def test_only_the_key_that_they_are_sealed_to_opens_found_codes() -> None:
    key, other = PrivateKey.generate(), PrivateKey.generate()
    package = seal_codes(CODES, bytes(key.public_key))
    entries = list(open_package([package], Secret(bytes(key))))
    assert [entry.code for entry in entries] == ["4929000000000009", "4929000000000017"]
    with pytest.raises(IntegrityFailure):
        list(open_package([package], Secret(bytes(other))))


def test_what_is_no_code_is_named_by_its_position_only() -> None:
    with pytest.raises(InvalidInput) as caught:
        seal_codes([CODES[0], "4929000000000x09"], bytes(PrivateKey.generate().public_key))
    assert "code 2" in str(caught.value.field)
    assert "4929" not in str(caught.value)


@pytest.mark.parametrize("count", [0, 1001])
def test_a_package_holds_up_to_a_thousand_codes(count: int) -> None:
    with pytest.raises(InvalidInput):
        seal_codes(CODES[:1] * count, bytes(PrivateKey.generate().public_key))
