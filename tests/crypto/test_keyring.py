from typing import Any

import pytest

from vault.crypto.envelope import Place, open_sealed, seal
from vault.crypto.keyring import Key, Keyring, key_context
from vault.errors import IntegrityFailure
from vault.model.rows import TallyRow
from vault.model.shape import SHAPES
from vault.model.states import KeyPurpose, KeyState
from vault.secret import Secret

PLACE = Place("code", "sealed_code", "netcash", bytes(16), 1)


def key(purpose: KeyPurpose, version: int, state: KeyState = KeyState.ACTIVE, program: str = "netcash") -> Key:
    return Key(purpose, program, version, state, Secret(bytes((purpose, version)) * 16))


def versions_of_every_state(purpose: KeyPurpose, program: str = "netcash") -> list[Key]:
    older = [KeyState.DEACTIVATED, KeyState.COMPROMISED, KeyState.DEACTIVATED]
    states = enumerate([*older, KeyState.ACTIVE, KeyState.PRE_ACTIVE], 1)
    return [key(purpose, version, state, program) for version, state in states]


def test_the_active_version_is_found_per_purpose_and_program() -> None:
    keyring = Keyring([*versions_of_every_state(KeyPurpose.INDEX), key(KeyPurpose.REQUEST, 1, program="")])
    assert keyring.active(KeyPurpose.INDEX, "netcash").version == 4
    assert keyring.active(KeyPurpose.REQUEST).version == 1
    assert set(keyring.versions(KeyPurpose.INDEX, "netcash")) == {1, 2, 3, 4, 5}
    assert keyring.get(KeyPurpose.INDEX, "netcash", 2).state == KeyState.COMPROMISED
    assert not keyring.versions(KeyPurpose.SEALING)


@pytest.mark.parametrize(
    ("purpose", "program"),
    [(KeyPurpose.INDEX, ""), (KeyPurpose.INDEX, "other"), (KeyPurpose.WRAPPING, "netcash")],
)
def test_a_missing_key_is_told_by_its_name(purpose: KeyPurpose, program: str) -> None:
    keyring = Keyring([key(KeyPurpose.INDEX, 1), key(KeyPurpose.WRAPPING, 1, KeyState.DEACTIVATED)])
    with pytest.raises(IntegrityFailure, match=f"no version of the {purpose.name.lower()} key") as caught:
        keyring.active(purpose, program)
    assert caught.value.reason == "KEY_VERSION"
    with pytest.raises(IntegrityFailure, match="there is no version 9 of the"):
        keyring.get(purpose, program, 9)


def test_nothing_is_made_without_an_active_key() -> None:
    keyring = Keyring([key(KeyPurpose.WRAPPING, 1, KeyState.DEACTIVATED)])
    with pytest.raises(IntegrityFailure):
        keyring.tagger()
    with pytest.raises(IntegrityFailure):
        keyring.digesters("netcash")
    with pytest.raises(IntegrityFailure):
        keyring.active_wrapping_key("netcash")
    assert set(keyring.wrapping_keys("netcash")) == {1}


def test_a_vault_that_claims_two_active_keys_or_one_version_twice_is_refused() -> None:
    with pytest.raises(IntegrityFailure, match="2 versions of the row tag key are active"):
        Keyring([key(KeyPurpose.ROW_TAG, 1, program=""), key(KeyPurpose.ROW_TAG, 2, program="")])
    with pytest.raises(IntegrityFailure, match=r"version 1 of the index key of program .* twice"):
        Keyring([key(KeyPurpose.INDEX, 1), key(KeyPurpose.INDEX, 1)])


def test_codes_are_looked_up_and_claimed_by_active_keys_alone() -> None:
    keyring = Keyring(versions_of_every_state(KeyPurpose.INDEX))
    assert [digester.version for digester in keyring.digesters("netcash")] == [4]
    assert keyring.claiming_digesters("netcash") == keyring.digesters("netcash")


def test_of_an_index_key_two_versions_may_be_active_and_the_higher_one_leads() -> None:
    both = [key(KeyPurpose.INDEX, 3), key(KeyPurpose.INDEX, 5), key(KeyPurpose.INDEX, 4, KeyState.DEACTIVATED)]
    for keys in (both, both[::-1]):
        keyring = Keyring(keys)
        assert [digester.version for digester in keyring.digesters("netcash")] == [5, 3]
        assert keyring.claiming_digesters("netcash") == keyring.digesters("netcash")
        assert keyring.active(KeyPurpose.INDEX, "netcash").version == 5
    with pytest.raises(IntegrityFailure, match="3 versions of the index key of program 'netcash' are active"):
        Keyring([*both, key(KeyPurpose.INDEX, 6)])


def test_rows_verify_under_every_sound_key_and_are_tagged_under_the_active_one() -> None:
    keyring = Keyring(versions_of_every_state(KeyPurpose.ROW_TAG, ""))
    shape, row = SHAPES["tally"], TallyRow("netcash", 1, 5, b"")
    for version, state in ((1, None), (3, None), (5, None), (2, IntegrityFailure)):
        secret = keyring.get(KeyPurpose.ROW_TAG, "", version).secret
        alone = Keyring([Key(KeyPurpose.ROW_TAG, "", version, KeyState.ACTIVE, secret)])
        tagged = alone.tagger().tagged(shape, row)
        if state is None:
            keyring.tagger().verify(shape, tagged)
        else:
            with pytest.raises(state):
                keyring.tagger().verify(shape, tagged)
    assert keyring.tagger().tag(shape, row)[1:5] == bytes((0, 0, 0, 4))


def test_records_open_under_every_key_and_are_sealed_under_the_active_one() -> None:
    keyring = Keyring(versions_of_every_state(KeyPurpose.WRAPPING))
    assert keyring.active_wrapping_key("netcash").version == 4
    for wrapping_key in keyring.wrapping_keys("netcash").values():
        blobs = seal(b"1", PLACE, wrapping_key, bytes)
        assert open_sealed(*blobs, PLACE, keyring.wrapping_keys("netcash")) == b"1"


def test_what_is_made_of_keys_is_made_once() -> None:
    keys = [key(KeyPurpose.INDEX, 1), key(KeyPurpose.WRAPPING, 1), key(KeyPurpose.ROW_TAG, 1, program="")]
    keyring = Keyring(keys)
    assert keyring.tagger() is keyring.tagger()
    assert keyring.digesters("netcash") is keyring.digesters("netcash")
    assert keyring.active_wrapping_key("netcash") is keyring.active_wrapping_key("netcash")


def test_keys_are_not_changed_through_what_is_handed_out() -> None:
    keyring = Keyring([key(KeyPurpose.INDEX, 1), key(KeyPurpose.WRAPPING, 1)])
    handed_out: list[Any] = [keyring.versions(KeyPurpose.INDEX, "netcash"), keyring.wrapping_keys("netcash")]
    for mapping in handed_out:
        with pytest.raises(TypeError):
            del mapping[1]


def test_a_keyring_shows_no_key() -> None:
    assert repr(Keyring([key(KeyPurpose.INDEX, 1)])) == "<Keyring of 1 keys>"


def test_custodys_context_tells_every_key_apart() -> None:
    contexts = {
        key_context(vault_id, purpose, program, version)
        for vault_id in (bytes(16), bytes(range(16)))
        for purpose in KeyPurpose
        for program in ("", "a", "b")
        for version in (1, 2)
    }
    assert len(contexts) == 2 * len(KeyPurpose) * 3 * 2
