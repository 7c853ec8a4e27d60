"""A program of cards as a plain model has it, and what the model says that each act does to it.

The model knows nothing of keys, digests, rows or tags: a card is its codes, its state, and who gave it each.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from vault.model.states import CardState, ChangeOutcome, Detail, JobKind, Unsold
from vault.service.answering.judge import BY_STATE

VERBS = {
    "activate": ({CardState.INACTIVE}, CardState.ACTIVE),
    "suspend": ({CardState.ACTIVE}, CardState.SUSPENDED),
    "resume": ({CardState.SUSPENDED}, CardState.ACTIVE),
    "close": ({CardState.INACTIVE, CardState.ACTIVE, CardState.SUSPENDED}, CardState.CLOSED),
}
SOLD = {CardState.ACTIVE, CardState.SUSPENDED}
SAME_ROWS = {JobKind.REKEY, JobKind.REWRAP, JobKind.REENCRYPT}


@dataclass
class Code:
    """A code, its serial, and the incident for which its card was given it, in which state; None for none."""

    digits: bytes
    serial: str
    incident: bytes | None = None
    state: CardState | None = None


@dataclass
class Card:
    """A card: its codes, oldest first, and the generations of those that were handed out in exchanges."""

    card_id: bytes
    state: CardState
    codes: list[Code]
    exchanged: set[int] = field(default_factory=set)
    contested: bool = False

    @property
    def generation(self) -> int:
        """The current code's generation."""
        return len(self.codes)


@dataclass
class Incident:
    """An incident over some cards, or (None) over all."""

    cards: set[bytes] | None
    frozen: bool = False
    offers: bool = False

    def covers(self, card: Card) -> bool:
        """Return whether a card is one of its."""
        return self.cards is None or card.card_id in self.cards


@dataclass
class Job:
    """A job; of a re-issue, whose cards it goes through, and those that it has given new codes or closed."""

    kind: JobKind
    incident: bytes | None = None
    unsold: Unsold = Unsold.REISSUE
    meant: set[bytes] = field(default_factory=set)
    done: set[bytes] = field(default_factory=set)
    ended: bool = False


@dataclass
class Model:
    """What is true."""

    cards: dict[bytes, Card] = field(default_factory=dict)
    incidents: dict[bytes, Incident] = field(default_factory=dict)
    jobs: dict[bytes, Job] = field(default_factory=dict)

    def picked(self, places: Iterable[int]) -> list[Card]:
        """Return the cards at some places, each once."""
        cards = list(self.cards.values())
        return list({place % len(cards): cards[place % len(cards)] for place in places}.values())

    def held(self, card: Card, but: bytes | None = None) -> bool:
        """Return whether a card is on hold by anything but one incident."""
        frozen = (each for name, each in self.incidents.items() if each.frozen and name != but)
        return card.contested or any(each.covers(card) for each in frozen)

    def details(self) -> dict[bytes, Detail]:
        """Return what each code that ever was is."""
        found = {}
        for card in self.cards.values():
            for code in card.codes[:-1]:
                found[code.digits] = Detail.SUPERSEDED
            found[card.codes[-1].digits] = Detail.FROZEN if self.held(card) else BY_STATE[card.state]
        return found

    def turn(self, card: Card, verb: str) -> ChangeOutcome:
        """Change a card's state, and return what became of it."""
        allowed, state = VERBS[verb]
        if card.state == state:
            return ChangeOutcome.DONE
        if card.state not in allowed:
            return ChangeOutcome.WRONG_STATE
        if verb == "activate" and self.held(card):
            return ChangeOutcome.ON_HOLD
        card.state = state
        return ChangeOutcome.DONE

    def renews(self, card: Card) -> bool:
        """Return whether a card gets a new code by itself."""
        return card.state != CardState.CLOSED and not self.held(card)

    def collides(self, wanted: Job) -> bool:
        """Return whether a job may not begin while another runs."""
        running = [job for job in self.jobs.values() if not job.ended]
        if wanted.kind == JobKind.REISSUE:
            return any(job.kind == JobKind.REISSUE and job.incident == wanted.incident for job in running)
        rivals = SAME_ROWS if wanted.kind in SAME_ROWS else {wanted.kind}
        return any(job.kind in rivals for job in running)

    def start(self, job_id: bytes, job: Job) -> None:
        """Begin a job over what there is now."""
        if job.kind == JobKind.REISSUE:
            incident = None if job.incident is None else self.incidents[job.incident]
            job.meant = {card.card_id for card in self.cards.values() if incident is None or incident.covers(card)}
        self.jobs[job_id] = job

    def renew(self, job: Job, card: Card, code: Code) -> None:
        """Take down that a job has given a card a new code."""
        assert card.card_id not in job.done
        assert card.state != CardState.CLOSED
        assert not (card.state == CardState.INACTIVE and job.unsold == Unsold.WITHDRAW)
        job.done.add(card.card_id)
        card.codes.append(Code(code.digits, code.serial, job.incident, card.state))

    def withdraw(self, card: Card) -> None:
        """Take down that a re-issue has closed a card, which one that withdraws unsold cards may."""
        jobs = [job for job in self.jobs.values() if job.unsold == Unsold.WITHDRAW and card.card_id not in job.done]
        assert jobs
        assert card.state == CardState.INACTIVE
        card.state = CardState.CLOSED

    def end(self, job: Job) -> None:
        """Take down that a job is done: no card that it was for is left."""
        job.ended = True
        left = [card for card in self.cards.values() if card.card_id in job.meant - job.done]
        assert {card.state for card in left} <= {CardState.CLOSED}

    def opening(self, card: Card, generation: int) -> bytes | None:
        """Return the incident whose exchange is open for a code."""
        later = card.codes[generation:]
        if not later or any(code.incident is None or code.state not in SOLD for code in later):
            return None
        if any(generation < exchanged < card.generation for exchanged in card.exchanged):
            return None
        last = later[-1].incident
        return last if last is not None and self.incidents[last].offers else None

    def claim(self, card: Card, generation: int, *, right: bool) -> bool:
        """Claim the successor of a card's code as nobody has before, and return whether it is handed out."""
        incident = self.opening(card, generation)
        if incident is None or not right:
            return False
        if card.generation in card.exchanged:
            card.contested = True
            return False
        if self.held(card, but=incident) or card.state not in SOLD:
            return False
        card.exchanged.add(card.generation)
        return True
