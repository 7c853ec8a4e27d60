"""What is next in an incident, from how far it is."""

import time
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from vault.cli.incidents import steps_of
from vault.v1.incident_service_pb2 import Incident
from vault.v1.resources_pb2 import RotationJob

ID, JOB = "00000000-0000-4000-8000-000000000000", "6f2c7a86-7f0e-4c2c-9f7e-0c6f3d1e2b3a"
THEN = Timestamp(seconds=1)


def verbs(incident: Incident, *jobs: "RotationJob.State.ValueType") -> list[str]:
    """Answer the commands of the steps, without their arguments."""
    made = [RotationJob(job_id=JOB, program="netcash", incident_id=ID, state=state) for state in jobs]
    words = [step.split("  ")[0].split() for step in steps_of(incident, made)]
    return [" ".join(command[1:4] if command[2] == "exchange" else command[1:3]) for command in words]


def incident(state: "Incident.State.ValueType", **facts: Any) -> Incident:
    return Incident(incident_id=ID, program="netcash", state=state, scope=Incident.SCOPE_CARDS, **facts)


def test_an_open_incident_is_filled_measured_and_frozen() -> None:
    steps = ["incident add", "incident triage", "incident block", "incident freeze"]
    assert verbs(incident(Incident.STATE_OPEN)) == steps
    over_all = incident(Incident.STATE_OPEN)
    over_all.scope = Incident.SCOPE_PROGRAM
    assert verbs(over_all) == steps[1:]


def test_a_frozen_one_is_reissued_watched_then_exchanged_and_thawed() -> None:
    frozen = incident(Incident.STATE_FROZEN, freeze_time=THEN)
    assert verbs(frozen) == ["rotate reissue", "incident thaw"]
    assert verbs(frozen, RotationJob.STATE_RUNNING) == ["rotate watch", "incident thaw"]
    assert verbs(frozen, RotationJob.STATE_FAILED) == ["rotate reissue", "incident thaw"]
    assert verbs(frozen, RotationJob.STATE_DONE) == ["rotate export", "incident exchange open", "incident thaw"]


def test_a_thawed_one_is_reported_and_closed_once_the_exchange_is_over() -> None:
    thawed = incident(Incident.STATE_OPEN, freeze_time=THEN, thaw_time=THEN, exchange_until=THEN)
    assert verbs(thawed) == ["incident report", "incident close"]
    thawed.exchange_until.seconds = int(time.time()) + 3600
    assert verbs(thawed) == ["incident report", "incident exchange close", "incident close"]


def test_cards_that_joined_after_the_reissue_are_named() -> None:
    frozen = incident(Incident.STATE_FROZEN, freeze_time=THEN, card_count=1200)
    done = [
        RotationJob(job_id=JOB, program="netcash", incident_id=ID, state=RotationJob.STATE_DONE, seen_count=seen)
        for seen in (1000, 700)
    ]
    assert "the 200 cards that joined it after the re-issue" in steps_of(frozen, done)[0]
    frozen.card_count = 1000
    assert not any("joined" in step for step in steps_of(frozen, done))
    running = RotationJob(job_id=JOB, program="netcash", incident_id=ID, state=RotationJob.STATE_RUNNING)
    frozen.card_count = 1200
    assert not any("joined" in step for step in steps_of(frozen, [*done, running])), "it goes through them too"


def test_a_closed_one_is_reported() -> None:
    assert verbs(incident(Incident.STATE_CLOSED, thaw_time=THEN)) == ["incident report"]


def test_what_is_said_to_be_next_is_not_refused() -> None:
    opened = steps_of(incident(Incident.STATE_OPEN))
    assert any(f"block PRINCIPAL --note WHY --program netcash --incident {ID} --apply" in step for step in opened)
    done = RotationJob(job_id=JOB, program="netcash", incident_id=ID, state=RotationJob.STATE_DONE)
    for leaked, proof in ((False, "serial"), (True, "purchase")):
        frozen = incident(Incident.STATE_FROZEN, freeze_time=THEN, serials_leaked=leaked)
        assert any(f"--proof {proof}" in step for step in steps_of(frozen, [done]))
