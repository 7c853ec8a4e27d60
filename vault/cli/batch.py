"""``cardvault batch``: issue cards in batches, export, acknowledge and withdraw them."""

import argparse
import asyncio
from pathlib import Path

from vault.cli.asking import add_confirmation, confirm
from vault.cli.connection import Actions
from vault.cli.failure import EXIT_DONE, EXIT_FAILED, UsageProblem, complain
from vault.cli.output import Column, Output, moment, plain, word
from vault.cli.paging import add_limit, collect
from vault.cli.progress import progress_bar
from vault.cli.timing import add_expiry
from vault.client.channel import VaultClient
from vault.client.export import save_package
from vault.v1.issuance_service_pb2 import (
    AcknowledgeBatchRequest,
    CancelBatchRequest,
    CreateBatchRequest,
    GetBatchRequest,
    ListBatchesRequest,
    WithdrawBatchRequest,
)
from vault.v1.resources_pb2 import Batch, Manifest

POLL_SECONDS = 0.5
SHA256_HEX_LENGTH = 64

LIST: tuple[Column[Batch], ...] = (
    Column("batch", lambda batch: batch.batch_id or "(not created)"),
    Column("state", lambda batch: word(Batch.State, batch.state) + (" …" if batch.working else "")),
    Column("cards", lambda batch: f"{batch.count:,}"),
    Column("issued", lambda batch: f"{batch.issued_count:,}"),
    Column("closed", lambda batch: f"{batch.closed_count:,}"),
    Column("recipient", lambda batch: batch.recipient),
    Column("reference", lambda batch: batch.reference or "-"),
    Column("created", lambda batch: moment(batch.create_time)),
)
DETAIL: tuple[Column[Batch], ...] = (
    *LIST,
    Column("expires", lambda batch: moment(batch.expire_time)),
    Column("package", lambda batch: f"{batch.manifest.size_bytes:,} bytes" if batch.manifest.sha256 else "-"),
    Column("sha256", lambda batch: batch.manifest.sha256.hex() or "-"),
    Column("etag", lambda batch: batch.etag),
)
MANIFEST: tuple[Column[Manifest], ...] = (
    Column("codes", lambda manifest: f"{manifest.entries:,}"),
    Column("bytes", lambda manifest: f"{manifest.size_bytes:,}"),
    Column("sha256", lambda manifest: manifest.sha256.hex()),
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the actions."""
    actions = Actions(parser)
    create = actions.add("create", _create, "start issuing a batch of cards")
    create.add_argument("program")
    create.add_argument("--count", type=int, required=True, help="cards to issue, up to 10 million")
    create.add_argument("--recipient", required=True, help="whom its package will be sealed to")
    create.add_argument("--reference", default="", help="your own note; must not hold a code")
    add_expiry(create)
    create.add_argument("--dry-run", action="store_true", help="make every check and change nothing")
    listing = actions.add("list", _list, "list a program's batches, newest first")
    listing.add_argument("program")
    add_limit(listing)
    get = actions.add("get", _get, "show a batch and how far it is")
    cancel = actions.add("cancel", _cancel, "stop a batch that was not acknowledged and close its cards")
    withdraw = actions.add("withdraw", _withdraw, "close every card of a batch that is not sold yet")
    export = actions.add("export", _export, "save a batch's package, sealed to its recipient")
    acknowledge = actions.add("acknowledge", _acknowledge, "confirm that the recipient holds the package")
    for action in (get, cancel, withdraw, export, acknowledge):
        action.add_argument("program")
        action.add_argument("batch", help="its id, a UUID")
    for action in (cancel, withdraw):
        action.add_argument("--etag", default="", help="refuse if it has changed since")
        action.add_argument("--dry-run", action="store_true", help="count the cards it would close, change nothing")
        add_confirmation(action)
    for action in (create, get, cancel, withdraw):
        action.add_argument("--wait", action="store_true", help="wait until no job works on it, with a progress bar")
    export.add_argument("--out", type=Path, required=True, metavar="FILE", help="where the package goes")
    acknowledge.add_argument("--sha256", required=True, metavar="HEX", help="of the package as the recipient holds it")


async def _create(client: VaultClient, parsed: argparse.Namespace, output: Output) -> int:
    request = CreateBatchRequest(
        program=parsed.program,
        count=parsed.count,
        recipient=parsed.recipient,
        reference=parsed.reference,
        expire_time=parsed.expires,
        validate_only=parsed.dry_run,
    )
    answer = await client.call(client.issuance.CreateBatch, request)
    return await _show(client, parsed, output, answer.batch)


async def _get(client: VaultClient, parsed: argparse.Namespace, output: Output) -> int:
    request = GetBatchRequest(program=parsed.program, batch_id=parsed.batch)
    answer = await client.call(client.issuance.GetBatch, request)
    return await _show(client, parsed, output, answer.batch)


async def _list(client: VaultClient, parsed: argparse.Namespace, output: Output) -> int:
    request = ListBatchesRequest(program=parsed.program)
    batches = await collect(client, client.issuance.ListBatches, request, "batches", parsed.limit)
    output.many(batches, LIST)
    return EXIT_DONE


async def _cancel(client: VaultClient, parsed: argparse.Namespace, output: Output) -> int:
    confirm(parsed, f"Cancel batch {parsed.batch} and close its cards for good?")
    request = CancelBatchRequest(
        program=parsed.program, batch_id=parsed.batch, etag=parsed.etag, validate_only=parsed.dry_run
    )
    answer = await client.call(client.issuance.CancelBatch, request)
    return await _show_closing(client, parsed, output, answer.batch, answer.cards_to_close)


async def _withdraw(client: VaultClient, parsed: argparse.Namespace, output: Output) -> int:
    confirm(parsed, f"Close every unsold card of batch {parsed.batch} for good?")
    request = WithdrawBatchRequest(
        program=parsed.program, batch_id=parsed.batch, etag=parsed.etag, validate_only=parsed.dry_run
    )
    answer = await client.call(client.issuance.WithdrawBatch, request)
    return await _show_closing(client, parsed, output, answer.batch, answer.cards_to_close)


async def _export(client: VaultClient, parsed: argparse.Namespace, output: Output) -> int:
    with progress_bar("export", quiet=parsed.json) as report:
        manifest = await save_package(client, parsed.program, parsed.batch, parsed.out, report)
    output.one(manifest, MANIFEST)
    output.note(f"saved to {parsed.out}; acknowledge it once the recipient has opened it")
    return EXIT_DONE


async def _acknowledge(client: VaultClient, parsed: argparse.Namespace, output: Output) -> int:
    digest = parse_sha256(parsed.sha256)
    request = AcknowledgeBatchRequest(program=parsed.program, batch_id=parsed.batch, sha256=digest)
    answer = await client.call(client.issuance.AcknowledgeBatch, request)
    output.one(answer.batch, DETAIL)
    return EXIT_DONE


def parse_sha256(text: str) -> bytes:
    """Parse a SHA-256 in hexadecimal.

    Raises:
        UsageProblem: It is none.
    """
    try:
        digest = bytes.fromhex(text)
    except ValueError:
        digest = b""
    if len(digest) * 2 != SHA256_HEX_LENGTH:
        message = "--sha256 is 64 hexadecimal digits"
        raise UsageProblem(message)
    return digest


async def _show_closing(
    client: VaultClient, parsed: argparse.Namespace, output: Output, batch: Batch, cards_to_close: int
) -> int:
    if parsed.json:
        if parsed.wait and not parsed.dry_run:
            batch = await wait_for_batch(client, batch, quiet=True)
        output.value({"batch": plain(batch), "cards_to_close": cards_to_close})
        return EXIT_DONE
    output.note(f"{cards_to_close:,} cards {'would be' if parsed.dry_run else 'are being'} closed")
    return await _show(client, parsed, output, batch)


async def _show(client: VaultClient, parsed: argparse.Namespace, output: Output, batch: Batch) -> int:
    if parsed.wait and batch.batch_id and not getattr(parsed, "dry_run", False):
        batch = await wait_for_batch(client, batch, quiet=parsed.json)
    output.one(batch, DETAIL)
    if parsed.wait and batch.state == Batch.STATE_ISSUING and not batch.working:
        complain("the batch's job has failed; `cardvault audit list` and the vault's log say why")
        return EXIT_FAILED
    return EXIT_DONE


async def wait_for_batch(client: VaultClient, batch: Batch, *, quiet: bool = False) -> Batch:
    """Wait until no job works on a batch, and answer it as it is then."""
    request = GetBatchRequest(program=batch.program, batch_id=batch.batch_id)
    with progress_bar("batch", quiet=quiet) as report:
        while True:
            batch = (await client.call(client.issuance.GetBatch, request)).batch
            issuing = batch.state == Batch.STATE_ISSUING
            report(batch.issued_count if issuing or not batch.working else batch.closed_count, batch.count)
            if not batch.working:
                return batch
            await asyncio.sleep(POLL_SECONDS)
