"""An edge as a process of its own: seals codes from standard input, and posts ciphertext to the shop.

    python -m tests.system.sealing_edge http://127.0.0.1:1234

Each line of standard input is a code; for each one line is written: what the shop said of it, validated and redeemed.
A code with a serial behind it is exchanged: what the shop said of it is written, and the new code.
"""

import asyncio
import json
import sys
from base64 import b64decode, b64encode
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from google.protobuf.json_format import ParseDict

from vault.client.exchange import open_exchanged_code
from vault.client.sealer import Sealer
from vault.client.sealing import Purpose
from vault.crypto.sealedbox import draw_key, public_half
from vault.v1.validation_service_pb2 import ListPublicKeysResponse

TIMEOUT_SECONDS = 120


class Shop:
    """The shop, as an edge reaches it."""

    def __init__(self, url: str) -> None:
        self._address = urlsplit(url).netloc

    async def ask(self, path: str, body: object = None) -> Any:
        """Ask the shop, posting a body where there is one."""
        return await asyncio.to_thread(self._ask, path, body)

    async def keys(self) -> ListPublicKeysResponse:
        """Return the vault's sealing keys, as the shop hands them on."""
        return ParseDict(await self.ask("/api/keys"), ListPublicKeysResponse())

    def _ask(self, path: str, body: object) -> Any:
        connection = HTTPConnection(self._address, timeout=TIMEOUT_SECONDS)
        try:
            content = None if body is None else json.dumps(body)
            method = "GET" if content is None else "POST"
            connection.request(method, path, content, {"Content-Type": "application/json"})
            response = connection.getresponse()
            answer = json.loads(response.read())
        finally:
            connection.close()
        assert response.status == 200, answer
        return answer


async def main(url: str) -> None:
    shop = Shop(url)
    settings = await shop.ask("/api/settings")
    async with Sealer(shop.keys) as sealer:

        async def submit(code: str, purpose: Purpose, path: str, **fields: Any) -> Any:
            sealed = await sealer.seal(
                code, audience=settings["audience"], program=settings["program"], purpose=purpose, **fields
            )
            return await shop.ask(path, {"sealed": b64encode(sealed).decode(), "requestId": str(uuid4())})

        async def pay(code: str) -> tuple[str, str]:
            validated = await submit(code, Purpose.VALIDATE, "/api/validate")
            redeemed = await submit(code, Purpose.REDEEM, "/api/redeem")
            return validated["outcome"], redeemed["outcome"]

        async def exchange(code: str, serial: str) -> tuple[str, str]:
            private_key = draw_key()
            fields = {"serial": serial, "public_key": public_half(private_key)}
            told = await submit(code, Purpose.EXCHANGE, "/api/exchange", **fields)
            return told["outcome"], open_exchanged_code(private_key, b64decode(told["sealedCode"])).code

        for line in sys.stdin:
            code, *serial = line.split()
            print(*await (exchange(code, *serial) if serial else pay(code)), flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
