"""Slack's place in the process: the channel, and Socket Mode or the request URL."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from bot.compose import Core, Foundation
from channels.slack.channel import SlackChannel, budgets
from channels.slack.client import open_client
from channels.slack.files import Files
from channels.slack.inbound import Me
from channels.slack.manifest import HOOK_PATH
from channels.slack.modals import Modals
from channels.slack.receive import Receiver, introduce
from channels.slack.responses import Responses
from channels.slack.signature import Signatures
from channels.slack.socket import SocketMode
from channels.slack.webhook import Webhook
from core.access import Door, Verdict
from core.form_desk import FormDesk
from core.operations.registry import OPERATIONS
from storage.queries import ids_of
from storage.tables import Chat, InboundState, InboxEntry, Lane
from storage.urgency import urgently

_OFFICIAL = "https://slack.com/api"
MOST_THREADS = 10_000
_HEARD = (InboundState.NEW, InboundState.RUNNING, InboundState.DONE, InboundState.DEAD)


@dataclass(slots=True)
class Slack:
    """The app in its workspace, and how what happens there comes in.

    Args:
        hooks: the web's handlers for it; empty in Socket Mode.
    """

    client: Any
    me: Me
    channel: SlackChannel
    responses: Responses
    socket: SocketMode | None = None
    hooks: dict[str, Callable[[web.Request], Awaitable[web.StreamResponse]]] | None = None

    async def close(self) -> None:
        """Close the connections."""
        await self.client.session.close()


def create(foundation: Foundation) -> Slack:
    """Build the channel; nothing is called yet."""
    settings, clock = foundation.settings, foundation.clock
    assert settings.slack_bot_token is not None
    client, me = open_client(settings.slack_bot_token.get_secret_value(), settings.slack_api_url), Me()
    assert client.session is not None
    host = _own_host(settings.slack_api_url)
    responses = Responses(client.session, host, clock)
    limits = budgets(settings.slack_messages_per_second, settings.slack_edits_per_minute)
    files = Files(client, host, foundation.read_file)
    streams = settings.slack_native_streams
    channel = SlackChannel(client, me, limits, files, responses, clock, native_streams=streams)
    return Slack(client, me, channel, responses)


def _own_host(api_url: str) -> str:
    """Return the host that stands for all of Slack's; empty for Slack itself."""
    return "" if api_url.rstrip("/") == _OFFICIAL else urlsplit(api_url).netloc


def connect(slack: Slack, foundation: Foundation, core: Core) -> None:
    """Let what happens in the workspace flow into the core's inbox, once `run` runs."""
    settings, clock = foundation.settings, foundation.clock
    modals = Modals(
        client=slack.client,
        me=slack.me,
        accept=core.inbox.accept,
        forms=FormDesk(core.services, core.services.directory, Door(core.services.mode)),
        commands=menu,
        clock=clock,
    )
    receiver = Receiver(
        client=slack.client,
        me=slack.me,
        accept=core.inbox.accept,
        known_thread=KnownThreads(),
        modals=modals,
        responses=slack.responses,
        clock=clock,
    )
    if settings.slack_app_token is not None:
        slack.socket = SocketMode(slack.client, settings.slack_app_token.get_secret_value(), receiver, clock)
        return
    assert settings.slack_signing_secret is not None
    webhook = Webhook(receiver, Signatures(settings.slack_signing_secret.get_secret_value(), clock))

    async def handle(request: web.Request) -> web.StreamResponse:
        status, answer = await webhook.receive(request.headers, request.content_type, await request.read())
        return web.Response(status=status) if answer is None else web.json_response(answer, status=status)

    slack.hooks = {HOOK_PATH: handle}


class KnownThreads:
    """Knows the threads in which somebody was heard, and since when, so that the rows are asked once for each."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], int] = {}

    async def __call__(self, account: str, chat: str, position: int) -> bool:
        """Tell whether somebody had spoken to us in the chat, and was let in; the channel may wait for a permission.

        What was said before that is not for us, in whichever order Slack delivers it.
        """
        if self._known.get((account, chat), position) < position:
            return True
        with urgently():
            return await self._look(account, chat, position)

    async def _look(self, account: str, chat: str, position: int) -> bool:
        row = await Chat.get_or_none(account=account, external_id=chat)
        if row is None:
            return False
        lanes = await ids_of(Lane.filter(chat_id=row.id))
        said = InboxEntry.filter(lane_id__in=lanes, position__lt=position)
        not_permitted = said.filter(state=InboundState.REFUSED, reason=Verdict.GROUP_NOT_PERMITTED)
        if not (await said.filter(state__in=_HEARD).exists() or await not_permitted.exists()):
            return False
        if len(self._known) >= MOST_THREADS:
            self._known.clear()
        self._known[account, chat] = position - 1
        return True


def menu() -> Sequence[tuple[str, str]]:
    """Return the commands that the shortcuts' menu offers, the short ones first."""
    offered = [o for o in OPERATIONS.values() if not o.hidden and not o.surfaces]
    return [(o.command.removeprefix("/"), o.title) for o in sorted(offered, key=lambda o: " " in o.command)]


async def run(slack: Slack) -> None:
    """Learn who we are, and receive; until cancelled."""
    async with asyncio.TaskGroup() as group:
        group.create_task(introduce(slack.client, slack.me))
        if slack.socket is not None:
            group.create_task(slack.socket.run())
        else:
            await asyncio.Event().wait()
