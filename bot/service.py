"""The service: lanes, channels and web in one process, with a life cycle that reads top to bottom."""

import asyncio
import contextlib
import gc
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from bot.compose import Core, Foundation, open_core, open_foundation
from bot.greeting import greet
from bot.health import metrics, readiness
from bot.settings import Settings
from bot.web.app import create_app, serve
from bot.web.ports import Hook, WebDependencies
from bot.web_ports import WebFiles, WebTranscript
from channels.web import Hub, WebChannel
from core.channel import Channel
from storage.clock import SystemClock
from storage.errors import surviving

if TYPE_CHECKING:
    from bot.slack import Slack
    from bot.telegram import Telegram

HOUSEKEEPING_SECONDS = 3600.0

log = logging.getLogger("prowex.service")


@asynccontextmanager
async def open_service(settings: Settings) -> AsyncIterator["Service"]:
    """Open everything that `prowex run` needs, nothing running yet."""
    async with AsyncExitStack() as stack:
        foundation = await stack.enter_async_context(open_foundation(settings, SystemClock()))
        hub = Hub()
        channels: dict[str, Channel] = {"web": WebChannel(hub, foundation.clock, foundation.read_file)}
        telegram = None
        if settings.telegram_bot_token is not None:
            from bot import telegram as telegrams

            telegram = telegrams.create(foundation)
            stack.push_async_callback(telegram.bot.session.close)
            channels["telegram"] = telegram.channel
        slack = None
        if settings.slack_bot_token is not None:
            from bot import slack as slacks

            slack = slacks.create(foundation)
            stack.push_async_callback(slack.close)
            channels["slack"] = slack.channel
        core = await stack.enter_async_context(open_core(foundation, channels))
        if telegram is not None:
            telegrams.connect(telegram, foundation, core)
        if slack is not None:
            slacks.connect(slack, foundation, core)
        yield Service(foundation, core, hub, telegram, slack)


class Service:
    """A running process: lanes, channels, web."""

    def __init__(
        self, foundation: Foundation, core: Core, hub: Hub, telegram: "Telegram | None", slack: "Slack | None"
    ) -> None:
        self._foundation = foundation
        self._core = core
        self._hub = hub
        self._telegram = telegram
        self._slack = slack

    async def serve(self, stop: asyncio.Event) -> None:
        """Serve until `stop` is set, then: accept nothing more, let running answers finish, close."""
        settings = self._foundation.settings
        app = create_app(self._dependencies())
        async with serve(app, settings.host, settings.port) as port, asyncio.TaskGroup() as group:
            self._foundation.port = port
            lanes = group.create_task(self._core.run())
            house = group.create_task(self._keep_house())
            receiving = group.create_task(self._receive())
            gc.freeze()  # what the imports made stays: no later collection need look at it
            log.info("ready", extra={"port": port, "channels": "+".join(self._channels())})
            await greet(self._foundation, self._core, self._channels())
            await stop.wait()
            log.info("stopping", extra={"active": self._core.lanes.active})
            self._core.inbox.close()
            receiving.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await receiving
            finished = await self._core.lanes.drain(settings.drain_seconds)
            if not finished:
                log.warning("some answers were not finished in time; they are resumed at the next start")
            self._hub.close()
            lanes.cancel()
            house.cancel()

    async def _receive(self) -> None:
        """Receive what happens on the channels until cancelled."""
        async with asyncio.TaskGroup() as group:
            if self._telegram is not None:
                from bot import telegram as telegrams

                group.create_task(telegrams.run(self._telegram, self._foundation))
            if self._slack is not None:
                from bot import slack as slacks

                group.create_task(slacks.run(self._slack))

    async def _keep_house(self) -> None:
        """Remove, now and then, what a crash left in the file store: bytes without a row."""
        while True:
            await asyncio.sleep(HOUSEKEEPING_SECONDS)
            with surviving(log, "files could not be swept"):
                await self._foundation.files.sweep()

    def _channels(self) -> list[str]:
        on = {"telegram": self._telegram, "slack": self._slack}
        return ["web", *(name for name, channel in on.items() if channel is not None)]

    def _dependencies(self) -> WebDependencies:
        foundation, settings = self._foundation, self._foundation.settings
        return WebDependencies(
            clock=foundation.clock,
            hmac=foundation.ring.hmac,
            accept=self._core.inbox,
            transcript=WebTranscript(self._core.transcripts),
            files=WebFiles(foundation.files),
            hub=self._hub,
            ready=self._ready,
            metrics=self._metrics,
            host=settings.host,
            public_url=settings.public_url or "",
            hooks=self._hooks(),
        )

    def _hooks(self) -> dict[str, Hook]:
        channels = [channel for channel in (self._telegram, self._slack) if channel is not None]
        return {path: hook for channel in channels for path, hook in (channel.hooks or {}).items()}

    async def _ready(self) -> Mapping[str, str]:
        return await readiness(self._foundation, self._core, self._telegram, self._slack)

    async def _metrics(self) -> str:
        return await metrics(self._core)
