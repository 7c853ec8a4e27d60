"""Handing codes out: in clear where the program allows it, or in a package sealed to a registered recipient.

1. A code is opened only here, and only for a delivery whose event says so.
2. Before a code is opened its row's tag is checked; the ciphertext is bound to program, card and generation by
   its associated data.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from vault.codes.code import Code
from vault.crypto.envelope import Place, open_sealed
from vault.crypto.package import PackageWriter, begin, frame
from vault.errors import FailedPrecondition, IntegrityFailure, NotFound
from vault.formats.v1.package_entry_pb2 import PackageEntry
from vault.model.rows import CodeRow, ProgramRow, RecipientRow
from vault.model.shape import SHAPES
from vault.service.catalogue import Snapshot
from vault.service.recorder import Scope

Random = Callable[[int], bytes]


class Delivery(NamedTuple):
    """How codes are delivered: sealed to ``recipient``, or in clear where that is empty."""

    recipient: str = ""


class OpenedCode(NamedTuple):
    """A code in hand, on its way out; ``card_id`` is 16 bytes, ``superseded_serial`` empty for a first issue."""

    card_id: bytes
    serial: str
    code: Code
    expires_ms: int | None
    superseded_serial: str = ""


def check_delivery(scope: Scope, program: ProgramRow, delivery: Delivery) -> RecipientRow | None:
    """Return the recipient of a delivery, None for one in clear.

    Raises:
        FailedPrecondition: The program does not allow delivery in clear (reason ``CLEAR_DELIVERY_OFF``).
        NotFound: There is no such recipient.
    """
    if delivery.recipient:
        return recipient_of(scope, program.program, delivery.recipient)
    if not program.clear_delivery:
        raise FailedPrecondition(
            "the program does not deliver codes in clear; name a recipient", reason="CLEAR_DELIVERY_OFF"
        )
    return None


def recipient_of(scope: Scope, program: str, recipient: str) -> RecipientRow:
    """Return a registered recipient.

    Raises:
        NotFound: There is none of this id in the program.
        IntegrityFailure: Its row is not what the vault wrote.
    """
    row = scope.tx.recipients.get(program, recipient)
    if row is None:
        raise NotFound("there is no such recipient", reason="RECIPIENT_NOT_FOUND", field="recipient")
    scope.snapshot.tagger.verify(SHAPES["recipient"], row)
    return row


def open_code(snapshot: Snapshot, row: CodeRow) -> Code:
    """Decrypt one code.

    Raises:
        IntegrityFailure: The row or its ciphertext is not what the vault wrote.
    """
    snapshot.tagger.verify(SHAPES["code"], row)
    place = Place("code", "sealed_code", row.program, row.card_id, row.generation)
    keys = snapshot.keyring.wrapping_keys(row.program)
    return Code(open_sealed(row.sealed_code, row.wrapped_code_key, place, keys))


def open_codes(scope: Scope, generations: Mapping[bytes, int]) -> dict[bytes, tuple[str, Code]]:
    """Decrypt the codes of cards at the given generations, and return serial and code by card id.

    Raises:
        IntegrityFailure: A row is missing or not what the vault wrote.
    """
    opened: dict[bytes, tuple[str, Code]] = {}
    for row in scope.tx.codes.of_cards(generations.keys()):
        if row.card_id not in opened and row.generation == generations[row.card_id]:
            opened[row.card_id] = (row.serial, open_code(scope.snapshot, row))
    if len(opened) != len(generations):
        raise IntegrityFailure("a card's code is missing", reason="CODE_MISSING")
    return opened


def entry(code: OpenedCode) -> bytes:
    """Return the framed ``PackageEntry`` of a code."""
    expiry = 0 if code.expires_ms is None else code.expires_ms // 1000
    message = PackageEntry(
        serial=code.serial,
        code=code.code.expose().decode(),
        expire_time_seconds=expiry,
        superseded_serial=code.superseded_serial,
    )
    return frame(message.SerializeToString())


def seal_package(recipient: RecipientRow, codes: Iterable[OpenedCode], random: Random) -> bytes:
    """Return a whole package of codes, sealed to the recipient."""
    head, key = begin(recipient.public_key, random)
    writer = PackageWriter(head, key)
    parts = [writer.write(entry(code)) for code in codes]
    return b"".join([*parts, writer.finish()])


class Delivered(NamedTuple):
    """What a delivery hands out: the codes in clear, or else the package and only ids and serials."""

    codes: Sequence[OpenedCode]
    package: bytes
    generation: int = 1

    @property
    def in_clear(self) -> bool:
        """Whether the codes themselves are to be answered."""
        return not self.package


def deliver(
    recipient: RecipientRow | None, codes: Sequence[OpenedCode], random: Random, generation: int = 1
) -> Delivered:
    """Hand codes of one generation out, in clear (no recipient) or sealed."""
    return Delivered(codes, b"" if recipient is None else seal_package(recipient, codes, random), generation)
