"""``cardvault card record get`` and ``put``: a card's record, opaque bytes that the vault keeps encrypted."""

import argparse
import os
import sys
from pathlib import Path

from vault.cli.connection import Actions
from vault.cli.failure import EXIT_DONE
from vault.cli.output import Column, Output, plain
from vault.cli.selection import add_card
from vault.client.channel import VaultClient
from vault.v1.card_service_pb2 import GetRecordRequest, PutRecordRequest, PutRecordResponse

COLUMNS: tuple[Column[PutRecordResponse], ...] = (
    Column("record", lambda answer: f"version {answer.record_version}"),
    Column("etag", lambda answer: answer.etag),
)


def add_records(actions: Actions) -> None:
    """Add ``record`` with its own actions."""
    records = Actions(actions.add_local("record", "read and store a card's record"))
    get = records.add("get", _get, "write a card's record to a file or to standard output")
    add_card(get)
    get.add_argument("--out", type=Path, metavar="FILE", help="new file of mode 0600 (default: standard output)")
    put = records.add("put", _put, "store a card's record in place of the one before")
    add_card(put)
    put.add_argument("--in", dest="source", type=Path, metavar="FILE", help="the record (default: standard input)")
    put.add_argument("--etag", default="", help="refuse if the card has changed since")


async def _get(client: VaultClient, parsed: argparse.Namespace, output: Output) -> int:
    request = GetRecordRequest(program=parsed.program, card=parsed.card)
    answer = await client.call(client.cards.GetRecord, request)
    if parsed.out:
        write_private(parsed.out, answer.payload)
        output.note(f"record version {answer.record_version} in {parsed.out}")
    elif parsed.json:
        output.value(plain(answer, delivered=True))
    else:
        sys.stdout.buffer.write(answer.payload)
    return EXIT_DONE


async def _put(client: VaultClient, parsed: argparse.Namespace, output: Output) -> int:
    payload = _read(parsed.source)
    request = PutRecordRequest(program=parsed.program, card=parsed.card, payload=payload, etag=parsed.etag)
    output.one(await client.call(client.cards.PutRecord, request), COLUMNS)
    return EXIT_DONE


def _read(source: Path | None) -> bytes:
    return source.read_bytes() if source else sys.stdin.buffer.read()


def write_private(path: Path, content: bytes) -> None:
    """Write a new file of mode 0600.

    Raises:
        FileExistsError: There is a file of this name; it is left as it is.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(descriptor, "wb") as file:  # noqa: PTH123  # from a descriptor
        file.write(content)
