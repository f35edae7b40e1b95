"""What Slack delivers, whichever way it comes, becomes inbounds that are stored before anything is acknowledged."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any, TypeVar

import aiohttp
from pydantic import ValidationError
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from channels.slack import assistant
from channels.slack.client import TOKEN_REFUSED, code_of
from channels.slack.inbound import (
    KnownThread,
    Me,
    inbound_of,
    inbound_of_joining,
    inbound_of_press,
    inbound_of_slash,
    origin_of,
    person_of,
)
from channels.slack.modals import MENU, MENU_ANYWHERE, Accept, Modals
from channels.slack.payloads import AssistantStarted, Interaction, Joined, Message, Payload, SlashCommand
from channels.slack.responses import Responses
from core.envelopes import Inbound
from core.inbox import Busy
from storage.clock import Clock

log = logging.getLogger("prowex.slack")

EVENT, COMMAND, INTERACTION = "events_api", "slash_commands", "interactive"
NAME_SECONDS = 2.5
"""How long a delivery waits for our own name; Slack waits three seconds, and delivers again."""
LONGEST_PAUSE = 30.0
_DIRECT = ("message", "im")

_REFUSED = "Slack refuses the bot token: set a valid SLACK_BOT_TOKEN and restart"

_P = TypeVar("_P", bound=Payload)


class Receiver:
    """Turns deliveries into inbounds and has them accepted.

    Args:
        accept: returns when the inbounds are stored.
        known_thread: tells whether somebody had spoken to us in a thread by then.
    """

    def __init__(
        self,
        *,
        client: AsyncWebClient,
        me: Me,
        accept: Accept,
        known_thread: KnownThread,
        modals: Modals,
        responses: Responses,
        clock: Clock,
    ) -> None:
        self._client = client
        self._me = me
        self._accept = accept
        self._known_thread = known_thread
        self._modals = modals
        self._responses = responses
        self._clock = clock

    async def take(self, kind: str, payload: dict[str, Any]) -> dict[str, Any] | None:
        """Take one delivery; return, once what a person did is stored, what to acknowledge it with.

        Raises:
            Busy: nothing was stored.
        """
        await self._know_ourselves()
        if kind == EVENT:
            if self._is_delivered_to_us(payload):
                await self._event(payload.get("event"))
            return None
        if kind == COMMAND:
            command = _parsed(SlashCommand, payload)
            if command is not None and command.team_id == self._me.team:
                await self._command(command)
            return None
        used = _parsed(Interaction, payload)
        if used is None or not self._is_used_with_us(used):
            return None
        return await self._interaction(used)

    async def take_together(self, payloads: Sequence[dict[str, Any]]) -> None:
        """Take what people said in direct conversations (`stands_alone`), in its order, stored in one go.

        Raises:
            Busy: nothing was stored.
        """
        await self._know_ourselves()
        inbounds = []
        for payload in payloads:
            message = _parsed(Message, payload["event"]) if self._is_delivered_to_us(payload) else None
            if message is not None:
                inbounds.append(await inbound_of(message, self._me, self._known_thread, self._clock.now()))
        if kept := [inbound for inbound in inbounds if inbound is not None]:
            await self._accept(kept)

    async def _know_ourselves(self) -> None:
        try:
            async with asyncio.timeout(NAME_SECONDS):
                await self._me.named.wait()
        except TimeoutError:
            raise Busy("Slack does not tell us who we are; trying again") from None

    def _is_delivered_to_us(self, payload: dict[str, Any]) -> bool:
        """Tell whether an event is our workspace's; in channels shared with others it may have happened elsewhere."""
        given = payload.get("authorizations")
        installed = [one.get("team_id") for one in given if isinstance(one, dict)] if isinstance(given, list) else []
        return self._me.team in (payload.get("team_id"), payload.get("context_team_id"), *installed)

    def _is_used_with_us(self, used: Interaction) -> bool:
        """Tell whether something interactive is our workspace's; a guest from another uses our messages and views."""
        if used.team is not None and used.team.id == self._me.team:
            return True
        if used.view is not None:
            return used.view.app_installed_team_id == self._me.team or _is_ours(used.view.bot_id, self._me.bot)
        return used.message.user == self._me.user or _is_ours(used.message.bot_id, self._me.bot)

    # events

    async def _event(self, event: object) -> None:
        if not isinstance(event, dict):
            return
        kind = event.get("type")
        if kind in ("message", "app_mention"):
            message = _parsed(Message, event)
            if message is not None:
                now = self._clock.now()
                await self._take_in(await inbound_of(message, self._me, self._known_thread, now))
        elif kind == "member_joined_channel":
            joined = _parsed(Joined, event)
            if joined is not None:
                await self._take_in(inbound_of_joining(joined, self._me, self._clock.now()))
        elif kind == "assistant_thread_started":
            started = _parsed(AssistantStarted, event)
            if started is not None:
                await assistant.welcome(self._client, self._me, started.assistant_thread)

    async def _take_in(self, inbound: Inbound | None) -> None:
        if inbound is not None:
            await self._accept([inbound])

    # commands, buttons, shortcuts, views

    async def _command(self, command: SlashCommand) -> None:
        inbound = inbound_of_slash(command, self._me, self._clock.now())
        self._keep_address(command.channel_id, inbound.origin.person, command.response_url)
        if not await self._modals.opened(inbound, command.trigger_id):
            await self._accept([inbound])

    async def _interaction(self, used: Interaction) -> dict[str, Any] | None:
        if used.type == "block_actions" and used.container.type != "view":
            await self._press(used)
        elif used.type == "view_submission" and used.view is not None:
            return await self._modals.submitted(used, used.view)
        elif used.type == "message_action" and used.callback_id == MENU:
            await self._open_menu(used)
        elif used.type == "shortcut" and used.callback_id == MENU_ANYWHERE:
            await self._modals.open_menu("", used.trigger_id)
        return None

    async def _press(self, press: Interaction) -> None:
        inbound = inbound_of_press(press, self._me, self._clock.now())
        if inbound is None:
            return
        channel = inbound.origin.chat.partition("/")[0]
        self._keep_address(channel, inbound.origin.person, press.response_url)
        if not await self._modals.opened(inbound, press.trigger_id):
            await self._accept([inbound])

    async def _open_menu(self, used: Interaction) -> None:
        """Open the menu for the thread of the message that it was used on."""
        if used.channel is None:
            return
        channel = used.channel.id
        self._keep_address(channel, person_of(used, self._me), used.response_url)
        origin = origin_of(used, self._me, channel, used.message.thread_ts)
        await self._modals.open_menu(origin.chat, used.trigger_id)

    def _keep_address(self, channel: str, person: str, url: str) -> None:
        """Keep where an answer may go; in a direct chat whose it is does not matter."""
        self._responses.keep(channel, person, url)
        if channel.startswith("D"):
            self._responses.keep(channel, "", url)


def is_ordered(kind: str, payload: dict[str, Any]) -> bool:
    """Tell whether a delivery must not overtake those before it: what people say, and nothing that waits for Slack."""
    event = payload.get("event")
    return kind == EVENT and isinstance(event, dict) and event.get("type") != "assistant_thread_started"


def stands_alone(kind: str, payload: dict[str, Any]) -> bool:
    """Tell whether a delivery is words in a direct conversation: they are meant for us, whatever came before them."""
    event = payload.get("event")
    return kind == EVENT and isinstance(event, dict) and (event.get("type"), event.get("channel_type")) == _DIRECT


def _is_ours(bot_id: str, ours: str) -> bool:
    return bool(ours) and bot_id == ours


def _parsed(shape: type[_P], raw: dict[str, Any]) -> _P | None:
    try:
        return shape.model_validate(raw)
    except ValidationError:
        log.warning("a delivery of an unknown shape was passed over", extra={"kind": shape.__name__})
        return None


async def introduce(client: AsyncWebClient, me: Me) -> None:
    """Learn who we are; try until Slack can be reached and takes the token."""
    failures = 0
    while not me.named.is_set():
        try:
            answer = await client.auth_test()
        except SlackApiError as error:
            refused = code_of(error) in TOKEN_REFUSED
            problem = _REFUSED if refused else f"Slack does not tell us who we are ({code_of(error)}); trying again"
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            problem = f"Slack can't be reached ({type(error).__name__}); trying again"
        else:
            name, bot = str(answer.get("user") or ""), str(answer.get("bot_id") or "")
            me.learn(str(answer["team_id"]), str(answer["user_id"]), bot, name)
            return
        failures += 1
        if problem != me.problem:
            log.warning(problem)
        me.problem = problem
        await asyncio.sleep(min(LONGEST_PAUSE, 0.5 * 2**failures))
