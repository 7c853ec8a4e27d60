import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from uuid import uuid4
from tests.service.sealing import Edge, Shop
from tests.workshop import workshop
from tests.service.test_settling_broken import _sold
from vault.service.answering.submissions import AGE_MS
from vault.stores.postgres import Address

async def test_copy(tmp_path: Path, address: Address) -> None:
    async with AsyncExitStack() as stack:
        shops = [await stack.enter_async_context(workshop(tmp_path, address=address)) for _ in range(2)]
        codes = await _sold(shops[0], 1)
        edge, teller = Edge(shops[0]), Shop(shops[0])
        key = await edge.key()
        bad = {}
        for turn in range(6):
            old = await edge.seal(codes[0], key=key, seal_time_ms=shops[0].clock.now_ms - AGE_MS - 1)
            calls = [teller.call("ValidateCode", uuid4()) for _ in range(20)]
            asks = []
            for n in range(240):
                for v in shops:
                    if n < 20:
                        asks.append(teller.ask(old, call=calls[n], vault=v))
                    else:
                        asks.append(teller.ask(await edge.seal(codes[0], key=key), vault=v))
            told = await asyncio.gather(*asks, return_exceptions=True)
            for each in told:
                if isinstance(each, BaseException):
                    bad[repr(each) + getattr(each, "reason", "")] = bad.get(repr(each) + getattr(each, "reason", ""), 0) + 1
        print(bad)
        assert not bad
