"""States and outcomes. The numbers are stored and are those of ``vault.v1``."""

from enum import IntEnum


class CheckAlgorithm(IntEnum):
    """How a check digit is computed."""

    LUHN = 1
    DAMM = 2
    MOD_11_10 = 3


class ProgramState(IntEnum):
    """What a program is doing."""

    ACTIVE = 1
    STOPPED = 2
    CLOSED = 3


class BatchState(IntEnum):
    """How far a batch is."""

    ISSUING = 1
    READY = 2
    ACKNOWLEDGED = 3
    CANCELLED = 4
    WITHDRAWN = 5


class CardState(IntEnum):
    """What may be done with a card."""

    INACTIVE = 1
    ACTIVE = 2
    SUSPENDED = 3
    CLOSED = 4
    REDEEMED = 5


class Usage(IntEnum):
    """What the ledger says of a card's use."""

    UNUSED = 1
    IN_USE = 2
    EMPTY = 3


class Detail(IntEnum):
    """Why a code is not good; GOOD when it is."""

    GOOD = 0
    CHECK_DIGIT = 1
    UNKNOWN = 2
    INACTIVE = 3
    SUSPENDED = 4
    CLOSED = 5
    REDEEMED = 6
    EXPIRED = 7
    SUPERSEDED = 8
    PROGRAM_STOPPED = 9
    INTEGRITY = 10
    FROZEN = 11
    SUBMISSION = 12


class ChangeOutcome(IntEnum):
    """What became of one item of a bulk change."""

    DONE = 1
    NOT_FOUND = 2
    WRONG_STATE = 3
    ETAG_MISMATCH = 4
    WINDOW_PASSED = 5
    OLD_SERIAL = 6
    INTEGRITY = 7
    EXPIRED = 8
    REPEATED = 9
    ON_HOLD = 10


class Role(IntEnum):
    """A right that the access file grants to a principal, per program."""

    ISSUER = 1
    SELLER = 2
    VALIDATOR = 3
    REDEEMER = 4
    EXCHANGER = 5
    KEEPER = 6
    REVEALER = 7
    OFFICER = 8
    OPERATOR = 9
    AUDITOR = 10
    DETAIL = 11


class KeyPurpose(IntEnum):
    """What a key is for; each purpose has versions of its own."""

    INDEX = 1
    WRAPPING = 2
    ROW_TAG = 3
    AUDIT_CHAIN = 4
    RECEIPT = 5
    STATEMENT = 6
    CHECKPOINT = 7
    SEALING = 8
    PAGE_TOKEN = 9
    REQUEST = 10


class KeyState(IntEnum):
    """How far a key version is in its life (NIST SP 800-57 part 1 revision 5, section 7)."""

    PRE_ACTIVE = 1
    ACTIVE = 2
    DEACTIVATED = 3
    COMPROMISED = 4
    DESTROYED = 5


class JobKind(IntEnum):
    """What a job does."""

    ISSUE_BATCH = 1
    CLOSE_BATCH = 2
    REISSUE = 3
    REKEY = 4
    REWRAP = 5
    REENCRYPT = 6
    RETAG = 7


class JobState(IntEnum):
    """How far a job is."""

    RUNNING = 1
    DONE = 2
    CANCELLED = 3
    FAILED = 4
    PAUSED = 5


class Unsold(IntEnum):
    """What a re-issue does with cards that were never sold."""

    REISSUE = 1
    WITHDRAW = 2
    LEAVE = 3


class IncidentState(IntEnum):
    """How far an incident is."""

    OPEN = 1
    FROZEN = 2
    CLOSED = 3


class IncidentScope(IntEnum):
    """What an incident is over."""

    PROGRAM = 1
    BATCHES = 2
    CARDS = 3


class Proof(IntEnum):
    """What a holder has to show to exchange a code."""

    SERIAL = 1
    SALE_SECRET = 2
    PURCHASE = 3


class HoldKind(IntEnum):
    """What a hold is over."""

    PROGRAM = 1
    BATCHES = 2
    CARDS = 3
    CONTESTED = 4
