"""``cardvault rotate rekey``, ``rewrap``, ``reencrypt`` and ``retag``: stored rows to a new version of a key.

A version that was made by ``keys create`` is promoted; where there is none, the job makes one. Shops go on
validating meanwhile. The old version stays until ``keys destroy`` takes it away.
"""

import argparse
from collections.abc import Mapping
from typing import Any, NamedTuple

from vault.cli.applying import go_ahead, say
from vault.cli.connection import Actions, ClientCommand
from vault.cli.failure import EXIT_DONE
from vault.cli.jobs import plain_job, show_job
from vault.cli.output import Output
from vault.cli.rotate_jobs import follow
from vault.cli.rotate_reissue import PATIENCE_SECONDS, add_starting, new_job
from vault.client.channel import VaultClient
from vault.v1.rotation_service_pb2 import CreateRotationJobRequest, KeyMove


class Move(NamedTuple):
    """One kind of job over rows: its name, as in the API, and what it is for."""

    name: str
    summary: str
    by_program: bool = True


MOVES = (
    Move("rekey", "give every code its digest under a new index key: after the index key leaked"),
    Move("rewrap", "wrap the same data keys under a new key-encryption key: routine, or before one is destroyed"),
    Move("reencrypt", "encrypt codes and records under new data keys: after data keys may have leaked"),
    Move("retag", "tag every row of the vault under a new row tag key", by_program=False),
)


def add_key_moves(actions: Actions) -> None:
    """Add the actions that move rows to new keys."""
    for move in MOVES:
        action = actions.add(move.name, _moving(move), move.summary)
        if move.by_program:
            action.add_argument("program")
        add_starting(action)


def _moving(move: Move) -> ClientCommand:
    async def start(client: VaultClient, parsed: argparse.Namespace, output: Output) -> int:
        program = parsed.program if move.by_program else ""
        patience = max(parsed.timeout, PATIENCE_SECONDS)

        def request(*, validate_only: bool) -> CreateRotationJobRequest:
            made = new_job(parsed, program)
            getattr(made, move.name).CopyFrom(KeyMove())
            made.validate_only = validate_only
            return made

        async def preview() -> Mapping[str, Any]:
            answer = await client.call(client.rotation.CreateRotationJob, request(validate_only=True), patience)
            show_job(output, answer.job)
            say(output, f"would {move.summary.partition(':')[0]}, {answer.job.total_count:,} rows")
            return {"would": move.name, "job": plain_job(answer.job)}

        if not await go_ahead(parsed, output, program, preview):
            return EXIT_DONE
        answer = await client.call(client.rotation.CreateRotationJob, request(validate_only=False), patience)
        return await follow(client, parsed, output, answer.job)

    return start
