"""The files in which a vault's processes keep their numbers, and what they add up to.

1. Counts are added up over processes; those of a process that ended are kept, however it ended. Its gauges are
   forgotten.
2. A process's files have their space reserved before it writes, so a disk that fills up does no harm to whoever
   reports (writing into a hole of a mapped file would kill it).
3. Files do not grow in number: what ended processes have counted is moved into one file of each kind.
4. Only the vault's own user can read the folder. It is the supervisor's and goes with it, or with the next one's
   start, so counts begin anew then, as Prometheus expects of a process that restarts.

The files are those of prometheus_client's multiprocess mode.
"""

import fcntl
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from vault.metrics.table import PREFIX

FOLDER: Final = "PROMETHEUS_MULTIPROC_DIR"
"""The variable by which prometheus_client, in this process and in those it starts, learns of the folder."""

_RESERVED_BYTES: Final = MappingProxyType(
    {
        "histogram": 1 << 21,
        "counter": 1 << 17,
        "gauge_livesum": 1 << 16,
        "gauge_livemax": 1 << 16,
        "gauge_livemin": 1 << 16,
    }
)
_OPENMETRICS: Final = "application/openmetrics-text;version=1.0.0"
_PREFIX: Final = "cardvault-metrics-"
_LOCK: Final = "lock"
_YOUNG_SECONDS: Final = 60.0
"""A folder that was changed more lately than this may be one whose supervisor is just locking it."""

_KEPT: Final = 0
"""Stands in the place of a process id in the names of the files of what ended processes have counted."""

_lock = threading.Lock()


@contextmanager
def folder() -> Iterator[Path]:
    """Make the folder, and have this process and those it starts report to it while the context lasts.

    Raises:
        OSError: There is no room for it in the system's folder for temporary files.
    """
    _sweep()
    made = Path(tempfile.mkdtemp(prefix=_PREFIX))
    before = os.environ.get(FOLDER)
    os.environ[FOLDER] = str(made)
    try:
        with (made / _LOCK).open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            reserve(made, _KEPT)
            yield made
    finally:
        if before is None:
            del os.environ[FOLDER]
        else:
            os.environ[FOLDER] = before
        shutil.rmtree(made, ignore_errors=True)


def _sweep() -> None:
    """Remove the folders of vaults that were killed: nobody holds their lock."""
    for left in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        try:
            found = left.stat()
            if found.st_uid != os.geteuid() or time.time() - found.st_mtime < _YOUNG_SECONDS:
                continue
            with (left / _LOCK).open("ab") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(left, ignore_errors=True)
        except OSError:
            continue  # somebody's that runs, or gone meanwhile


def reserve(place: Path, process_id: int) -> None:
    """Reserve the space of a process's files.

    Raises:
        OSError: There is no room for them.
    """
    try:
        for path, size in _files(place, process_id).items():
            whole = path.with_suffix(".new")  # nobody reads half a file
            with whole.open("ab") as file:
                os.posix_fallocate(file.fileno(), 0, size)
            whole.replace(path)
    except OSError:
        for path in _files(place, process_id):
            path.unlink(missing_ok=True)
            path.with_suffix(".new").unlink(missing_ok=True)
        raise


def process_ended(process_id: int) -> None:
    """Keep what a process has counted, and forget its gauges; to be called once it has ended."""
    place = os.environ.get(FOLDER)
    if place is None:
        return
    with _lock:
        for path, earlier in zip(_files(Path(place), process_id), _files(Path(place), _KEPT), strict=True):
            if path.exists() and not path.name.startswith("gauge"):
                kept = _mapped().MmapedDict(str(earlier))
                for key, value, _, _ in _values(path):
                    kept.write_value(key, kept.read_value(key)[0] + value, 0.0)
                kept.close()
            path.unlink(missing_ok=True)


def _files(place: Path, process_id: int) -> dict[Path, int]:
    """Return a process's files and their sizes."""
    return {place / f"{kind}_{process_id}.db": size for kind, size in _RESERVED_BYTES.items()}


def exposition(place: Path, accept: str) -> tuple[bytes, str]:
    """Return what all processes have reported, as text, and its content type.

    Args:
        place: The folder.
        accept: The Accept header of who asks; empty where there is none.
    """
    client = import_module("prometheus_client")
    registry = client.CollectorRegistry()
    import_module("prometheus_client.multiprocess").MultiProcessCollector(registry, path=str(place))
    # What is asked for is not parsed further: nothing of it gets into the answer.
    encode, content_type = client.exposition.choose_encoder(
        _OPENMETRICS if _OPENMETRICS.split(";")[0] in accept else ""
    )
    with _lock:
        return encode(registry), content_type


def store_reachable(place: Path) -> bool:
    """Return whether a worker can read the store, as the workers last told; true before the first did."""
    told = [
        value
        for path in place.glob("gauge_livemin_*.db")
        for key, value, _, _ in _values(path)
        if f'"{PREFIX}store_reachable"' in key
    ]
    return not told or any(told)


def _values(path: Path) -> Iterable[tuple[str, float, float, int]]:
    found: Iterable[tuple[str, float, float, int]] = _mapped().MmapedDict.read_all_values_from_file(str(path))
    return found


def _mapped() -> Any:
    """Return the module that reads and writes the files; a plain install lacks it."""
    return import_module("prometheus_client.mmap_dict")
