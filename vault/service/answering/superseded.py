"""How often superseded codes were tried: counted in memory, written in the background.

1. Counting keeps no answer waiting, and does not show in the time that an answer takes: a turn of the event loop later
   codes are counted, ``PAUSE_SECONDS`` later at most what was counted is written together.
2. A count whose writing failed is written with the next; one whose commit has an unknown outcome too, so uses
   may be counted twice then, never lost.

What a process had counted and not written when it was killed is lost from the counts, up to ``PAUSE_SECONDS``
of it. The audit log has every use, with its card.
"""

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final, NamedTuple

from vault import log
from vault.errors import VaultError
from vault.model.incident_rows import SupersededUseRow
from vault.model.shape import SHAPES
from vault.model.states import Detail
from vault.service.answering.judge import Judgement
from vault.service.recorder import Recorder
from vault.stores.protocol import Transaction

PAUSE_SECONDS: Final = 0.2
PIECE: Final = 500
"""Codes whose counts are written in one transaction, at most."""

_log = log.get(__name__)


class _Code(NamedTuple):
    """A superseded code."""

    program: str
    card_id: bytes
    generation: int


class _Uses(NamedTuple):
    """Uses of a code, and when the first and the last of them were."""

    uses: int
    first_ms: int
    last_ms: int

    def and_later(self, other: "_Uses") -> "_Uses":
        first_ms, last_ms = min(self.first_ms, other.first_ms), max(self.last_ms, other.last_ms)
        return _Uses(self.uses + other.uses, first_ms, last_ms)


class SupersededUses:
    """Counts the superseded codes that were tried in this process."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._counted: dict[_Code, _Uses] = {}
        self._writing = asyncio.Lock()

    def note(self, judgements: Sequence[Judgement]) -> None:
        """Have the superseded codes among some that were judged counted, when their answer is on its way."""
        asyncio.get_running_loop().call_soon(self._count, judgements)

    def _count(self, judgements: Sequence[Judgement]) -> None:
        for detail, card, generation in judgements:
            if detail is Detail.SUPERSEDED and card is not None:
                now_ms = self._recorder.clock_ms()
                self._add(_Code(card.program, card.card_id, generation), _Uses(1, now_ms, now_ms))

    async def run(self) -> None:
        """Write what was counted, again and again, until cancelled."""
        while True:
            await asyncio.sleep(PAUSE_SECONDS)
            try:
                # Cancelled in mid commit it could not know whether the counts were written.
                await asyncio.shield(self.flush())
            except VaultError as error:
                _log.error("superseded_uses_not_written", problem=error.message, reason=error.reason)

    async def flush(self) -> None:
        """Write what was counted so far.

        Raises:
            Unavailable: The store cannot be written now; it is kept for the next time.
            IntegrityFailure: A count is not what the vault wrote; likewise.
        """
        await asyncio.sleep(0)  # what was noted before is counted by then
        async with self._writing:
            counted, self._counted = self._counted, {}
            try:
                while counted:
                    piece = dict(sorted(counted.items())[:PIECE])
                    await self._recorder.store.transact(partial(self._write, piece))
                    for code in piece:
                        del counted[code]
            finally:
                for code, uses in counted.items():
                    self._add(code, uses)

    def _add(self, code: _Code, uses: _Uses) -> None:
        before = self._counted.get(code)
        self._counted[code] = uses if before is None else before.and_later(uses)

    def _write(self, piece: Mapping[_Code, _Uses], tx: Transaction) -> None:
        tagger = self._recorder.scope(tx).snapshot.tagger
        shape = SHAPES["superseded_use"]
        rows: list[SupersededUseRow] = []
        for program in sorted({code.program for code in piece}):
            of_program = {code: uses for code, uses in piece.items() if code.program == program}
            before: dict[_Code, _Uses] = {}
            for row in tx.superseded_uses.get(program, sorted({code.card_id for code in of_program})):
                tagger.verify(shape, row)
                before[_Code(*row[:3])] = _Uses(*row[3:6])
            for code, counted in of_program.items():
                known = before.get(code)
                uses = counted if known is None else known.and_later(counted)
                rows.append(tagger.tagged(shape, SupersededUseRow(*code, *uses, b"")))
        tx.superseded_uses.put(rows)
