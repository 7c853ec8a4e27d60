"""The page for those who do not see it, use no mouse, or have a small screen: WCAG 2.2, by axe-core and by hand."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, Route

from tests.edge.conftest import READY, Tab, opened
from tests.edge.desk import FIELD, NEW, SERIAL, answered, claim
from tests.edge.test_claim import SERIAL as EXCHANGED
from tests.edge.test_claim import VAULT
from tests.edge.test_modules import answer
from tests.rules.source import ROOT

pytestmark = pytest.mark.asyncio(loop_scope="package")

AXE = ROOT / "third_party/axe-core/axe.min.js"
CODE = "1234567890123452"
RULES = ["wcag2a", "wcag2aa", "wcag2aaa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
GOOD = {
    "outcome": "validated",
    "cardId": "71e7779a-c8a2-4378-bdeb-9afe95c40457",
    "program": "gift",
    "receiptId": "149ba3c4-3dfa-4ac7-85b0-d8bf07b87e3c",
    "expireTime": "2026-01-01T00:00:00+00:00",
}


@pytest_asyncio.fixture(scope="module", loop_scope="package")
async def tab(browser: Browser) -> AsyncIterator[Tab]:
    """Open a tab with axe-core in it; what is put in before a page's scripts is not under the page's policy."""
    async with opened(browser, AXE.read_text(encoding="utf-8")) as tab:
        yield tab


@pytest_asyncio.fixture(loop_scope="package", params=["light", "dark"])
async def page(tab: Tab, site: str, request: pytest.FixtureRequest) -> AsyncIterator[Page]:
    await tab.page.emulate_media(color_scheme=request.param)
    async with tab.at(site) as page:
        await page.route("**/api/keys", lambda route: route.fulfill(json=answer({1: "ACTIVE"})))
        await page.wait_for_selector(READY)
        yield page


async def violations(page: Page) -> list[tuple[str, Any]]:
    """Return what axe-core finds, and what needs to be scrolled sideways."""
    body = "(tags) => axe.run(document, { runOnly: tags, resultTypes: ['violations', 'incomplete'] })"
    result = await page.evaluate(body, RULES)
    assert len(result["passes"]) >= 10
    found = [
        (one["id"], [node["html"] for node in one["nodes"]]) for one in result["violations"] + result["incomplete"]
    ]
    if await page.evaluate("document.documentElement.scrollWidth > 320"):
        found.append(("reflow", []))
    return found


async def test_the_empty_form(page: Page) -> None:
    assert await violations(page) == []
    field = page.get_by_role("textbox", name="Card number", description="The digits printed on your card.")
    assert await field.count() == 1


async def test_an_error(page: Page) -> None:
    await page.fill(FIELD, CODE[:-1] + "3")
    await page.keyboard.press("Enter")
    assert await page.inner_text("#code-error") != ""
    assert await violations(page) == []
    live = page.locator("#card [aria-live=polite]")
    assert await live.inner_text() == await page.inner_text("#code-error")


@pytest.mark.parametrize("outcome", [GOOD, GOOD | {"outcome": "redeemed"}, {"outcome": "not_good"}, None])
async def test_every_result(page: Page, outcome: dict[str, str] | None) -> None:
    if outcome is None:
        await page.route("**/api/validate", lambda route: route.abort())
    else:
        await page.route("**/api/validate", lambda route: route.fulfill(json=outcome))
    await page.fill(FIELD, CODE)
    await page.keyboard.press("Enter")
    await answered(page)
    assert await violations(page) == []
    assert await page.evaluate("document.activeElement.tagName") == "H2"  # read aloud by a screen reader


async def test_the_form_for_replaced_numbers(page: Page) -> None:
    await page.click("#to-exchange")
    assert await violations(page) == []
    form = page.get_by_role("form", name="My card's number was replaced")
    for name, hint in (
        ("Old card number", "The digits printed on your card."),
        ("Serial", "The 13 letters and digits"),
    ):
        assert await form.get_by_role("textbox", name=name, description=hint).count() == 1
    await page.fill(SERIAL, "1")
    await page.keyboard.press("Enter")
    assert await violations(page) == []
    errors = [await each.inner_text() for each in await page.locator("#replaced [aria-live=polite]").all()]
    assert errors == [await page.inner_text("#old-code-error"), await page.inner_text("#serial-error")]
    assert "" not in errors


@pytest.mark.parametrize("outcome", ["exchanged", "changed", "not_good", None])
async def test_every_result_of_an_exchange(page: Page, outcome: str | None) -> None:
    async def told(route: Route) -> None:
        posted = json.loads(route.request.post_data or "")
        box = VAULT.reply(posted["sealed"], posted["requestId"], CODE) if outcome == "exchanged" else "AAAA"
        await route.fulfill(json={"outcome": "not_good" if outcome == "not_good" else "exchanged", "sealedCode": box})

    await page.route("**/api/keys", lambda route: route.fulfill(json=VAULT.keys))
    await page.route("**/api/exchange", told if outcome else lambda route: route.abort())
    await claim(page, CODE, EXCHANGED)
    assert await page.is_visible(NEW) == (outcome == "exchanged")
    assert await violations(page) == []
    assert await page.evaluate("document.activeElement.tagName") == "H2"


async def test_what_is_wrong_is_found(page: Page) -> None:
    await page.evaluate("document.querySelector('label').remove()")
    await page.evaluate("document.querySelector('h1').style.width = '400px'")
    assert {name for name, _ in await violations(page)} >= {"label", "reflow"}
