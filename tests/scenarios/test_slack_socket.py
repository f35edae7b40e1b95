"""Slack by Socket Mode: connections come and go, and nothing is lost between them."""

import asyncio
from typing import Any

import aiohttp
import pytest

from channels.slack import socket as socket_module
from core import inbox
from storage.tables import InboxEntry
from tests.clock import PATIENCE
from tests.scenarios.slack_town import SlackTown


async def ready(town: SlackTown) -> dict[str, str]:
    """Return what the service says of its parts."""
    async with aiohttp.ClientSession() as http, http.get(f"{town.url}/readyz") as response:
        checks: dict[str, str] = (await response.json())["checks"]
        return checks


async def until(condition: Any, timeout: float = PATIENCE) -> None:
    async with asyncio.timeout(timeout):
        while not (await condition() if asyncio.iscoroutinefunction(condition) else condition()):  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_a_new_connection_stands_before_the_old_one_goes(slack: SlackTown) -> None:
    ann = slack.direct("Ann")
    await slack.slack.sockets.disconnect("warning")
    await until(lambda: slack.slack.sockets.opened == 2)
    assert len(slack.slack.sockets.connections) == 2
    await ann.say("hi")
    assert await ann.answer() == "echo: hi"


@pytest.mark.parametrize("close", [True, False])
async def test_a_refreshed_connection_loses_nothing(slack: SlackTown, close: bool) -> None:
    ann = slack.direct("Ann")
    for number in range(3):
        await ann.say(f"before {number}")
        await slack.slack.sockets.disconnect(close=close)
        await ann.say(f"after {number}")
        await slack.slack.sockets.connected()
    answers = " ".join(await ann.answers())
    assert all(f"{word} {number}" in answers for word in ("before", "after") for number in range(3))


async def test_a_cut_connection_is_made_anew(slack: SlackTown) -> None:
    ann = slack.direct("Ann")
    await ann.say("one")
    slack.slack.sockets.cut()
    await ann.say("two")
    answers = " ".join(await ann.answers())
    assert "one" in answers
    assert "two" in answers


async def test_a_connection_that_has_gone_silent_is_replaced(
    quiet_slack: SlackTown, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket_module, "HEARTBEAT_SECONDS", 1.0)
    await quiet_slack.start()
    connection = quiet_slack.slack.sockets.connections[-1]
    opened = quiet_slack.slack.sockets.opened
    assert connection.http.transport is not None
    connection.http.transport.pause_reading()  # type: ignore[attr-defined]
    await until(lambda: quiet_slack.slack.sockets.opened > opened)


async def test_slack_out_of_reach_is_told_and_comes_back(slack: SlackTown) -> None:
    assert (await ready(slack))["slack"] == "ok"
    await slack.slack.refuse()

    async def told() -> bool:
        return "can't be reached" in (await ready(slack))["slack"]

    await until(told)
    await slack.slack.accept()
    await slack.slack.sockets.connected()
    ann = slack.direct("Ann")
    await ann.say("hi")
    assert await ann.answer() == "echo: hi"
    assert (await ready(slack))["slack"] == "ok"


async def test_a_refused_app_token_is_told_once(
    quiet_slack: SlackTown, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket_module, "REFUSED_SECONDS", 0.05)
    quiet_slack.slack.faults.fail("apps.connections.open", "invalid_auth", count=3)
    await quiet_slack.start()
    assert (await ready(quiet_slack))["slack"] == "ok"
    assert sum("SLACK_APP_TOKEN" in record.getMessage() for record in caplog.records) == 1


async def test_what_is_not_stored_is_not_acknowledged(slack: SlackTown, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox, "MOST_WAITING_OVERALL", -1)
    slack.core.inbox._unchecked = 10_000
    slack.slack.sockets.deadline = 0.3
    ann = slack.direct("Ann")
    await ann.say("hi")
    await until(lambda: slack.slack.deliveries.counts["repeated"] >= 1)
    assert slack.slack.sockets.acks == []
    assert await InboxEntry.all().count() == 0
    monkeypatch.undo()
    assert await ann.answer() == "echo: hi"


async def test_an_envelope_of_an_unknown_kind_is_acknowledged_and_forgotten(slack: SlackTown) -> None:
    slack.slack.deliveries.add("events_api", {"type": "event_callback", "event": {"type": "new"}, "team_id": "T"})
    slack.slack.deliveries.add("new_kind", {"x": 1})  # type: ignore[arg-type]
    await slack.taken_in()
    assert slack.slack.deliveries.lost == []
    assert await InboxEntry.all().count() == 0


async def test_what_another_process_does_not_acknowledge_comes_to_us(slack: SlackTown) -> None:
    url = f"{slack.slack.url}apps.connections.open"
    bearer = {"Authorization": f"Bearer {slack.slack.app_token}"}
    people = [slack.direct(f"Person {number}") for number in range(6)]
    async with aiohttp.ClientSession() as http:
        ticket = await (await http.post(url, headers=bearer)).json()
        other = await http.ws_connect(ticket["url"])
        await slack.slack.sockets.connected(2)
        for one in people:
            await one.say(f"hi from {one.who.name}")
        await slack.slack.wait_for(lambda: slack.slack.deliveries.counts["acknowledged"] >= 3)
        await other.close()
    await slack.settled()
    assert [one.shows() for one in people] == [[f"echo: hi from {one.who.name}"] for one in people]


async def test_an_app_without_socket_mode_is_told_where_to_switch_it_on(
    quiet_slack: SlackTown, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(socket_module, "REFUSED_SECONDS", 0.05)
    quiet_slack.slack.faults.fail("apps.connections.open", "link_disabled")
    await quiet_slack.start()
    assert any("switch it on" in record.getMessage() for record in caplog.records)


async def test_a_pause_before_the_next_connection_is_kept(quiet_slack: SlackTown) -> None:
    quiet_slack.slack.faults.fail("apps.connections.open", "ratelimited", status=429, retry_after=1)
    await quiet_slack.start()
    first, second = quiet_slack.slack.journal.of("apps.connections.open")
    assert second.at - first.at >= 1
