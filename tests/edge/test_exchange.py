"""The holder of a card whose number was replaced gets the new one at the sample shop, in a browser."""

import base64
import json
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, Route

from tests.edge.conftest import READY, Running, Tab, opened
from tests.edge.desk import NEW, OLD, SERIAL, Sent, answered, claim, enter, found, said, title

pytestmark = pytest.mark.asyncio(loop_scope="package")

GIVEN = "Here is your new number"
REFUSED = "There is no new number for this"


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


async def shown(page: Page) -> str:
    """Return the new number, as digits."""
    return (await page.inner_text(NEW)).replace(" ", "")


async def emptied(page: Page) -> bool:
    """Whether nothing of a new number or of what was typed stands in the page."""
    texts = [await page.text_content(each) for each in (NEW, "#new-serial")]
    return texts == ["", ""] and [await page.input_value(each) for each in (OLD, SERIAL)] == ["", ""]


async def test_the_new_number_is_shown_to_the_keyboard_alone_and_only_it_is_good(page: Page, sample: Running) -> None:
    old = sample.exchangeable.pop()
    sent = Sent(page)
    for key in ("Tab", "Tab", "Tab", "Enter"):  # field, "Check card", the other form
        await page.keyboard.press(key)
    assert await page.evaluate("document.activeElement.id") == "old-code"
    await page.keyboard.type(old.code)
    await page.keyboard.press("Tab")
    await page.keyboard.type(old.serial.lower())
    assert await page.input_value(SERIAL) == old.serial
    await page.keyboard.press("Enter")
    await answered(page)
    assert await title(page) == GIVEN
    assert await page.evaluate("document.activeElement.id") == "result-title"
    new = await shown(page)
    assert await page.inner_text(NEW) == f"{new[:4]} {new[4:8]} {new[8:12]} {new[12:]}"
    assert new != old.code
    assert await page.inner_text("#new-serial") not in {"", old.serial}
    assert sent.posts() == ["/api/exchange"]
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    assert await emptied(page)
    assert await page.evaluate("document.activeElement.id") == "code"
    await enter(page, old.code)
    assert await title(page) == "This card cannot be used"
    await page.click("#another")
    await enter(page, new)
    assert await title(page) == "Your card is good"


async def test_neither_the_shop_nor_what_passes_or_stays_holds_the_old_or_the_new_number(
    page: Page, sample: Running
) -> None:
    old = sample.exchangeable.pop()
    sent = Sent(page)
    await claim(page, *old)
    codes = [old.code, await shown(page)]
    passed = await sent.raw() + await sent.answers()
    assert sent.posts() == ["/api/exchange"]
    assert b"sealedCode" in passed
    assert found(passed, codes) == set()
    logs = {path.name: path.read_bytes() for path in sample.folder.rglob("*.log")}
    assert b"POST /api/exchange 200" in logs["shop.log"]
    assert {name: forms for name, log in logs.items() if (forms := found(log, codes))} == {}
    assert await emptied(page) is False
    await page.click("#another")
    assert await emptied(page)
    kept = await page.evaluate("""async () => JSON.stringify([
        document.documentElement.outerHTML, {...localStorage}, {...sessionStorage}, document.cookie, history.state,
        location.href, window.name, await indexedDB.databases(), await caches.keys(),
    ])""")
    assert found(kept.encode(), codes) == set()


async def test_a_wrong_serial_looks_like_a_wrong_number(page: Page, sample: Running) -> None:
    card, other = sample.kept
    tried = [
        (card.code, other.serial),
        (sample.codes["unknown"][0], card.serial),
        (sample.codes["superseded"][0], card.serial),
        (sample.codes["good"][0], card.serial),
    ]
    bodies, texts = set(), set()
    for code, serial in tried:
        async with page.expect_response("**/api/exchange") as answer:
            await claim(page, code, serial)
        headers = {
            name: content for name, content in (await (await answer.value).all_headers()).items() if name != "date"
        }
        bodies.add((await (await answer.value).body(), json.dumps(headers, sort_keys=True)))
        texts.add(await page.inner_text("main"))
        await page.click("#another")
        assert await page.evaluate("document.activeElement.id") == "old-code"
        assert await emptied(page)
    assert len(bodies) == len(texts) == 1
    assert REFUSED in texts.pop()


async def test_after_a_lost_answer_the_same_claim_is_sent_again_for_the_same_number(
    page: Page, sample: Running
) -> None:
    old = sample.exchangeable.pop()
    sent = Sent(page)
    lost, genuine = 2, set()

    async def sometimes(route: Route) -> None:
        nonlocal lost
        answer = await route.fetch()  # the vault has exchanged the code
        genuine.add((await answer.json())["outcome"])
        if lost:
            lost -= 1
            await route.fulfill(status=502)
        else:
            await route.fulfill(response=answer)

    await page.route("**/api/exchange", sometimes)
    await claim(page, *old)
    assert await title(page) == "The shop cannot be reached"
    assert await page.is_hidden("#another")  # another claim would put the card on hold
    await page.click("#retry")
    await page.wait_for_selector("#progress:empty", state="attached")
    await said(page, "The shop cannot be reached")
    await page.click("#retry")
    await said(page, GIVEN)
    assert genuine == {"exchanged"}
    bodies = [one.post_data for one in sent.requests if one.url.endswith("/exchange")]
    assert len(bodies) == 3
    assert len(set(bodies)) == 1
    new = await shown(page)
    await page.click("#another")
    await enter(page, new)
    assert await title(page) == "Your card is good"


def box_of(told: dict[str, str]) -> bytes:
    return base64.b64decode(told["sealedCode"])


def with_box(told: dict[str, str], box: bytes) -> dict[str, str]:
    return told | {"sealedCode": base64.b64encode(box).decode()}


@pytest.mark.parametrize(
    "change",
    [
        lambda told: with_box(told, box_of(told)[:-1] + bytes([box_of(told)[-1] ^ 1])),
        lambda told: with_box(told, box_of(told)[:40]),
        lambda told: with_box(told, bytes(len(box_of(told)))),
        lambda told: told | {"sealedCode": "?"},
        lambda _told: {"outcome": "validated"},
        lambda _told: {"outcome": "exchanged"},
        lambda _told: None,
    ],
    ids=["bit", "cut", "zeros", "letters", "outcome", "missing", "null"],
)
async def test_an_answer_that_was_changed_is_refused_and_asked_for_again(
    page: Page, sample: Running, change: Callable[[dict[str, str]], object]
) -> None:
    old = sample.exchangeable.pop()

    async def changed(route: Route) -> None:
        told = change(await (await route.fetch()).json())
        await route.fulfill(body=json.dumps(told), content_type="application/json")

    await page.route("**/api/exchange", changed)
    await claim(page, *old)
    assert await title(page) == "The answer was damaged"
    assert await page.is_hidden("#another")
    assert await emptied(page)
    await page.unroute("**/api/exchange")
    await page.click("#retry")
    await said(page, GIVEN)
    assert len(await shown(page)) == 16


async def test_while_a_claim_is_not_answered_the_browser_asks_before_it_leaves(page: Page, sample: Running) -> None:
    old = sample.exchangeable.pop()
    leaving = "window.dispatchEvent(new Event('beforeunload', { cancelable: true }))"
    assert await page.evaluate(leaving)
    await page.route("**/api/exchange", lambda route: route.abort())
    await claim(page, *old)
    assert not await page.evaluate(leaving)
    await page.unroute("**/api/exchange")
    await page.click("#retry")
    await said(page, GIVEN)
    assert await page.evaluate(leaving)


async def test_the_shop_relays_nothing_but_a_sealed_claim(page: Page, sample: Running) -> None:
    right = {
        "sealed": base64.b64encode(b"\1\0\0\0\1" + bytes(560)).decode(),
        "requestId": "00000000-0000-4000-8000-000000000000",
    }
    code = sample.kept[0].code
    wrong = [right | {"code": code}, right | {"requestId": code}, right | {"sealed": "?"}, {"sealed": "AAAA"}, [], code]
    wrong.append(right | {"sealed": "AAAA"})  # too short for the vault
    ask = """async (bodies) => Promise.all(bodies.map(async ([body, type]) => {
        const headers = { "Content-Type": type };
        const answer = await fetch("/api/exchange", { method: "POST", headers, body: JSON.stringify(body) });
        return [answer.status, await answer.text()];
    }))"""
    answers = await page.evaluate(ask, [[body, "application/json"] for body in wrong] + [[right, "text/plain"]])
    assert {status for status, _ in answers} == {400}
    assert code not in str(answers)
    # What nobody sealed is the vault's to refuse.
    assert await page.evaluate(ask, [[right, "application/json"]]) == [[200, '{"outcome": "refused"}']]


async def test_a_page_that_is_left_shows_no_number_when_it_comes_back(page: Page, sample: Running) -> None:
    await claim(page, *sample.exchangeable.pop())
    assert await title(page) == GIVEN
    await page.evaluate("window.dispatchEvent(new PageTransitionEvent('pagehide', { persisted: true }))")
    assert await emptied(page)
    assert await page.is_hidden("#result")
    await page.click("#to-exchange")
    await page.fill(SERIAL, "A")
    await page.evaluate("window.dispatchEvent(new PageTransitionEvent('pagehide', { persisted: true }))")
    assert await emptied(page)


async def test_what_is_mistyped_is_said_in_text_beside_its_field(page: Page, sample: Running) -> None:
    card = sample.kept[0]
    sent = Sent(page)
    await page.click("#to-exchange")
    await page.focus(SERIAL)
    await page.keyboard.type("1")
    assert await page.inner_text("#serial-error") == "A serial begins with a letter."
    await page.keyboard.press("Backspace")
    swapped = card.serial[:-1] + ("A" if card.serial[-1] != "A" else "B")
    await page.keyboard.type(swapped[:-1] + "-")
    assert await page.input_value(SERIAL) == swapped[:-1]
    assert await page.inner_text("#serial-error") == ""
    await page.keyboard.type(swapped[-1])
    wrong = "A letter or digit seems to be mistyped: please compare with your card."
    assert await page.inner_text("#serial-error") == wrong
    field = page.get_by_role("textbox", name="Serial", description=wrong)
    assert await field.get_attribute("aria-invalid") == "true"
    await page.keyboard.press("Enter")
    assert await page.inner_text("#old-code-error") == "Type the 16 digits of the card's number."
    assert await page.evaluate("document.activeElement.id") == "old-code"
    assert sent.requests == []
    await page.click("#to-payment")
    assert await emptied(page)
    assert await page.evaluate("document.activeElement.id") == "code"
