"""Guess odds: the chance that one guess hits a code that is or may become good.

1. The arithmetic is exact: 1e-8 of 10^15 is 10,000,000, not one less by a rounding.
2. The check digit counts for nothing: a guesser computes it too.
3. An issuance that would pass the bound is refused, with the count that is still allowed.

It bounds what one guess is worth; how many guesses somebody gets is throttling's matter.
"""

from fractions import Fraction
from typing import Final, NamedTuple

from vault.codes.format import CodeFormat
from vault.errors import FailedPrecondition, InvalidInput

GUESSES_PER_HOUR: Final = 1_700_000
"""What one bot tried an hour in 2017: card numbers, over about 1,000 sites (the GiftGhostBot reports)."""


class Odds(NamedTuple):
    """A program's guess odds.

    Fields:
        code_space: How many codes there can be, at least 1.
        live: Codes that are or may become good.
        max_odds: The highest allowed chance of one guess, above 0.
    """

    code_space: int
    live: int
    max_odds: float

    @property
    def odds(self) -> float:
        """The chance that one guess hits."""
        return self.live / self.code_space

    @property
    def allowed(self) -> int:
        """How many codes may be live at once."""
        # By way of its shortest decimal form the bound is the number that was written, not the nearest binary.
        return int(Fraction(repr(self.max_odds)) * self.code_space)

    @property
    def remaining(self) -> int:
        """How many more codes may be issued."""
        return max(0, self.allowed - self.live)

    @property
    def expected_hits_per_hour(self) -> float:
        """How many codes a bot of 2017's size would find in an hour, unthrottled."""
        return GUESSES_PER_HOUR * self.live / self.code_space


def check_room(odds: Odds, wanted: int) -> None:
    """Accept an issuance of ``wanted`` codes.

    Raises:
        FailedPrecondition: GUESS_ODDS: it would pass the bound; ``remaining`` in the metadata is how many more
            are allowed.
    """
    remaining = odds.remaining
    if wanted > remaining:
        message = f"{wanted} more codes would make guessing too easy; {remaining} more are allowed"
        raise FailedPrecondition(message, reason="GUESS_ODDS", metadata={"remaining": str(remaining)})


def check_format_has_room(code_format: CodeFormat, max_odds: float) -> None:
    """Accept a format whose code space has room for one code at least.

    Raises:
        InvalidInput: GUESS_ODDS: ``max_odds`` is not above 0 and at most 1, or the format has room for no code.
    """
    if not 0 < max_odds <= 1:
        message = "the highest allowed guess odds are above 0 and at most 1"
        raise InvalidInput(message, reason="GUESS_ODDS", field="settings.max_guess_odds")
    if Odds(code_format.code_space, 0, max_odds).allowed < 1:
        message = "one code of this format would be guessed too easily: lengthen it or shorten its prefix"
        raise InvalidInput(message, reason="GUESS_ODDS", field="settings.code_format")
