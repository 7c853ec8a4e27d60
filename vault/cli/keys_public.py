"""``cardvault keys public`` and ``verify-statement``: what others can check without the vault."""

import argparse
import json
from pathlib import Path

from vault.cli.applying import command, finish
from vault.cli.connection import Actions
from vault.cli.failure import EXIT_DONE
from vault.cli.output import Column, Output, moment, word
from vault.cli.public_keys import ask_answer, read_public_keys, statement_keys, write_public_keys
from vault.client.channel import VaultClient
from vault.client.jwks import jwk_set
from vault.crypto.statement import verify_statement
from vault.v1.resources_pb2 import PublicKey
from vault.v1.validation_service_pb2 import ListPublicKeysResponse

DESTRUCTION = "destruction"

COLUMNS: tuple[Column[PublicKey], ...] = (
    Column("key", lambda key: key.key_id),
    Column("purpose", lambda key: word(PublicKey.Purpose, key.purpose)),
    Column("state", lambda key: word(PublicKey.State, key.state)),
    Column("public key", lambda key: key.public_key.hex()),
    Column("made", lambda key: moment(key.create_time)),
)


def add_public_keys(actions: Actions) -> None:
    """Add the actions."""
    public = actions.add("public", _public, "list the vault's public keys, or save them for verifying")
    public.add_argument("--out", type=Path, metavar="FILE", help="file to write them to; one of before is replaced")
    public.add_argument("--jwks", action="store_true", help="as a JWK set of those that verify receipts and statements")
    verify = actions.add_local("verify-statement", "verify a signed statement of a key's destruction, without a vault")
    verify.add_argument("statement", type=Path, metavar="FILE", help="as `keys destroy --out` wrote it")
    add_verifying(verify)
    verify.set_defaults(run=_verify)


def add_verifying(parser: argparse.ArgumentParser) -> None:
    """Add what every action that verifies takes."""
    parser.add_argument(
        "--keys", type=Path, required=True, metavar="FILE", help="public keys, as `keys public --out` wrote them before"
    )
    parser.add_argument("--json", action="store_true", help="write one JSON value to standard output")


def read_statement(path: Path) -> str:
    """Read a statement from a file; what stands around it is passed over."""
    return path.read_text(encoding="ascii", errors="replace").strip()


async def _public(client: VaultClient, parsed: argparse.Namespace, output: Output) -> int:
    answer = await ask_answer(client)
    keys = list(answer.keys)
    if parsed.jwks:
        return _give_jwk_set(answer, parsed.out, output)
    if not parsed.out:
        output.many(keys, COLUMNS)
        return EXIT_DONE
    write_public_keys(parsed.out, keys, answer.issuer)
    value = {"file": str(parsed.out), "keys": [key.key_id for key in keys]}
    return finish(output, value, [f"keep {parsed.out} where others cannot write; it verifies reports"], applied=None)


def _give_jwk_set(answer: ListPublicKeysResponse, path: Path | None, output: Output) -> int:
    found = jwk_set(answer.keys)
    if path is None:
        output.value(found)
        return EXIT_DONE
    path.write_text(json.dumps(found, indent=2) + "\n", encoding="ascii")
    value = {"file": str(path), "keys": [key["kid"] for key in found["keys"]], "issuer": answer.issuer}
    after = [f"publish {path} where others cannot write; it verifies receipts whose iss is {answer.issuer}"]
    return finish(output, value, after, applied=None)


def _verify(parsed: argparse.Namespace) -> int:
    keys = statement_keys(read_public_keys(parsed.keys))
    claims = verify_statement(read_statement(parsed.statement), keys, DESTRUCTION)
    output = Output(as_json=parsed.json)
    if parsed.json:
        output.value({"verified": True, "claims": claims})
    else:
        print("The statement is the vault's, and whole. It says:")
        print(json.dumps(claims, ensure_ascii=False, indent=2))
        print(f"next: {command('keys', 'list')}  shows which versions live")
    return EXIT_DONE
