"""Secret files: read only if no other user can read them.

1. The file is opened once, and what is checked is what is read: neither a rename nor a changed link between
   check and read matters.
2. Accepted are files of this process's user without any right for others, and files of root that at most their
   group may read (0400, 0440, 0600, 0640), also through links, as Kubernetes mounts secrets.

It does not protect against root, nor against access control lists that grant more than the mode shows.
"""

import os
import stat
from pathlib import Path

from vault.errors import FailedPrecondition

LARGEST_BYTES = 1024 * 1024
_ROOT = 0


def check_private(path: Path) -> None:
    """Check that a file exists and only who may read it can.

    Raises:
        FailedPrecondition: It is missing, no regular file, or others can read it.
    """
    os.close(_open(path))


def read_secret_file(path: Path, largest_bytes: int = LARGEST_BYTES) -> bytes:
    """Return the content of a private file of at most ``largest_bytes``, 1 MiB where that is not given.

    Raises:
        FailedPrecondition: It is missing, no regular file, too large, or others can read it.
    """
    with os.fdopen(_open(path), "rb") as file:
        try:
            data = file.read(largest_bytes + 1)
        except OSError as error:
            message = f"the secret file {path} cannot be read: {error.strerror}"
            raise _refused(message) from None
    if len(data) > largest_bytes:
        message = f"the secret file {path} is larger than {largest_bytes} bytes"
        raise _refused(message)
    return data


def _open(path: Path) -> int:
    try:
        # Not blocking, so that a named pipe in the file's place cannot hold up the start.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        message = f"the secret file {path} cannot be opened: {error.strerror}"
        raise _refused(message) from None
    problem = _problem(os.fstat(descriptor))
    if problem:
        os.close(descriptor)
        message = f"the secret file {path} {problem}"
        raise _refused(message)
    return descriptor


def _problem(status: os.stat_result) -> str:
    if not stat.S_ISREG(status.st_mode):
        return "is not a regular file"
    mode = stat.S_IMODE(status.st_mode)
    if status.st_uid not in {_ROOT, os.geteuid()}:
        return f"belongs to user {status.st_uid}, neither to root nor to the user that runs the vault"
    allowed = 0o740 if status.st_uid == _ROOT else 0o700
    if mode & ~allowed & 0o777:
        return f"can be read or written by others (mode {mode:04o}); make it 0600"
    return ""


def _refused(message: str) -> FailedPrecondition:
    return FailedPrecondition(message, reason="SECRET_FILE")
