"""Scenarios: a whole service in this process, against a fake Telegram and a fake model."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiogram.client.session.aiohttp import AiohttpSession

import bot.service
from tests.scenarios.town import Talk, Town
from tests.servers.openai import FakeOpenAI
from tests.servers.telegram import FakeTelegram
from tests.servers.telegram_limits import Limits


@pytest.fixture
async def quiet_town(data_dir: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Town]:
    """A town whose service is not started yet; Telegram has no limits."""
    monkeypatch.setattr(AiohttpSession, "close", _close_at_once)
    async with FakeTelegram(limits=Limits.off()) as telegram, FakeOpenAI() as openai:
        town = Town(data_dir, database_url, telegram, openai)
        monkeypatch.setattr(bot.service, "SystemClock", lambda: town.clock)
        yield town
        await town.stop()
        town.check()


async def _close_at_once(session: AiohttpSession) -> None:
    """Close without the quarter of a second that aiogram gives to TLS."""
    if session._session is not None:
        await session._session.close()


@pytest.fixture
async def town(quiet_town: Town) -> Town:
    """A town whose service runs, open to everybody."""
    await quiet_town.start()
    return quiet_town


@pytest.fixture
def chat(town: Town) -> Talk:
    """Ann's private chat with the bot."""
    return town.person("Ann")
