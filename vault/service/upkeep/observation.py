"""How a vault stands: room left under its bounds, what is in force, which jobs are unfinished.

Read by the process that tells it to metrics and by ``cardvault doctor``. Rows whose tags do not hold are
refused.
"""

from collections.abc import Mapping
from typing import NamedTuple

from vault.codes.odds import Odds
from vault.custody.protocol import Custody
from vault.model.rows import JobRow
from vault.model.shape import SHAPES
from vault.model.states import KeyPurpose, ProgramState
from vault.service.recorder import Scope
from vault.service.tally import odds
from vault.service.upkeep.rootcopies import unconfirmed


class Observed(NamedTuple):
    """A vault at one moment.

    ``odds`` and ``wraps`` (encryptions counted under the active key-encryption key) are by program, closed ones
    left out; ``unconfirmed_roots`` are root versions in use of which nobody has shown a copy; ``jobs`` those
    unfinished.
    """

    odds: Mapping[str, Odds]
    wraps: Mapping[str, int]
    holds: int
    incidents: int
    blocks: int
    unconfirmed_roots: list[int]
    jobs: list[JobRow]

    @property
    def odds_used(self) -> float:
        """The fullest program's live codes, as a part of those allowed."""
        return max((used_part(each) for each in self.odds.values()), default=0.0)


def observe(scope: Scope, custody: Custody) -> Observed:
    """Return how a vault stands.

    Raises:
        IntegrityFailure: A row that was read is not what the vault wrote.
    """
    tx, snapshot = scope.tx, scope.snapshot
    programs = [row for row in snapshot.programs.values() if row.state != ProgramState.CLOSED]
    jobs = [job for program in ("", *snapshot.programs) for job in tx.jobs.unfinished(program)]
    for job in jobs:
        snapshot.tagger.verify(SHAPES["job"], job)
    measures = snapshot.measures
    return Observed(
        odds={row.program: odds(scope, row) for row in programs},
        wraps={row.program: _wraps(scope, row.program) for row in programs},
        holds=len(measures.laid),
        incidents=len(measures.incidents),
        blocks=len(measures.blocks),
        unconfirmed_roots=unconfirmed(tx, snapshot, custody),
        jobs=jobs,
    )


def used_part(found: Odds) -> float:
    """Return a program's live codes as a part of those that its guess odds allow."""
    return found.live / max(1, found.allowed)


def _wraps(scope: Scope, program: str) -> int:
    version = scope.snapshot.keyring.active(KeyPurpose.WRAPPING, program).version
    use = scope.tx.keys.use(KeyPurpose.WRAPPING, program, version)
    if use is None:
        return 0
    scope.snapshot.tagger.verify(SHAPES["key_use"], use)
    return use.reserved
