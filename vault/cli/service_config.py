"""Writes the gRPC service config that clients of any language may load: ``python -m vault.cli.service_config FILE``.

It is made from the descriptors (gRFC A2, grpc.service_config.ServiceConfig), so a new method is in it:

1. A method is retried by gRPC itself only where the same bytes, sent twice, do no more than once: it reads, or its
   request must carry a request id. Where the id may be left out there are no retries, for gRPC cannot tell.
2. Retried are UNAVAILABLE and CANCELLED, with which the vault refuses what it has not begun, and a lost connection.
   What the vault asks for in RetryInfo is kept to (``grpc-retry-pushback-ms``, gRFC A6), and retries stop where they
   are more than a tenth of the calls.
3. Calls without a deadline get one: 30 s, 120 s where a request may be large; streams have none.
4. A request that no method would take is refused before it is sent.
5. Calls go round over all addresses that the name stands for.

``--check`` writes nothing, and ends with status 1 where the file is stale.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vault.client.retry import READING_VERBS
from vault.rpc.bounds import is_required
from vault.rpc.contract import Method, methods
from vault.rpc.sizes import largest_request

READING = (*READING_VERBS, "Watch")
LARGE_BYTES = 1024 * 1024
TIMEOUT, LARGE_TIMEOUT = "30s", "120s"
RETRY_POLICY = {
    "maxAttempts": 4,
    "initialBackoff": "0.1s",
    "maxBackoff": "2s",
    "backoffMultiplier": 2,
    "retryableStatusCodes": ["UNAVAILABLE", "CANCELLED"],
}
RETRY_THROTTLING = {"maxTokens": 100, "tokenRatio": 0.1}


def service_config() -> dict[str, Any]:
    """Return the service config."""
    return {
        "loadBalancingConfig": [{"round_robin": {}}],
        "methodConfig": [_method_config(method) for method in methods()],
        "retryThrottling": RETRY_THROTTLING,
    }


def is_retried(method: Method) -> bool:
    """Tell whether gRPC may send a request of the method again by itself."""
    descriptor: Any = method.request.DESCRIPTOR
    needs_id = any(field.name == "request_id" and is_required(field) for field in descriptor.fields)
    return needs_id or method.name.startswith(READING)


def as_text() -> str:
    """Return the service config as the file holds it."""
    return json.dumps(service_config(), indent=2) + "\n"


def _method_config(method: Method) -> dict[str, Any]:
    largest = largest_request(method.request)
    config: dict[str, Any] = {"name": [{"service": method.service, "method": method.name}]}
    if not method.streams:
        config["timeout"] = LARGE_TIMEOUT if largest > LARGE_BYTES else TIMEOUT
    config["maxRequestMessageBytes"] = largest
    if is_retried(method):
        config["retryPolicy"] = RETRY_POLICY
    return config


def main(arguments: Sequence[str] | None = None) -> int:
    """Write or check the file, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m vault.cli.service_config", description=__doc__.partition("\n")[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--check", action="store_true", help="write nothing; end with 1 where the file is stale")
    parsed = parser.parse_args(arguments)
    if not parsed.check:
        parsed.file.write_text(as_text(), encoding="utf-8")
    elif not parsed.file.is_file() or parsed.file.read_text(encoding="utf-8") != as_text():
        print(f"{parsed.file} is stale: run python -m vault.cli.service_config {parsed.file}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
