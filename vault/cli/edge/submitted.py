"""What a page posts: a sealed submission and the id of its request, and nothing else."""

import json
import re
from base64 import b64decode
from binascii import Error
from typing import Final, NamedTuple
from uuid import UUID

from vault.errors import InvalidInput

_REQUEST_ID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_FIELDS: Final = {"sealed", "requestId"}


class Submitted(NamedTuple):
    """A sealed submission on its way: ciphertext, and the UUID under which it can be sent again."""

    sealed: bytes
    request_id: str

    @property
    def nonce(self) -> bytes:
        """What the receipt has to repeat: the request's id, 16 bytes, so that a retry asks for the same."""
        return UUID(self.request_id).bytes


def parse(body: bytes) -> Submitted:
    """Read what was posted.

    Raises:
        InvalidInput: SUBMITTED: it is not exactly that; nothing of it is repeated.
    """
    try:
        content = json.loads(body)
        if not isinstance(content, dict) or content.keys() != _FIELDS:
            raise _refused()
        request_id = content["requestId"]
        if not isinstance(request_id, str) or not _REQUEST_ID.fullmatch(request_id):
            raise _refused()
        return Submitted(b64decode(content["sealed"], validate=True), request_id)
    except (ValueError, TypeError, Error):
        raise _refused() from None


def _refused() -> InvalidInput:
    message = "a sealed submission and a request id are needed, and nothing else"
    return InvalidInput(message, reason="SUBMITTED")
