"""The operator: sets up programs, and who may be sent packages."""

from typing import Any

from vault.cli.demo.stage import CONTRACTOR, NETCASH, OTHER, RECIPIENT, Stage
from vault.client.channel import VaultClient
from vault.client.recipient import public_key, read_key_file
from vault.v1.administration_service_pb2 import CreateProgramRequest, CreateRecipientRequest
from vault.v1.resources_pb2 import ProgramSettings


async def set_up(stage: Stage) -> dict[str, Any]:
    """Create the programs, and register the house's public key."""
    async with stage.client("operator") as client:
        await _create_program(client, NETCASH, "Net Cash")
        await _create_program(client, OTHER, "Another product")
        # In life the house would send its public key; here the operator takes it from the pair.
        request = CreateRecipientRequest(
            program=NETCASH,
            recipient=RECIPIENT,
            display_name="Fulfilment house",
            public_key=public_key(read_key_file(stage.place.house_key)),
        )
        await client.call(client.administration.CreateRecipient, request)
    return {"count": 2}


async def _create_program(client: VaultClient, program: str, display_name: str) -> None:
    settings = ProgramSettings(display_name=display_name, clear_delivery=True)
    request = CreateProgramRequest(program=program, settings=settings)
    await client.call(client.administration.CreateProgram, request)


async def prepare(stage: Stage) -> dict[str, Any]:
    """Create the program, and register the public keys of the contractor and of the fulfilment house."""
    keys = {CONTRACTOR: stage.place.contractor_key, RECIPIENT: stage.place.house_key}
    async with stage.client("operator") as client:
        await _create_program(client, NETCASH, "Net Cash")
        for name, path in keys.items():
            request = CreateRecipientRequest(
                program=NETCASH, recipient=name, display_name=name.title(), public_key=public_key(read_key_file(path))
            )
            await client.call(client.administration.CreateRecipient, request)
    return {"count": 1}
