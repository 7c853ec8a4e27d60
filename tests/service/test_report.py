"""The signed report: what it tells, that it verifies, and that it is made of rows the vault wrote."""

import hashlib
import os
from uuid import UUID

import pytest

from tests.service.desk import OFFICER, Desk
from tests.service.orders import reissued
from tests.service.reissue import reissue
from tests.workshop import Workshop
from vault.crypto.jws import key_id
from vault.crypto.statement import verify_statement
from vault.errors import IntegrityFailure, NotFound, PermissionDenied
from vault.formats.v1.job_record_pb2 import JobProgress, JobSpec
from vault.model.incident_rows import IncidentRow, ReissueRow
from vault.model.rows import JobRow
from vault.model.shape import SHAPES
from vault.model.states import CardState, Detail, JobKind, JobState, KeyPurpose
from vault.service.incidents import report
from vault.service.issuing.delivery import OpenedCode
from vault.service.issuing.issue import CardPlan
from vault.service.rotation.cardsource import INCIDENT
from vault.service.rotation.joborder import ReissueOrder
from vault.service.rotation.lineage import Lineage
from vault.stores.protocol import Transaction

ACTIVE = CardPlan(state=CardState.ACTIVE)


async def _claims(desk: Desk, incident: IncidentRow) -> dict[str, object]:
    """Make a report, and verify it as someone does who has nothing but the public keys."""
    signed = await desk.report.make(desk.call("GetIncidentReport"), incident.program, incident.incident_id)
    keys = await desk.shop.public_keys.all(desk.shop.call())
    public = {
        key_id(row.purpose, row.version): row.public_key
        for row in keys
        if row.purpose == KeyPurpose.STATEMENT and row.public_key is not None
    }
    return verify_statement(signed, public, report.KIND)


async def _reissued(shop: Workshop, incident: IncidentRow, cards: list[OpenedCode]) -> list[str]:
    """Re-issue cards as a job of an incident does, and return the lines of the lineage."""
    job_id = os.urandom(16)
    serials = {card.card_id: (await reissue(shop, card.card_id))[1] for card in cards}

    def write(tx: Transaction) -> None:
        tagged = shop.recorder.scope(tx).snapshot.tagger.tagged
        spec = JobSpec(format=1, source=INCIDENT).SerializeToString(deterministic=True)
        progress = JobProgress(format=1, skipped_count=7).SerializeToString(deterministic=True)
        job = JobRow(
            job_id,
            JobKind.REISSUE,
            incident.program,
            incident.incident_id,
            JobState.DONE,
            OFFICER,
            len(cards),
            len(cards),
            0,
            "",
            1,
            shop.clock(),
            shop.clock(),
            b"",
            None,
            0,
            spec,
            progress,
        )
        tx.jobs.insert(tagged(SHAPES["job"], job))
        found = tx.cards.get(incident.program, list(serials))
        rows = [
            ReissueRow(job_id, c.card_id, c.program, c.generation, c.state, shop.clock(), b"") for c in found.values()
        ]
        tx.reissues.insert([tagged(SHAPES["reissue"], row) for row in rows])

    await shop.store.transact(write)
    cards.sort()
    return [f"{card.serial},{serials[card.card_id]}\n" for card in cards]


async def test_it_tells_what_was_done_and_verifies_without_the_vault(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "PIECE", 2)
    await shop.program()
    desk = Desk(shop)
    issued = list((await shop.issue(5, plan=ACTIVE)).codes)
    incident = await desk.over([card.card_id for card in issued])
    lines = await _reissued(shop, incident, issued)
    shop.clock.advance(1.5)
    await desk.freeze(incident)
    await desk.blocks.block(desk.call("BlockPrincipal"), "netcash", "leaky", incident.incident_id, "it leaks")
    await desk.thaw(incident)
    old = issued[0].code.expose()
    await shop.judge(old, old, issued[1].code.expose())
    await shop.superseded.flush()
    claims = await _claims(desk, incident)
    assert claims["lineage"] == {"entries": 5, "sha256": hashlib.sha256("".join(lines).encode()).hexdigest()}
    assert claims["superseded_uses"] == {"uses": 3, "cards": 2}
    assert claims["cards"] == [{"state": "ACTIVE", "usage": "UNUSED", "count": 5}]
    assert (claims["exchanged"], claims["contested"]) == (0, 0)
    told = claims["incident"]
    assert isinstance(told, dict)
    assert told["incident_id"] == str(UUID(bytes=incident.incident_id))
    assert (told["state"], told["scope"], told["card_count"]) == ("OPEN", "CARDS", 5)
    assert (told["create_time"], told["freeze_time"]) == ("2023-11-14T22:13:20.000Z", "2023-11-14T22:13:21.500Z")
    timeline = claims["timeline"]
    assert isinstance(timeline, list)
    assert [(step["action"], step["count"]) for step in timeline] == [
        ("OpenIncident", 0),
        ("AddToSelection", 5),
        ("FreezeIncident", 5),
        ("BlockPrincipal", 0),
        ("ThawIncident", 5),
    ]
    assert {step["principal"] for step in timeline} == {OFFICER}
    blocked, jobs = claims["blocked_principals"], claims["jobs"]
    assert isinstance(blocked, list)
    assert isinstance(jobs, list)
    assert [(each["principal"], each["note"]) for each in blocked] == [("leaky", "it leaks")]
    assert [(job["kind"], job["state"], job["done"], job["skipped"]) for job in jobs] == [("REISSUE", "DONE", 5, 7)]


async def test_the_lineage_goes_job_by_job_oldest_first(shop: Workshop) -> None:
    await shop.program()
    desk = Desk(shop)
    issued = list((await shop.issue(3, plan=ACTIVE)).codes)
    incident = await desk.over([card.card_id for card in issued])
    first = await _reissued(shop, incident, issued)
    shop.clock.advance(1)
    renamed = [card._replace(serial=line[14:-1]) for card, line in zip(issued, first, strict=True)]
    second = await _reissued(shop, incident, renamed)
    for code in issued:
        await shop.judge(code.code.expose())
    await shop.superseded.flush()
    claims = await _claims(desk, incident)
    digest = hashlib.sha256("".join(first + second).encode()).hexdigest()
    assert claims["lineage"] == {"entries": 6, "sha256": digest}
    assert claims["superseded_uses"] == {"uses": 3, "cards": 3}


async def test_a_real_reissue_of_a_frozen_incident_is_told_as_its_list_of_cards_tells_it(shop: Workshop) -> None:
    await shop.program()
    desk = Desk(shop)
    issued = (await shop.issue(5, plan=ACTIVE)).codes
    incident = await desk.over([card.card_id for card in issued[:4]])
    await desk.freeze(incident)
    job = await reissued(shop, ReissueOrder(incident_id=incident.incident_id))
    (code,) = (await shop.issue(plan=ACTIVE)).codes
    judged = await shop.judge(*(card.code.expose() for card in (*issued, code)))
    assert [each.detail for each in judged] == [Detail.SUPERSEDED] * 4 + [Detail.GOOD] * 2
    listed = await Lineage(shop.recorder).page(shop.call(), "netcash", job.row.job_id, b"", 10)
    lines = "".join(f"{card.superseded_serial},{card.serial}\n" for card in listed)
    assert {card.superseded_serial for card in listed} == {card.serial for card in issued[:4]}
    await shop.superseded.flush()
    claims = await _claims(desk, incident)
    assert claims["lineage"] == {"entries": 4, "sha256": hashlib.sha256(lines.encode()).hexdigest()}
    assert claims["superseded_uses"] == {"uses": 4, "cards": 4}
    view = await desk.incidents.get(desk.call("GetIncident"), "netcash", incident.incident_id, triage=True)
    assert [each.row.job_id for each in view.jobs] == [job.row.job_id]
    assert sum(view.counts.values()) == 4


async def test_an_incident_without_anything_has_a_report(shop: Workshop) -> None:
    await shop.program()
    desk = Desk(shop)
    claims = await _claims(desk, await desk.open())
    assert claims["lineage"] == {"entries": 0, "sha256": hashlib.sha256(b"").hexdigest()}
    assert (claims["jobs"], claims["blocked_principals"], claims["cards"]) == ([], [], [])


async def test_a_missing_or_forged_step_is_no_report(shop: Workshop) -> None:
    await shop.program()
    desk = Desk(shop)
    incident = await desk.over([(await shop.issue()).codes[0].card_id])
    (first, _) = shop.database.rows("incident_step")
    shop.database.put("incident_step", first["rowid"], note="nothing happened")
    with pytest.raises(IntegrityFailure) as refused:
        await _claims(desk, incident)
    assert refused.value.reason == "ROW_TAG"
    shop.database.delete("incident_step", first["rowid"])
    with pytest.raises(IntegrityFailure) as refused:
        await _claims(desk, incident)
    assert refused.value.reason == "TIMELINE"


@pytest.mark.parametrize(
    ("table", "changes"),
    [("reissue", {"generation": 1}), ("superseded_use", {"uses": 0}), ("job", {"done_count": 9})],
)
async def test_a_forged_row_is_no_report(shop: Workshop, table: str, changes: dict[str, int]) -> None:
    await shop.program()
    desk = Desk(shop)
    issued = list((await shop.issue(plan=ACTIVE)).codes)
    incident = await desk.over([issued[0].card_id])
    await _reissued(shop, incident, issued)
    await shop.judge(issued[0].code.expose())
    await shop.superseded.flush()
    (row,) = shop.database.rows(table)
    shop.database.put(table, row["rowid"], **changes)
    with pytest.raises(IntegrityFailure):
        await _claims(desk, incident)


async def test_a_lineage_with_a_code_missing_is_no_report(shop: Workshop) -> None:
    await shop.program()
    desk = Desk(shop)
    issued = list((await shop.issue(plan=ACTIVE)).codes)
    incident = await desk.over([issued[0].card_id])
    await _reissued(shop, incident, issued)
    (row, _) = shop.database.rows("code")
    shop.database.delete("code", row["rowid"])
    with pytest.raises(IntegrityFailure) as refused:
        await _claims(desk, incident)
    assert refused.value.reason == "CODE_MISSING"


async def test_who_is_blocked_or_asks_for_what_is_not_there_gets_none(shop: Workshop) -> None:
    await shop.program()
    desk = Desk(shop)
    incident = await desk.open()
    with pytest.raises(NotFound):
        await desk.report.make(desk.call("GetIncidentReport"), "netcash", bytes(16))
    await desk.blocks.block(desk.call("BlockPrincipal"), "", "other", None, "x")
    call = desk.call("GetIncidentReport")._replace(principal="other")
    with pytest.raises(PermissionDenied):
        await desk.report.make(call, "netcash", incident.incident_id)


async def test_a_missing_card_of_a_job_that_has_ended_is_no_report(shop: Workshop) -> None:
    await shop.program()
    desk = Desk(shop)
    issued = list((await shop.issue(3, plan=ACTIVE)).codes)
    incident = await desk.over([card.card_id for card in issued])
    await reissued(shop, ReissueOrder(incident_id=incident.incident_id))
    shop.database.delete("reissue", shop.database.rows("reissue")[1]["rowid"])
    with pytest.raises(IntegrityFailure) as refused:
        await _claims(desk, incident)
    assert refused.value.reason == "REISSUE_MISSING"
