"""Recipients: the public keys to which packages may be sealed."""

from vault.crypto.keypair import check_recipient_key
from vault.formats.v1.request_result_pb2 import RequestResult
from vault.model.rows import RecipientRow
from vault.model.shape import SHAPES
from vault.policy.call import Call
from vault.service.issuing.delivery import recipient_of
from vault.service.recorder import Recorded, Recorder, Replay, Scope, event_of


class Recipients:
    """Registers and lists recipients."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    async def create(
        self, call: Call, program: str, recipient: str, display_name: str, public_key: bytes
    ) -> RecipientRow:
        """Register an X25519 public key of 32 bytes.

        Raises:
            InvalidInput: The key is a low-order point.
            NotFound: There is no such program.
            FailedPrecondition: The program is closed.
            AlreadyExists: The id is taken in the program.
        """
        check_recipient_key(public_key)
        event = event_of(call, program=program)._replace(subject=recipient)

        def work(scope: Scope) -> Recorded[RecipientRow]:
            scope.snapshot.open_program(program)
            row = RecipientRow(program, recipient, display_name or recipient, public_key, scope.now_ms, b"")
            row = scope.snapshot.tagger.tagged(SHAPES["recipient"], row)
            scope.tx.recipients.insert(row)
            return Recorded(row, event)

        def restore(scope: Scope, _: RequestResult) -> Recorded[RecipientRow]:
            return Recorded(recipient_of(scope, program, recipient), event)

        replay = Replay(lambda row: RequestResult(subject=row.recipient.encode()), restore)
        return await self._recorder.once(call, work, replay)

    async def page(self, call: Call, program: str, after: str, limit: int) -> list[RecipientRow]:
        """Return up to ``limit`` recipients with ids after ``after``, by id.

        Raises:
            NotFound: There is no such program.
            IntegrityFailure: A row is not what the vault wrote.
        """

        def work(scope: Scope) -> Recorded[list[RecipientRow]]:
            scope.snapshot.program(program)
            rows = scope.tx.recipients.page(program, after, limit)
            for row in rows:
                scope.snapshot.tagger.verify(SHAPES["recipient"], row)
            return Recorded(rows, event_of(call, program=program))

        return await self._recorder.record(work, call)
