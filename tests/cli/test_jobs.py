"""What a job's end means: exit status and what to do next."""

import pytest

from vault.cli.jobs import status_of, steps_after
from vault.v1.resources_pb2 import RotationJob

JOB = "6f2c7a86-7f0e-4c2c-9f7e-0c6f3d1e2b3a"
INCIDENT = "00000000-0000-4000-8000-000000000000"


def job(state: "RotationJob.State.ValueType", kind: "RotationJob.Kind.ValueType", **counts: int) -> RotationJob:
    made = RotationJob(job_id=JOB, program="netcash", kind=kind, state=state)
    for name, count in counts.items():
        setattr(made, name, count)
    return made


@pytest.mark.parametrize(
    ("state", "facts", "status"),
    [
        (RotationJob.STATE_DONE, {"done_count": 5}, 0),
        (RotationJob.STATE_DONE, {"done_count": 5, "error_count": 1}, 3),
        (RotationJob.STATE_RUNNING, {}, 0),
        (RotationJob.STATE_PAUSED, {}, 3),
        (RotationJob.STATE_CANCELLED, {"done_count": 5}, 3),
        (RotationJob.STATE_FAILED, {"withdrawn_count": 5}, 3),
        (RotationJob.STATE_FAILED, {}, 1),
        (RotationJob.STATE_CANCELLED, {}, 1),
    ],
)
def test_the_exit_status_tells_whether_all_some_or_nothing_was_done(
    state: "RotationJob.State.ValueType", facts: dict[str, int], status: int
) -> None:
    assert status_of(job(state, RotationJob.KIND_REISSUE, **facts)) == status


def test_every_end_says_what_is_next() -> None:
    for state in RotationJob.State.values()[1:]:
        for kind in RotationJob.Kind.values()[1:]:
            assert steps_after(job(state, kind)), (state, kind)


def test_a_paused_job_is_resumed_or_cancelled_and_errors_are_told_of_first() -> None:
    paused = steps_after(job(RotationJob.STATE_PAUSED, RotationJob.KIND_REKEY))
    assert paused[0].startswith(f"cardvault rotate resume netcash {JOB} --apply")
    done = job(RotationJob.STATE_DONE, RotationJob.KIND_REISSUE, error_count=2)
    done.incident_id = INCIDENT
    steps = steps_after(done)
    assert steps[0].startswith("2 failed their integrity check")
    assert steps[1].startswith(f"cardvault incident show netcash {INCIDENT}")


def test_the_vaults_own_job_has_a_dash_for_its_program() -> None:
    retag = job(RotationJob.STATE_RUNNING, RotationJob.KIND_RETAG)
    retag.program = ""
    assert steps_after(retag)[0].startswith(f"cardvault rotate watch - {JOB}")


def test_another_reissue_gives_every_card_a_new_code_and_is_not_said_to_do_the_rest() -> None:
    ended = RotationJob.STATE_CANCELLED
    assert "once more" in steps_after(job(ended, RotationJob.KIND_REISSUE))[-1]
    assert "passed over" in steps_after(job(ended, RotationJob.KIND_REWRAP))[-1]
