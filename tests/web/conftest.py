"""A served web application and browsers without a screen."""

import os
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import aiohttp
import pytest
from playwright.async_api import async_playwright
from tortoise.backends.base.client import BaseDBAsyncClient

from tests.clock import PATIENCE, FakeClock
from tests.web.person import FLAGS, Person, chromium
from tests.web.world import Browser, World, make_user


@pytest.fixture
async def world(database: BaseDBAsyncClient, clock: FakeClock) -> World:
    return World(clock, await make_user("Olive", clock, operator=True))


@pytest.fixture
async def site(world: World) -> AsyncIterator[World]:
    async with world.served():
        yield world


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False) as session:
        yield session


@pytest.fixture
async def browser(site: World, http: aiohttp.ClientSession) -> Browser:
    return Browser(site, http)


@pytest.fixture
async def stranger(site: World, http: aiohttp.ClientSession, clock: FakeClock) -> Browser:
    """Another user's browser, signed in."""
    other = Browser(site, http)
    await other.sign_in(await make_user("Sam", clock))
    return other


@pytest.fixture
async def chrome():
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium(), args=FLAGS, timeout=PATIENCE * 1000)
        yield browser
        await browser.close()


@pytest.fixture
async def person(site, chrome):
    context = await chrome.new_context(viewport={"width": 1100, "height": 760}, color_scheme="light")
    await context.grant_permissions(["clipboard-read", "clipboard-write"])
    someone = Person(await context.new_page(), site)
    yield someone
    cookies = {cookie["name"] for cookie in await context.cookies()}
    stored = await someone.page.evaluate("Object.keys(localStorage).concat(Object.keys(sessionStorage))")
    assert cookies <= {"session", "__Host-session"}
    assert set(stored) <= {"theme"}
    assert {urlsplit(url).hostname for url in someone.asked if not url.startswith("data:")} <= {"127.0.0.1"}
    assert someone.complaints == []
    await context.close()


@pytest.fixture
def shots(tmp_path):
    folder = os.environ.get("PROWEX_SCREENSHOTS") or str(tmp_path)
    os.makedirs(folder, exist_ok=True)
    return lambda page, name: page.screenshot(path=f"{folder}/{name}.png")
