"""For tests of rotation by real processes: an officer's calls, shops that know every answer, a look inside."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

from google.protobuf.duration_pb2 import Duration

from tests.service.database import Database
from tests.service.postgres_database import PostgresDatabase
from tests.system.issued import PROGRAM
from tests.system.running import Running
from tests.workshop import Clock, Workshop
from vault import config
from vault.client.channel import VaultClient
from vault.errors import Unavailable
from vault.v1 import incident_service_pb2 as incidents
from vault.v1 import resources_pb2 as resources
from vault.v1 import rotation_service_pb2 as rotation
from vault.v1 import validation_service_pb2 as validation
from vault.wiring.parts import assemble, open_custody, open_store

AT_ONCE = 100
KEY_JOBS = ("rekey", "rewrap", "reencrypt", "retag")
LATER_MS = 4_000_000_000_000
RUNNING, DONE = resources.RotationJob.STATE_RUNNING, resources.RotationJob.STATE_DONE


class Officer:
    """A security officer's calls."""

    def __init__(self, client: VaultClient) -> None:
        self._client = client
        self._incidents = client.incidents

    async def incident_over(self, cards: Sequence[str]) -> str:
        """Open an incident over cards, and return its id."""
        request = incidents.OpenIncidentRequest(program=PROGRAM, title="a leak", scope=incidents.Incident.SCOPE_CARDS)
        incident_id = (await self._client.call(self._incidents.OpenIncident, request)).incident.incident_id
        for first in range(0, len(cards), 1000):
            addition = incidents.AddToSelectionRequest(program=PROGRAM, incident_id=incident_id)
            chosen = [resources.CardSelector(card_id=card) for card in cards[first : first + 1000]]
            addition.cards.cards.extend(chosen)
            await self._client.call(self._incidents.AddToSelection, addition)
        return incident_id

    async def freeze(self, incident_id: str) -> None:
        """Freeze an incident."""
        request = incidents.FreezeIncidentRequest(program=PROGRAM, incident_id=incident_id)
        await self._client.call(self._incidents.FreezeIncident, request)

    async def thaw(self, incident_id: str) -> None:
        """Thaw an incident."""
        request = incidents.ThawIncidentRequest(program=PROGRAM, incident_id=incident_id)
        await self._client.call(self._incidents.ThawIncident, request)

    async def reissue(self, incident_id: str, rest_seconds: int, request_id: str = "") -> str:
        """Start a re-issue of an incident's cards, and return the job's id."""
        work = rotation.Reissue(incident_id=incident_id)
        request = rotation.CreateRotationJobRequest(program=PROGRAM, request_id=request_id, reissue=work)
        return await self._start(request, rest_seconds)

    async def move(self, kind: str, rest_seconds: int) -> str:
        """Start one of ``KEY_JOBS``, and return its id."""
        request = rotation.CreateRotationJobRequest(program="" if kind == "retag" else PROGRAM)
        getattr(request, kind).SetInParent()
        return await self._start(request, rest_seconds)

    async def _start(self, request: rotation.CreateRotationJobRequest, rest_seconds: int) -> str:
        request.request_id = request.request_id or str(uuid4())
        request.rest.CopyFrom(Duration(seconds=rest_seconds))
        return (await self._client.call(self._client.rotation.CreateRotationJob, request)).job.job_id

    async def job(self, job_id: str, program: str = PROGRAM) -> resources.RotationJob:
        """Return a job."""
        request = rotation.GetRotationJobRequest(program=program, job_id=job_id)
        return (await self._client.call(self._client.rotation.GetRotationJob, request)).job


class Shop:
    """Asks for codes without a pause, and holds every answer against what it can be."""

    def __init__(self, vault: Running, sold: Sequence[str], leaked: Sequence[str]) -> None:
        """Know some codes that stay good, and some whose cards get other codes at some time."""
        self._vault = vault
        self._sold = sold
        self._leaked = leaked
        self._may_change = frozenset(leaked)
        self._superseded: set[str] = set()
        self._random = random.Random(len(sold) + len(leaked))
        self._frozen: bool | None = False
        self._turns = 0
        self.answers = Counter[str]()
        self.wrong = Counter[str]()
        self.unavailable = 0

    @property
    def frozen(self) -> bool | None:
        """Whether the leaked codes are frozen; None while that changes."""
        return self._frozen

    @frozen.setter
    def frozen(self, frozen: bool | None) -> None:
        self._frozen = frozen
        self._turns += 1

    @asynccontextmanager
    async def asking(self) -> AsyncIterator[None]:
        """Ask all the while."""
        stop = asyncio.Event()
        async with self._vault.client("shop") as client:
            callers = [asyncio.create_task(self._ask_until(client, stop)) for _ in range(2)]
            try:
                yield
            finally:
                stop.set()
                await asyncio.gather(*callers)

    async def _ask_until(self, client: VaultClient, stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                await self._ask(client)
            except Unavailable:
                self.unavailable += 1
            await asyncio.sleep(0.01)

    async def _ask(self, client: VaultClient) -> None:
        sold = self._random.sample(self._sold, min(AT_ONCE, len(self._sold)))
        leaked = self._random.sample(self._leaked, min(AT_ONCE, len(self._leaked)))
        superseded, frozen, turns = set(self._superseded), self._frozen, self._turns
        codes = [resources.PresentedCode(code=code) for code in (*sold, *leaked)]
        request = validation.BatchValidateCodesRequest(programs=[PROGRAM], codes=codes)
        answer = await client.call(client.validation.BatchValidateCodes, request)
        if turns != self._turns:
            frozen = None
        may_be = {True: {"FROZEN", "SUPERSEDED"}, False: {"GOOD", "SUPERSEDED"}, None: {"GOOD", "FROZEN", "SUPERSEDED"}}
        for code, result in zip((*sold, *leaked), answer.results, strict=True):
            name = _name_of(result)
            self.answers[name] += 1
            right = {"GOOD"}
            if code in self._may_change:
                right = {"SUPERSEDED"} if code in superseded else may_be[frozen]
            if name not in right:
                self.wrong[f"{name}, not {sorted(right)}"] += 1
            if name == "SUPERSEDED":
                self._superseded.add(code)


def _name_of(result: validation.ValidatedCode) -> str:
    if result.verdict == resources.VERDICT_GOOD:
        return "GOOD"
    return resources.Detail.Name(result.detail).removeprefix("DETAIL_")


def tell_details(vault: Running) -> None:
    """Give the shops the right to details; before the vault starts."""
    access = vault.folder / "access.toml"
    text = access.read_text(encoding="utf-8")
    given = text.replace('{ "*" = ["validator"] }', '{ "*" = ["validator", "detail"] }')
    assert given != text
    access.write_text(given, encoding="utf-8")


@asynccontextmanager
async def opened(configuration: Path) -> AsyncIterator[Workshop]:
    """Open the vault that a configuration names, in this process and long after; it is to be stopped."""
    loaded = config.load(configuration)
    store = open_store(loaded)
    clock = Clock()
    clock.now_ms = LATER_MS
    try:
        parts = await assemble(loaded, store, open_custody(loaded))
        postgres = loaded.store.kind == "postgres"
        yield Workshop(parts, clock, PostgresDatabase(loaded.store.dsn) if postgres else Database(loaded.store.path))
    finally:
        await store.close()
