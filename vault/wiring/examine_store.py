"""Looking at a vault's store, as a process that serves sees it: keys, clock, bounds, and who else is there.

It writes nothing; that the store takes writes is tried with a transaction without any.
"""

import hashlib
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from vault.config import Config
from vault.model.rows import ProcessRow
from vault.service.events import FOREVER_MS
from vault.service.recorder import Scope
from vault.service.upkeep.observation import Observed, observe, used_part
from vault.service.upkeep.presence import BEAT_SECONDS, LOOKS
from vault.wiring.finding import Finding, Mark
from vault.wiring.parts import assemble, clock_ms, open_custody, open_store

SKEW_MS: Final = 2000
"""By how much this machine's clock may differ from the database's."""

FUTURE_MS: Final = 60_000
FULL: Final = 0.9
"""The part of a bound from which it is told that little is left."""

ALIVE_MS: Final = round(2 * BEAT_SECONDS * 1000)
"""A process that was seen within this time is taken to serve."""


class _Seen(NamedTuple):
    """What was read of the store in one transaction, and the times around it by this machine's clock."""

    observed: Observed
    before_ms: int
    store_ms: int
    after_ms: int
    from_the_future: bool
    processes: list[ProcessRow]


async def look_at_store(config: Config, *, thoroughly: bool, clock_ms: Callable[[], int] = clock_ms) -> list[Finding]:
    """Return what was found in the store.

    Args:
        config: The configuration.
        thoroughly: Whether to look at more than what a start needs.
        clock_ms: This machine's clock, in milliseconds since 1970.

    Raises:
        VaultError: It cannot be used; later looks would be in vain.
    """
    custody = open_custody(config)
    store = open_store(config)
    try:
        parts = await assemble(config, store, custody)
        await store.transact(lambda _: None)
        snapshot = parts.recorder.catalogue.latest
        programs = len(snapshot.programs) if snapshot else 0
        found = [
            Finding("store", Mark.OK, f"{config.store.kind}, of this release's schema, can be read and written"),
            Finding("keys", Mark.OK, f"the root key opens every key of {programs} programs and the vault"),
        ]
        if not thoroughly:
            return found

        def look(scope: Scope) -> _Seen:
            before = clock_ms()
            store_ms = scope.tx.processes.now_ms()
            after = clock_ms()
            late = scope.tx.audit.page(None, max(after, store_ms) + FUTURE_MS, FOREVER_MS, None, 1)
            return _Seen(observe(scope, custody), before, store_ms, after, bool(late), scope.tx.processes.all())

        seen = await store.read(lambda tx: look(parts.recorder.scope(tx)))
        return [*found, *_clock(seen), *_bounds(seen.observed, parts.budget.bound), *_others(config, seen)]
    finally:
        await store.close()


def _clock(seen: _Seen) -> Iterator[Finding]:
    # What lies between the two readings of this machine's clock is the way to the database and back.
    skew_ms = max(seen.before_ms - seen.store_ms, seen.store_ms - seen.after_ms, 0)
    to_do = "set the clocks of this machine and the database's by NTP"
    if seen.from_the_future:
        yield Finding("clock", Mark.PROBLEM, "the audit log holds events dated after now: a clock was wrong", to_do)
    elif skew_ms > SKEW_MS:
        yield Finding("clock", Mark.PROBLEM, f"this machine's clock is {skew_ms} ms off the database's", to_do)
    else:
        yield Finding("clock", Mark.OK, f"within {SKEW_MS} ms of the database's, and no event is dated after now")


def _bounds(observed: Observed, bound: int) -> Iterator[Finding]:
    if observed.unconfirmed_roots:
        versions = ", ".join(map(str, observed.unconfirmed_roots))
        yield Finding(
            "copy of the root key",
            Mark.WARNING,
            f"nobody has confirmed a copy of root version {versions}; if it is lost, so is every code",
            "copy it to another place, then `cardvault keys confirm-copy`",
        )
    else:
        yield Finding("copy of the root key", Mark.OK, "confirmed for every root version in use")
    full = {program: odds for program, odds in observed.odds.items() if used_part(odds) >= FULL}
    for program, odds in sorted(full.items()):
        seen = f"{program} has {odds.live} of {odds.allowed} codes that may be good; {odds.remaining} are left"
        yield Finding("guess odds", Mark.WARNING, seen, "close spent cards, or issue in a program of longer codes")
    if not full:
        yield Finding("guess odds", Mark.OK, f"every program has used less than {FULL:.0%} of its codes")
    program, most = max(observed.wraps.items(), key=lambda each: each[1], default=("no program", 0))
    seen = f"the most used key, {program}'s, has used {most / bound:.1%} of limits.wraps_per_key"
    yield Finding("encryptions per key", Mark.OK, f"{seen}; then the next version takes over")
    measures = f"{observed.incidents} incidents are open, {observed.holds} holds hold, {observed.blocks} are blocked"
    yield Finding("incidents", Mark.OK, measures)
    stuck = [job for job in observed.jobs if job.last_error]
    if stuck:
        told = ", ".join(sorted({job.last_error for job in stuck}))
        yield Finding("jobs", Mark.WARNING, f"{len(stuck)} met with {told}", "`cardvault rotate list` tells which")
    else:
        yield Finding("jobs", Mark.OK, f"{len(observed.jobs)} are unfinished, none has met with an error")


def _others(config: Config, seen: _Seen) -> Iterator[Finding]:
    alive = [row for row in seen.processes if seen.store_ms - row.seen_ms <= ALIVE_MS]
    path = config.server.access_file
    try:
        ours = hashlib.sha256(path.read_bytes()).digest()
        written_ms = path.stat().st_mtime_ns // 1_000_000
    except OSError:
        return  # told of the access file itself
    settled_ms = seen.store_ms - 1000 * LOOKS * BEAT_SECONDS
    differing = [row for row in alive if row.access_sha256 != ours]
    if not alive:
        yield Finding("processes", Mark.OK, "none serves from this store")
    elif not differing:
        yield Finding("processes", Mark.OK, f"{len(alive)} serve, by this access file")
    elif written_ms > settled_ms:
        yield Finding("processes", Mark.OK, f"{len(alive)} serve; the access file was changed just now")
    else:
        files = ", ".join(sorted({row.access_sha256.hex()[:12] for row in differing}))
        yield Finding(
            "processes",
            Mark.PROBLEM,
            f"{len(differing)} of {len(alive)} go by another access file than this one ({ours.hex()[:12]}): {files}",
            "deploy the same access file everywhere; if it is, `access_file_refused` in their logs says why",
        )
