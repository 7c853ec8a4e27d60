"""Between the API's messages and the model: the same facts in other clothes, no decisions."""

from collections.abc import Iterable

from google.protobuf.timestamp_pb2 import Timestamp

from vault.codes.odds import Odds
from vault.model.rows import KeyVersionRow, RecipientRow
from vault.model.states import KeyPurpose
from vault.service.cards import CardView
from vault.service.change import Change
from vault.service.etags import etag
from vault.service.issuing.batches import BatchView
from vault.service.issuing.delivery import Delivery
from vault.service.programs import ProgramView
from vault.service.select import Selector
from vault.v1 import resources_pb2 as pb

_PUBLIC_PURPOSES = {
    KeyPurpose.RECEIPT: pb.PublicKey.PURPOSE_RECEIPT,
    KeyPurpose.STATEMENT: pb.PublicKey.PURPOSE_STATEMENT,
    KeyPurpose.CHECKPOINT: pb.PublicKey.PURPOSE_CHECKPOINT,
    KeyPurpose.SEALING: pb.PublicKey.PURPOSE_SEALING,
}


def uuid_bytes(text: str) -> bytes:
    """Return the 16 bytes of a canonical UUID; empty for empty."""
    return bytes.fromhex(text.replace("-", ""))


def uuid_text(value: bytes | None) -> str:
    """Return the canonical form of a UUID; empty for none."""
    if not value:
        return ""
    text = value.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def timestamp(ms: int | None) -> Timestamp | None:
    """Return a time as a message; None for none."""
    if ms is None:
        return None
    return Timestamp(seconds=ms // 1000, nanos=ms % 1000 * 1_000_000)


def milliseconds(message: object, field: str) -> int | None:
    """Return a message's time field in milliseconds; None where it is absent."""
    if not message.HasField(field):  # type: ignore[attr-defined]
        return None
    value: Timestamp = getattr(message, field)
    return value.seconds * 1000 + value.nanos // 1_000_000


def selector(message: pb.CardSelector) -> Selector:
    """Return what a card is named by."""
    return Selector(uuid_bytes(message.card_id)) if message.card_id else Selector(serial=message.serial)


def selectors(messages: Iterable[pb.CardSelector]) -> list[Selector]:
    """Return what cards are named by."""
    return [selector(message) for message in messages]


def delivery(message: object) -> Delivery:
    """Return how codes are to be delivered, from a request's ``delivery``."""
    return Delivery(message.recipient)  # type: ignore[attr-defined]


def changes(found: Iterable[Change]) -> list[pb.CardChange]:
    """Return outcomes of a bulk change, numbered."""
    return [
        pb.CardChange(
            index=place,
            outcome=pb.ChangeOutcome.ValueType(change.outcome),
            card_id=uuid_text(change.card_id),
            state=pb.Card.State.ValueType(change.state),
            etag=change.etag,
        )
        for place, change in enumerate(found)
    ]


def card(view: CardView) -> pb.Card:
    """Return a card."""
    row = view.row
    return pb.Card(
        card_id=uuid_text(row.card_id),
        program=row.program,
        batch_id=uuid_text(row.batch_id),
        state=pb.Card.State.ValueType(row.state),
        usage=pb.Usage.ValueType(row.usage),
        generation=row.generation,
        serial=view.serial,
        reference=row.reference,
        expire_time=timestamp(row.expires_ms),
        create_time=timestamp(row.created_ms),
        activate_time=timestamp(row.activated_ms),
        redeem_time=timestamp(row.redeemed_ms),
        record_version=row.record_version,
        etag=etag(row.revision),
    )


def batch(view: BatchView) -> pb.Batch:
    """Return a batch."""
    row = view.row
    manifest = None
    if row.manifest_sha256 is not None:
        manifest = pb.Manifest(
            entries=row.manifest_entries or 0, size_bytes=row.manifest_size or 0, sha256=row.manifest_sha256
        )
    return pb.Batch(
        batch_id=uuid_text(row.batch_id),
        program=row.program,
        state=pb.Batch.State.ValueType(row.state),
        count=row.card_count,
        issued_count=view.issued,
        closed_count=view.closed,
        recipient=row.recipient,
        reference=row.reference,
        expire_time=timestamp(row.expires_ms),
        create_time=timestamp(row.created_ms),
        manifest=manifest,
        etag=etag(row.revision),
        working=view.working,
    )


def guess_odds(odds: Odds) -> pb.GuessOdds:
    """Return a program's guess odds."""
    return pb.GuessOdds(
        code_space=odds.code_space,
        live_codes=odds.live,
        odds=odds.odds,
        max_odds=odds.max_odds,
        remaining_codes=odds.remaining,
        expected_hits_per_hour=odds.expected_hits_per_hour,
    )


def program(view: ProgramView) -> pb.Program:
    """Return a program."""
    row = view.row
    settings = pb.ProgramSettings(
        display_name=row.display_name,
        code_format=pb.CodeFormat(
            length=row.code_length,
            check_algorithm=pb.CheckAlgorithm.ValueType(row.check_algorithm),
            prefix=row.code_prefix,
        ),
        max_guess_odds=row.max_guess_odds,
        single_use=bool(row.single_use),
        clear_delivery=bool(row.clear_delivery),
        seal_required=bool(row.seal_required),
    )
    settings.activation_undo_window.seconds = row.activation_undo_seconds
    settings.redemption_reversal_window.seconds = row.redemption_reversal_seconds
    return pb.Program(
        program=row.program,
        settings=settings,
        state=pb.Program.State.ValueType(row.state),
        guess_odds=guess_odds(view.odds),
        etag=etag(row.revision),
        create_time=timestamp(row.created_ms),
    )


def recipient(row: RecipientRow) -> pb.Recipient:
    """Return a recipient."""
    return pb.Recipient(
        recipient=row.recipient,
        program=row.program,
        display_name=row.display_name,
        public_key=row.public_key,
        create_time=timestamp(row.created_ms),
    )


def public_key(row: KeyVersionRow) -> pb.PublicKey:
    """Return the public half of a key version."""
    purpose = KeyPurpose(row.purpose)
    return pb.PublicKey(
        key_id=f"{purpose.name.lower()}-{row.version}",
        purpose=_PUBLIC_PURPOSES[purpose],
        state=pb.PublicKey.State.ValueType(row.state),
        public_key=row.public_key or b"",
        create_time=timestamp(row.created_ms),
        activate_time=timestamp(row.activated_ms),
        deactivate_time=timestamp(row.deactivated_ms),
    )
