"""One step of the schema's history, and how releases compare."""

import re
from typing import NamedTuple


class Migration(NamedTuple):
    """A step: what every store calls it, and the statements of each kind of store, run in order."""

    number: int
    name: str
    oldest_release: str
    sqlite: tuple[str, ...]
    postgres: tuple[str, ...] = ()


def release_number(release: str) -> tuple[int, ...]:
    """Return a release's numbers for comparing, such as (1, 2, 0) for ``1.2.0`` and for ``1.2.0.dev1``.

    A development release counts as the release it leads to, since it has that schema.

    Raises:
        ValueError: It does not begin with three numbers.
    """
    match = re.match(r"(\d+)\.(\d+)\.(\d+)", release)
    if match is None:
        message = f"a release begins with three numbers: {release!r}"
        raise ValueError(message)
    return tuple(int(part) for part in match.groups())
