"""Slack calls us: what it must show, what it is answered, and what is stored before."""

import asyncio
import json
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest

from channels.slack import receive
from channels.slack.inbound import position_of
from core import inbox
from storage.tables import InboxEntry
from tests.scenarios.slack_town import HOOK, HTTP, SlackTown
from tests.scenarios.town import words_of
from tests.servers.slack import SIGNING_SECRET
from tests.servers.slack_hooks import signed
from tests.servers.slack_world import TEAM

JSON_TYPE, FORM = "application/json", "application/x-www-form-urlencoded"


@pytest.fixture
def transport() -> str:
    return HTTP


async def post(
    town: SlackTown, body: Any, kind: str = JSON_TYPE, away: int = 0, headers: dict[str, str] | None = None
) -> tuple[int, str]:
    """Post what is signed as Slack does; return status and text of the answer."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    now = int(town.clock.now().timestamp()) + away
    given = {
        "Content-Type": kind,
        "X-Slack-Request-Timestamp": str(now),
        "X-Slack-Signature": signed(SIGNING_SECRET, now, data),
        **(headers or {}),
    }
    async with aiohttp.ClientSession() as http, http.post(town.url + HOOK, data=data, headers=given) as response:
        return response.status, await response.text()


def event(text: str = "hi", ts: str = "1790000000.000100", **fields: Any) -> dict[str, Any]:
    said = {"type": "message", "channel": "D1", "channel_type": "im", "user": "U1", "ts": ts, "text": text, **fields}
    return {"type": "event_callback", "team_id": TEAM, "event_id": "Ev1", "event": said}


async def test_the_request_url_is_verified(slack: SlackTown) -> None:
    assert await slack.slack.hooks.verify()
    status, text = await post(slack, {"type": "url_verification", "challenge": "abc"})
    assert (status, json.loads(text)) == (200, {"challenge": "abc"})
    assert await InboxEntry.all().count() == 0


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Slack-Signature": ""},
        {"X-Slack-Signature": "v0=" + "0" * 64},
        {"X-Slack-Signature": "v0=häkchen"},
        {"X-Slack-Signature": "v0=" + "g" * 64},
        {"X-Slack-Request-Timestamp": ""},
        {"X-Slack-Request-Timestamp": "abc"},
        {"X-Slack-Request-Timestamp": "1e9"},
        {"X-Slack-Request-Timestamp": "1790000000"},
        {"X-Slack-Request-Timestamp": "٣٣٣٣٣٣٣٣٣٣"},
    ],
)
async def test_what_is_not_signed_is_refused(slack: SlackTown, headers: dict[str, str]) -> None:
    assert (await post(slack, event(), headers=headers))[0] == 401
    assert await InboxEntry.all().count() == 0


@pytest.mark.parametrize("away", [-400, 400])
async def test_an_old_request_is_refused_though_it_is_signed(slack: SlackTown, away: int) -> None:
    assert (await post(slack, event(), away=away))[0] == 401


async def test_headers_that_no_client_sends_break_nothing(slack: SlackTown) -> None:
    body = json.dumps(event()).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", slack.port)
    head = f"POST {HOOK} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n".encode()
    head += b"X-Slack-Signature: v0=\xff\xfe\r\nX-Slack-Request-Timestamp: \xe4\xf6\r\nConnection: close\r\n\r\n"
    writer.write(head + body)
    status = int((await reader.read()).split()[1])
    writer.close()
    assert status in (400, 401)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", JSON_TYPE),
        (b"{", JSON_TYPE),
        (b"[]", JSON_TYPE),
        (b"null", JSON_TYPE),
        (b'"text"', JSON_TYPE),
        (b"[" * 100_000, JSON_TYPE),
        (b'{"type":' + b"9" * 5000 + b"}", JSON_TYPE),
        (b"{}", "text/plain"),
        (b"{}", "multipart/form-data"),
        (b"", FORM),
        (b"a=b", FORM),
        (b"payload={", FORM),
        (b"payload=[]", FORM),
        (b"&".join(b"a%d=1" % number for number in range(200)), FORM),
    ],
)
async def test_what_slack_never_posts_is_refused(slack: SlackTown, body: bytes, kind: str) -> None:
    assert (await post(slack, body, kind))[0] == 400


async def test_bytes_that_are_no_text_are_refused(slack: SlackTown) -> None:
    assert (await post(slack, b'{"a": "\xff\xfe"}'))[0] in (400, 401)
    assert (await post(slack, b"payload=%FF%FE", FORM))[0] == 400


async def test_what_was_said_in_a_thread_before_we_were_called_is_not_for_us_also_if_it_comes_late(
    slack: SlackTown,
) -> None:
    ann, bob = slack.in_channel("general", "Ann", "Bob")
    root = await ann.say("Plans for Friday")
    called = await ann.on(root).say("when?", mention=True)
    await ann.on(root).answer()
    at = position_of(called.ts)
    for text, position, answered in (("before", at - 1, 1), ("after", at + 1, 2)):
        ts = f"{position // 1_000_000}.{position % 1_000_000:06d}"
        where = {"channel": ann.channel.id, "channel_type": "channel", "thread_ts": root.ts, "team": TEAM}
        assert (await post(slack, event(text, ts, user=bob.who.id, **where)))[0] == 200
        await slack.settled()
        assert len(slack.asked()) == answered


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
async def test_a_body_that_is_not_packed_as_it_says_is_refused(slack: SlackTown, coding: str) -> None:
    body = json.dumps(event()).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", slack.port)
    head = f"POST {HOOK} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\nContent-Encoding: {coding}\r\n"
    writer.write(f"{head}Content-Type: {JSON_TYPE}\r\nConnection: close\r\n\r\n".encode() + body)
    status = int((await reader.read()).split()[1])
    writer.close()
    assert status == 400


async def test_a_body_that_is_too_large_is_refused(slack: SlackTown) -> None:
    assert (await post(slack, event("x" * (1 << 20))))[0] == 413


@pytest.mark.parametrize(
    "body",
    [
        {"type": "app_rate_limited", "team_id": TEAM},
        {"type": "something_new"},
        {"type": "event_callback"},
        {"type": "event_callback", "team_id": TEAM, "event": None},
        {"type": "event_callback", "team_id": TEAM, "event": []},
        {"type": "event_callback", "team_id": TEAM, "event": {"type": "new_kind", "x": 1}},
        {"type": "event_callback", "team_id": TEAM, "event": {"type": "message"}},
        {"type": "event_callback", "team_id": TEAM, "event": {"type": ["message"]}},
        {"type": "event_callback", "team_id": TEAM, "authorizations": [None, 3, {}], "event": {"type": "app_mention"}},
        {"type": "event_callback", "team_id": TEAM, "authorizations": "x", "event": {"type": "member_joined_channel"}},
        {"type": "event_callback", "team_id": [TEAM], "event": {"type": "assistant_thread_started"}},
        event(ts="yesterday"),
        event(user={"id": "U1"}),
        event(files=[{"no": "id"}]),
        event(files={"a": 1}),
    ],
)
async def test_an_event_that_we_can_not_read_is_taken_and_forgotten(slack: SlackTown, body: Any) -> None:
    assert (await post(slack, body))[0] == 200
    assert await InboxEntry.all().count() == 0


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"type": "new_kind", "user": {"id": "U1"}},
        {"type": "block_actions"},
        {"type": "block_actions", "user": {"id": "U1"}, "team": {"id": TEAM}, "actions": [1]},
        {"type": "block_actions", "user": {"id": "U1"}, "team": {"id": TEAM}, "actions": []},
        {"type": "view_submission", "user": {"id": "U1"}, "team": {"id": TEAM}},
        {"type": "view_submission", "user": {"id": "U1"}, "team": {"id": TEAM}, "view": {"id": "V1"}},
        {
            "type": "view_submission",
            "user": {"id": "U1"},
            "team": {"id": TEAM},
            "view": {"id": "V1", "private_metadata": '{"chat":"C1"}', "state": {"values": {"a": {"b": 3}}}},
        },
        {"type": "message_action", "user": {"id": "U1"}, "team": {"id": TEAM}, "callback_id": "prowex_menu"},
        {"type": "shortcut", "user": {"id": "U1"}, "team": {"id": TEAM}, "callback_id": "prowex_menu_anywhere"},
    ],
)
async def test_something_interactive_that_we_can_not_read_does_nothing(slack: SlackTown, payload: Any) -> None:
    body = urlencode({"payload": json.dumps(payload)}).encode()
    assert (await post(slack, body, FORM))[0] == 200
    assert await InboxEntry.all().count() == 0


async def test_half_a_character_is_stored_as_a_mark_for_it(slack: SlackTown) -> None:
    im = slack.direct("Ann").channel
    assert (await post(slack, event(text="a\ud800b", channel=im.id)))[0] == 200
    await slack.settled()
    assert [words_of(asked)[-1] for asked in slack.asked()] == [("user", "a\ufffdb")]


async def test_a_check_of_our_certificate_is_no_command(slack: SlackTown) -> None:
    assert (await post(slack, b"ssl_check=1&token=x&command=/prowex&text=status&team_id=T1", FORM))[0] == 200
    assert await InboxEntry.all().count() == 0


async def test_what_belongs_to_another_workspace_is_not_ours(slack: SlackTown) -> None:
    foreign = event() | {"team_id": "T0ELSEWHERE"}
    assert (await post(slack, foreign))[0] == 200
    command = {"team_id": "T0ELSEWHERE", "channel_id": "C1", "user_id": "U1", "trigger_id": "1.2", "command": "/prowex"}
    assert (await post(slack, urlencode(command).encode(), FORM))[0] == 200
    assert await InboxEntry.all().count() == 0


async def test_an_event_is_stored_before_it_is_acknowledged(slack: SlackTown) -> None:
    slack.core.lanes._accepting = False
    assert (await post(slack, event()))[0] == 200
    [row] = await InboxEntry.all()
    assert row.state == "new"
    assert row.body is not None
    slack.core.lanes._accepting = True


async def test_the_same_event_many_times_is_stored_once(slack: SlackTown) -> None:
    given = await asyncio.gather(*(post(slack, event()) for _ in range(5)))
    assert [status for status, _ in given] == [200] * 5
    assert await InboxEntry.all().count() == 1


async def test_too_much_to_do_is_said_to_slack_which_comes_again(
    slack: SlackTown, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "MOST_WAITING_OVERALL", -1)
    slack.core.inbox._unchecked = 10_000
    assert (await post(slack, event()))[0] == 503
    assert await InboxEntry.all().count() == 0
    monkeypatch.undo()
    assert (await post(slack, event()))[0] == 200


async def test_a_get_is_not_answered_with_anything_of_use(slack: SlackTown) -> None:
    async with aiohttp.ClientSession() as http, http.get(f"{slack.url}{HOOK}") as response:
        assert response.status in (404, 405)


async def test_while_nobody_knows_who_we_are_slack_is_asked_to_come_again(
    quiet_slack: SlackTown, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receive, "NAME_SECONDS", 0.1)
    await quiet_slack.slack.refuse()
    await quiet_slack.start()
    assert (await post(quiet_slack, event()))[0] == 503
    await quiet_slack.slack.accept()


async def test_nothing_is_asked_of_slack_to_be_called(slack: SlackTown) -> None:
    assert slack.slack.journal.of("apps.connections.open") == []


async def test_a_refused_bot_token_is_told_once(
    quiet_slack: SlackTown, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receive, "LONGEST_PAUSE", 0.05)
    fault = quiet_slack.slack.faults.fail("auth.test", "invalid_auth", count=None)
    await quiet_slack.start()
    await quiet_slack.slack.wait_for(lambda: len(quiet_slack.slack.journal.of("auth.test")) > 3)
    async with aiohttp.ClientSession() as http, http.get(f"{quiet_slack.url}/readyz") as response:
        assert "SLACK_BOT_TOKEN" in (await response.json())["checks"]["slack"]
    assert sum("SLACK_BOT_TOKEN" in record.getMessage() for record in caplog.records) == 1
    quiet_slack.slack.faults.remove(fault)
    ann = quiet_slack.direct("Ann")
    await ann.say("hi")
    assert await ann.answer() == "echo: hi"
