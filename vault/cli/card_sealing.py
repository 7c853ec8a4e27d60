"""Codes that are sealed before they leave the terminal, for ``card validate`` and ``card redeem``.

What is sealed is for one audience: the caller itself, or a principal whose relay the access file makes the
caller.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from vault.cli.failure import UsageProblem
from vault.cli.public_keys import read_public_keys
from vault.client.channel import VaultClient
from vault.client.sealer import Sealer
from vault.client.sealing import Purpose
from vault.v1.resources_pb2 import PresentedCode
from vault.v1.validation_service_pb2 import ListPublicKeysResponse


def add_sealing(parser: argparse.ArgumentParser) -> None:
    """Add the options of an action whose codes can be sealed."""
    parser.add_argument(
        "--seal-for",
        default="",
        metavar="PRINCIPAL",
        help="seal what is read, for this audience: you, or whom you relay",
    )
    parser.add_argument(
        "--keys",
        type=Path,
        metavar="FILE",
        help="public keys of `keys public --out` (default: asks, as a validator may)",
    )


async def present(
    client: VaultClient, parsed: argparse.Namespace, codes: Sequence[str], program: str, purpose: Purpose
) -> list[PresentedCode]:
    """Answer codes as a request presents them: each in clear, or all in one submission where that is asked for.

    Raises:
        UsageProblem: The file is none of public keys.
        VaultError: A code is none, or the vault does not tell its keys.
    """
    if not parsed.seal_for:
        return [PresentedCode(code=code) for code in codes]

    async def saved() -> ListPublicKeysResponse:
        answer = ListPublicKeysResponse(keys=read_public_keys(parsed.keys))
        answer.time.GetCurrentTime()
        return answer

    async with Sealer(saved if parsed.keys else client) as sealer:
        sealed = await sealer.seal(codes, audience=parsed.seal_for, program=program, purpose=purpose)
    return [PresentedCode(sealed=sealed)]


def only_program(parsed: argparse.Namespace) -> str:
    """Answer the one program that what is sealed is for; empty where nothing is.

    Raises:
        UsageProblem: Another number of programs is given.
    """
    if parsed.seal_for and len(parsed.programs) != 1:
        message = "a submission is sealed for one program: name it"
        raise UsageProblem(message)
    return parsed.programs[0] if parsed.seal_for else ""
