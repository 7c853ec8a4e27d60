from vault.health import Health, State


def health(**states: State) -> Health:
    made = Health()
    for name, state in states.items():
        made.set(name.replace("_", "-"), state)
    return made


def test_a_vault_that_has_just_begun_lives_and_is_not_ready() -> None:
    assert (Health().live(), Health().ready()) == (True, False)


def test_one_worker_that_serves_is_enough() -> None:
    assert not health(worker_1=State.STARTING, worker_2=State.ENDED, jobs=State.READY).ready()
    assert health(worker_1=State.STARTING, worker_2=State.READY, jobs=State.ENDED).ready()


def test_a_job_process_alone_makes_no_vault_ready() -> None:
    assert not health(jobs=State.READY).ready()


def test_what_starts_drains_or_has_ended_lives_and_what_hangs_does_not() -> None:
    assert health(worker_1=State.STARTING, worker_2=State.DRAINING, jobs=State.ENDED).live()
    hung = health(worker_1=State.READY, jobs=State.HUNG)
    assert (hung.live(), hung.ready()) == (False, True)
    hung.forget("jobs")
    assert hung.live()


def test_a_vault_that_drains_is_not_ready_whatever_its_workers_do() -> None:
    draining = health(worker_1=State.READY)
    draining.drain()
    assert (draining.live(), draining.ready()) == (True, False)
    assert draining.summary() == "draining: worker-1 ready"


def test_the_states_can_be_read_and_not_changed_from_outside() -> None:
    states = health(worker_2=State.HUNG, worker_1=State.READY).states()
    assert dict(states) == {"worker-1": "ready", "worker-2": "hung"}
    assert not hasattr(states, "__setitem__")
