"""The fake Slack keeps Slack's rules, under the real clients of slack_sdk."""

import asyncio
import contextlib
import copy
import json
import random
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import aiohttp
import pytest
from aiohttp import web
from slack_sdk.errors import SlackApiError
from slack_sdk.signature import SignatureVerifier
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.webhook.async_client import AsyncWebhookClient

from tests.clock import PATIENCE
from tests.servers.slack import FakeSlack
from tests.servers.slack_blocks import check_blocks
from tests.servers.slack_errors import ApiError, Impossible
from tests.servers.slack_limits import Limits
from tests.servers.slack_render import render

ROOT = Path(__file__).parents[2]


class Hand:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.seconds - 1000)

    def monotonic(self) -> float:
        return self.seconds


class App:
    """A Socket Mode app that writes down what it gets and acknowledges it with `answers`, by kind."""

    def __init__(self, slack: FakeSlack) -> None:
        self.web = AsyncWebClient(token=slack.bot_token, base_url=slack.url, retry_handlers=[])
        for_app = AsyncWebClient(token=slack.app_token, base_url=slack.url, retry_handlers=[])
        self.socket = SocketModeClient(slack.app_token, web_client=for_app)
        self.got: list[SocketModeRequest] = []
        self.answers: dict[str, Any] = {}
        self.silent = 0
        self.took = asyncio.Event()
        self.socket.socket_mode_request_listeners.append(self._take)

    async def _take(self, _: Any, request: SocketModeRequest) -> None:
        self.got.append(request)
        self.took.set()
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
    await app.socket.connect()  # type: ignore[no-untyped-call]
    async with asyncio.timeout(PATIENCE):
        await slack.sockets.connected(before + 1 if before else 1)
    try:
        yield app
    finally:
        await app.socket.close()  # type: ignore[no-untyped-call]


@pytest.fixture
def hand() -> Hand:
    return Hand()


@pytest.fixture
async def slack(hand: Hand) -> AsyncIterator[FakeSlack]:
    async with FakeSlack(pauses=(0.0, 0.05, 0.1), deadline=PATIENCE, limits=Limits.off(), clock=hand) as server:
        yield server


@pytest.fixture
async def app(slack: FakeSlack) -> AsyncIterator[App]:
    async with connected(slack) as one:
        yield one


async def quiet(slack: FakeSlack) -> None:
    """Wait until everything was delivered."""
    async with asyncio.timeout(PATIENCE):
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
    hook = AsyncWebhookClient(payload["response_url"])
    statuses = [(await hook.send(text=f"{number}")).status_code for number in range(6)]
    assert statuses == [200, 200, 200, 200, 200, 404]
    assert slack.whispers(chat, slack.person("Ann")) == ["0", "1", "2", "3", "4"]


# Socket Mode


async def test_an_unacknowledged_event_comes_again_with_its_reason_and_then_is_lost(slack: FakeSlack, app: App) -> None:
    app.silent = 100
    slack.sockets.deadline = 0.05
    await slack.say(slack.im("Ann"), "hi")
    await quiet(slack)
    async with asyncio.timeout(PATIENCE):
        while len(app.got) < 4:  # noqa: ASYNC110 - the client tells nobody
            await asyncio.sleep(0.01)
    envelopes = [one.envelope_id for one in app.got]
    assert [(one.retry_attempt, one.retry_reason) for one in app.got] == [
        (0, ""),
        (1, "timeout"),
        (2, "timeout"),
        (3, "timeout"),
    ]
    assert len({one.payload["event_id"] for one in app.got}) == 1
    assert len(set(envelopes)) == 4
    assert len(slack.deliveries.lost) == 1


async def test_a_lost_acknowledgement_brings_the_event_again(slack: FakeSlack, app: App) -> None:
    slack.faults.lose_acks("events_api")
    await slack.say(slack.im("Ann"), "hi")
    await quiet(slack)
    assert len(app.got) == 2
    assert not slack.deliveries.lost


async def test_an_event_without_any_connection_is_lost_after_the_last_try(slack: FakeSlack) -> None:
    await slack.say(slack.im("Ann"), "hi")
    await quiet(slack)
    assert [one.reasons for one in slack.deliveries.lost] == [["no_connection"] * 4]


async def test_an_envelope_goes_to_another_connection_when_its_own_breaks(slack: FakeSlack, app: App) -> None:
    async with connected(slack) as second:
        app.silent = second.silent = 1
        await slack.say(slack.im("Ann"), "hi")
        tasks = [asyncio.create_task(one.took.wait()) for one in (app, second)]
        await asyncio.wait(tasks, timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
        first = app if app.got else second
        first.socket.auto_reconnect_enabled = first.socket.default_auto_reconnect_enabled = False
        other = second if first is app else app
        other.silent = 0
        slack.sockets.cut(min(slack.sockets.connections, key=lambda one: (one.sent == 0, one.number)))
        await quiet(slack)
        for task in tasks:
            task.cancel()
        assert [one.envelope_id for one in other.got] == [first.got[0].envelope_id]


async def test_connections_share_what_happens(slack: FakeSlack, app: App) -> None:
    async with connected(slack) as second:
        for number in range(6):
            await slack.say(slack.im("Ann"), f"{number}")
        await quiet(slack)
        assert len(app.got) == len(second.got) == 3


async def test_a_client_comes_back_after_a_refresh(slack: FakeSlack, app: App) -> None:
    await slack.sockets.disconnect("refresh_requested")
    await slack.sockets.connected()
    assert slack.sockets.opened == 2
    await slack.say(slack.im("Ann"), "hi")
    await quiet(slack)
    assert app.events()[-1]["text"] == "hi"


async def test_a_ticket_opens_one_connection_and_the_eleventh_is_sent_away(slack: FakeSlack) -> None:
    async with aiohttp.ClientSession() as session, contextlib.AsyncExitStack() as open_ones:
        for number in range(11):
            url = slack.open_connection(None)["url"]  # type: ignore[arg-type]
            ws = await open_ones.enter_async_context(session.ws_connect(url))
            hello = await ws.receive_json()
            if number < 10:
                assert (hello["type"], hello["num_connections"]) == ("hello", number + 1)
        assert hello["reason"] == "too_many_websockets"
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await session.ws_connect(url)


# HTTP


class Hook:
    """A request URL that checks signatures with slack_sdk and answers what it is told to."""

    def __init__(self, secret: str) -> None:
        self.verifier = SignatureVerifier(secret)
        self.got: list[tuple[dict[str, str], str]] = []
        self.statuses: list[int] = []
        self.answer: Any = ""
        self.headers: dict[str, str] = {}
        self.hang = 0
        self.released = asyncio.Event()

    async def take(self, request: web.Request) -> web.Response:
        body = await request.text()
        if not self.verifier.is_valid_request(body, dict(request.headers)):
            return web.Response(status=401)
        self.got.append((dict(request.headers), body))
        if body.startswith("{") and json.loads(body)["type"] == "url_verification":
            return web.json_response({"challenge": json.loads(body)["challenge"]})
        if self.hang > 0:
            self.hang -= 1
            await self.released.wait()
        status = self.statuses.pop(0) if self.statuses else 200
        text = self.answer if isinstance(self.answer, str) else json.dumps(self.answer)
        return web.Response(status=status, text=text, headers=self.headers)


@pytest.fixture
async def hook(slack: FakeSlack) -> AsyncIterator[Hook]:
    one = Hook(slack.signing_secret)
    server = web.Application()
    server.router.add_post("/slack", one.take)
    runner = web.AppRunner(server, shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    slack.events_url = f"http://127.0.0.1:{runner.addresses[0][1]}/slack"
    yield one
    one.released.set()
    await runner.cleanup()


async def test_a_request_url_is_verified_and_gets_signed_events(slack: FakeSlack, hook: Hook) -> None:
    assert await slack.hooks.verify()
    await slack.say(slack.im("Ann"), "grüße")
    await quiet(slack)
    assert json.loads(hook.got[-1][1])["event"]["text"] == "grüße"
    slack.hooks.secret = "another"
    assert not await slack.hooks.verify()


async def test_what_is_not_answered_with_200_in_time_comes_again_and_says_why(slack: FakeSlack, hook: Hook) -> None:
    slack.hooks.deadline = 1.0
    hook.statuses, hook.hang = [500, 204], 1
    await slack.say(slack.im("Ann"), "hi")
    await quiet(slack)
    reasons = [(h.get("X-Slack-Retry-Num"), h.get("X-Slack-Retry-Reason")) for h, _ in hook.got]
    assert reasons == [(None, None), ("1", "http_timeout"), ("2", "http_error"), ("3", "http_error")]
    assert not slack.deliveries.lost


async def test_no_retry_is_respected(slack: FakeSlack, hook: Hook) -> None:
    hook.statuses, hook.headers = [500] * 4, {"X-Slack-No-Retry": "1"}
    await slack.say(slack.im("Ann"), "hi")
    await quiet(slack)
    assert len(hook.got) == 1


async def test_commands_and_presses_are_forms_and_are_not_repeated(slack: FakeSlack, hook: Hook) -> None:
    channel = slack.channel("general", slack.person("Ann"), bot=False)
    hook.answer = {"response_type": "in_channel", "text": "*hi*"}
    await (await slack.command(channel, "/prowex agents list")).outcome()
    form = parse_qs(hook.got[0][1])
    assert form["command"] == ["/prowex"]
    assert form["text"] == ["agents list"]
    assert [one.text for one in slack.visible(channel)] == ["hi"]
    hook.statuses = [500]
    assert not (await (await slack.command(channel, "/prowex")).outcome()).acknowledged
    assert len(hook.got) == 2
    assert slack.visible(channel)[-1].text == '/prowex failed with the error "dispatch_failed"'
    assert slack.visible(channel)[-1].only_for == slack.person("Ann").id


# who sees what


async def test_a_conversation_without_the_bot_is_closed_to_it(slack: FakeSlack, app: App) -> None:
    ann = slack.person("Ann")
    public = slack.channel("public", ann, bot=False)
    private = slack.channel("private", ann, bot=False, private=True)
    old = slack.channel("old", ann)
    await slack.archive(old)
    post = app.web.chat_postMessage
    assert await refused(post(channel=public.id, text="x")) == "not_in_channel"
    assert await refused(post(channel=private.id, text="x")) == "channel_not_found"
    assert await refused(post(channel="C0NOWHERE", text="x")) == "channel_not_found"
    assert await refused(post(channel=old.id, text="x")) == "is_archived"
    assert await refused(app.web.conversations_history(channel=public.id)) == "not_in_channel"
    await slack.say(public, "are you there?", mention=True)
    await quiet(slack)
    assert not app.got
    await slack.invite(public)
    await slack.say(public, "and now?", mention=True)
    await quiet(slack)
    assert [one["type"] for one in app.events()] == ["message", "member_joined_channel", "message", "app_mention"]


async def test_an_ephemeral_message_is_for_one_member_and_in_no_history(slack: FakeSlack, app: App) -> None:
    ann, bob = slack.person("Ann"), slack.person("Bob")
    channel = slack.channel("general", ann)
    post = app.web.chat_postEphemeral
    assert await refused(post(channel=channel.id, user=bob.id, text="x")) == "user_not_in_channel"
    posted = await post(channel=channel.id, user=ann.id, text="psst")
    assert slack.whispers(channel, ann) == ["psst"]
    assert slack.whispers(channel, bob) == []
    assert (await app.web.conversations_history(channel=channel.id))["messages"] == []
    update = app.web.chat_update(channel=channel.id, ts=posted["message_ts"], text="y")
    assert await refused(update) == "message_not_found"
    await quiet(slack)
    assert not app.got


async def test_other_peoples_messages_cant_be_changed_or_deleted(slack: FakeSlack, app: App) -> None:
    chat = slack.im("Ann")
    said = await slack.say(chat, "mine")
    update = app.web.chat_update(channel=chat.id, ts=said.ts, text="yours")
    assert await refused(update) == "cant_update_message"
    assert await refused(app.web.chat_delete(channel=chat.id, ts=said.ts)) == "cant_delete_message"
    assert await refused(app.web.chat_update(channel=chat.id, ts="1.000001", text="x")) == "message_not_found"


async def test_tokens_are_held_apart(slack: FakeSlack) -> None:
    def client(token: str | None) -> AsyncWebClient:
        return AsyncWebClient(token=token, base_url=slack.url)

    assert (await client(slack.bot_token).auth_test())["user_id"] == slack.bot.id
    assert await refused(client(None).auth_test()) == "not_authed"
    assert await refused(client("xoxb-wrong").auth_test()) == "invalid_auth"
    assert await refused(client(slack.app_token).users_list()) == "not_allowed_token_type"
    opening = client(slack.bot_token).apps_connections_open(app_token=slack.bot_token)
    assert await refused(opening) == "not_allowed_token_type"
    assert await refused(client(slack.bot_token).api_call("no.such")) == "unknown_method"


async def test_the_bots_own_and_other_bots_messages_are_events_too(slack: FakeSlack, app: App) -> None:
    channel = slack.channel("general", slack.person("Ann"))
    await app.web.chat_postMessage(channel=channel.id, text="mine")
    other = slack.other_bot("Robo")
    await slack.bot_says(other, channel, f"<@{slack.bot.id}> hi")
    await slack.bot_says(other, channel, "old style", legacy=True)
    await quiet(slack)
    events = app.events()
    assert [one.get("bot_id") for one in events] == [slack.bot.bot_id, other.bot_id, other.bot_id, other.bot_id]
    assert [one["type"] for one in events] == ["message", "message", "app_mention", "message"]
    assert events[-1]["subtype"] == "bot_message"


async def test_edits_and_deletions_are_told_and_leave_gravestones(slack: FakeSlack, app: App) -> None:
    chat = slack.im("Ann")
    said = await slack.say(chat, "helo")
    await slack.edit(said, "hello")
    await app.web.chat_postMessage(channel=chat.id, text="yes?", thread_ts=said.ts)
    await slack.delete(said)
    other = await slack.say(chat, "bye")
    await slack.delete(other)
    await quiet(slack)
    subtypes = [one.get("subtype") for one in app.events()]
    assert subtypes == [None, "message_changed", None, "message_changed", None, "message_deleted"]
    assert app.events()[1]["message"]["text"] == "hello"
    assert app.events()[1]["previous_message"]["text"] == "helo"
    history = (await app.web.conversations_history(channel=chat.id))["messages"]
    assert [one.get("subtype") for one in history] == ["tombstone"]


async def test_a_foreigner_of_slack_connect_is_told_apart(slack: FakeSlack, app: App) -> None:
    eve = slack.person("Eve", team="T0ELSEWHERE")
    channel = slack.channel("shared", eve)
    await slack.say(channel, "hi", mention=True)
    await quiet(slack)
    assert app.got[0].payload["is_ext_shared_channel"] is True
    assert app.got[0].payload["authorizations"][0]["team_id"] == "T0PROWEXHQ"
    assert app.events()[1]["user_team"] == "T0ELSEWHERE"


# reading


async def test_history_and_replies_come_in_pages(slack: FakeSlack, app: App) -> None:
    channel = slack.channel("general", slack.person("Ann"))
    roots = [await slack.say(channel, f"{number}") for number in range(5)]
    for number in range(5):
        await slack.say(channel, f"answer {number}", thread=roots[0], broadcast=number == 4)
    first = await app.web.conversations_history(channel=channel.id, limit=4)
    assert [one["text"] for one in first["messages"]] == ["answer 4", "4", "3", "2"]
    await slack.say(channel, "meanwhile")
    rest = await app.web.conversations_history(
        channel=channel.id, limit=4, cursor=first["response_metadata"]["next_cursor"]
    )
    assert [one["text"] for one in rest["messages"]] == ["1", "0"]
    assert rest["messages"][-1]["reply_count"] == 5
    assert not rest["has_more"]
    page = await app.web.conversations_replies(channel=channel.id, ts=roots[0].ts, limit=3)
    assert [one["text"] for one in page["messages"]] == ["0", "answer 0", "answer 1", "answer 2"]
    page = await app.web.conversations_replies(
        channel=channel.id, ts=roots[0].ts, limit=3, cursor=page["response_metadata"]["next_cursor"]
    )
    assert [one["text"] for one in page["messages"]] == ["0", "answer 3", "answer 4"]
    between = await app.web.conversations_history(channel=channel.id, oldest=roots[1].ts, latest=roots[3].ts)
    assert [one["text"] for one in between["messages"]] == ["2"]
    between = await app.web.conversations_history(
        channel=channel.id, oldest=roots[1].ts, latest=roots[3].ts, inclusive=True
    )
    assert [one["text"] for one in between["messages"]] == ["3", "2", "1"]
    assert await refused(app.web.conversations_history(channel=channel.id, cursor="what")) == "invalid_cursor"
    assert await refused(app.web.conversations_replies(channel=channel.id, ts="1.000000")) == "thread_not_found"


async def test_people_teams_bots_and_conversations_can_be_looked_up(slack: FakeSlack, app: App) -> None:
    ann, bob = slack.person("Ann Example"), slack.person("Bob")
    slack.channel("general", ann, bob)
    slack.channel("secret", ann, bot=False, private=True)
    web_client = app.web
    assert (await web_client.users_info(user=ann.id))["user"]["profile"]["display_name"] == "Ann Example"
    assert await refused(web_client.users_info(user="U0NOBODY")) == "user_not_found"
    assert len((await web_client.users_list(limit=2))["members"]) == 2
    assert (await web_client.team_info())["team"]["id"] == "T0PROWEXHQ"
    assert (await web_client.bots_info(bot=slack.bot.bot_id))["bot"]["user_id"] == slack.bot.id
    found = (await web_client.conversations_list(types="public_channel,private_channel"))["channels"]
    assert [one["name"] for one in found] == ["general"]
    members = (await web_client.conversations_members(channel=found[0]["id"]))["members"]
    assert members == [ann.id, bob.id, slack.bot.id]
    opened = await web_client.conversations_open(users=[ann.id])
    assert opened["channel"]["id"] == slack.im(ann).id
    info = await web_client.conversations_info(channel=opened["channel"]["id"])
    assert info["channel"]["user"] == ann.id
    posted = await web_client.chat_postMessage(channel=bob.id, text="hello Bob")
    assert posted["channel"] == slack.im(bob).id


# what may be posted


def section(text: str, kind: str = "mrkdwn") -> dict[str, Any]:
    return {"type": "section", "text": {"type": kind, "text": text}}


def button(label: str = "Go", **more: Any) -> dict[str, Any]:
    return {"type": "button", "text": {"type": "plain_text", "text": label}, **more}


def actions(*elements: dict[str, Any]) -> dict[str, Any]:
    return {"type": "actions", "elements": list(elements)}


def table(*rows: list[str]) -> dict[str, Any]:
    return {"type": "table", "rows": [[{"type": "raw_text", "text": cell} for cell in row] for row in rows]}


def menu(count: int, **more: Any) -> dict[str, Any]:
    options = [{"text": {"type": "plain_text", "text": f"Option {n}"}, "value": f"{n}"} for n in range(count)]
    return {"type": "static_select", "options": options, **more}


VOID_LIST = {"type": "rich_text_list", "style": "bullet", "elements": []}
WRONG = {
    "text above 3,000": ([section("x" * 3001)], "must be less than 3001 characters [json-pointer:/blocks/0/text/text]"),
    "no text": ([section("")], "must be more than 0 characters [json-pointer:/blocks/0/text/text]"),
    "51 blocks": ([{"type": "divider"}] * 51, "no more than 50 items allowed [json-pointer:/blocks]"),
    "unknown block": ([{"type": "banner"}], "unsupported type: banner [json-pointer:/blocks/0/type]"),
    "unknown field": ([{**section("x"), "colour": "red"}], "invalid additional property: colour"),
    "neither text nor fields": ([{"type": "section"}], "must define either text or fields"),
    "11 fields": (
        [{"type": "section", "fields": [{"type": "mrkdwn", "text": "x"}] * 11}],
        "no more than 10 items allowed [json-pointer:/blocks/0/fields]",
    ),
    "field above 2,000": (
        [{"type": "section", "fields": [{"type": "mrkdwn", "text": "x" * 2001}]}],
        "must be less than 2001 characters [json-pointer:/blocks/0/fields/0/text]",
    ),
    "header in mrkdwn": ([{"type": "header", "text": {"type": "mrkdwn", "text": "x"}}], "/blocks/0/text/type"),
    "header above 150": (
        [{"type": "header", "text": {"type": "plain_text", "text": "x" * 151}}],
        "must be less than 151 characters",
    ),
    "label above 75": ([actions(button("x" * 76))], "must be less than 76 characters"),
    "value above 2,000": ([actions(button(value="x" * 2001))], "/blocks/0/elements/0/value"),
    "action id above 255": ([actions(button(action_id="x" * 256))], "must be less than 256 characters"),
    "action id twice": ([actions(button(action_id="a")), actions(button(action_id="a"))], "`action_id` already exists"),
    "block id twice": ([{"type": "divider", "block_id": "a"}] * 2, "`block_id` already exists"),
    "26 buttons": ([actions(*[button()] * 26)], "no more than 25 items allowed"),
    "no buttons": ([actions()], "no less than 1 items allowed"),
    "odd style": ([actions(button(style="green"))], "must be a valid enum value: primary or danger"),
    "101 options": ([actions(menu(101))], "no more than 100 items allowed"),
    "option's text above 75": (
        [actions({**menu(1), "options": [{"text": {"type": "plain_text", "text": "x" * 76}, "value": "1"}]})],
        "must be less than 76 characters",
    ),
    "an initial option that is none": (
        [actions(menu(2, initial_option={"text": {"type": "plain_text", "text": "Option 1"}, "value": "9"}))],
        "initial value must be one of the options",
    ),
    "11 in a context": (
        [{"type": "context", "elements": [{"type": "mrkdwn", "text": "x"}] * 11}],
        "no more than 10 items allowed",
    ),
    "image without words": ([{"type": "image", "image_url": "https://example.com/a.png"}], "alt_text"),
    "two tables": ([table(["a"]), table(["b"])], "only_one_table_allowed"),
    "101 rows": ([table(*[["a"]] * 101)], "no more than 100 items allowed [json-pointer:/blocks/0/rows]"),
    "21 cells": ([table(["a"] * 21)], "must have 1 to 20 cells"),
    "an empty cell": ([table(["a", ""])], "must be more than 0 characters [json-pointer:/blocks/0/rows/0/1/text]"),
    "a table above 10,000": ([table(*[["x" * 150]] * 70)], "tables must be less than 10001 characters"),
    "an input for a button": (
        [{"type": "input", "label": {"type": "plain_text", "text": "L"}, "element": button()}],
        "unsupported type: button",
    ),
    "a list in a list of rich text": (
        [{"type": "rich_text", "elements": [{"type": "rich_text_list", "style": "bullet", "elements": [VOID_LIST]}]}],
        "unsupported type: rich_text_list",
    ),
    "an empty run of rich text": (
        [
            {
                "type": "rich_text",
                "elements": [{"type": "rich_text_section", "elements": [{"type": "text", "text": ""}]}],
            }
        ],
        "must be more than 0 characters [json-pointer:/blocks/0/elements/0/elements/0/text]",
    ),
    "a mention in code of rich text": (
        [{"type": "rich_text", "elements": [{"type": "rich_text_preformatted", "elements": [{"type": "user"}]}]}],
        "unsupported type: user",
    ),
    "a text field among buttons": ([actions({"type": "plain_text_input"})], "unsupported type: plain_text_input"),
}


@pytest.mark.parametrize("what", WRONG)
async def test_wrong_blocks_are_refused_with_their_place(what: str, slack: FakeSlack) -> None:
    blocks, words = WRONG[what]
    client = AsyncWebClient(token=slack.bot_token, base_url=slack.url)
    chat = slack.im("Ann")
    with pytest.raises(SlackApiError) as caught:
        await client.chat_postMessage(channel=chat.id, text="x", blocks=blocks)
    assert caught.value.response["error"] == "invalid_blocks"
    messages = caught.value.response["response_metadata"]["messages"]
    assert any(words in message for message in messages), messages
    assert not chat.messages


async def test_what_is_within_the_limits_is_taken(slack: FakeSlack, app: App) -> None:
    chat = slack.im("Ann")
    for blocks in (
        [section("x" * 3000)],
        [{"type": "divider"}] * 50,
        [{"type": "markdown", "text": "x" * 12_000}],
        [actions(*[button("x" * 75, value="x" * 2000, action_id=f"{n}") for n in range(5)])],
        [actions(menu(100, initial_option=menu(2)["options"][1]))],
        [table(*[["x" * 100]] * 100)],
        [{"type": "section", "fields": [{"type": "plain_text", "text": "x" * 1000}] * 10}],
    ):
        await app.web.chat_postMessage(channel=chat.id, text="x", blocks=blocks)
    assert len(chat.messages) == 7


async def test_a_message_has_a_budget_of_its_own(slack: FakeSlack, app: App) -> None:
    post = app.web.chat_postMessage
    chat = slack.im("Ann")
    two = [{"type": "markdown", "text": "x" * 6001}] * 2
    assert await refused(post(channel=chat.id, text="x", blocks=two)) == "msg_blocks_too_long"
    five = [section("x" * 2900) for _ in range(5)]
    assert await refused(post(channel=chat.id, text="x", blocks=five)) == "msg_blocks_too_long"
    assert await refused(post(channel=chat.id, text="")) == "no_text"
    assert await refused(post(channel=chat.id, markdown_text="x" * 12_001)) == "msg_too_long"
    assert await refused(post(channel=chat.id, text="a", markdown_text="b")) == "markdown_text_conflict"
    assert await refused(post(channel=chat.id, text="a", thread_ts="1.2")) == "invalid_thread_ts"
    assert await refused(post(channel=chat.id, text="a", thread_ts="1.000002")) == "thread_not_found"


async def test_long_texts_are_split_cut_and_in_edits_refused(slack: FakeSlack, app: App) -> None:
    chat = slack.im("Ann")
    posted = await app.web.chat_postMessage(channel=chat.id, text="x" * 41_000)
    assert [len(one) for one in slack.texts(chat)] == [4000] * 10
    update = app.web.chat_update
    assert await refused(update(channel=chat.id, ts=posted["ts"], text="x" * 4001)) == "msg_too_long"
    assert await refused(update(channel=chat.id, ts=posted["ts"], text="é" * 2001)) == "msg_too_long"
    assert await refused(update(channel=chat.id, ts=posted["ts"], text="&" * 801)) == "msg_too_long"
    await update(channel=chat.id, ts=posted["ts"], text="&amp;" * 800)
    assert slack.texts(chat)[0] == "&" * 800


async def test_an_update_keeps_what_it_doesnt_name(slack: FakeSlack, app: App) -> None:
    chat = slack.im("Ann")
    meta = {"event_type": "reply", "event_payload": {"id": "7"}}
    posted = await app.web.chat_postMessage(channel=chat.id, text="a", blocks=[section("block")], metadata=meta)
    await app.web.chat_update(channel=chat.id, ts=posted["ts"], text="b")
    assert slack.texts(chat) == ["block"]
    assert slack.visible(chat)[0].metadata == meta
    await app.web.chat_update(channel=chat.id, ts=posted["ts"], text="b", blocks=[], metadata={})
    assert slack.texts(chat) == ["b"]
    assert slack.visible(chat)[0].metadata is None


async def test_metadata_needs_its_two_fields(slack: FakeSlack, app: App) -> None:
    post, chat = app.web.chat_postMessage, slack.im("Ann")
    wrong: dict[str, Any]
    for wrong in ({"event_type": "a"}, {"event_payload": {}}, {"event_type": 1, "event_payload": {}}):
        assert await refused(post(channel=chat.id, text="x", metadata=wrong)) == "invalid_metadata_format"
    large = {"event_type": "a", "event_payload": {"x": "y" * 20_000}}
    assert await refused(post(channel=chat.id, text="x", metadata=large)) == "metadata_too_large"


VALID = [
    section("x"),
    actions(button(), menu(3, initial_option=menu(1)["options"][0])),
    table(["a", "b"]),
    {"type": "context", "elements": [{"type": "mrkdwn", "text": "x"}]},
    {
        "type": "rich_text",
        "elements": [
            {
                "type": "rich_text_list",
                "style": "bullet",
                "elements": [{"type": "rich_text_section", "elements": [{"type": "text", "text": "a"}]}],
            }
        ],
    },
    {"type": "input", "label": {"type": "plain_text", "text": "L"}, "element": menu(2)},
]
GARBAGE: list[Any] = [
    None,
    0,
    1.5,
    True,
    "",
    [],
    {},
    "x",
    ["x"],
    [None],
    {"type": "section"},
    {"type": []},
    [{}],
    "x" * 4000,
]


def spoiled(chance: random.Random) -> list[Any]:
    """Return valid blocks with something in them replaced by garbage, or taken away."""
    blocks = [copy.deepcopy(chance.choice(VALID))]
    holder: Any = blocks
    key: Any = 0
    while isinstance(inside := holder[key], dict | list) and inside and chance.random() < 0.8:
        holder, key = inside, chance.choice(list(inside) if isinstance(inside, dict) else range(len(inside)))
    holder[key] = chance.choice(GARBAGE)
    return blocks


@pytest.mark.parametrize("seed", range(5))
def test_garbage_is_refused_or_shown_but_breaks_nothing(seed: int) -> None:
    chance = random.Random(seed)
    taken = 0
    for _ in range(1000):
        try:
            kept = check_blocks(spoiled(chance))
        except ApiError:
            continue
        render(kept, {})
        taken += 1
    assert 0 < taken < 1000


# what people read


async def test_blocks_are_read_as_people_read_them(slack: FakeSlack, app: App) -> None:
    ann = slack.person("Ann")
    channel = slack.channel("general", ann)
    blocks = [
        {"type": "header", "text": {"type": "plain_text", "text": "Agents & more"}},
        section(f"*bold* _it_ ~no~ `a_b_c` <https://x.example|here> &lt;@U1&gt; hi <@{ann.id}> in <#{channel.id}>"),
        {"type": "section", "fields": [{"type": "mrkdwn", "text": "*Model*"}, {"type": "mrkdwn", "text": "gpt"}]},
        {"type": "divider"},
        {
            "type": "markdown",
            "text": "# Title\n\n1. **one**\n2. two `x < y`\n\n```py\na = 1\n```\n| a | b |\n|-|-|\n| 1 | 2 |",
        },
        table(["Name", "Cost"], ["a", "1 &lt; 2"]),
        {"type": "context", "elements": [{"type": "mrkdwn", "text": "_v3_"}]},
        actions(button("Stop"), button("Again"), menu(2, placeholder={"type": "plain_text", "text": "Pick"})),
        {"type": "image", "image_url": "https://example.com/a.png", "alt_text": "a chart"},
    ]
    await app.web.chat_postMessage(channel=channel.id, text="fallback", blocks=blocks)
    seen = slack.visible(channel)[0]
    assert seen.text.split("\n") == [
        "Agents & more",
        "bold it no a_b_c here (https://x.example) <@U1> hi @Ann in #general",
        "Model",
        "gpt",
        "────────",
        "Title",
        "",
        "1. one",
        "2. two x < y",
        "",
        "a = 1",
        "",
        "| a | b |",
        "| 1 | 2 |",
        "| Name | Cost |",
        "| a | 1 < 2 |",
        "v3",
        "[Stop] [Again] [Pick…]",
        "[image a chart]",
    ]
    assert seen.labels == ("Stop", "Again")
    assert seen.triggered == (f"@{ann.id}",)


@pytest.mark.parametrize(
    ("fields", "marks"),
    [
        ({"text": "<!channel> `<!here>`"}, ["!channel", "!here"]),
        ({"text": "&lt;!channel&gt; &amp;lt;!here&amp;gt;"}, []),
        ({"text": "fallback <!everyone>", "blocks": [section("calm")]}, ["!everyone"]),
        ({"text": "x", "blocks": [section("<!channel>", "plain_text")]}, []),
        ({"text": "x", "blocks": [section("<!subteam^S123|them>")]}, ["!subteam^S123"]),
        ({"text": "x", "blocks": [{"type": "markdown", "text": "`<!channel>` \\<!here> &lt;!here&gt;"}]}, []),
        ({"text": "x", "blocks": [{"type": "markdown", "text": "so <!here> it is"}]}, ["!here"]),
        ({"text": "x", "blocks": [table(["<!channel>"])]}, []),
        ({"text": "<https://example.com/@U0ABC|a> <mailto:a@b.c|b>"}, []),
    ],
)
async def test_real_mentions_are_told_from_escaped_ones(
    fields: dict[str, Any], marks: list[str], slack: FakeSlack, app: App
) -> None:
    chat = slack.im("Ann")
    await app.web.chat_postMessage(channel=chat.id, **fields)
    assert slack.triggered(chat) == marks


# modals


def question(label: str, element: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    element = element or {"type": "plain_text_input", "action_id": "value"}
    return {"type": "input", "label": {"type": "plain_text", "text": label}, "element": element, **more}


def modal(*blocks: dict[str, Any], title: str = "New agent", **more: Any) -> dict[str, Any]:
    words = {name: {"type": "plain_text", "text": text} for name, text in (("title", title), ("submit", "Save"))}
    return {"type": "modal", "blocks": list(blocks), "callback_id": "form", **words, **more}


async def opened(slack: FakeSlack, app: App, *blocks: dict[str, Any]) -> Any:
    act = await slack.command(slack.im("Ann"), "/prowex agents create")
    await app.web.views_open(trigger_id=act.trigger_id, view=modal(*blocks))
    return await slack.modal_of(slack.person("Ann"))


async def test_a_modal_is_filled_in_sent_off_and_closed(slack: FakeSlack, app: App) -> None:
    ann = slack.person("Ann")
    view = await opened(
        slack,
        app,
        question("Name", block_id="name"),
        question("Model", menu(2, action_id="m"), block_id="model"),
        question("Hint", block_id="hint", optional=True),
    )
    assert slack.modal_text(view).split("\n") == [
        "== New agent ==",
        "Name: [plain_text_input…]",
        "Model: [static_select…]",
        "    one of: Option 0 | Option 1",
        "Hint (optional): [plain_text_input…]",
        "[Save]",
    ]
    answer = await slack.submit(ann, {"Name": "Robo", "Model": "Option 1"})
    assert answer.action == "closed"
    values = app.got[-1].payload["view"]["state"]["values"]
    assert values["name"]["value"]["value"] == "Robo"
    assert values["model"]["m"]["selected_option"]["value"] == "1"
    assert values["hint"]["value"]["value"] is None
    assert slack.modal(ann) is None


async def test_a_modal_shows_errors_and_is_updated_pushed_and_cleared(slack: FakeSlack, app: App) -> None:
    ann = slack.person("Ann")
    await opened(slack, app, question("Name", block_id="name"))
    app.answers["view_submission"] = {"response_action": "errors", "errors": {"name": "It is taken."}}
    answer = await slack.submit(ann, {"Name": "Robo"})
    assert (answer.action, answer.errors) == ("errors", {"Name": "It is taken."})
    app.answers["view_submission"] = {"response_action": "errors", "errors": {"nobody": "What?"}}
    assert (await slack.submit(ann)).action == "trouble"
    app.answers["view_submission"] = {"response_action": "update", "view": modal(section("Sure?"), title="Sure")}
    assert (await slack.submit(ann)).action == "update"
    assert slack.modal_text(await slack.modal_of(ann, title="Sure")) == "== Sure ==\nSure?\n[Save]"
    app.answers["view_submission"] = {"response_action": "push", "view": modal(section("More"), title="More")}
    assert (await slack.submit(ann)).action == "push"
    assert len(ann.views) == 2
    app.answers["view_submission"] = {"response_action": "update", "view": modal(section("x" * 3001))}
    assert (await slack.submit(ann)).action == "trouble"
    app.answers["view_submission"] = {"response_action": "clear"}
    assert (await slack.submit(ann)).action == "clear"
    assert slack.modal(ann) is None


async def test_a_client_sends_nothing_off_that_it_can_see_is_wrong(slack: FakeSlack, app: App) -> None:
    ann = slack.person("Ann")
    number = {"type": "number_input", "is_decimal_allowed": True, "min_value": "0", "max_value": "2"}
    short = {"type": "plain_text_input", "max_length": 5, "min_length": 2}
    await opened(slack, app, question("Name", short), question("Heat", number, optional=True))
    for values in ({}, {"Name": "x"}, {"Name": "too long"}, {"Name": "ok", "Heat": "3"}, {"Name": "ok", "Heat": "a"}):
        with pytest.raises(Impossible):
            await slack.submit(ann, values)
    assert (await slack.submit(ann, {"Name": "ok", "Heat": "1.5"})).action == "closed"


async def test_a_trigger_opens_one_modal_within_three_seconds(slack: FakeSlack, app: App, hand: Hand) -> None:
    act = await slack.command(slack.im("Ann"), "/prowex")
    open_view = app.web.views_open
    await open_view(trigger_id=act.trigger_id, view=modal(section("x")))
    assert await refused(open_view(trigger_id=act.trigger_id, view=modal(section("x")))) == "exchanged_trigger_id"
    assert await refused(open_view(trigger_id="1.2.abc", view=modal(section("x")))) == "invalid_trigger_id"
    late = await slack.command(slack.im("Ann"), "/prowex")
    hand.seconds += 3.1
    assert await refused(open_view(trigger_id=late.trigger_id, view=modal(section("x")))) == "expired_trigger_id"


BAD_VIEWS = {
    "title above 24": (modal(section("x"), title="x" * 25), "/view/title"),
    "101 blocks": (modal(*[section("x")] * 101), "no more than 100 items allowed"),
    "metadata above 3,000": (modal(section("x"), private_metadata="x" * 3001), "/view/private_metadata"),
    "no button": ({**modal(question("Q")), "submit": None}, "missing required field: submit"),
    "a markdown block": (modal({"type": "markdown", "text": "x"}), "unsupported type: markdown"),
    "label above 2,000": (modal(question("x" * 2001)), "must be less than 2001 characters"),
    "a home tab": ({**modal(section("x")), "type": "home"}, "must be a valid enum value: modal"),
    "a text that is too long to begin with": (
        modal(question("Q", {"type": "plain_text_input", "max_length": 3, "initial_value": "four"})),
        "must be less than 4 characters [json-pointer:/view/blocks/0/element/initial_value]",
    ),
}


@pytest.mark.parametrize("what", BAD_VIEWS)
async def test_wrong_views_are_refused_with_their_place(what: str, slack: FakeSlack, app: App) -> None:
    view, words = BAD_VIEWS[what]
    act = await slack.command(slack.im("Ann"), "/prowex")
    with pytest.raises(SlackApiError) as caught:
        await app.web.views_open(trigger_id=act.trigger_id, view=view)
    assert caught.value.response["error"] == "invalid_arguments"
    messages = caught.value.response["response_metadata"]["messages"]
    assert any(words in message for message in messages), messages


async def test_views_are_updated_pushed_and_published(slack: FakeSlack, app: App) -> None:
    ann = slack.person("Ann")
    view = await opened(slack, app, question("Name", block_id="name"))
    slack.fill_in(ann, {"Name": "Robo"})
    update = app.web.views_update
    wrong = update(view_id=view.id, hash="old", view=modal(question("Name", block_id="name")))
    assert await refused(wrong) == "hash_conflict"
    await update(view_id=view.id, hash=view.hash, view=modal(question("Name", block_id="name"), section("more")))
    assert "Robo" in slack.modal_text(view)
    await update(view_id=view.id, view=modal(actions(button("Go", action_id="go"))))
    await slack.press_in_view(ann, "Go")
    await quiet(slack)
    payload = app.got[-1].payload
    assert payload["container"] == {"type": "view", "view_id": view.id}
    await app.web.views_push(trigger_id=payload["trigger_id"], view=modal(section("On top")))
    assert "On top" in slack.modal_text(await slack.modal_of(ann))
    await app.web.views_publish(user_id=ann.id, view={"type": "home", "blocks": [section("Welcome")]})
    await slack.open_home(ann)
    await quiet(slack)
    assert app.events()[-1]["view"]["type"] == "home"


# the assistant pane, streams, files, shortcuts


async def test_the_assistant_pane_has_threads_with_status_title_and_prompts(slack: FakeSlack, app: App) -> None:
    ann = slack.person("Ann")
    channel = slack.channel("general", ann)
    root = await slack.open_pane(ann, channel)
    chat = slack.im(ann)
    await quiet(slack)
    started = app.events()[-1]
    assert started["type"] == "assistant_thread_started"
    assert started["assistant_thread"]["context"]["channel_id"] == channel.id
    where: Any = {"channel_id": chat.id, "thread_ts": root.ts}
    await app.web.assistant_threads_setSuggestedPrompts(**where, prompts=[{"title": "Help", "message": "Help me"}])
    await app.web.assistant_threads_setStatus(**where, status="is thinking…")
    assert slack.status(chat, root.ts) == "is thinking…"
    await slack.say(chat, "hi", thread=root)
    await app.web.assistant_threads_setTitle(**where, title="Greetings")
    await app.web.chat_postMessage(channel=chat.id, thread_ts=root.ts, text="hello")
    assert slack.status(chat, root.ts) == ""
    assert slack.texts(chat, root.ts) == ["hello"]
    await slack.look_at(ann, root, channel)
    await quiet(slack)
    assert app.events()[-1]["type"] == "assistant_thread_context_changed"
    assert [one for one in app.events() if one.get("thread_ts") == root.ts and one.get("user") == ann.id]
    wrong = app.web.assistant_threads_setSuggestedPrompts(**where, prompts=[{"title": "t", "message": "m"}] * 5)
    assert await refused(wrong) == "invalid_arguments"


async def test_a_stream_grows_until_it_is_stopped_and_can_only_be_appended_to(
    slack: FakeSlack, app: App, hand: Hand
) -> None:
    chat = slack.im("Ann")
    said = await slack.say(chat, "hi")
    assert await refused(app.web.chat_startStream(channel=chat.id, thread_ts="")) == "invalid_thread_ts"
    stream: Any = await app.web.chat_stream(channel=chat.id, thread_ts=said.ts, buffer_size=1)
    await stream.append(markdown_text="**one")
    assert slack.visible(chat)[-1].streaming == "in_progress"
    await stream.append(markdown_text=" two**")
    update = app.web.chat_update(channel=chat.id, ts=stream.ts, text="x")
    assert await refused(update) == "streaming_state_conflict"
    await stream.stop(blocks=[actions(button("Again"))])
    assert slack.texts(chat) == ["one two\n[Again]"]
    append = app.web.chat_appendStream
    assert await refused(append(channel=chat.id, ts=stream.ts, markdown_text="x")) == "message_not_in_streaming_state"
    second = await app.web.chat_startStream(channel=chat.id, thread_ts=said.ts, markdown_text="a")
    hand.seconds += 301
    late = append(channel=chat.id, ts=second["ts"], markdown_text="x")
    assert await refused(late) == "message_not_in_streaming_state"
    channel = slack.channel("general", slack.person("Ann"))
    root = await slack.say(channel, "hi")
    start = app.web.chat_startStream(channel=channel.id, thread_ts=root.ts)
    assert await refused(start) == "missing_recipient_user_id"


async def test_files_go_both_ways_and_need_the_token(slack: FakeSlack, app: App) -> None:
    chat = slack.im("Ann")
    await slack.send_file(chat, b"words", "a.txt", "text/plain", "look")
    await quiet(slack)
    event = app.events()[-1]
    assert (event["subtype"], event["text"]) == ("file_share", "look")
    url = event["files"][0]["url_private_download"]
    async with aiohttp.ClientSession() as session:
        async with session.get(url, headers={"Authorization": f"Bearer {slack.bot_token}"}) as answer:
            assert await answer.read() == b"words"
        async with session.get(url) as answer:
            assert (answer.status, answer.content_type) == (200, "text/html")
    sent = await app.web.files_upload_v2(channel=chat.id, filename="b.png", content=b"\x89PNG", initial_comment="here")
    assert slack.visible(chat)[-1].files == (("b.png", b"\x89PNG"),)
    info = await app.web.files_info(file=sent["files"][0]["id"])
    assert info["file"]["shares"]["private"][chat.id][0]["ts"] == slack.visible(chat)[-1].ts
    url = await app.web.files_getUploadURLExternal(filename="c.txt", length=5)
    async with aiohttp.ClientSession() as session, session.post(url["upload_url"], data=b"four") as answer:
        assert answer.status == 400
    done = app.web.files_completeUploadExternal(files=[{"id": url["file_id"]}], channel_id=chat.id)
    assert await refused(done) == "file_not_found"


async def test_a_message_shortcut_works_in_threads_where_commands_dont(slack: FakeSlack, app: App) -> None:
    channel = slack.channel("general", slack.person("Ann"))
    root = await slack.say(channel, "root")
    reply = await slack.say(channel, "reply", thread=root)
    with pytest.raises(Impossible, match="/prowex is not supported in threads"):
        await slack.command(channel, "/prowex help", thread=root)
    act = await slack.shortcut(reply, "prowex")
    assert (await act.outcome()).acknowledged
    payload = app.got[-1].payload
    assert (payload["type"], payload["message"]["thread_ts"]) == ("message_action", root.ts)


async def test_an_ephemeral_card_is_changed_and_deleted_by_its_response_url(slack: FakeSlack, app: App) -> None:
    ann = slack.person("Ann")
    channel = slack.channel("general", ann, bot=False)
    act = await slack.command(channel, "/prowex help")
    hook = AsyncWebhookClient(act.response_url)
    await hook.send(text="card", blocks=[actions(button("More", value="/help more"))])
    pressed = await slack.press(channel, "More")
    await quiet(slack)
    assert "message" not in app.got[-1].payload
    assert app.got[-1].payload["container"]["is_ephemeral"] is True
    second = AsyncWebhookClient(pressed.response_url)
    await second.send(text="changed", blocks=[section("changed")], replace_original=True)
    assert slack.whispers(channel, ann) == ["changed"]
    await second.send(delete_original=True)
    assert slack.whispers(channel, ann) == []
    await second.send(text="for all", response_type="in_channel")
    assert [one.text for one in slack.visible(channel) if not one.only_for] == ["for all"]
    answer = await second.send(text="x", blocks=[section("x" * 3001)])
    assert (answer.status_code, json.loads(answer.body)["error"]) == (400, "invalid_blocks")


async def test_a_response_url_ends_after_half_an_hour(slack: FakeSlack, hand: Hand) -> None:
    act = await slack.command(slack.im("Ann"), "/prowex")
    hand.seconds += 1801
    answer = await AsyncWebhookClient(act.response_url).send(text="late")
    assert (answer.status_code, json.loads(answer.body)["error"]) == (404, "expired_url")


# limits and faults


async def test_posts_edits_and_reads_have_limits_and_early_tries_are_noted(
    slack: FakeSlack, app: App, hand: Hand
) -> None:
    slack.flood.limits = Limits()
    chat, other = slack.im("Ann"), slack.im("Bob")
    post = app.web.chat_postMessage
    first = [await post(channel=chat.id, text=f"{number}") for number in range(4)]
    with pytest.raises(SlackApiError) as caught:
        await post(channel=chat.id, text="too much")
    assert caught.value.response.status_code == 429
    assert caught.value.response["error"] == "ratelimited"
    assert caught.value.response.headers["Retry-After"] == "1"
    await post(channel=other.id, text="elsewhere it goes on")
    assert not slack.flood.disobeyed
    assert await refused(post(channel=chat.id, text="early")) == "ratelimited"
    assert len(slack.flood.disobeyed) == 1
    hand.seconds += 1
    await post(channel=chat.id, text="now")
    for number in range(50):
        await app.web.chat_update(channel=chat.id, ts=first[0]["ts"], text=f"{number}")
    update = app.web.chat_update(channel=chat.id, ts=first[0]["ts"], text="x")
    assert await refused(update) == "ratelimited"
    assert slack.flood.refused == {"chat.postMessage": 2, "chat.update": 1}


async def test_answers_and_requests_are_lost_as_told(slack: FakeSlack, app: App) -> None:
    chat = slack.im("Ann")
    post = app.web.chat_postMessage
    slack.faults.drop_answers("chat.postMessage", nth=2)
    await post(channel=chat.id, text="one")
    with pytest.raises(aiohttp.ClientError):
        await post(channel=chat.id, text="two")
    slack.faults.drop_requests("chat.postMessage")
    with pytest.raises(aiohttp.ClientError):
        await post(channel=chat.id, text="three")
    slack.faults.fail("chat.postMessage", status=503)
    with pytest.raises((SlackApiError, aiohttp.ClientError)):
        await post(channel=chat.id, text="four")
    slack.faults.fail("chat.postMessage", "ratelimited", status=429, retry_after=7)
    assert await refused(post(channel=chat.id, text="five")) == "ratelimited"
    assert await refused(post(channel=chat.id, text="six")) == "ratelimited"
    assert slack.texts(chat) == ["one", "two"]
    assert [one.status for one in slack.journal.of("chat.postMessage")] == [200, 0, 0, 503, 429, 429]
    assert len(slack.flood.disobeyed) == 1


async def test_the_server_can_be_out_of_reach_and_come_back_on_its_port(slack: FakeSlack) -> None:
    client = AsyncWebClient(token=slack.bot_token, base_url=slack.url, retry_handlers=[])
    await slack.refuse()
    with pytest.raises(aiohttp.ClientError):
        await client.auth_test()
    await slack.accept()
    assert (await client.auth_test())["ok"]


# bolt, and drivers in another process


async def test_bolts_own_app_works_against_it(slack: FakeSlack) -> None:
    from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
    from slack_bolt.async_app import AsyncApp

    bolt = AsyncApp(client=AsyncWebClient(token=slack.bot_token, base_url=slack.url), signing_secret="x")

    @bolt.event("app_mention")
    async def mentioned(event: dict[str, Any], say: Any) -> None:
        await say(text=f"hi <@{event['user']}>", thread_ts=event["ts"])

    @bolt.event("message")
    async def ignored() -> None:
        return

    @bolt.command("/prowex")
    async def command(ack: Any, body: dict[str, Any]) -> None:
        await ack(f"you said {body['text']}")

    for_app = AsyncWebClient(token=slack.app_token, base_url=slack.url)
    handler = AsyncSocketModeHandler(bolt, slack.app_token, web_client=for_app)
    await handler.connect_async()  # type: ignore[no-untyped-call]
    await slack.sockets.connected()
    channel = slack.channel("general", slack.person("Ann"))
    await slack.say(channel, "hello", mention=True)
    assert await slack.replies(channel) == ["hi @Ann"]
    await (await slack.command(channel, "/prowex help")).outcome()
    assert slack.whispers(channel, slack.person("Ann")) == ["you said help"]
    await quiet(slack)
    await handler.close_async()  # type: ignore[no-untyped-call]


async def test_a_driver_in_another_process_can_do_all_of_it() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.servers.slack", "--no-limits", cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout
    try:
        url = (await process.stdout.readline()).decode().split()[-1]
        base = url.removesuffix("/api/") + "/_control"
        async with aiohttp.ClientSession() as session:

            async def do(what: str, **body: Any) -> Any:
                async with session.post(f"{base}/{what}", json=body) as answer:
                    assert answer.status == 200, await answer.text()
                    return await answer.json()

            async def look(what: str, **query: Any) -> Any:
                async with session.get(f"{base}/{what}", params=query) as answer:
                    assert answer.status == 200, await answer.text()
                    return await answer.json()

            tokens = await look("tokens")
            client = AsyncWebClient(token=tokens["bot"], base_url=url)
            general = (await do("channel", name="general", people=["Ann"]))["channel"]
            said = await do("say", channel="general", text="hi", by="Ann", mention=True)
            await client.chat_postMessage(
                channel=general, thread_ts=said["ts"], text="yes?", blocks=[actions(button())]
            )
            assert await look("wait", channel="general", contains="Go") == ["[Go]"]
            await do("press", channel="general", button="Go", by="Ann")
            act = await do("command", channel="@Bob", text="/prowex new")
            await client.views_open(trigger_id=act["trigger_id"], view=modal(question("Name")))
            assert "Name" in (await look("modal", person="Bob", wait="5"))["text"]
            await do("limits", enabled=True, post_burst=1)
            await do("fault", kind="drop_answers", method="chat.update")
            await do("app", pauses=[0, 0.01], deadline=0.1)
            assert (await look("stats"))["deliveries"]["made"] >= 4
            assert [one["method"] for one in await look("journal", method="views.open")] == ["views.open"]
            async with session.post(f"{base}/say", json={"channel": "nowhere", "text": "x"}) as answer:
                assert answer.status == 400
    finally:
        process.kill()
        await process.wait()
