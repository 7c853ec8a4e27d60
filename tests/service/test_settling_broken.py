import asyncio, time, resource
from uuid import uuid4
import pytest
from tests.service.sealing import WISH, Edge, Shop
from tests.workshop import Workshop
from vault.errors import InvalidInput
from vault.service import rules
from vault.service.answering.submissions import AGE_MS

async def _sold(shop: Workshop, count: int = 1, **settings: object) -> list[bytes]:
    await shop.program(**settings)
    issued = (await shop.issue(count)).codes
    await shop.change(rules.activate, *(code.card_id for code in issued))
    return [code.code.expose() for code in issued]

@pytest.mark.parametrize("old", [0, AGE_MS + 1])
async def test_million(shop, old):
    codes = await _sold(shop, 2)
    teller, edge = Shop(shop), Edge(shop)
    env = await edge.seal(*([codes[0]] * 1000), seal_time_ms=shop.clock.now_ms - old)
    lag = []
    done = False
    async def ticker():
        while not done:
            t = time.thread_time(); await asyncio.sleep(0); lag.append(time.thread_time() - t)
    tk = asyncio.create_task(ticker())
    await asyncio.sleep(0.01)
    r0 = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    t = time.process_time()
    try:
        await teller.ask(*([env] * 1000), several=True)
    except InvalidInput as e:
        print(e)
    print("cpu", time.process_time() - t, "lag", max(lag), "rss MB", (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - r0)/1024)
    done = True; await tk
