"""How updates come in: polling by one process under a lease, or a webhook. Stored first, acknowledged after."""

import asyncio
import hmac
import json
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any
from uuid import UUID

import aiohttp
from aiogram import Bot
from aiogram.exceptions import (
    ClientDecodeError,
    TelegramAPIError,
    TelegramConflictError,
    TelegramNetworkError,
    TelegramNotFound,
    TelegramRetryAfter,
    TelegramUnauthorizedError,
)
from aiogram.methods import GetUpdates
from aiogram.types import BotCommand, Update
from pydantic import ValidationError

from channels.telegram.channel import TelegramChannel
from channels.telegram.inbound import ALLOWED_UPDATES, Me, inbound_of
from core import leases
from core.envelopes import Inbound
from core.inbox import Busy
from storage.clock import Clock
from storage.errors import surviving
from storage.faults import Step, calling

log = logging.getLogger("prowex.telegram")

POLL_SECONDS = 10
LEASE_SECONDS = 30.0
RENEW_SECONDS = 5.0
STANDBY_SECONDS = 3.0
LONGEST_PAUSE = 30.0
QUIET_SECONDS = 6 * 24 * 3600.0
"""After a week without updates Telegram may number them anew: an old offset would then confirm unseen ones."""
MOST_ID = 2**63 - 1
MOST_BODY = 1024 * 1024
NAME_SECONDS = 10.0
"""How long updates wait for our own name: without it nobody can say which messages of a group are meant for us."""

Accept = Callable[[Sequence[Inbound]], Awaitable[None]]
Moved = Callable[[str, str, str], Awaitable[None]]


class Receiver:
    """Turns updates into inbounds and has them accepted.

    Args:
        accept: returns when the inbounds are stored.
        moved: told of a group that became a supergroup: account, old chat, new chat.
    """

    def __init__(self, bot: Bot, me: Me, channel: TelegramChannel, accept: Accept, moved: Moved, clock: Clock) -> None:
        self._bot = bot
        self._me = me
        self._channel = channel
        self._accept = accept
        self._moved = moved
        self._clock = clock

    async def take(self, raws: Sequence[dict[str, Any]]) -> None:
        """Accept updates as the Bot API sends them; return when what a person did in them is stored.

        Raises:
            Busy: nothing was stored.
        """
        await self._know_ourselves()
        inbounds, presses = [], []
        for raw in raws:
            update = _parsed(raw, self._bot)
            if update is None:
                continue
            await self._follow(update)
            if (inbound := self._read(update)) is not None:
                inbounds.append(inbound)
            if update.callback_query is not None:
                presses.append(update.callback_query.id)
        if inbounds:
            await self._accept(inbounds)
        if presses:
            await asyncio.gather(*(self._channel.answer_press(press) for press in presses))

    def _read(self, update: Update) -> Inbound | None:
        """Return what a person did; an update that we can't read must not hold up those after it."""
        try:
            return inbound_of(update, self._me, self._clock.now())
        except Exception:
            log.exception("an update could not be read", extra={"update": update.update_id})
            return None

    async def _know_ourselves(self) -> None:
        try:
            async with asyncio.timeout(NAME_SECONDS):
                await self._me.named.wait()
        except TimeoutError:
            raise Busy("Telegram does not tell us our own name; trying again") from None

    async def _follow(self, update: Update) -> None:
        """Follow a group that became a supergroup."""
        message = update.message
        if message is not None and message.migrate_to_chat_id is not None:
            await self._moved(self._me.account, str(message.chat.id), str(message.migrate_to_chat_id))


def _parsed(raw: dict[str, Any], bot: Bot) -> Update | None:
    try:
        return Update.model_validate(raw, context={"bot": bot})
    except ValidationError:
        log.warning("an update of an unknown shape was passed over", extra={"update": raw.get("update_id")})
        return None


class Poller:
    """Long polling. An update is confirmed by the next call's offset, after it was stored."""

    def __init__(self, bot: Bot, receiver: Receiver, holder: UUID, account: str, clock: Clock) -> None:
        self._bot = bot
        self._receiver = receiver
        self._holder = holder
        self._duty = f"poll:{account}"
        self._clock = clock
        self._offset: int | None = None
        self._last_update = clock.monotonic()
        self._renew_at = 0.0
        self.problem = ""

    async def run(self) -> None:
        """Poll until cancelled; stand by while another process does."""
        failures = 0
        try:
            while True:
                try:
                    with surviving(log, "polling waits for the database"):
                        await self._poll_if_mine()
                        failures, self.problem = 0, ""
                        continue
                    await asyncio.sleep(STANDBY_SECONDS)
                except (TelegramUnauthorizedError, TelegramNotFound):
                    self._report("Telegram refuses the bot token: set a valid TELEGRAM_BOT_TOKEN and restart")
                    await asyncio.sleep(LONGEST_PAUSE)
                except TelegramConflictError:
                    self._report("another program polls with this bot token, or a webhook is set; trying again")
                    await asyncio.sleep(STANDBY_SECONDS)
                    await self._drop_webhook()
                except TelegramRetryAfter as error:
                    await asyncio.sleep(error.retry_after)
                except (TelegramAPIError, ClientDecodeError) as error:
                    failures += 1
                    self._report(f"Telegram can't be reached ({type(error).__name__}); trying again")
                    await asyncio.sleep(min(LONGEST_PAUSE, 0.5 * 2**failures))
                except Busy as busy:
                    self._report(str(busy) or "too many messages wait; taking no more for a while")
                    await asyncio.sleep(STANDBY_SECONDS)
                except Exception:
                    log.exception("updates could not be taken")
                    self._report("updates can't be taken; see the log")
                    await asyncio.sleep(STANDBY_SECONDS)
        finally:
            await asyncio.shield(leases.release(self._duty, self._holder, self._clock))

    def _report(self, problem: str) -> None:
        if problem != self.problem:
            log.warning(problem)
        self.problem = problem

    async def _drop_webhook(self) -> None:
        try:
            await self._bot.delete_webhook(drop_pending_updates=False)
        except (TelegramAPIError, ClientDecodeError):
            log.debug("a webhook could not be removed")

    async def _poll_if_mine(self) -> None:
        now = self._clock.monotonic()
        if now >= self._renew_at:
            if not await leases.hold(self._duty, self._holder, self._clock, LEASE_SECONDS):
                self._offset = None
                await asyncio.sleep(STANDBY_SECONDS)
                return
            self._renew_at = now + RENEW_SECONDS
        if self._clock.monotonic() - self._last_update > QUIET_SECONDS:
            self._offset = None
        raws = await self._get_updates()
        if raws:
            await self._receiver.take(raws)
            self._offset = int(raws[-1]["update_id"]) + 1
            self._last_update = self._clock.monotonic()

    async def _get_updates(self) -> list[dict[str, Any]]:
        """Return the next updates as they came: one of an unknown shape must not hold up the others."""
        session, method = (
            self._bot.session,
            GetUpdates(offset=self._offset, timeout=POLL_SECONDS, allowed_updates=ALLOWED_UPDATES),
        )
        url = session.api.api_url(token=self._bot.token, method="getUpdates")
        fields = {key: value for key, value in method.model_dump().items() if value is not None}
        client: aiohttp.ClientSession = await session.create_session()  # type: ignore[attr-defined]
        timeout = aiohttp.ClientTimeout(total=POLL_SECONDS + 15)
        try:
            async with calling(Step.CALL_POLL), client.post(url, json=fields, timeout=timeout) as response:
                content = await response.text()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise TelegramNetworkError(method, type(error).__name__) from error
        try:
            answer = json.loads(content)
        except ValueError as error:
            raise ClientDecodeError("an answer that is not JSON", error, "") from error
        if isinstance(answer, dict) and answer.get("ok") is True:
            return list(answer["result"])
        session.check_response(self._bot, method, response.status, content)
        return []


class Webhook:
    """The webhook's endpoint: checks the secret, stores, and only then says yes."""

    def __init__(self, receiver: Receiver, secret: str) -> None:
        if not secret.strip():
            raise ValueError("a webhook needs a secret")
        self._receiver = receiver
        self._secret = secret.encode()

    async def receive(self, secret: str | None, body: bytes) -> int:
        """Return the HTTP status to answer: 200 once stored, 401, 400, 413, or 503 when too much waits."""
        if secret is None or not hmac.compare_digest(secret.encode("utf-8", "surrogateescape"), self._secret):
            return 401
        if len(body) > MOST_BODY:
            return 413
        try:
            raw = json.loads(body)
        except (ValueError, RecursionError):
            return 400
        number = raw.get("update_id") if isinstance(raw, dict) else None
        if not isinstance(number, int) or not 0 <= number <= MOST_ID:
            return 400
        with suppress(Busy), surviving(log, "the webhook waits for the database"):
            await self._receiver.take([raw])
            return 200
        return 503


async def introduce(bot: Bot, me: Me, commands: Sequence[tuple[str, str]]) -> None:
    """Learn our own name and set the `/` menu; try until Telegram can be reached."""
    failures = 0
    while True:
        try:
            user = await bot.get_me()
            me.username = user.username or ""
            me.named.set()
            break
        except (TelegramAPIError, ClientDecodeError) as error:
            log.warning("Telegram can't be reached yet", extra={"error": type(error).__name__})
            failures += 1
            await asyncio.sleep(min(LONGEST_PAUSE, 0.5 * 2**failures))
    try:
        await bot.set_my_commands([BotCommand(command=word, description=title) for word, title in commands])
    except (TelegramAPIError, ClientDecodeError):
        log.warning("the command menu could not be set")


async def register_webhook(bot: Bot, url: str, secret: str) -> None:
    """Tell Telegram where to deliver; try until it can be reached."""
    failures = 0
    while True:
        try:
            await bot.set_webhook(url, secret_token=secret, allowed_updates=ALLOWED_UPDATES, drop_pending_updates=False)
            return
        except (TelegramAPIError, ClientDecodeError) as error:
            log.warning("the webhook could not be set yet", extra={"error": type(error).__name__})
            failures += 1
            await asyncio.sleep(min(LONGEST_PAUSE, 0.5 * 2**failures))
