"""What an edge seals codes to: the rules, without any input or output.

``SealingKeys`` takes answers of ListPublicKeys, from the vault or through others, and names one key to seal to:

1. It is active in the last answer that was taken, an X25519 key that keeps a secret, and of those the highest
   version.
2. There is no going back: an answer whose active version is lower than one sealed to before, in which a key has
   gone back in its life (such as from compromised to active), or has become another key, is refused as a whole,
   and what was known stays.
3. A key that an answer calls deactivated or compromised is sealed to no more, even where that leaves none.
4. Where keys are pinned, others do not exist.

An answer that comes through others is only as honest as they are: a relay may replace the keys by its own and
read what is sealed to them. Pin the keys wherever the edge does not ask the vault itself. Keys can be pinned
before they are in use, as the vault announces the next one.
"""

from collections.abc import Collection, Sequence
from enum import IntEnum
from typing import Final, NamedTuple

from vault.codes.format import normalize
from vault.crypto.jws import key_id
from vault.crypto.keypair import check_recipient_key
from vault.crypto.submission import MOST_CODES
from vault.errors import FailedPrecondition, IntegrityFailure, InvalidInput
from vault.formats.v1.submission_pb2 import Submission
from vault.model.states import KeyPurpose
from vault.v1.resources_pb2 import PublicKey
from vault.v1.validation_service_pb2 import ListPublicKeysResponse

_FIRST_VERSION: Final = 1
_LAST_VERSION: Final = 2**32 - 1


class Purpose(IntEnum):
    """What a submission may be used for; a code that is to be validated and then redeemed is sealed twice."""

    VALIDATE = 1
    REDEEM = 2
    EXCHANGE = 3


class SealingKey(NamedTuple):
    """One version of the vault's sealing key: its X25519 public key, 32 bytes."""

    version: int
    public_key: bytes


class SealingKeys:
    """The vault's sealing keys, as far as they are known."""

    def __init__(self, *, pins: Collection[bytes] = (), lowest_version: int = _FIRST_VERSION) -> None:
        """Know none yet.

        Args:
            pins: Public keys, 32 bytes each, to which alone is sealed; empty: to whatever the answers name.
            lowest_version: The version below which nothing is sealed, such as ``highest_version`` of an earlier
                run.
        """
        self._pins = frozenset(pins)
        self._known: dict[int, PublicKey] = {}
        self._active: SealingKey | None = None
        self.highest_version = lowest_version

    def accept(self, answer: ListPublicKeysResponse) -> None:
        """Take an answer of ListPublicKeys.

        Raises:
            IntegrityFailure: SEALING_KEYS: it goes back behind what is known, or is malformed; it is passed over.
        """
        offered = [key for key in answer.keys if key.purpose == PublicKey.PURPOSE_SEALING]
        if self._pins:
            offered = [key for key in offered if key.public_key in self._pins]
        found = {_version(key): key for key in offered}
        active = [version for version, key in found.items() if key.state == PublicKey.STATE_ACTIVE]
        if len(found) < len(offered) or any(self._goes_back(version, key) for version, key in found.items()):
            raise _refused()
        if active and max(active) < self.highest_version:
            raise _refused()
        self._known |= found
        self._active = None
        if active:
            self.highest_version = max(active)
            self._active = SealingKey(self.highest_version, found[self.highest_version].public_key)

    def current(self) -> SealingKey:
        """Return the key to seal to.

        Raises:
            FailedPrecondition: NO_SEALING_KEY: none is active, or none of those that are pinned.
        """
        if self._active is None:
            pinned = "is pinned and active; pin the vault's new one" if self._pins else "is active"
            message = f"there is nothing to seal to: no sealing key {pinned}"
            raise FailedPrecondition(message, reason="NO_SEALING_KEY")
        return self._active

    def _goes_back(self, version: int, key: PublicKey) -> bool:
        known = self._known.get(version)
        return known is not None and (known.public_key != key.public_key or known.state > key.state)


def compose(  # noqa: PLR0913  # the fields of a submission, each by name
    codes: str | Sequence[str],
    *,
    audience: str,
    program: str,
    purpose: Purpose,
    serial: str,
    public_key: bytes,
) -> Submission:
    """Return a submission of codes that still lacks its time and nonce.

    Args:
        codes: A code, or up to 1,000; in groups or not (spaces and hyphens are passed over), full-width digits
            too.
        audience: The principal that may present it, or whose relays may.
        program: The codes' program.
        purpose: What it may be used for.
        serial: For an exchange by serial.
        public_key: For an exchange: the one-time key that the new code is sealed to.

    Raises:
        InvalidInput: A code is none, and is named by its position; or there are none, or too many.
    """
    many = [codes] if isinstance(codes, str) else codes
    if not 0 < len(many) <= (MOST_CODES if purpose == Purpose.VALIDATE else 1):
        message = f"1 to {MOST_CODES:,} codes are sealed together to be validated, otherwise one"
        raise InvalidInput(message, reason="TOO_MANY", field="codes")
    digits = [normalize(code, f"codes[{position}]").decode() for position, code in enumerate(many)]
    return Submission(
        audience=audience,
        program=program,
        purpose=Submission.Purpose.ValueType(purpose),
        codes=digits,
        serial=serial,
        public_key=public_key,
    )


def _version(key: PublicKey) -> int:
    digits = key.key_id.rpartition("-")[2]
    version = int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= len(str(_LAST_VERSION)) else 0
    if not _FIRST_VERSION <= version <= _LAST_VERSION or key.key_id != key_id(KeyPurpose.SEALING, version):
        raise _refused()
    try:
        check_recipient_key(key.public_key)
    except InvalidInput:
        raise _refused() from None
    return version


def _refused() -> IntegrityFailure:
    message = "the sealing keys answered are not taken: they are malformed, or go back behind those known"
    return IntegrityFailure(message, reason="SEALING_KEYS")
