"""The vault's public keys in a file: JSON of ListPublicKeys' answer, as ``keys public --out FILE`` writes it.

What is verified with the file is worth what the way of the file was: take it from the vault yourself, before
you need it, and keep it where others cannot write.
"""

import json
from collections.abc import Iterable
from pathlib import Path

from google.protobuf.json_format import MessageToDict, ParseDict, ParseError

from vault.cli.failure import UsageProblem
from vault.client.channel import VaultClient
from vault.v1.resources_pb2 import PublicKey
from vault.v1.validation_service_pb2 import ListPublicKeysRequest, ListPublicKeysResponse


async def ask_public_keys(client: VaultClient) -> list[PublicKey]:
    """Ask the vault for its public keys; the caller needs the role ``validator`` for any program.

    Raises:
        VaultError: The vault refused.
    """
    return list((await ask_answer(client)).keys)


async def ask_answer(client: VaultClient) -> ListPublicKeysResponse:
    """Ask the vault for its public keys and who it is in what it signs; the caller needs the same role.

    Raises:
        VaultError: The vault refused.
    """
    return await client.call(client.validation.ListPublicKeys, ListPublicKeysRequest())


def write_public_keys(path: Path, keys: Iterable[PublicKey], issuer: str = "") -> None:
    """Write public keys to a file; one that is there is replaced, for it holds nothing secret and grows old.

    Args:
        path: The file.
        keys: The keys.
        issuer: Who the vault is in what it signs; left out where it is empty.
    """
    answer = ListPublicKeysResponse(keys=keys, issuer=issuer)
    text = json.dumps(MessageToDict(answer, preserving_proto_field_name=True), indent=2)
    path.write_text(text + "\n", encoding="ascii")


def read_public_keys(path: Path) -> list[PublicKey]:
    """Read such a file.

    Raises:
        UsageProblem: It is none.
    """
    try:
        found = json.loads(path.read_text(encoding="ascii"))
        answer = ParseDict(found, ListPublicKeysResponse()) if isinstance(found, dict) else None
    except (ValueError, ParseError):  # of text, JSON, or the message
        answer = None
    if answer is None:
        message = f"{path} is not what `cardvault keys public --out` writes"
        raise UsageProblem(message)
    return list(answer.keys)


def statement_keys(keys: Iterable[PublicKey]) -> dict[str, bytes]:
    """Answer the keys that verify reports and statements, by their id; compromised ones are left out."""
    return {
        key.key_id: key.public_key
        for key in keys
        if key.purpose == PublicKey.PURPOSE_STATEMENT and key.state != PublicKey.STATE_COMPROMISED
    }


def sealing_key(keys: Iterable[PublicKey]) -> PublicKey:
    """Answer the key that codes are sealed to.

    Raises:
        UsageProblem: None of them is active.
    """
    active = [key for key in keys if key.purpose == PublicKey.PURPOSE_SEALING and key.state == PublicKey.STATE_ACTIVE]
    if not active:
        message = "there is no active sealing key among the public keys"
        raise UsageProblem(message)
    return active[-1]
