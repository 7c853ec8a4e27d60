"""Public keys in a file, and what is verified and sealed with them."""

from pathlib import Path

import pytest

from vault.cli.failure import UsageProblem
from vault.cli.public_keys import read_public_keys, sealing_key, statement_keys, write_public_keys
from vault.v1.resources_pb2 import PublicKey

STATEMENT, SEALING = PublicKey.PURPOSE_STATEMENT, PublicKey.PURPOSE_SEALING


def key(name: str, purpose: "PublicKey.Purpose.ValueType", state: "PublicKey.State.ValueType") -> PublicKey:
    return PublicKey(key_id=name, purpose=purpose, state=state, public_key=name.encode().ljust(32))


KEYS = [
    key("statement-1", STATEMENT, PublicKey.STATE_DEACTIVATED),
    key("statement-2", STATEMENT, PublicKey.STATE_COMPROMISED),
    key("statement-3", STATEMENT, PublicKey.STATE_ACTIVE),
    key("sealing-1", SEALING, PublicKey.STATE_DEACTIVATED),
    key("sealing-2", SEALING, PublicKey.STATE_ACTIVE),
]


def test_keys_come_back_from_their_file_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    write_public_keys(path, KEYS[:1])
    write_public_keys(path, KEYS)
    assert read_public_keys(path) == KEYS


@pytest.mark.parametrize("content", ["", "{", "[]", '{"keys": 1}', '{"other": []}', "é"])
def test_another_file_is_wrong_usage(content: str, tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(UsageProblem, match=r"keys\.json is not what"):
        read_public_keys(path)


def test_statements_are_verified_with_every_key_that_is_to_be_trusted() -> None:
    assert set(statement_keys(KEYS)) == {"statement-1", "statement-3"}


def test_codes_are_sealed_to_the_active_key_only() -> None:
    assert sealing_key(KEYS).key_id == "sealing-2"
    with pytest.raises(UsageProblem):
        sealing_key(KEYS[:4])
