"""What a browser lets the page do under its policy."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from tests.edge.conftest import PATIENCE_MS, READY, opened
from tests.edge.desk import FIELD, Sent, found

pytestmark = pytest.mark.asyncio(loop_scope="package")

CODE = "1234567890123452"


@pytest_asyncio.fixture(scope="module", loop_scope="package")
async def page(browser: Browser, site: str) -> AsyncIterator[Page]:
    async with opened(browser) as tab:
        await tab.page.goto(site)
        await tab.page.wait_for_selector(READY)
        yield tab.page


@pytest.mark.parametrize(
    "attempt",
    [
        "fetch('https://example.org/')",
        "new Promise((done, fail) => { const image = new Image(); image.onerror = fail; image.src = '/x.png'; })",
        "(async () => { document.body.innerHTML = '<b>x</b>'; })()",
        "import('data:text/javascript,export default 1')",
        "WebAssembly.compile(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0])).then(() => Promise.reject('allowed'))",
    ],
)
async def test_what_a_page_has_no_need_for_is_blocked(page: Page, attempt: str) -> None:
    refused = f"() => ({attempt}).then(() => '', (error) => String(error))"
    assert await page.evaluate(refused) != ""


async def test_without_javascript_nothing_can_be_sent(browser: Browser, site: str) -> None:
    context = await browser.new_context(java_script_enabled=False)
    context.set_default_timeout(PATIENCE_MS)
    page = await context.new_page()
    await page.goto(site)
    assert "needs JavaScript" in await page.inner_text("noscript")
    sent = Sent(page)
    await page.fill(FIELD, CODE)
    await page.focus(FIELD)
    await page.keyboard.press("Enter")
    await page.wait_for_timeout(300)
    assert len(sent.requests) <= 1  # the submission, where the policy did not block it
    assert found(await sent.raw() + page.url.encode(), [CODE]) == set()
    await context.close()
