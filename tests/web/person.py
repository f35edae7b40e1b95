"""Somebody in front of a browser window: Chromium, driven by Playwright."""

import os
import shutil

import pytest
from playwright.async_api import Page, expect

from tests.clock import PATIENCE
from tests.web.world import World

expect.set_options(timeout=PATIENCE * 1000)
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync",
]  # fmt: skip


def chromium():
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None and os.environ.get("CI") != "true":
        pytest.skip("Chromium is not installed, so no page was opened: apt-get install chromium")
    assert path, "Chromium is missing"
    return path


class Person:
    """Somebody in front of a browser window."""

    def __init__(self, page: Page, world: World) -> None:
        page.set_default_timeout(PATIENCE * 1000)
        self.page = page
        self.world = world
        self.me = str(world.operator.id)
        self.asked: list[str] = []
        self.complaints: list[str] = []
        page.on("request", lambda request: self.asked.append(request.url))
        page.on("console", self._note)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.box = page.get_by_label("Your message")
        self.log = page.get_by_role("log")

    def _note(self, message):
        if message.type == "error" and "net::ERR_" not in message.text:
            self.complaints.append(message.text)

    async def enter(self):
        """Come in by a one-time link, without a password."""
        await self.page.goto(await self.world.link())
        await self.page.get_by_role("link", name="Not now").click()
        await expect(self.box).to_be_focused()

    async def heard(self, count):
        await self.world.chats.until(lambda: len(self.world.chats.accepted) >= count)
        return self.world.chats.accepted[-1]

    async def texts(self):
        return await self.log.locator(".words").all_inner_texts()

    async def overflow(self):
        return await self.page.evaluate(
            "document.scrollingElement.scrollWidth - innerWidth + Math.max(0, document.getElementById('scroller')"
            "?.scrollWidth - document.getElementById('scroller')?.clientWidth || 0)"
        )
