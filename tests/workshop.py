"""A vault in one process, of real parts over a real SQLite file, for tests of the service and its jobs."""

import asyncio
import itertools
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple
from uuid import UUID, uuid4

from tests.service.database import Database
from tests.service.postgres_database import PostgresDatabase
from vault.audit.log import Log
from vault.client.package import open_package
from vault.codes.format import CodeFormat
from vault.crypto.keypair import public_key
from vault.custody.file import FileCustody
from vault.custody.protocol import Custody
from vault.formats.v1.audit_event_pb2 import AuditEvent
from vault.formats.v1.package_entry_pb2 import PackageEntry
from vault.jobs.runner import Runner
from vault.model.states import CheckAlgorithm, JobState, KeyPurpose, Role
from vault.policy.access import Grants
from vault.policy.call import Call
from vault.secret import Secret
from vault.service.answering.inquiries import Inquiries
from vault.service.answering.judge import Judgement
from vault.service.answering.public_keys import PublicKeys
from vault.service.answering.redemption import Redemptions
from vault.service.answering.superseded import SupersededUses
from vault.service.answering.validation import Validation
from vault.service.budget import WrapBudget
from vault.service.cards import Cards
from vault.service.catalogue import Catalogue
from vault.service.change import Change, Changes, Order, Rule
from vault.service.events import EventFilter, Events
from vault.service.exchanging.exchange import Exchanges
from vault.service.exchanging.salesecrets import Sales
from vault.service.issuing.batches import Batches, BatchPlan, BatchView
from vault.service.issuing.delivery import Delivered, Delivery
from vault.service.issuing.export import Export
from vault.service.issuing.issuance import Issuance
from vault.service.issuing.issue import CardPlan, Issuer
from vault.service.issuing.newcode import CodeMaker
from vault.service.issuing.packing import Manifest
from vault.service.issuing.preparation import Preparation
from vault.service.issuing.reveal import Reveal
from vault.service.keys import KeyMaker
from vault.service.programs import Programs, Settings
from vault.service.recipients import Recipients
from vault.service.recorder import Recorder
from vault.service.records import Records
from vault.service.rotation.destruction import Destruction
from vault.service.rotation.keyversions import KeyVersions
from vault.service.rotation.lineage import Lineage
from vault.service.rotation.promotion import Promotion
from vault.service.rotation.reissue import Reissuer
from vault.service.rotation.reissue_card import CardReissue
from vault.service.rotation.rotation import Rotation
from vault.service.rotation.rotation_package import RotationPackages
from vault.service.select import Selector
from vault.service.upkeep.initialise import initialise
from vault.stores.postgres import Address, PostgresStore
from vault.stores.protocol import Store
from vault.stores.sqlite import SqliteStore, migrate
from vault.wiring.job_process import kinds
from vault.wiring.parts import Parts

START_MS = 1_700_000_000_000
PRINCIPAL = "spiffe://test/all"
ALL = Grants({role: frozenset({"*"}) for role in Role})
SIXTEEN = CodeFormat(16, CheckAlgorithm.LUHN, "")


class Clock:
    """A clock that stands still until it is told to move."""

    def __init__(self) -> None:
        self.now_ms = START_MS

    def __call__(self) -> int:
        return self.now_ms

    def advance(self, seconds: float) -> None:
        self.now_ms += round(seconds * 1000)


class Package(NamedTuple):
    """A package as exported from an offset."""

    size: int
    data: bytes
    manifest: Manifest


class Workshop:
    """The services of one vault, and short ways to use them."""

    def __init__(self, parts: Parts, clock: Clock, database: Database) -> None:
        self.parts = parts
        self.database = database
        self.clock = clock
        recorder, random = parts.recorder, parts.random
        self.recorder = recorder
        self.store = parts.store
        self.programs = Programs(recorder, parts.keys)
        self.recipients = Recipients(recorder)
        self.issuance = Issuance(recorder, parts.preparation, parts.issuer, random)
        self.batches = Batches(recorder, parts.slot, random)
        self.export = Export(recorder, parts.budget, random)
        self.changes = Changes(recorder, parts.slot)
        self.cards = Cards(recorder)
        self.records = Records(recorder, parts.budget, random)
        self.reveal = Reveal(recorder, random)
        self.superseded = SupersededUses(recorder)
        self.validation = Validation(recorder, self.superseded)
        self.redemptions = Redemptions(recorder, parts.slot, random, self.superseded)
        self.inquiries = Inquiries(recorder, random, self.superseded)
        self.sales = Sales(self.changes, parts.budget, random)
        self.exchanges = Exchanges(recorder)
        self.public_keys = PublicKeys(recorder)
        self.events = Events(recorder)
        self.rotation = Rotation(recorder, random)
        self.lineage = Lineage(recorder)
        self.packages = RotationPackages(recorder, parts.budget, random)
        self.card_reissue = CardReissue(recorder, parts.budget, Reissuer(CodeMaker(parts.budget, random)), random)
        self.key_versions = KeyVersions(recorder, Promotion(recorder, parts.keys), parts.custody)
        self.destruction = Destruction(recorder, parts.keys, parts.custody)
        self.recipient_key = Secret(bytes(range(32)))
        self._count = itertools.count()

    def restarted(self, bound: int = 2**32) -> "Workshop":
        """Return what another process would be over the same store: nothing in memory yet."""
        parts = parts_over(self.store, self.parts.custody, self.clock, bound=bound)
        return Workshop(parts, self.clock, self.database)

    def call(
        self,
        method: str = "test",
        *,
        request_id: UUID | None = None,
        body: bytes = b"",
        principal: str = PRINCIPAL,
    ) -> Call:
        """Make a call by a principal that may do everything."""
        known = None if request_id is None else request_id.bytes
        return Call(principal, ALL, f"vault.v1.Test/{method}", f"c-{next(self._count)}", known, body)

    async def program(self, name: str = "netcash", **settings: object) -> str:
        """Create a program that delivers in clear, and a recipient in it."""
        wanted = Settings(**{"clear_delivery": True, "code_format": SIXTEEN, **settings})  # type: ignore[arg-type]
        await self.programs.create(self.call(), name, wanted)
        public = public_key(KeyPurpose.SEALING, self.recipient_key)
        assert public is not None
        for recipient in ("printer", "packer"):
            await self.recipients.create(self.call(), name, recipient, "", public)
        return name

    async def issue(
        self, count: int = 1, program: str = "netcash", call: Call | None = None, plan: CardPlan | None = None
    ) -> Delivered:
        """Issue cards, delivered in clear."""
        plans = [plan or CardPlan()] * count
        return await self.issuance.issue(call or self.call("Issue", request_id=uuid4()), program, plans, Delivery())

    async def change(self, rule: Rule, *cards: bytes, program: str = "netcash", **order: object) -> list[Change]:
        """Apply a rule to cards."""
        selectors = [Selector(card) for card in cards]
        return await self.changes.apply(
            self.call("Change", request_id=uuid4()),
            Order(program, selectors, rule, **order),  # type: ignore[arg-type]
        )

    async def judge(self, *codes: bytes, programs: tuple[str, ...] = ("netcash",)) -> list[Judgement]:
        """Validate codes."""
        return await self.validation.validate(self.call("Validate"), programs, codes, "codes[{}].code")

    async def batch(self, cards: int, program: str = "netcash") -> BatchView:
        """Create a batch."""
        plan = BatchPlan(cards, "printer")
        return await self.batches.create(self.call("Batch", request_id=uuid4()), program, plan, validate_only=False)

    def runner(self) -> Runner:
        """Make a lane of work."""
        return Runner(self.recorder, kinds(self.parts), self.parts.random)

    async def work(self, done: Callable[[], bool]) -> None:
        """Run jobs until the database is as wanted."""
        stop = asyncio.Event()
        running = asyncio.create_task(self.runner().run(stop))
        try:
            async with asyncio.timeout(600):
                while not done():  # noqa: ASYNC110  the database tells nobody
                    await asyncio.sleep(0.005)
        finally:
            stop.set()
            await running

    async def work_all(self) -> None:
        """Run jobs until none is left."""
        await self.work(lambda: not self.database.rows("job", state=JobState.RUNNING))

    async def issued_batch(self, cards: int, program: str = "netcash") -> BatchView:
        """Create a batch and have all its cards issued."""
        view = await self.batch(cards, program)
        await self.work_all()
        return await self.batches.get(self.call(), program, view.row.batch_id)

    async def package(self, batch_id: bytes, offset: int = 0, program: str = "netcash") -> Package:
        """Export a batch."""
        parts = [part async for part in self.export.stream(self.call("Export"), program, batch_id, offset)]
        size, manifest = parts[0], parts[-1]
        assert isinstance(size, int)
        assert isinstance(manifest, Manifest)
        return Package(size, b"".join(part for part in parts if isinstance(part, bytes)), manifest)

    def entries(self, package: bytes) -> list[PackageEntry]:
        """Open a package with the recipient's key."""
        return list(open_package([package], self.recipient_key))

    async def all_events(self) -> list[AuditEvent]:
        """Return every event."""
        views = await self.events.page(self.call("ListEvents"), EventFilter(), None, 1_000_000)
        return [view.event for view in views]


def parts_over(
    store: Store,
    custody: Custody,
    clock: Callable[[], int],
    *,
    random: Callable[[int], bytes] = os.urandom,
    bound: int = 2**32,
) -> Parts:
    """Put the parts of a process together over a store."""
    recorder = Recorder(store, Catalogue(custody), Log(clock_ms=clock, random=random), clock)
    keys = KeyMaker(custody, random)
    budget = WrapBudget(recorder, keys, bound)
    issuer = Issuer(budget, random)
    return Parts(
        store=store,
        custody=custody,
        keys=keys,
        recorder=recorder,
        budget=budget,
        issuer=issuer,
        preparation=Preparation(recorder, issuer, budget),
        slot=1,
        random=random,
    )


def _open(path: Path) -> tuple[Store, Database]:
    migrate(path)
    return SqliteStore.open(path), Database(path)


def _open_postgres(address: Address) -> tuple[Store, Database]:
    return PostgresStore.open(address), PostgresDatabase(address.dsn)


@asynccontextmanager
async def workshop(
    folder: Path,
    *,
    bound: int = 2**32,
    random: Callable[[int], bytes] = os.urandom,
    wrap: Callable[[Store], Store] = lambda store: store,
    address: Address | None = None,
) -> AsyncIterator[Workshop]:
    """Open a vault in a folder, making it first if it is not there; ``wrap`` may put something around its store.

    With an ``address`` its records live in that PostgreSQL database, which is migrated.
    """
    root = folder / "root.key"
    if not root.exists():
        FileCustody.create(root)
    custody = FileCustody(root)
    clock = Clock()
    store, database = _open(folder / "vault.db") if address is None else _open_postgres(address)
    try:
        keys = KeyMaker(custody, os.urandom)
        await store.transact(lambda tx: initialise(tx, keys, random=os.urandom, now_ms=clock.now_ms))
        parts = parts_over(wrap(store), custody, clock, random=random, bound=bound)
        yield Workshop(parts, clock, database)
    finally:
        await store.close()
