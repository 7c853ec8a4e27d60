"""Where a worker's time goes while it answers: py-spy's samples of one process.

py-spy looks at the process from outside; it takes a few per cent of its speed, and needs the right to trace it (root,
or ``kernel.yama.ptrace_scope`` 0). What waits for the next call is left out: the shares are those of time at work.
"""

import contextlib
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

FORMATS = {".svg": "flamegraph", ".json": "speedscope", ".txt": "raw"}
SAMPLES = 250
"""A second."""

END_SECONDS = 60.0


@contextlib.contextmanager
def profiled(pid: int, file: Path) -> Iterator[None]:
    """Sample a process while the body runs, and write what the file's suffix says (see ``FORMATS``).

    Raises:
        RuntimeError: py-spy is missing, or could not look at the process.
    """
    program = shutil.which("py-spy", path=str(Path(sys.executable).parent))
    if program is None:
        message = "py-spy is missing: it comes with the development requirements"
        raise RuntimeError(message)
    command = [program, "record", "--pid", str(pid), "--rate", str(SAMPLES), "--output", str(file)]
    command += ["--format", FORMATS[file.suffix]]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)  # noqa: S603
    try:
        yield
        process.send_signal(signal.SIGINT)  # it then writes what it has
        _, said = process.communicate(timeout=END_SECONDS)
        if process.returncode:
            message = f"py-spy: {said.strip().splitlines()[-1]}"
            raise RuntimeError(message)
    finally:
        process.kill()
        process.wait()
