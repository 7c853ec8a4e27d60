"""The lineage of re-issued cards: a file of ``OLD,NEW`` serials, one pair a line, in ASCII, without a heading.

1. Its bytes are those that an incident's report gives the SHA-256 of: jobs by their time, each job's cards by
   card id.
2. Memory does not grow with it.
"""

import hashlib
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

from vault.cli.paging import LARGEST_PAGE
from vault.cli.progress import progress_bar
from vault.client.channel import VaultClient
from vault.v1.resources_pb2 import RotationJob
from vault.v1.rotation_service_pb2 import ListReissuedCardsRequest, ReissuedCard

READ_BYTES = 1024 * 1024


class Lineage(NamedTuple):
    """What a lineage file holds: its lines, and the SHA-256 of its bytes in hexadecimal."""

    entries: int
    sha256: str


async def save_lineage(client: VaultClient, jobs: Sequence[RotationJob], path: Path, *, quiet: bool = False) -> Lineage:
    """Write the lineage of re-issues to a new file; where that fails there is none.

    Raises:
        FileExistsError: There is a file of this name; it is left as it is.
        VaultError: The vault refused.
    """
    digest = hashlib.sha256()
    count, total = 0, sum(job.done_count for job in jobs)
    with _new(path) as file, progress_bar("lineage", quiet=quiet) as report:
        async for cards in _pages(client, jobs):
            lines = "".join(f"{card.superseded_serial},{card.serial}\n" for card in cards).encode("ascii")
            file.write(lines)
            digest.update(lines)
            count += len(cards)
            report(count, max(total, count))
    return Lineage(count, digest.hexdigest())


@contextmanager
def _new(path: Path) -> Iterator[BinaryIO]:
    """Open a new file, and take it away where it was not filled: the same command can be given again then."""
    with path.open("xb") as file:
        try:
            yield file
        except BaseException:
            path.unlink(missing_ok=True)
            raise


async def _pages(client: VaultClient, jobs: Sequence[RotationJob]) -> AsyncIterator[Sequence[ReissuedCard]]:
    for job in jobs:
        request = ListReissuedCardsRequest(program=job.program, job_id=job.job_id, page_size=LARGEST_PAGE)
        while True:
            answer = await client.call(client.rotation.ListReissuedCards, request)
            yield answer.cards
            if not answer.next_page_token:
                break
            request.page_token = answer.next_page_token


def read_lineage(path: Path) -> Lineage:
    """Count the lines of a lineage file and compute its SHA-256."""
    digest = hashlib.sha256()
    count = 0
    with path.open("rb") as file:
        while block := file.read(READ_BYTES):
            digest.update(block)
            count += block.count(b"\n")
    return Lineage(count, digest.hexdigest())
