"""Reading lists page by page."""

import argparse
from typing import Any

from google.protobuf.message import Message

from vault.cli.failure import UsageProblem
from vault.client.channel import VaultClient

LARGEST_PAGE = 1000
DEFAULT_LIMIT = 100


def add_limit(parser: argparse.ArgumentParser) -> None:
    """Add ``--limit`` to a command that lists."""
    parser.add_argument(
        "--limit",
        type=int,
        default=DEFAULT_LIMIT,
        metavar="N",
        help=f"items at most; 0: all (default {DEFAULT_LIMIT})",
    )


async def collect(client: VaultClient, method: Any, request: Message, field: str, limit: int) -> list[Any]:
    """Read the items of a list, page by page.

    Args:
        client: The client.
        method: A List method of one of its stubs.
        request: The method's request; its paging fields are set here.
        field: Name of the answer's field that holds the items.
        limit: Items at most; 0 for all.

    Raises:
        UsageProblem: The limit is negative.
        VaultError: The vault refused.
    """
    if limit < 0:
        message = "--limit is 0 or more"
        raise UsageProblem(message)
    items: list[Any] = []
    page: Any = request
    while True:
        page.page_size = min(limit - len(items), LARGEST_PAGE) if limit else LARGEST_PAGE
        answer: Any = await client.call(method, page)
        items.extend(getattr(answer, field))
        page.page_token = answer.next_page_token
        if not answer.next_page_token or (limit and len(items) >= limit):
            return items[:limit] if limit else items
