"""What shop and ledger share: answers in JSON, and refusals told as HTTP statuses, without what was sent."""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from vault.cli.edge.listener import Answer, Route, problem
from vault.errors import InvalidInput, VaultError


def answered(content: Mapping[str, Any]) -> Answer:
    """Answer with JSON."""
    return Answer(HTTPStatus.OK, json.dumps(content).encode())


def guarded(route: Route) -> Route:
    """Have a route answer a refusal by its reason: 400 for what was sent, 503 for everything else."""

    async def within(body: bytes) -> Answer:
        try:
            return await route(body)
        except InvalidInput as error:
            return problem(HTTPStatus.BAD_REQUEST, error.reason)
        except VaultError as error:
            return problem(HTTPStatus.SERVICE_UNAVAILABLE, error.reason)

    return within
