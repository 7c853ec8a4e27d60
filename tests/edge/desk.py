"""A customer at the sample's page."""

from collections.abc import Sequence

import numpy as np
from playwright.async_api import Page, Request

from vault.cli.demo.search import search_bytes
from vault.cli.demo.targets import Targets

FIELD = "#code"
OLD, SERIAL, NEW = "#old-code", "#serial", "#new-code"


class Sent:
    """Everything that a page sends, from now on."""

    def __init__(self, page: Page) -> None:
        self.requests: list[Request] = []
        page.on("request", lambda request: self.requests.append(request))  # noqa: PLW0108  built-ins cannot be bound

    def posts(self) -> list[str]:
        """Return the paths that were posted to."""
        return ["/" + one.url.split("/", 3)[3] for one in self.requests if one.method == "POST"]

    async def raw(self) -> bytes:
        """Return the bytes of all requests: method, address, headers and body."""
        parts = []
        for one in self.requests:
            parts += [one.method.encode(), one.url.encode()]
            parts += [f"{name}: {value}".encode() for name, value in (await one.all_headers()).items()]
            parts.append(one.post_data_buffer or b"")
        return b"\n".join(parts)

    async def answers(self) -> bytes:
        """Return the bytes of all answers: headers and body."""
        parts = []
        for one in self.requests:
            response = await one.response()
            assert response is not None
            parts += [f"{name}: {value}".encode() for name, value in (await response.all_headers()).items()]
            parts.append(await response.body())
        return b"\n".join(parts)


def found(data: bytes, codes: Sequence[str]) -> set[str]:
    """Return the forms in which bytes hold one of the codes, digits in groups included."""
    targets = Targets([code.encode() for code in codes])
    joined = data.translate(None, b" -\0+")
    plain = np.frombuffer(data, np.uint8), np.frombuffer(joined, np.uint8)
    return {form for view in plain for form, _ in search_bytes(view, targets)}


async def enter(page: Page, code: str) -> None:
    """Type a code with the keyboard and press Enter; wait for the answer."""
    await page.focus(FIELD)
    await page.keyboard.type(code)
    await page.keyboard.press("Enter")
    await answered(page)


async def claim(page: Page, code: str, serial: str) -> None:
    """Go to the form for replaced numbers where it is not shown, type with the keyboard, and wait for the answer."""
    if await page.is_hidden("#replaced"):
        await page.click("#to-exchange")
    await page.focus(OLD)
    await page.keyboard.type(code)
    await page.focus(SERIAL)
    await page.keyboard.type(serial)
    await page.keyboard.press("Enter")
    await answered(page)


async def answered(page: Page) -> None:
    """Wait until the page says what became of it."""
    await page.wait_for_selector("#result:not([hidden])")
    await page.wait_for_selector("#progress:empty", state="attached")


async def said(page: Page, text: str) -> None:
    """Wait until the page says something in its result's title."""
    await page.get_by_role("heading", name=text, exact=True).wait_for()
    await answered(page)


async def title(page: Page) -> str:
    """Return what the page says became of it."""
    return await page.inner_text("#result-title")


async def value(page: Page) -> str:
    """Return what stands in the field."""
    return await page.input_value(FIELD)


def mistyped(code: str) -> str:
    """Return a code with another last digit."""
    return code[:-1] + str((int(code[-1]) + 1) % 10)
