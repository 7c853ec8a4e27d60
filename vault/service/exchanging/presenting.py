"""A claim as it is presented: in clear, or in a sealed submission that holds the one-time key and the serial.

1. What a submission holds is nobody's to replace: beside it no key, and no other serial, is looked at.
2. Something must be shown, and a serial have its check character. What is wrong there is told, since it can be
   mended, and costs no submission; but only of one that may be taken.
"""

from typing import NamedTuple

from vault.codes.serial import parse_serial
from vault.errors import InvalidInput
from vault.model.states import Proof
from vault.policy.call import Call
from vault.secret import Secret
from vault.service.answering.nonces import Single
from vault.service.answering.submissions import Opened, Sealed
from vault.service.exchanging.claims import Claim, Shown
from vault.service.recorder import Scope


class Presentation(NamedTuple):
    """What a request presents.

    Fields:
        call: Who asks.
        request_id: The request's id, 16 bytes.
        program: The program.
        single: The superseded code.
        shown: What the holder shows; None where a submission holds the serial.
        public_key: The one-time key; empty where a submission holds it.
    """

    call: Call
    request_id: bytes
    program: str
    single: Single
    shown: Shown | None
    public_key: bytes

    def claim(self, scope: Scope) -> tuple[Claim, Opened | None]:
        """Return what is claimed, and the submission that it comes from, None for a code in clear.

        Of a submission that cannot be opened the claim is empty.

        Raises:
            InvalidInput: FIELD_REQUIRED: nothing is shown; SERIAL_MALFORMED: the sealed serial is mistyped.
        """
        code, shown = self.single.code, self.shown
        place = self.call, self.request_id, self.program
        if not isinstance(code, Sealed):
            return Claim(*place, Secret(code), _required(shown), self.public_key), None
        opened = self.single.open(scope, code)
        if shown is None and opened.serial:
            if opened.cause is None:
                parse_serial(opened.serial, "code.sealed")
            shown = Shown(Proof.SERIAL, Secret(opened.serial.encode()))
        elif opened.cause is not None:
            shown = Shown(Proof.PURCHASE)
        shown = _required(shown)
        digits = opened.codes[0] if opened.codes else b""
        return Claim(*place, Secret(digits), shown, opened.public_key, sealed=True), opened


def _required(shown: Shown | None) -> Shown:
    if shown is None:
        message = "something has to be shown: a serial, a sale secret, or that purchase is proven"
        raise InvalidInput(message, reason="FIELD_REQUIRED", field="proof")
    return shown
