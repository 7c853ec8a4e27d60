"""A customer pays with a card at the sample shop, in a browser, with the vault behind it."""

import base64
import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, Route

from tests.edge.conftest import READY, Running, Tab, opened
from tests.edge.desk import FIELD, Sent, answered, enter, found, mistyped, said, title, value
from vault.crypto.sealedbox import draw_key, public_half

pytestmark = pytest.mark.asyncio(loop_scope="package")


@pytest_asyncio.fixture(scope="module", loop_scope="package")
async def tab(browser: Browser) -> AsyncIterator[Tab]:
    async with opened(browser) as tab:
        yield tab


@pytest_asyncio.fixture(loop_scope="package")
async def page(tab: Tab, sample: Running) -> AsyncIterator[Page]:
    """Load the page, ready to be typed into."""
    async with tab.at(sample.url) as page:
        await page.wait_for_selector(READY)
        yield page


async def test_a_card_is_checked_and_paid_with_from_the_keyboard_alone(page: Page, sample: Running) -> None:
    code = sample.codes["good"].pop()
    sent = Sent(page)
    await page.keyboard.press("Tab")
    await page.keyboard.type(code)
    assert await value(page) == f"{code[:4]} {code[4:8]} {code[8:12]} {code[12:]}"
    await page.keyboard.press("Enter")
    await answered(page)
    assert await title(page) == "Your card is good"
    assert await page.evaluate("document.activeElement.id") == "result-title"
    card = await page.inner_text("#card-id")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Space")
    await said(page, "Paid")
    await answered(page)
    assert await page.inner_text("#card-id") == card
    assert "counts until" in await page.inner_text("#card-receipt")
    assert sent.posts() == ["/api/validate", "/api/redeem"]
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    assert await page.evaluate("document.activeElement.id") == "code"
    await enter(page, code)
    assert await title(page) == "This card cannot be used"


async def test_nothing_that_the_page_sends_or_keeps_holds_the_digits(page: Page, sample: Running) -> None:
    code = sample.codes["good"].pop()
    sent = Sent(page)
    await enter(page, code)
    await page.click("#pay")
    await said(page, "Paid")
    raw = await sent.raw()
    assert len(sent.posts()) == 2
    assert found(raw, [code]) == set()
    assert await value(page) == ""
    kept = await page.evaluate("""async () => JSON.stringify([
        document.documentElement.outerHTML, [...document.querySelectorAll("input")].map((input) => input.value),
        {...localStorage}, {...sessionStorage}, document.cookie, history.state, location.href, window.name,
        await indexedDB.databases(), await caches.keys(),
    ])""")
    assert found(kept.encode(), [code]) == set()
    await page.keyboard.press("Control+Z")
    assert await value(page) == ""
    # What would be wrong is found.
    await page.evaluate("(code) => fetch('/api/keys?' + btoa('x' + code)).then(() => null)", code)
    assert found(await sent.raw(), [code]) == {"base64 of ASCII"}


@pytest.mark.parametrize("form", ["{}", "{0}", "groups", "wide"])
async def test_digits_are_taken_however_they_are_written(page: Page, sample: Running, form: str) -> None:
    code = sample.codes["unknown"][0]
    parts = [code[place : place + 4] for place in range(0, 16, 4)]
    wide = {ord("0") + digit: 0xFF10 + digit for digit in range(10)}
    text = {"{}": code, "{0}": "-".join(parts), "groups": "  ".join(parts), "wide": code.translate(wide)}[form]
    await page.focus(FIELD)
    await page.keyboard.insert_text(text)  # as a paste or an input method does, at once
    assert await value(page) == " ".join(parts)
    assert await page.inner_text("#code-error") == ""


async def test_the_caret_stays_beside_its_digit(page: Page) -> None:
    await page.focus(FIELD)
    await page.keyboard.type("12345678")
    for _ in range(4):
        await page.keyboard.press("ArrowLeft")
    await page.keyboard.type("99")
    assert await value(page) == "1234 9956 78"
    await page.keyboard.press("Backspace")
    assert await value(page) == "1234 9567 8"
    assert await page.evaluate("document.getElementById('code').selectionStart") == 6


async def test_a_wrong_check_digit_is_said_in_text_as_soon_as_it_is_typed(page: Page, sample: Running) -> None:
    sent = Sent(page)
    code = sample.codes["unknown"][0]
    await page.focus(FIELD)
    await page.keyboard.type(code[:-1])
    assert await page.inner_text("#code-error") == ""
    await page.keyboard.type(mistyped(code)[-1])
    wrong = "A digit seems to be mistyped: please compare with your card."
    assert await page.inner_text("#code-error") == wrong
    field = page.get_by_role("textbox", name="Card number", description=wrong)
    assert await field.get_attribute("aria-invalid") == "true"
    await page.keyboard.press("Enter")
    assert await page.evaluate("document.activeElement.id") == "code"
    assert sent.requests == []
    await page.keyboard.press("Backspace")
    assert await page.inner_text("#code-error") == ""
    assert await field.count() == 0


@pytest.mark.parametrize(
    ("typed", "wrong"),
    [
        ("", "Type the 16 digits of the card's number."),
        ("1234", "The card's number has 16 digits; some are missing."),
        ("12345678901234567", "The card's number has 16 digits; there are too many."),
    ],
)
async def test_what_is_wrong_at_the_end_is_said_in_text(page: Page, typed: str, wrong: str) -> None:
    await page.focus(FIELD)
    await page.keyboard.type(typed)
    await page.keyboard.press("Enter")
    assert await page.inner_text("#code-error") == wrong
    assert await page.evaluate("document.activeElement.id") == "code"


async def test_letters_are_left_out_and_that_is_said(page: Page) -> None:
    await page.focus(FIELD)
    await page.keyboard.type("12x")
    assert await value(page) == "12"
    assert await page.inner_text("#code-error") == "The card's number has only digits; anything else was left out."


async def test_superseded_unknown_and_spent_codes_look_alike(page: Page, sample: Running) -> None:
    spent = sample.codes["good"].pop()
    await enter(page, spent)
    await page.click("#pay")
    await said(page, "Paid")
    bodies, texts = set(), set()
    for code in (spent, sample.codes["superseded"][0], sample.codes["unknown"][0]):
        await page.click("#another")
        async with page.expect_response("**/api/validate") as answer:
            await enter(page, code)
        headers = {
            name: content for name, content in (await (await answer.value).all_headers()).items() if name != "date"
        }
        bodies.add((await (await answer.value).body(), json.dumps(headers, sort_keys=True)))
        texts.add(await page.inner_text("main"))
    assert len(bodies) == len(texts) == 1
    assert await title(page) == "This card cannot be used"


async def test_after_a_broken_connection_the_same_submission_is_sent_again(page: Page, sample: Running) -> None:
    sent = Sent(page)
    broken = True

    async def sometimes(route: Route) -> None:
        if not broken:
            await route.continue_()
            return
        await route.fetch()  # the shop has answered, and nobody has heard it
        await route.fulfill(status=502)

    await page.route("**/api/redeem", sometimes)
    await enter(page, sample.codes["good"].pop())
    await page.click("#pay")
    await page.wait_for_selector("#retry:not([hidden])")
    assert await title(page) == "The shop cannot be reached"
    broken = False
    await page.click("#retry")
    await said(page, "Paid")
    first, again = (one.post_data for one in sent.requests if one.url.endswith("/redeem"))
    assert first == again


async def test_a_submission_that_was_used_is_refused_and_the_code_is_typed_again(page: Page, sample: Running) -> None:
    code = sample.codes["good"].pop()

    async def replayed(route: Route) -> None:
        body = json.loads(route.request.post_data or "") | {"requestId": "00000000-0000-4000-8000-000000000000"}
        await route.fetch()
        await route.continue_(post_data=json.dumps(body))

    await page.route("**/api/validate", replayed)
    await enter(page, code)
    assert await title(page) == "The check was not completed"
    await page.unroute("**/api/validate")
    await page.click("#another")
    await enter(page, code)
    assert await title(page) == "Your card is good"


@pytest.mark.parametrize("told", ["older", "another", "none"])
async def test_keys_that_go_back_are_not_sealed_to(page: Page, sample: Running, told: str) -> None:
    async def answer(route: Route) -> None:
        keys = await (await route.fetch()).json()
        known = keys["keys"][0]
        changed = {
            "older": [known | {"state": "STATE_PRE_ACTIVE"}],
            "another": [known | {"publicKey": base64.b64encode(public_half(draw_key())).decode()}],
            "none": [],
        }[told]
        await route.fulfill(json=keys | {"keys": changed})

    await page.route("**/api/validate", lambda route: route.fulfill(json={"outcome": "refused"}))
    await enter(page, sample.codes["unknown"][0])  # refused, so that keys are asked for anew
    await page.unroute("**/api/validate")
    await page.click("#another")
    await page.route("**/api/keys", answer)
    sent = Sent(page)
    await enter(page, sample.codes["unknown"][0])
    assert await title(page) == "This card cannot be checked safely"
    assert sent.posts() == []
    assert await value(page) == ""
    await page.unroute("**/api/keys")
    await page.click("#another")
    await enter(page, sample.codes["unknown"][0])
    assert await title(page) == "This card cannot be used"


async def test_a_customers_clock_may_be_hours_wrong(browser: Browser, sample: Running) -> None:
    wrong = "const now = Date.now; Date.now = () => now() + 3 * 3600 * 1000;"
    async with opened(browser, wrong) as tab, tab.at(sample.url) as page:
        await page.wait_for_selector(READY)
        await enter(page, sample.codes["good"][0])
        assert await title(page) == "Your card is good"
