"""When a call may be repeated, and how long to wait before it is.

1. A request is repeatable when it carries a request id, or is a read by the verb of its name: everything in the
   API that changes something and is not a read has a ``request_id``. A read that carries a sealed submission
   spends it, and is repeatable only with a request id.
2. Waits grow from 50 ms to 2 s, each drawn uniformly from zero to that ("full jitter"), so that callers that
   failed together do not come back together; they are never shorter than the vault asks for.
"""

import secrets
from collections.abc import Callable
from uuid import uuid4

from google.protobuf.message import Message

from vault.errors import Unavailable, VaultError
from vault.v1.validation_service_pb2 import BatchValidateCodesRequest, ValidateCodeRequest

READING_VERBS = ("Get", "List", "BatchGet", "Validate", "BatchValidate", "Export")
FIRST_WAIT_SECONDS = 0.05
LONGEST_WAIT_SECONDS = 2.0
SYSTEM_RANDOM = secrets.SystemRandom().random


def fill_request_id(request: Message) -> None:
    """Give the request a fresh request id, in place, where it has an empty field for one and can use it.

    Asking after codes in clear needs none: the vault would pass it over, and it is most of such a request's
    bytes.
    """
    if "request_id" not in request.DESCRIPTOR.fields_by_name or getattr(request, "request_id", None):
        return
    if not _is_plain_read(request):
        setattr(request, "request_id", str(uuid4()))  # noqa: B010  # the field is not of every message


def is_repeatable(request: Message) -> bool:
    """Tell whether sending the request twice has no more effect than sending it once."""
    return _is_plain_read(request) or bool(getattr(request, "request_id", None))


def _is_plain_read(request: Message) -> bool:
    if not request.DESCRIPTOR.name.startswith(READING_VERBS):
        return False
    if isinstance(request, ValidateCodeRequest):
        return not request.code.HasField("sealed")
    if isinstance(request, BatchValidateCodesRequest):
        return not any(code.HasField("sealed") for code in request.codes)
    return True


def may_help(error: VaultError) -> bool:
    """Tell whether the same request may go better in a moment: not after what the vault did not foresee."""
    return isinstance(error, Unavailable) and error.reason != "INTERNAL"


class Backoff:
    """The waits between the tries of one call."""

    def __init__(self, random: Callable[[], float] = SYSTEM_RANDOM) -> None:
        """Begin with the first wait.

        Args:
            random: Answers numbers drawn uniformly from 0 to 1.
        """
        self._random = random
        self._ceiling_seconds = FIRST_WAIT_SECONDS

    def next_wait_seconds(self, asked_seconds: float | None) -> float:
        """Answer how long to wait now, at least what the vault asked for, and double the next wait's ceiling."""
        wait = self._random() * self._ceiling_seconds
        self._ceiling_seconds = min(2 * self._ceiling_seconds, LONGEST_WAIT_SECONDS)
        return wait + (asked_seconds or 0.0)
