"""What every process of the vault does first, so that its memory does not end up in files.

1. No core dump is written, whatever the machine's settings (RLIMIT_CORE 0, and not dumpable).
2. Another process of the same user cannot attach to it or read its memory (PR_SET_DUMPABLE 0, prctl(2)).
3. Files that it makes are its user's alone.

It does not protect against root, nor against swap.
"""

import ctypes
import os
import resource
import sys

_PR_SET_DUMPABLE = 4


def harden() -> None:
    """Switch off core dumps and attaching, and make new files private.

    Raises:
        OSError: The kernel refuses.
    """
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_DUMPABLE) was refused")
