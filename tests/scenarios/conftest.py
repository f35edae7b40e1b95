"""Scenarios: a whole service in this process, against a fake Telegram or Slack and a fake model."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest
from aiogram.client.session.aiohttp import AiohttpSession

import bot.service
from tests.scenarios.slack_town import SOCKET, SlackTalk, SlackTown, patient_slack
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


@pytest.fixture
def transport() -> str:
    """How Slack delivers; a test that is about both is parametrized with it."""
    return SOCKET


@pytest.fixture
async def quiet_slack(
    data_dir: Path, database_url: str, transport: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[SlackTown]:
    """A town on Slack whose service is not started yet; Slack has no limits."""
    async with patient_slack(monkeypatch) as slack, FakeOpenAI() as openai:
        no_telegram = cast(Any, None)
        town = SlackTown(data_dir, database_url, no_telegram, openai, slack=slack, transport=transport)
        monkeypatch.setattr(bot.service, "SystemClock", lambda: town.clock)
        yield town
        await town.stop()
        town.check()


@pytest.fixture
async def slack(quiet_slack: SlackTown) -> SlackTown:
    """A town on Slack whose service runs, open to everybody."""
    await quiet_slack.start()
    return quiet_slack


@pytest.fixture
def dm(slack: SlackTown) -> SlackTalk:
    """Ann's direct conversation with the bot on Slack."""
    return slack.direct("Ann")
