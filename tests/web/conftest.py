"""A served web application and browsers without a screen."""

from collections.abc import AsyncIterator

import aiohttp
import pytest
from tortoise.backends.base.client import BaseDBAsyncClient

from tests.clock import FakeClock
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
