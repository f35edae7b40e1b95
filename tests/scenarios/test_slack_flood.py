"""Slack's limits: they are kept, and where Slack asks for a pause it gets one."""

import asyncio
from typing import Any

import pytest

from tests.scenarios.slack_town import SlackTown
from tests.servers.slack_limits import Limits

AS_SET = {"slack_messages_per_second": 1, "slack_edits_per_minute": 50}


async def test_answers_that_grow_at_once_keep_within_the_workspaces_limits(quiet_slack: SlackTown) -> None:
    quiet_slack.slack.flood.limits = Limits()
    await quiet_slack.start(**AS_SET)
    people = [quiet_slack.direct(f"Person {number}") for number in range(4)]
    await asyncio.gather(*(one.say("[[tokens=60 hold=30]]") for one in people))
    for one in people:
        await one.sees(lambda texts: texts and texts[0] != "…")
    quiet_slack.openai.go_on()
    await quiet_slack.settled()
    assert dict(quiet_slack.slack.flood.refused) == {}
    shown = [one.fresh() for one in people]
    assert [len(each) for each in shown] == [1, 1, 1, 1]
    assert all(each[0].edits >= 2 for each in shown), "nobody saw it grow"
    assert len({each[0].text for each in shown}) == 1


async def test_many_mentions_in_one_channel_are_all_answered_in_time(quiet_slack: SlackTown) -> None:
    quiet_slack.slack.flood.limits = Limits.strict()
    await quiet_slack.start(**AS_SET)
    [ann] = quiet_slack.in_channel("general", "Ann")
    for number in range(4):
        await ann.say(f"number {number}", mention=True)
    await quiet_slack.settled()
    assert sorted(one.text for one in ann.fresh()) == [f"echo: Ann: number {number}" for number in range(4)]


async def test_a_pause_that_slack_asks_for_is_kept(slack: SlackTown) -> None:
    ann = slack.direct("Ann")
    slack.slack.faults.fail("chat.postMessage", "ratelimited", status=429, retry_after=2)
    slack.slack.faults.fail("chat.update", "ratelimited", status=429, retry_after=1)
    await ann.say("hi")
    assert await ann.answer() == "echo: hi"
    assert slack.slack.flood.disobeyed == []


async def test_answers_that_got_lost_on_the_way_are_not_shown_twice(slack: SlackTown) -> None:
    ann = slack.direct("Ann")
    slack.slack.faults.drop_answers("chat.postMessage", count=2)
    slack.slack.faults.drop_answers("chat.update", count=2)
    await ann.say("hi")
    assert await ann.answer() == "echo: hi"
    await ann.command("/prowex help")
    slack.slack.faults.drop_answers("chat.postMessage")
    await ann.command("/prowex status")
    texts = await ann.answers()
    assert len(texts) == 2


@pytest.mark.parametrize("trouble", [{"status": 503}, {"status": 429, "error": "ratelimited", "retry_after": 1}])
async def test_what_may_have_arrived_is_asked_for_until_slack_can_tell(
    slack: SlackTown, trouble: dict[str, Any]
) -> None:
    ann = slack.direct("Ann")
    slack.slack.faults.drop_answers("chat.postMessage")
    slack.slack.faults.fail("conversations.history", count=2, **trouble)
    await ann.command("/prowex status")
    assert "Model" in await ann.answer()
    slack.slack.faults.drop_answers("chat.postMessage")
    slack.slack.faults.fail("conversations.history", count=2, **trouble)
    await ann.say("hi")
    assert await ann.answer() == "echo: hi"


@pytest.mark.parametrize("closed", ["edit_window_closed", "cant_update_message"])
async def test_where_nothing_can_be_edited_an_answer_is_posted_alone(slack: SlackTown, closed: str) -> None:
    slack.slack.faults.fail("chat.update", closed, count=None)
    ann = slack.direct("Ann")
    await ann.say("hi")
    assert await ann.answer() == "echo: hi"
    await ann.say("[[tokens=20 delay=0.2]]")
    assert len(await ann.answers(30)) == 1
    assert len(ann.shows()) == 2
    assert len(slack.slack.journal.of("chat.postMessage")) < 12


async def test_a_text_that_is_too_long_with_its_blocks_is_shown_without_them(slack: SlackTown) -> None:
    slack.slack.faults.fail("chat.update", "msg_too_long")
    ann = slack.direct("Ann")
    await ann.say("hi")
    assert await ann.answer() == "echo: hi"
