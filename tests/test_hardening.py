import subprocess
import sys

PROBE = """
import os, resource, stat, tempfile
from vault.hardening import harden
harden()
assert resource.getrlimit(resource.RLIMIT_CORE) == (0, 0)
import ctypes
assert ctypes.CDLL(None).prctl(3, 0, 0, 0, 0) == 0  # PR_GET_DUMPABLE
path = tempfile.mkdtemp() + "/x"
open(path, "w").close()
assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
"""


def test_a_hardened_process_dumps_no_core_and_makes_private_files() -> None:
    subprocess.run([sys.executable, "-c", PROBE], check=True, timeout=300)
