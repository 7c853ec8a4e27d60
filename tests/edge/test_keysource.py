"""Several seals at once ask for the vault's keys at once: each is sealed, or told why not."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from tests.edge.conftest import opened
from tests.edge.test_modules import answer, run

pytestmark = pytest.mark.asyncio(loop_scope="package")


@pytest_asyncio.fixture(scope="module", loop_scope="package")
async def page(browser: Browser, site: str) -> AsyncIterator[Page]:
    async with opened(browser) as tab, tab.at(site) as page:
        yield page


async def outcomes(page: Page, body: str, given: object) -> Any:
    """Ask a source for the key three times at once, and return the versions, or the reasons of refusals."""
    script = f"""const waiting = [];
        const source = new edge.KeySource(() => new Promise((resolve) => waiting.push(resolve)));
        const asked = [1, 2, 3].map(() => source.current());
        {body}
        const settled = await Promise.allSettled(asked);
        return settled.map(({{ value, reason }}) => value?.version ?? reason.reason ?? reason.name);"""
    return await run(page, script, given)


async def test_where_no_key_is_active_each_is_told_so(page: Page) -> None:
    body = "for (const resolve of waiting) resolve(given);"
    assert await outcomes(page, body, answer({1: "DEACTIVATED"})) == ["none"] * 3


async def test_an_answer_that_a_later_one_has_overtaken_refuses_nobody(page: Page) -> None:
    given = {"old": answer({1: "ACTIVE", 2: "PRE_ACTIVE"}), "new": answer({1: "DEACTIVATED", 2: "ACTIVE"})}
    body = """const [first, second, third] = waiting;
        second(given.new);
        await asked[1];
        first(given.old);
        third(given.new);"""
    assert await outcomes(page, body, given) == [2, 2, 2]


async def test_an_older_answer_to_a_later_question_is_a_downgrade_still(page: Page) -> None:
    given = {"old": answer({1: "ACTIVE"}), "new": answer({1: "DEACTIVATED", 2: "ACTIVE"})}
    body = """const [first, second, third] = waiting;
        first(given.new);
        await asked[0];
        second(given.old);
        third(given.new);"""
    assert await outcomes(page, body, given) == [2, "downgrade", 2]
