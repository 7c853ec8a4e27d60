"""The incident's story: 2006 as it should have gone, with shops asking all the time.

1. Shops and ledger are processes that run from before the leak to after the end; every other party's process
   starts when its turn comes.
2. With ``kill`` the story is played twice over the same data: everything is copied, while the vault is stopped,
   before the shops open. In the second run the job process is killed at random points until the re-issue is
   done, and both runs must end in the same state, card by card.
3. Every expectation that does not hold is told, and none is made up for: a step that does not come to its end
   ends its run.

It runs on one machine, whose cores the shops, the vault and everybody else share; what shops wait is measured
there. Kills of workers and of the whole vault are tests of their own.
"""

import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from vault.cli.demo import moments as when
from vault.cli.demo.atrest import copy_write_ahead_log
from vault.cli.demo.callers import add_callers, write_callers_profiles
from vault.cli.demo.database import moved
from vault.cli.demo.killer import Killer
from vault.cli.demo.place import Place
from vault.cli.demo.plan import CARDS_OF_2006
from vault.cli.demo.processes import Outcome, Party, VaultProcess, last_lines, migrate
from vault.cli.demo.stage import NETCASH
from vault.cli.demo.steps import Step
from vault.cli.demo.story import BEFORE, COMPANIONS, END, LEAK, REPAIR
from vault.cli.development import set_address, set_up
from vault.cli.failure import complain
from vault.cli.progress import progress_bar
from vault.client.recipient import create_key_file
from vault.errors import FailedPrecondition

ANY_PORT = "127.0.0.1:0"
QUIET_SECONDS = (1.5, 5.0)
LIFE_SECONDS = (0.5, 3.0)
OPENING_SECONDS = 180.0
POLL_SECONDS = 0.05

Group = Sequence[Step]


class Scale(NamedTuple):
    """How large the story is, and how it is told; ``databases`` are PostgreSQL's, one for each run, or none."""

    cards: int
    kill: bool
    plant: bool
    quiet: bool
    databases: tuple[str, ...] = ()

    def between(self, bounds: tuple[float, float]) -> float:
        """Answer seconds that suit the number of cards."""
        least, most = bounds
        return least + (most - least) * min(1.0, self.cards / CARDS_OF_2006)


class Ended(NamedTuple):
    """One step's end: when, in seconds of the run, and what it came to."""

    step: Step
    at: float
    outcome: Outcome


class Run(NamedTuple):
    """What one run came to; ``kills`` are the cards done at each kill of the job process."""

    place: Place
    ended: list[Ended]
    problems: list[str]
    kills: list[int]

    def outcome(self, name: str) -> Outcome:
        """Answer what a step came to; nothing, if it was not reached."""
        found = (each.outcome for each in self.ended if each.step.name == name)
        return next(found, Outcome({}, [], 0.0))


class _Failed(Exception):  # ends a run whose problems are noted
    """A step did not come to its end."""


def play(folder: Path, scale: Scale) -> list[Run]:
    """Play the story once, or twice with kills; the vaults are stopped afterwards.

    Raises:
        FailedPrecondition: A vault could not be started or moved, or the shops got no answer.
        Unavailable: A vault was not started in time.
    """
    folder.mkdir(mode=0o700, exist_ok=True)
    one = Run(Place(folder / "first") if scale.kill else Place(folder), [], [], [])
    _make(one.place)
    with _vault(one):
        if not _guard(one, lambda: _take(one, BEFORE, scale)):
            return [one]
    runs = [one]
    if scale.kill:
        runs.append(Run(Place(folder / "second"), [], [], []))
        shutil.copytree(one.place.folder, runs[1].place.folder)
    for run, database in zip(runs, scale.databases or (None, None), strict=False):
        with moved(run.place, database), _vault(run) as vault:
            _tell(run, vault, scale, kill=run is not one)
    states = [run.outcome("ledger").result.get("state_sha256") for run in runs]
    if states[0] is None or len(set(states)) > 1:
        runs[-1].problems.append("the runs did not end in one state")
    return runs


def _make(place: Place) -> None:
    place.make()
    set_up(place.vault, address=ANY_PORT, programs={"shop": NETCASH})
    add_callers(place.vault)
    for path in (place.house_key, place.contractor_key):
        create_key_file(path)
    migrate(place)


@contextmanager
def _vault(run: Run) -> Iterator[VaultProcess]:
    """Run a vault in a run's place, and stop it."""
    vault = VaultProcess(run.place)
    try:
        write_callers_profiles(run.place.vault, vault.address)
        yield vault
        copy_write_ahead_log(run.place)
    finally:
        status = vault.stop()
    if status:
        run.problems.append(f"the vault ended with status {status}")
    set_address(run.place.configuration, vault.address)


def _guard(run: Run, act: Callable[[], None]) -> bool:
    """Do something that may end the run before its time, and answer whether it did not."""
    try:
        act()
    except _Failed:
        complain(f"the end of the vault's log:\n{last_lines(run.place.log)}")
        return False
    return True


def _tell(run: Run, vault: VaultProcess, scale: Scale, *, kill: bool) -> Run:
    """Tell the story from the leak to the report, beside the shops and the ledger."""
    noting = run.place.moments.note
    quiet_seconds = scale.between(QUIET_SECONDS)

    def story() -> None:
        with _companions(run, scale) as companions:
            _pause(when.IDLE, when.IDLE_END, quiet_seconds, noting)
            run.ended.append(Ended(_QUIET, time.monotonic(), Outcome({}, [], quiet_seconds)))
            if scale.plant:
                noting(when.PLANTED)
            with _killing(run, vault, scale, kill=kill) as report:
                _take(run, LEAK, scale, report)
            _take(run, REPAIR, scale)
            _pause(when.AFTER, when.AFTER_END, quiet_seconds, noting)
            noting(when.SHOPS_CLOSE)
            shops, ledger = companions[:-1], companions[-1]
            _finish(run, shops)
            _take(run, END, scale)
            noting(when.SETTLE)
            _finish(run, [ledger])

    _guard(run, story)
    return run


_QUIET = Step("quiet", "shops ask, nothing else happens", "", "")


def _take(
    run: Run, groups: Iterable[Group], scale: Scale, also: Callable[[int, int], None] = lambda _done, _total: None
) -> None:
    """Have parties take their steps, one after the other.

    Raises:
        _Failed: A step did not come to its end.
    """
    for group in groups:
        with Party(run.place, scale.cards, [step.name for step in group]) as party:
            for step in group:
                with progress_bar(step.title, quiet=scale.quiet) as bar:

                    def report(done: int, total: int, bar: Callable[[int, int], None] = bar) -> None:
                        bar(done, total)
                        also(done, total)

                    outcome = party.outcome(report)
                _note(run, step, outcome)


def _note(run: Run, step: Step, outcome: Outcome) -> None:
    run.ended.append(Ended(step, time.monotonic(), outcome))
    run.problems.extend(f"{step.title}: {problem}" for problem in outcome.problems)
    if not outcome.result:
        raise _Failed


@contextmanager
def _companions(run: Run, scale: Scale) -> Iterator[list[tuple[Step, Party]]]:
    """Start the shops and the ledger, wait until every shop has had an answer, and end them all at the end."""
    started: list[tuple[Step, Party]] = []
    try:
        started += [(step, Party(run.place, scale.cards, [step.name])) for step in COMPANIONS]
        deadline = time.monotonic() + OPENING_SECONDS
        expected = {f"{step.name}{when.READY}" for step in COMPANIONS[:-1]}
        with progress_bar("shops open", quiet=scale.quiet):
            while not expected <= run.place.moments.read().keys():
                if time.monotonic() > deadline:
                    message = "the shops get no answers"
                    raise FailedPrecondition(message)
                time.sleep(POLL_SECONDS)
        yield started
    finally:
        for _, party in started:
            party.end()


def _finish(run: Run, companions: Sequence[tuple[Step, Party]]) -> None:
    for step, party in companions:
        _note(run, step, party.outcome())


@contextmanager
def _killing(run: Run, vault: VaultProcess, scale: Scale, *, kill: bool) -> Iterator[Callable[[int, int], None]]:
    """Kill the job process while the block goes on, if it is to be; what is answered takes the progress."""
    if not kill:
        yield lambda _done, _total: None
        return
    killer = Killer(vault.pid, run.place.moments, scale.between(LIFE_SECONDS))
    try:
        yield killer.report
    finally:
        killer.end()
        run.kills.extend(killer.kills)
    if not killer.kills:
        run.problems.append("the re-issue was done before its process was killed once")


def _pause(begins: str, ends: str, seconds: float, note: Callable[[str], float]) -> None:
    note(begins)
    time.sleep(seconds)
    note(ends)
