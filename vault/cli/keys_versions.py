"""``cardvault keys list``, ``create`` and ``destroy``: the life of key versions, never a key."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

from vault.cli.applying import add_applying, command, finish, go_ahead, say, would
from vault.cli.connection import Actions
from vault.cli.failure import EXIT_DONE, UsageProblem
from vault.cli.output import Column, Output, moment, plain, table, word
from vault.cli.rotate_reissue import PATIENCE_SECONDS
from vault.client.channel import VaultClient
from vault.errors import AlreadyExists
from vault.v1.rotation_service_pb2 import (
    CreateKeyVersionRequest,
    DestroyKeyVersionRequest,
    DestroyKeyVersionResponse,
    KeyVersion,
    ListKeysRequest,
)

DESTRUCTIONS = UUID("8f0c6f6e-53a4-4d0c-9a35-0f6f7a0c5d11")
"""Namespace of the request ids of destructions (UUID version 5, RFC 9562)."""

BY_PROGRAM = ("index", "wrapping")
PURPOSES = tuple(
    name.removeprefix("PURPOSE_").lower().replace("_", "-")
    for name in KeyVersion.Purpose.keys()  # noqa: SIM118  # an enum's wrapper is no mapping
    if name != "PURPOSE_UNSPECIFIED"
)
JOBS = {"index": "rekey", "wrapping": "rewrap", "row-tag": "retag"}
"""The job that promotes a pre-active version of a purpose."""

LIST: tuple[Column[KeyVersion], ...] = (
    Column("purpose", lambda key: word(KeyVersion.Purpose, key.purpose)),
    Column("program", lambda key: key.program or "-"),
    Column("version", lambda key: str(key.version)),
    Column("state", lambda key: word(KeyVersion.State, key.state)),
    Column("root", lambda key: str(key.root_version or "-")),
    Column("rows", lambda key: f"{key.row_count:,}" if key.HasField("row_count") else "-"),
    Column("made", lambda key: moment(key.create_time)),
    Column("active", lambda key: moment(key.activate_time)),
    Column("deactivated", lambda key: moment(key.deactivate_time)),
)


def add_versions(actions: Actions) -> None:
    """Add the actions."""
    listing = actions.add("list", _list, "list the versions of keys")
    listing.add_argument("--program", default="", help="only this program's keys (default: every key of the vault)")
    listing.add_argument("--count-rows", action="store_true", help="count the rows that name each; reads whole tables")
    create = actions.add("create", _create, "make a new version of a key, for a job to promote")
    destroy = actions.add("destroy", _destroy, "destroy a version that no row names, and the root key that wrapped it")
    for action in (create, destroy):
        action.add_argument("--purpose", choices=PURPOSES, required=True, help="what the key is for")
        action.add_argument("--program", default="", help="the program of an index or wrapping key")
        add_applying(action)
    destroy.add_argument("--version", type=int, required=True, help="which version")
    destroy.add_argument("--out", type=Path, metavar="FILE", help="new file for the signed statement")


async def _list(client: VaultClient, parsed: argparse.Namespace, output: Output) -> int:
    request = ListKeysRequest(program=parsed.program, count_rows=parsed.count_rows)
    answer = await client.call(client.rotation.ListKeys, request, max(parsed.timeout, PATIENCE_SECONDS))
    if output.as_json:
        output.value({"root_version": answer.root_version, "keys": [plain(key) for key in answer.keys]})
    else:
        output.many(answer.keys, LIST)
        print(f"new keys are wrapped by root key version {answer.root_version}")
    return EXIT_DONE


async def _create(client: VaultClient, parsed: argparse.Namespace, output: Output) -> int:
    _check_program(parsed)
    what = f"make a new version of the {parsed.purpose} key"
    if not await go_ahead(parsed, output, parsed.program, would(output, what, purpose=parsed.purpose)):
        return EXIT_DONE
    request = CreateKeyVersionRequest(program=parsed.program, purpose=_purpose(parsed))
    key = (await client.call(client.rotation.CreateKeyVersion, request)).key
    if not output.as_json:
        output.one(key, LIST)
    job = JOBS.get(parsed.purpose)
    words = ("rotate", job, *((parsed.program,) if parsed.program else ()), "--apply") if job else ("keys", "list")
    why = "promotes it and moves every row to it" if job else "shows it"
    return finish(output, {"key": plain(key)}, [f"{command(*words)}  {why}"])


async def _destroy(client: VaultClient, parsed: argparse.Namespace, output: Output) -> int:
    _check_program(parsed)
    if parsed.apply and parsed.out is None:
        message = "give --out FILE for the signed statement"
        raise UsageProblem(message)
    if parsed.out and parsed.out.exists():
        message = f"{parsed.out} exists"
        raise AlreadyExists(message, reason="FILE_EXISTS")
    patience = max(parsed.timeout, PATIENCE_SECONDS)

    def request(*, validate_only: bool) -> DestroyKeyVersionRequest:
        made = DestroyKeyVersionRequest(
            program=parsed.program, purpose=_purpose(parsed), version=parsed.version, validate_only=validate_only
        )
        if not validate_only:
            # The same each time, so that the command given again, whatever went wrong, gets the statement.
            made.request_id = str(uuid5(DESTRUCTIONS, f"{parsed.purpose}/{parsed.program}/{parsed.version}"))
        return made

    async def preview() -> Mapping[str, Any]:
        answer = await client.call(client.rotation.DestroyKeyVersion, request(validate_only=True), patience)
        _show(output, answer)
        say(output, "would destroy it for good, and the root key version that wrapped it.")
        say(output, "Backups made before open with the old root key only, which will be gone: make a new one at once.")
        return {"would": "destroy", **_plain(answer)}

    if not await go_ahead(parsed, output, parsed.program, preview):
        return EXIT_DONE
    answer = await client.call(client.rotation.DestroyKeyVersion, request(validate_only=False), patience)
    with parsed.out.open("x", encoding="ascii") as file:
        file.write(answer.statement + "\n")
    _show(output, answer)
    return finish(
        output,
        {**_plain(answer), "file": str(parsed.out)},
        [
            f"{command('keys', 'verify-statement', str(parsed.out), '--keys', 'FILE')}  verifies the statement",
            "cardvault backup: backups of before no longer open",
            "copy the root key's file to where its copy is kept, then: cardvault keys confirm-copy COPY",
        ],
    )


def _show(output: Output, answer: DestroyKeyVersionResponse) -> None:
    if output.as_json:
        return
    output.one(answer.key, LIST)
    named = {name: count for name, count in answer.rows_naming.items() if count}
    if named:
        table(["table", "rows that name it"], [[name, f"{count:,}"] for name, count in sorted(named.items())])
    print(f"{sum(named.values()):,} rows name it; {answer.rewrapped_keys:,} key versions are wrapped anew")


def _plain(answer: DestroyKeyVersionResponse) -> dict[str, Any]:
    return {
        "key": plain(answer.key),
        "rows_naming": dict(answer.rows_naming),
        "rewrapped_keys": answer.rewrapped_keys,
    }


def _purpose(parsed: argparse.Namespace) -> "KeyVersion.Purpose.ValueType":
    return KeyVersion.Purpose.Value(f"PURPOSE_{parsed.purpose.replace('-', '_').upper()}")


def _check_program(parsed: argparse.Namespace) -> None:
    if (parsed.purpose in BY_PROGRAM) != bool(parsed.program):
        message = "give --program for an index or wrapping key, and for no other"
        raise UsageProblem(message)
