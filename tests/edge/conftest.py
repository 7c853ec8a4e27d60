"""A headless Chromium for the tests of the page; where it is missing they are skipped, and say so."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
import pytest_asyncio
from playwright.async_api import Browser, ConsoleMessage, Page, async_playwright

from vault.cli.edge.listener import Answer, Listener
from vault.cli.edge.relaying import answered
from vault.cli.edge.site import routes

CHROMIUM = shutil.which("chromium")
MISSING = "Chromium is missing: scripts/browser installs it on Debian"
# Chromium's own sandbox wants another user than root, and a container has little shared memory.
ARGUMENTS = ["--no-sandbox", "--disable-dev-shm-usage"] if os.geteuid() == 0 else ["--disable-dev-shm-usage"]
CARDS = 10
TAKEN, KEPT = 12, 2
READY = "form[data-ready]"
PATIENCE_MS = 180_000


class Card(NamedTuple):
    """What is printed on a card."""

    code: str
    serial: str


class Running(NamedTuple):
    """``scripts/edge`` at work: the shop's URL, its folder, codes by kind, and cards whose numbers were replaced.

    A test that exchanges a card takes it out of ``exchangeable``; nobody exchanges those in ``kept``.
    """

    url: str
    folder: Path
    codes: dict[str, list[str]]
    exchangeable: list[Card]
    kept: list[Card]


@pytest.fixture(scope="module")
def sample() -> Iterator[Running]:
    """Run the sample shop with its vault and ledger, and see it end cleanly."""
    if CHROMIUM is None:
        pytest.skip(MISSING)
    command = [sys.executable, "-m", "vault", "edge", "--json", "--cards", str(CARDS)]
    command += ["--exchangeable", str(TAKEN + KEPT)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True)
    assert process.stdout is not None
    with process.stdout:
        line = process.stdout.readline()
        assert line, f"the sample ended with status {process.wait()}"
        told = json.loads(line)
        replaced = [Card(**card) for card in told["exchangeable"]]
        yield Running(told["url"], Path(told["folder"]), told["codes"], replaced[:TAKEN], replaced[TAKEN:])
        process.send_signal(signal.SIGINT)
        assert process.wait(300) == 0
    assert not os.path.exists(told["folder"])  # noqa: PTH110  a path of another process


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def site() -> AsyncIterator[str]:
    """Serve the page as the shop does, with no vault behind it, and return where."""

    async def settings(_body: bytes) -> Answer:
        return answered({"length": 16, "checkAlgorithm": "CHECK_ALGORITHM_LUHN", "audience": "shop", "program": "gift"})

    listener = Listener({**routes(), ("GET", "/api/settings"): settings})
    yield f"http://{listener.address}"
    listener.stop()


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def browser() -> AsyncIterator[Browser]:
    """Start Chromium."""
    if CHROMIUM is None:
        pytest.skip(MISSING)
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS, timeout=PATIENCE_MS)
        yield started
        await started.close()


@asynccontextmanager
async def opened(browser: Browser, script: str = "") -> AsyncIterator["Tab"]:
    """Open a tab on a screen 320 pixels wide, the narrowest that WCAG 2.2 names (1.4.10).

    Args:
        browser: The browser.
        script: What runs before the scripts of each page.
    """
    context = await browser.new_context(viewport={"width": 320, "height": 640}, service_workers="block")
    context.set_default_timeout(PATIENCE_MS)
    await context.add_init_script(script)
    yield Tab(await context.new_page())
    await context.close()


class Tab:
    """A page, and what went wrong in it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.wrong: list[str] = []
        page.on("pageerror", lambda error: self.wrong.append(str(error)))
        page.on("console", self._note)

    @asynccontextmanager
    async def at(self, url: str) -> AsyncIterator[Page]:
        """Load a page anew; at the end nothing may have gone wrong in it, broken connections apart."""
        await self.page.goto(url)
        yield self.page
        await self.page.unroute_all()
        wrong, self.wrong = self.wrong, []
        assert wrong == []

    def _note(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            self.wrong.append(message.text)
