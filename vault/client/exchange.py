"""Exchanging a superseded code for its successor, after an incident.

1. The new code travels sealed to a key pair that is made for one claim; nobody between holder and vault reads
   it.
2. What is opened answers this very claim, or it is refused: the request id stands inside the box.
3. A claim that is sent again, after a broken connection or by a process that kept its request id and private
   key, gets the same code. A claim made anew would be another one: the vault then puts the card on hold.

So make one claim for each code, keep it until it is answered, and try a wrong proof again with a new one::

    code = PresentedCode(code=digits)
    claim = ExchangeClaim(ExchangeCodeRequest(program="netcash", code=code, serial=serial))
    exchanged = await exchange_code(client, claim)

Where the code is sealed at an edge, the edge keeps the private key, and the service that presents the
submission sends a plain ExchangeCodeRequest without a public key; what is answered is the edge's to open::

    private_key = draw_key()
    sealed = await sealer.seal(
        digits,
        audience=SHOP,
        program="netcash",
        purpose=Purpose.EXCHANGE,
        serial=serial,
        public_key=public_key(private_key),
    )
    answer = await present(ExchangeCodeRequest(program="netcash", code=PresentedCode(sealed=sealed)))
    exchanged = open_exchanged_code(private_key, answer.sealed_code)
"""

from google.protobuf.message import DecodeError

from vault.client.channel import VaultClient
from vault.client.retry import fill_request_id
from vault.crypto.sealedbox import draw_key, open_box, public_half
from vault.errors import IntegrityFailure, InvalidInput
from vault.formats.v1.exchanged_code_pb2 import ExchangedCode
from vault.secret import Secret
from vault.v1.resources_pb2 import VERDICT_GOOD
from vault.v1.validation_service_pb2 import ExchangeCodeRequest


class ExchangeClaim:
    """One claim: its request and the private key that opens the answer. It has no text, as both are secret."""

    def __init__(self, request: ExchangeCodeRequest, private_key: Secret | None = None) -> None:
        """Begin a claim, or take up one that was begun.

        Args:
            request: Program, code in clear and proof; a request id only if the claim was begun before. The claim's
                own ``request`` is a copy of it, completed.
            private_key: The claim's X25519 private key (RFC 7748), 32 bytes, if it was begun before.

        Raises:
            InvalidInput: SEALED_CODE: the code is sealed, so the private key is at the edge that sealed it.
        """
        if request.code.HasField("sealed"):
            message = "a sealed code is claimed by whoever sealed it; send the request as it is"
            raise InvalidInput(message, reason="SEALED_CODE", field="code")
        self.private_key = draw_key() if private_key is None else private_key
        self.request = ExchangeCodeRequest()
        self.request.CopyFrom(request)
        self.request.public_key = public_half(self.private_key)
        fill_request_id(self.request)

    def __repr__(self) -> str:
        return f"<ExchangeClaim {self.request.request_id}>"

    def open(self, sealed_code: bytes) -> ExchangedCode:
        """Open the answer to this claim: the new code and its serial.

        Raises:
            IntegrityFailure: It was changed, or answers another claim.
        """
        exchanged = open_exchanged_code(self.private_key, sealed_code)
        if exchanged.request_id != self.request.request_id:
            raise _stranger()
        return exchanged


def open_exchanged_code(private_key: Secret, sealed_code: bytes) -> ExchangedCode:
    """Open the new code where the old one was sealed at an edge.

    The public key stood inside that submission, so nobody but the vault can have answered to it.

    Args:
        private_key: The one-time X25519 private key (RFC 7748), 32 bytes, that the edge kept.
        sealed_code: What ExchangeCode answered to the service that presented the submission.

    Raises:
        IntegrityFailure: It was changed, or answers something else.
    """
    try:
        return ExchangedCode.FromString(open_box(private_key, sealed_code))
    except DecodeError:
        raise _stranger() from None


def _stranger() -> IntegrityFailure:
    message = "the sealed answer is not one to this claim"
    return IntegrityFailure(message, reason="EXCHANGE_MISMATCH")


async def exchange_code(
    client: VaultClient, claim: ExchangeClaim, timeout_seconds: float | None = None
) -> ExchangedCode | None:
    """Send a claim and open its answer; None if the code is not good for an exchange, whatever the reason.

    Args:
        client: A client whose principal is an exchanger of the program.
        claim: The claim; it may be sent again until it is answered.
        timeout_seconds: Deadline for all tries together; the client's default where None.

    Raises:
        IntegrityFailure: What arrived does not answer this claim.
        VaultError: The vault refused.
    """
    answer = await client.call(client.validation.ExchangeCode, claim.request, timeout_seconds)
    return claim.open(answer.sealed_code) if answer.verdict == VERDICT_GOOD else None
