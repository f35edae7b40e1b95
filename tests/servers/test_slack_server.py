"""The fake Slack keeps Slack's rules, under the real clients of slack_sdk."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse
from slack_sdk.web.async_client import AsyncWebClient

from tests.servers.slack import FakeSlack
from tests.servers.slack_limits import Limits


class App:
    """A Socket Mode app that writes down what it gets and acknowledges it with `answers`, by kind."""

    def __init__(self, slack: FakeSlack) -> None:
        self.web = AsyncWebClient(token=slack.bot_token, base_url=slack.url, retry_handlers=[])
        for_app = AsyncWebClient(token=slack.app_token, base_url=slack.url, retry_handlers=[])
        self.socket = SocketModeClient(slack.app_token, web_client=for_app)
        self.got: list[SocketModeRequest] = []
        self.answers: dict[str, Any] = {}
        self.silent = 0
        self.socket.socket_mode_request_listeners.append(self._take)

    async def _take(self, _: Any, request: SocketModeRequest) -> None:
        self.got.append(request)
        if self.silent > 0:
            self.silent -= 1
            return
        kind = request.payload.get("type", request.type)
        answer = self.answers.get(kind)
        response = SocketModeResponse(request.envelope_id, answer(request.payload) if callable(answer) else answer)
        await self.socket.send_socket_mode_response(response)

    def events(self) -> list[dict[str, Any]]:
        return [one.payload["event"] for one in self.got if one.type == "events_api"]


@asynccontextmanager
async def connected(slack: FakeSlack) -> AsyncIterator[App]:
    app = App(slack)
    before = slack.sockets.opened
    await app.socket.connect()
    async with asyncio.timeout(5):
        await slack.sockets.connected(before + 1 if before else 1)
    try:
        yield app
    finally:
        await app.socket.close()


@pytest.fixture
async def slack() -> AsyncIterator[FakeSlack]:
    async with FakeSlack(pauses=(0.0, 0.05, 0.1), deadline=0.5, limits=Limits.off()) as server:
        yield server


@pytest.fixture
async def app(slack: FakeSlack) -> AsyncIterator[App]:
    async with connected(slack) as one:
        yield one


async def quiet(slack: FakeSlack) -> None:
    """Wait until everything was delivered."""
    async with asyncio.timeout(5):
        while slack.deliveries.pending:
            await slack.world.change()


async def refused(call: Any) -> str:
    """Return the error that a call is refused with."""
    with pytest.raises(SlackApiError) as caught:
        await call
    return str(caught.value.response["error"])


async def test_a_message_in_a_direct_conversation_is_an_event_and_is_answered(slack: FakeSlack, app: App) -> None:
    chat = slack.im("Ann")
    said = await slack.say(chat, "a < b & <!channel>")
    await quiet(slack)
    event = app.events()[0]
    assert (event["type"], event["channel"], event["channel_type"]) == ("message", chat.id, "im")
    assert event["text"] == "a &lt; b &amp; &lt;!channel&gt;"
    answer = await app.web.chat_postMessage(channel=chat.id, text="*hello* &lt;3", thread_ts=said.ts)
    assert answer["message"]["thread_ts"] == said.ts
    assert slack.texts(chat) == ["hello <3"]


async def test_a_mention_comes_twice_with_two_event_ids_and_one_ts(slack: FakeSlack, app: App) -> None:
    channel = slack.channel("general", slack.person("Ann"))
    await slack.say(channel, "what is up?", mention=True)
    await quiet(slack)
    first, second = app.got
    assert [one["type"] for one in app.events()] == ["message", "app_mention"]
    assert first.payload["event_id"] != second.payload["event_id"]
    assert first.payload["event"]["ts"] == second.payload["event"]["ts"]


async def test_an_update_and_the_history_show_the_newest_text(slack: FakeSlack, app: App) -> None:
    channel = slack.channel("general", slack.person("Ann"))
    posted = await app.web.chat_postMessage(
        channel=channel.id, text="…", metadata={"event_type": "reply", "event_payload": {"id": "7"}}
    )
    await app.web.chat_update(channel=channel.id, ts=posted["ts"], text="done")
    plain = await app.web.conversations_history(channel=channel.id)
    assert [one["text"] for one in plain["messages"]] == ["done"]
    assert "metadata" not in plain["messages"][0]
    whole = await app.web.conversations_history(channel=channel.id, include_all_metadata=True)
    assert whole["messages"][0]["metadata"]["event_payload"] == {"id": "7"}
    assert slack.visible(channel)[0].edits == 1


async def test_a_pressed_button_reaches_the_app_and_its_response_url_works_five_times(
    slack: FakeSlack, app: App
) -> None:
    chat = slack.im("Ann")
    button = {"type": "button", "text": {"type": "plain_text", "text": "Stop"}, "action_id": "stop", "value": "/stop"}
    await app.web.chat_postMessage(channel=chat.id, text="x", blocks=[{"type": "actions", "elements": [button]}])
    await slack.press(chat, "Stop")
    await quiet(slack)
    payload = app.got[-1].payload
    assert payload["actions"][0]["value"] == "/stop"
    from slack_sdk.webhook.async_client import AsyncWebhookClient

    hook = AsyncWebhookClient(payload["response_url"])
    statuses = [(await hook.send(text=f"{number}")).status_code for number in range(6)]
    assert statuses == [200, 200, 200, 200, 200, 404]
    assert slack.whispers(chat, slack.person("Ann")) == ["0", "1", "2", "3", "4"]
