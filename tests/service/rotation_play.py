"""Plays a sequence of acts on a vault of several processes, and holds every answer against the model's."""

from typing import Any
from uuid import uuid4

import pytest

from tests.jobs.keymoves import plaintexts
from tests.service.exchanging import Claimant, ExchangeDesk
from tests.service.rotation_model import Card, Code, Incident, Job, Model
from tests.service.wholeness import check_moved, check_whole
from tests.workshop import Workshop
from vault.errors import FailedPrecondition, Unavailable
from vault.jobs.chunk import Step
from vault.jobs.runner import Runner
from vault.model.rows import JobRow
from vault.model.states import CardState, Detail, IncidentScope, JobKind, JobState, Proof, Unsold
from vault.secret import Secret
from vault.service import rules
from vault.service.exchanging.claims import Shown
from vault.service.issuing.delivery import Delivery
from vault.service.issuing.issue import CardPlan
from vault.service.rotation.joborder import ReissueOrder, RotationOrder
from vault.service.rotation.naming import MOVED_BY
from vault.service.rotation.reissue_card import CardRequest
from vault.service.select import Selector

PROCESSES = 2
CHUNK = 2
MOST_CHUNKS = 1000
HOUR = 3600


class Lane:
    """A lane of a job process that can be stopped between preparing a chunk and writing it."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._ready: tuple[JobRow, Step, float] | None = None

    async def prepare(self) -> bool:
        """Prepare a chunk of the lane's job, unless one is; return whether there is one."""
        if self._ready is None and (job := await self._runner._lease()) is not None:
            kind = self._runner._kinds[JobKind(job.kind)]
            try:
                self._ready = job, await kind.prepare(job, CHUNK), kind.box_seconds
            except Unavailable:
                return True
        return self._ready is not None

    async def write(self) -> bool:
        """Write the chunk, preparing it first if need be; return whether there was one."""
        there = await self.prepare()
        if self._ready is not None:
            ready, self._ready = self._ready, None
            try:
                await self._runner._chunk(*ready)
            except Unavailable:  # what was prepared is stale
                return True
        return there


class Play:
    """A vault and its model."""

    def __init__(self, shop: Workshop) -> None:
        self.model = Model()
        self._shop = shop
        self._processes = [shop, *(shop.restarted() for _ in range(PROCESSES))]
        self._lanes = [Lane(process.runner()) for process in self._processes]
        self._granted: tuple[Claimant, Card, int, int] | None = None
        self._turn = 0

    async def act(self, name: str, *choices: Any) -> None:
        """Do one thing, by the process whose turn it is, and check every answer afterwards by another one."""
        self._turn += 1
        self._shop.clock.advance(1)
        await getattr(self, f"_{name}")(self._processes[self._turn % len(self._processes)], *choices)
        await self._learn()
        await self._check_answers()

    async def end(self) -> None:
        """Finish all jobs, lift all holds, and check that nothing was lost."""
        await self.act("finish")
        for place, incident in enumerate(list(self.model.incidents.values())):
            if incident.frozen:
                await self.act("turn_hold", place)
        for card in self.model.cards.values():
            if card.contested:
                card.contested = False
                await ExchangeDesk(self._shop).release(card.card_id)
        await self._check_answers()
        codes = await check_whole(self._shop)
        assert codes == {card.card_id: [code.digits for code in card.codes] for card in self.model.cards.values()}
        for kind in {job.kind for job in self.model.jobs.values()} & set(MOVED_BY):
            await check_moved(self._shop, kind)

    async def _issue(self, shop: Workshop, count: int, sold: bool) -> None:
        state = CardState.ACTIVE if sold else CardState.INACTIVE
        for code in (await shop.issue(count, plan=CardPlan(payload=b"a record", state=state))).codes:
            first = Code(code.code.expose(), code.serial)
            self.model.cards[code.card_id] = Card(code.card_id, state, [first])

    async def _change(self, shop: Workshop, verb: str, places: list[int]) -> None:
        cards = self.model.picked(places)
        rule = rules.activate if verb == "activate" else rules.turn(verb)
        changes = await shop.change(rule, *(card.card_id for card in cards))
        assert [change.outcome for change in changes] == [self.model.turn(card, verb) for card in cards]

    async def _open(self, shop: Workshop, places: list[int]) -> None:
        desk = ExchangeDesk(shop)
        cards = {card.card_id for card in self.model.picked(places)}
        incident = await (desk.over(cards) if cards else desk.open(IncidentScope.PROGRAM))
        self.model.incidents[incident.incident_id] = Incident(cards or None)

    async def _turn_hold(self, shop: Workshop, place: int) -> None:
        if (incident_id := self._incident(place)) is None:
            return
        desk, incident = ExchangeDesk(shop), self.model.incidents[incident_id]
        view = await desk.incidents.get(desk.call("GetIncident"), "netcash", incident_id, triage=False)
        await (desk.thaw(view.row) if incident.frozen else desk.freeze(view.row))
        incident.frozen = not incident.frozen

    async def _offer(self, shop: Workshop, place: int) -> None:
        if (incident_id := self._incident(place)) is None:
            return
        desk = ExchangeDesk(shop)
        view = await desk.incidents.get(desk.call("GetIncident"), "netcash", incident_id, triage=False)
        await desk.offer(view.row, Proof.SERIAL)
        self.model.incidents[incident_id].offers = True

    async def _reissue(self, shop: Workshop, place: int | None, unsold: Unsold) -> None:
        incident_id = None if place is None else self._incident(place)
        order = ReissueOrder(incident_id=incident_id or b"", unsold=unsold)
        job = Job(JobKind.REISSUE, incident_id, unsold)
        await self._start(shop, RotationOrder(JobKind.REISSUE, "netcash", order), job)

    async def _move(self, shop: Workshop, kind: JobKind) -> None:
        await self._start(shop, RotationOrder(kind, "" if kind == JobKind.RETAG else "netcash"), Job(kind))

    async def _start(self, shop: Workshop, order: RotationOrder, job: Job) -> None:
        create = shop.rotation.create(shop.call(request_id=uuid4()), order, validate_only=False)
        if self.model.collides(job):
            with pytest.raises(FailedPrecondition, match="a job that does the same is running"):
                await create
        else:
            self.model.start((await create).job.row.job_id, job)

    async def _renew(self, shop: Workshop, place: int) -> None:
        (card,) = self.model.picked([place])
        request = CardRequest("netcash", Selector(card.card_id), Delivery(), "lost")
        renew = shop.card_reissue.reissue(shop.call(request_id=uuid4()), request)
        if self.model.renews(card):
            (new,) = (await renew).codes
            card.codes.append(Code(new.code.expose(), new.serial))
        else:
            with pytest.raises(FailedPrecondition, match=r"closed|on hold"):
                await renew

    async def _exchange(self, shop: Workshop, place: int, back: int, right: bool) -> None:
        (card,) = self.model.picked([place])
        generation = max(1, card.generation - back)
        claimant = Claimant(shop)
        done = self.model.claim(card, generation, right=right)
        await self._claim(claimant, card, generation, done=done, right=right)
        if done:
            self._granted = claimant, card, generation, card.generation
        elif not right:
            shop.clock.advance(HOUR)  # the longest wait after a wrong proof

    async def _repeat(self, shop: Workshop) -> None:
        """Send the last claim that was granted again, which gives the same code, unless the card has another."""
        if self._granted is not None and self._granted[1].generation == self._granted[3]:
            claimant, card, generation, _ = self._granted
            claimant.shop = shop
            await self._claim(claimant, card, generation, done=True, right=True)

    async def _claim(self, claimant: Claimant, card: Card, generation: int, *, done: bool, right: bool) -> None:
        code = card.codes[generation - 1]
        shown = Shown(Proof.SERIAL, Secret(code.serial.encode() if right else b"A00000000000A"))
        claimed = await claimant.claim(code.digits, shown)
        assert claimed.done == done
        if done:
            opened = claimant.open(claimed)
            assert (opened.code.encode(), opened.serial) == (card.codes[-1].digits, card.codes[-1].serial)

    async def _prepare(self, _: Workshop, lane: int) -> None:
        await self._lanes[lane].prepare()

    async def _write(self, _: Workshop, lane: int, chunks: int) -> None:
        for _each in range(chunks):
            await self._lanes[lane].write()

    async def _finish(self, _: Workshop) -> None:
        for _each in range(MOST_CHUNKS):
            if not [await lane.write() for lane in self._lanes].count(True):
                break
        assert not self._shop.database.rows("job", state=JobState.RUNNING)

    def _incident(self, place: int) -> bytes | None:
        names = list(self.model.incidents)
        return names[place % len(names)] if names else None

    async def _learn(self) -> None:
        """Learn what jobs have done meanwhile: each thing at most once, and nothing that they may not do."""
        database, model = self._shop.database, self.model
        rows = {row["card_id"]: row for row in database.rows("card")}
        given = {(row["card_id"], row["generation"]): row["job_id"] for row in database.rows("reissue")}
        serials = {(row["card_id"], row["generation"]): row["serial"] for row in database.rows("serial")}
        behind = [card for card in model.cards.values() if card.generation < rows[card.card_id]["generation"]]
        opened = await plaintexts(self._shop) if behind else {}
        codes = {(place.card_id, place.generation): code for place, code in opened.items() if place.table == "code"}
        for card in behind:
            for generation in range(card.generation + 1, rows[card.card_id]["generation"] + 1):
                which = card.card_id, generation
                model.renew(model.jobs[given[which]], card, Code(codes[which], serials[which]))
        for card in model.cards.values():
            row = rows[card.card_id]
            if row["state"] != card.state:
                assert row["state"] == CardState.CLOSED
                model.withdraw(card)
            assert (row["generation"], row["state"]) == (card.generation, card.state)
        assert rows.keys() == model.cards.keys()
        for row in database.rows("job"):
            assert row["state"] in (JobState.RUNNING, JobState.DONE), row["last_error"]
            job = model.jobs[row["job_id"]]
            if row["state"] == JobState.DONE and not job.ended:
                model.end(job)

    async def _check_answers(self) -> None:
        expected = self.model.details()
        process = self._processes[(self._turn + 1) % len(self._processes)]
        judged: list[Detail] = [judgement.detail for judgement in await process.judge(*expected)]
        assert judged == list(expected.values())
