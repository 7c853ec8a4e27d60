"""Sealed submissions: codes on their way from an edge to the vault, which alone can open them.

Format of a submission:
    format        1   0x01
    key version   4   big-endian, of the vault's sealing key
    sealed box        ``sealedbox`` of the padded message, 48 bytes longer than it
The message is a ``vault.formats.v1.Submission``, padded to a multiple of 512 bytes after ISO/IEC 7816-4: one
byte 0x80, then zeros. The smallest submission has 565 bytes, and its length tells only how many codes it may
hold.

1. Only the vault's private key opens it, not even whoever sealed it.
2. What is opened is whole and unchanged since it was sealed: any other bit, length, format or version is
   refused.
3. What is opened makes sense: bounds and patterns hold, and no byte of it is without a meaning here, so nothing
   that a later edge adds is passed over in silence.
4. Whatever is wrong, the error is the same, and says nothing of a code.

It does not say who sealed it; whoever has a submission may present it. Whether it is fresh, was not taken
before, and is presented by its audience, for its program and purpose, is for whoever opens it to decide. An
edge needs libsodium and protobuf for it, nothing of a server. Never print a ``Submission``: protobuf writes its
codes out.
"""

import re
from typing import TYPE_CHECKING, Final

from google.protobuf.message import DecodeError
from nacl.bindings import sodium_pad, sodium_unpad
from nacl.exceptions import CryptoError

from vault.crypto.keypair import check_recipient_key
from vault.crypto.sealedbox import ADDED, open_box, seal_box
from vault.errors import IntegrityFailure, InvalidInput
from vault.formats.v1.submission_pb2 import Submission
from vault.model.states import KeyPurpose

if TYPE_CHECKING:
    from vault.crypto.keyring import Key  # an edge has no use for what a keyring needs

MOST_CODES: Final = 1000
"""Codes that one submission holds, to be validated; to be redeemed or exchanged it holds one."""
NONCE_SIZE: Final = 16
BLOCK_SIZE: Final = 512
SMALLEST: Final = 565
"""Bytes of a submission of one block."""
LARGEST: Final = 24629
"""Bytes of a submission of 48 blocks, more than the longest codes under the longest names need."""

_FORMAT: Final = 1
_HEAD_SIZE: Final = 5
_AROUND: Final = _HEAD_SIZE + ADDED
_LAST_VERSION: Final = 2**32 - 1
_AUDIENCE: Final = re.compile(r"[!-~]{1,2048}")
_PROGRAM: Final = re.compile(r"[a-z][a-z0-9-]{1,30}[a-z0-9]")
_SERIAL: Final = re.compile(r"[A-Z][0-9A-Z]{12}")
_CODE: Final = re.compile(r"[0-9]{8,19}")


def seal_submission(public_key: bytes, version: int, submission: Submission) -> bytes:
    """Seal a submission to one version of the vault's sealing key.

    Args:
        public_key: That version's X25519 public key (RFC 7748), 32 bytes.
        version: The version, 1 to 2^32 - 1.
        submission: What is sealed, complete; its nonce is 16 bytes, random and new.

    Raises:
        InvalidInput: SUBMISSION: a field of it is out of bounds, and named; PUBLIC_KEY: the key is none that
            keeps a secret.
    """
    if not 0 < version <= _LAST_VERSION:
        message = "a version of a key is a number from 1 to 4294967295"
        raise InvalidInput(message, reason="SUBMISSION", field="version")
    wrong = _wrong_field(submission)
    if wrong:
        message = f"this cannot be sealed: its {wrong} is missing, out of bounds, or not for its purpose"
        raise InvalidInput(message, reason="SUBMISSION", field=wrong)
    check_recipient_key(public_key)
    padded = sodium_pad(submission.SerializeToString(deterministic=True), BLOCK_SIZE)
    return bytes((_FORMAT,)) + version.to_bytes(4, "big") + seal_box(public_key, padded)


def sealing_version(blob: bytes) -> int:
    """Return the version of the sealing key that a submission names; nothing else of it was looked at.

    Raises:
        IntegrityFailure: SUBMISSION: it has not the form of a submission.
    """
    whole_blocks = SMALLEST <= len(blob) <= LARGEST and (len(blob) - _AROUND) % BLOCK_SIZE == 0
    version = int.from_bytes(blob[1:_HEAD_SIZE], "big")
    if not whole_blocks or blob[0] != _FORMAT or version == 0:
        raise refused()
    return version


def open_submission(key: "Key", blob: bytes) -> Submission:
    """Open a submission; what the sealed box needs of the key is kept as long as its secret.

    Args:
        key: The version of the sealing key that ``sealing_version`` found, in clear.
        blob: The submission, whoever it came from.

    Raises:
        IntegrityFailure: SUBMISSION: it was not sealed to this key, was changed, or makes no sense.
        ValueError: The key is for something else.
    """
    if key.purpose != KeyPurpose.SEALING:
        message = "submissions are opened with the sealing key"
        raise ValueError(message)
    if sealing_version(blob) != key.version:
        raise refused()
    try:
        content = sodium_unpad(open_box(key.secret, blob[_HEAD_SIZE:]), BLOCK_SIZE)
        submission = Submission.FromString(content)
    except (IntegrityFailure, CryptoError, DecodeError):
        raise refused() from None
    # What other formats add, what stands twice and what is spelled at length takes more bytes than its meaning.
    submission.DiscardUnknownFields()
    if submission.ByteSize() != len(content) or _wrong_field(submission):
        raise refused()
    return submission


def refused() -> IntegrityFailure:
    """Return the one error of every submission that is not taken, whatever the reason."""
    message = "the sealed submission is not taken; have the code sealed anew"
    return IntegrityFailure(message, reason="SUBMISSION")


def _wrong_field(submission: Submission) -> str:
    """Return the name of the first field that is not as it has to be; empty where all are."""
    codes = submission.codes
    single = submission.purpose != Submission.PURPOSE_VALIDATE
    exchange = submission.purpose == Submission.PURPOSE_EXCHANGE
    checks = (
        ("audience", _AUDIENCE.fullmatch(submission.audience)),
        ("program", _PROGRAM.fullmatch(submission.program)),
        ("purpose", 0 < submission.purpose <= Submission.PURPOSE_EXCHANGE),
        ("seal_time_ms", submission.seal_time_ms > 0),
        ("nonce", len(submission.nonce) == NONCE_SIZE),
        ("codes", 0 < len(codes) <= (1 if single else MOST_CODES) and all(map(_CODE.fullmatch, codes))),
        ("serial", not submission.serial or (exchange and _SERIAL.fullmatch(submission.serial))),
        ("public_key", _is_strong(submission.public_key) if exchange else not submission.public_key),
    )
    return next((name for name, fits in checks if not fits), "")


def _is_strong(public_key: bytes) -> bool:
    try:
        check_recipient_key(public_key)
    except InvalidInput:
        return False
    return True
