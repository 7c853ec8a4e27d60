"""A vault of real processes with something of everything in it, and the callers that the cases are sent by."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.service.database import Database
from tests.service.postgres_database import PostgresDatabase
from tests.system.issued import create_program, issue
from tests.system.running import Running, client_of
from vault.cli.contract_callers import make_callers
from vault.client.channel import VaultClient
from vault.contract.callers import TWIN, Callers, load_callers
from vault.contract.case import Case
from vault.contract.judge import Secrets
from vault.contract.requests import FIXED_PROGRAM
from vault.contract.runner import Result, Runner
from vault.contract.sending import Sender
from vault.v1 import administration_service_pb2 as administration
from vault.v1 import incident_service_pb2 as incident
from vault.v1 import issuance_service_pb2 as issuance
from vault.v1 import resources_pb2 as resources
from vault.v1 import rotation_service_pb2 as rotation

USED_UP = "used-up"
_ENDED = (resources.RotationJob.STATE_DONE, resources.RotationJob.STATE_FAILED)
# What reading and refusing may add to.
_WRITTEN_BY_REFUSALS = {"audit_event"}


class House:
    """A running vault, what to know of its codes, and a look into its tables."""

    def __init__(self, vault: Running, database: Database) -> None:
        self.vault = vault
        self.database = database
        self.codes: list[str] = []
        self.jobs: list[str] = []
        make_callers(self.folder, vault.certificates, FIXED_PROGRAM, USED_UP)
        with (vault.folder / "access.toml").open("a", encoding="utf-8") as access:
            access.write((self.folder / "access.toml").read_text(encoding="utf-8"))

    @property
    def folder(self) -> Path:
        return self.vault.folder / "callers"

    @property
    def callers(self) -> Callers:
        return load_callers(self.folder)

    def client(self, caller: str = TWIN) -> VaultClient:
        return client_of(self.folder, caller, self.vault.address)

    async def try_cases(
        self, cases: Sequence[Case], *, program: str = FIXED_PROGRAM, effects: bool = False
    ) -> list[Result]:
        async with Sender(self.vault.address, self.callers) as sender:
            return await Runner(sender, program=program, secrets=Secrets(self.codes)).run(cases, effects=effects)

    def content(self) -> dict[str, list[dict[str, Any]]]:
        """Return every row of every table, but those of the audit log."""
        return {table: rows for table, rows in self.database.dump().items() if table not in _WRITTEN_BY_REFUSALS}

    def codes_in_log(self) -> list[str]:
        """Return the places of the log that hold digits of a live code, grouped or not."""
        log = re.sub(r"(?<=\d)[ -](?=\d)", "", self.vault.log.read_text(encoding="utf-8"))
        return [f"at {log.index(code)}" for code in self.codes if code in log]

    async def furnish(self) -> None:
        """Make two of everything that can be listed, in a program that may be used up."""
        await create_program(self.vault, USED_UP)
        issued = await issue(self.vault, 20, program=USED_UP, active=True)
        self.codes = [code for _, code in issued]
        async with self.client() as client:
            for name, (card, _) in zip(("one", "two"), issued, strict=False):
                await _recipient(client, name)
                await _incident(client, name, card)
            await asyncio.gather(*(_batch(client) for _ in range(2)))
            self.jobs = [await _job(client) for _ in range(2)]
        await _until(self._jobs_are_left)

    async def _jobs_are_left(self) -> bool:
        """Whether nobody has a job any more: whoever ends one lets go of it a moment later."""
        return all(row["lease_owner"] is None for row in self.database.rows("job"))


async def _recipient(client: VaultClient, name: str) -> None:
    request = administration.CreateRecipientRequest(
        program=USED_UP, recipient=f"to-{name}", public_key=bytes(range(32))
    )
    await client.call(client.administration.CreateRecipient, request)


async def _incident(client: VaultClient, name: str, card: str) -> None:
    request = incident.OpenIncidentRequest(program=USED_UP, title=name, scope=incident.Incident.SCOPE_CARDS)
    opened = await client.call(client.incidents.OpenIncident, request)
    chosen = resources.CardList(cards=[resources.CardSelector(card_id=card)])
    added = incident.AddToSelectionRequest(program=USED_UP, incident_id=opened.incident.incident_id, cards=chosen)
    await client.call(client.incidents.AddToSelection, added)
    freeze = incident.FreezeIncidentRequest(program=USED_UP, incident_id=opened.incident.incident_id)
    await client.call(client.incidents.FreezeIncident, freeze)


async def _batch(client: VaultClient) -> None:
    request = issuance.CreateBatchRequest(program=USED_UP, count=2, recipient="to-one")
    batch = (await client.call(client.issuance.CreateBatch, request)).batch
    asked = issuance.GetBatchRequest(program=USED_UP, batch_id=batch.batch_id)

    async def is_ready() -> bool:
        found = (await client.call(client.issuance.GetBatch, asked)).batch
        return found.state == resources.Batch.STATE_READY and not found.working

    await _until(is_ready)


async def _job(client: VaultClient) -> str:
    work = rotation.Reissue(whole_program=True, recipient="to-one")
    request = rotation.CreateRotationJobRequest(program=USED_UP, reissue=work)
    job = (await client.call(client.rotation.CreateRotationJob, request)).job
    asked = rotation.GetRotationJobRequest(program=USED_UP, job_id=job.job_id)

    async def has_ended() -> bool:
        return (await client.call(client.rotation.GetRotationJob, asked)).job.state in _ENDED

    await _until(has_ended)
    return job.job_id


async def _until(done: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(240):
        while not await done():  # noqa: ASYNC110  the vault tells nobody
            await asyncio.sleep(0.05)


@contextmanager
def house(folder: Path, dsn: str = "") -> Iterator[House]:
    """Run a vault in a folder, over PostgreSQL where there is a ``dsn``."""
    vault = Running(folder, dsn=dsn, workers=1)
    made = House(vault, PostgresDatabase(dsn) if dsn else Database(folder / "data" / "vault.db"))
    try:
        vault.start()
        yield made
    finally:
        if vault.process is not None:
            vault.kill()
