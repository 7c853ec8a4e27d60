"""``cardvault recipient``: register whom packages of codes are sealed to."""

import argparse
import base64
import binascii
from pathlib import Path

from vault.cli.connection import Actions
from vault.cli.failure import EXIT_DONE, UsageProblem
from vault.cli.output import Column, Output, moment
from vault.cli.paging import add_limit, collect
from vault.client.channel import VaultClient
from vault.client.recipient import create_key_file
from vault.v1.administration_service_pb2 import CreateRecipientRequest, ListRecipientsRequest
from vault.v1.resources_pb2 import Recipient

COLUMNS: tuple[Column[Recipient], ...] = (
    Column("recipient", lambda recipient: recipient.recipient),
    Column("program", lambda recipient: recipient.program),
    Column("name", lambda recipient: recipient.display_name),
    Column("public key", lambda recipient: base64.b64encode(recipient.public_key).decode()),
    Column("registered", lambda recipient: moment(recipient.create_time)),
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the actions."""
    actions = Actions(parser)
    keygen = actions.add_local("keygen", "make a recipient's key pair, on the recipient's own machine")
    keygen.add_argument("--out", type=Path, required=True, metavar="FILE", help="where the private key goes")
    keygen.set_defaults(run=_keygen)
    create = actions.add("create", _create, "register a recipient's public key")
    create.add_argument("program")
    create.add_argument("recipient", help="its id: 3 to 32 of a-z, 0-9 and hyphen")
    create.add_argument("--public-key", required=True, metavar="BASE64", help="as `recipient keygen` printed it")
    create.add_argument("--display-name", default="", help="name for people")
    listing = actions.add("list", _list, "list a program's recipients")
    listing.add_argument("program")
    add_limit(listing)


def _keygen(parsed: argparse.Namespace) -> int:
    print(base64.b64encode(create_key_file(parsed.out)).decode())
    return EXIT_DONE


async def _create(client: VaultClient, parsed: argparse.Namespace, output: Output) -> int:
    try:
        key = base64.b64decode(parsed.public_key, validate=True)
    except binascii.Error:
        message = "--public-key is not base64"
        raise UsageProblem(message) from None
    request = CreateRecipientRequest(
        program=parsed.program, recipient=parsed.recipient, display_name=parsed.display_name, public_key=key
    )
    answer = await client.call(client.administration.CreateRecipient, request)
    output.one(answer.recipient, COLUMNS)
    return EXIT_DONE


async def _list(client: VaultClient, parsed: argparse.Namespace, output: Output) -> int:
    request = ListRecipientsRequest(program=parsed.program)
    method = client.administration.ListRecipients
    output.many(await collect(client, method, request, "recipients", parsed.limit), COLUMNS)
    return EXIT_DONE
