"""Telegram's place in the process: the channel, and polling or the webhook."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from bot.compose import Core, Foundation
from bot.settings import Settings
from channels.telegram.channel import TelegramChannel, budgets, open_bot
from channels.telegram.inbound import Me
from channels.telegram.receive import Poller, Receiver, Webhook, introduce, register_webhook
from core.operations.registry import OPERATIONS

WEBHOOK_PATH = "/hooks/telegram"


@dataclass(slots=True)
class Telegram:
    """The bot, and how its updates come in.

    Args:
        hooks: the web's handlers for it; empty when polling.
    """

    bot: Any
    me: Me
    channel: TelegramChannel
    poller: Poller | None = None
    hooks: dict[str, Callable[[web.Request], Awaitable[web.StreamResponse]]] | None = None


def create(foundation: Foundation) -> Telegram:
    """Build the channel; nothing is called yet."""
    settings = foundation.settings
    assert settings.telegram_bot_token is not None
    token = settings.telegram_bot_token.get_secret_value()
    bot = open_bot(token, settings.telegram_api_url)
    limits = budgets(
        settings.telegram_messages_per_second,
        settings.telegram_chat_messages_per_second,
        settings.telegram_group_messages_per_minute,
    )
    return Telegram(bot, Me(int(token.partition(":")[0])), TelegramChannel(bot, limits, foundation.read_file))


def connect(telegram: Telegram, foundation: Foundation, core: Core) -> None:
    """Let updates flow into the core's inbox, once `run` runs."""
    settings, clock = foundation.settings, foundation.clock
    receiver = Receiver(
        telegram.bot, telegram.me, telegram.channel, core.inbox.accept, core.services.directory.move_chat, clock
    )
    if settings.telegram_webhook_url is None:
        telegram.poller = Poller(telegram.bot, receiver, foundation.holder, telegram.me.account, clock)
        return
    assert settings.telegram_webhook_secret is not None
    webhook = Webhook(receiver, settings.telegram_webhook_secret.get_secret_value())

    async def handle(request: web.Request) -> web.StreamResponse:
        secret = request.headers.get("X-Telegram-Bot-Api-Secret-Token")
        return web.Response(status=await webhook.receive(secret, await request.read()))

    telegram.hooks = {webhook_path(settings): handle}


def webhook_path(settings: Settings) -> str:
    """Return the path that Telegram calls: the one in `TELEGRAM_WEBHOOK_URL`, or ours if it names none."""
    path = urlsplit(settings.telegram_webhook_url or "").path.rstrip("/")
    return path or WEBHOOK_PATH


def webhook_url(settings: Settings) -> str:
    """Return the whole address that Telegram calls."""
    parts = urlsplit(settings.telegram_webhook_url or "")
    return f"{parts.scheme}://{parts.netloc}{webhook_path(settings)}"


def menu() -> Sequence[tuple[str, str]]:
    """Return the `/` menu."""
    return [(o.alias, o.title) for o in OPERATIONS.values() if o.alias and not o.hidden and not o.surfaces]


async def run(telegram: Telegram, foundation: Foundation) -> None:
    """Introduce ourselves, and poll or register the webhook; until cancelled."""
    settings = foundation.settings
    async with asyncio.TaskGroup() as group:
        group.create_task(_introduce(telegram, foundation))
        if telegram.poller is not None:
            group.create_task(telegram.poller.run())
        else:
            assert settings.telegram_webhook_secret is not None
            secret = settings.telegram_webhook_secret.get_secret_value()
            group.create_task(register_webhook(telegram.bot, webhook_url(settings), secret))


async def _introduce(telegram: Telegram, foundation: Foundation) -> None:
    await introduce(telegram.bot, telegram.me, menu())
    foundation.telegram_username = telegram.me.username
