"""Answers that grow as Slack's own streams: what people see, and what crashes and Slack's moods leave of it."""

import logging
from collections.abc import Callable
from typing import Any

import pytest

from core import turns
from storage.tables import Part, PartState
from tests.scenarios.slack_town import HTTP, SOCKET, SlackTalk, SlackTown
from tests.servers.openai_script import paragraphs
from tests.servers.slack_sight import Shown
from tests.servers.slack_world import Message

both = pytest.mark.parametrize("transport", [SOCKET, HTTP])
GROWS = "[[tokens=100 hold=20,60]]"


@pytest.fixture
async def slack(quiet_slack: SlackTown) -> SlackTown:
    """A town whose answers are streamed."""
    await quiet_slack.start(slack_native_streams=True)
    return quiet_slack


async def in_thread(slack: SlackTown, name: str = "Ann") -> SlackTalk:
    """Return a person in a new thread of the assistant pane."""
    person = slack.direct(name)
    return person.on(await slack.slack.open_pane(person.who))


def ours(talk: SlackTalk) -> list[Shown]:
    """Return all our messages in the thread, those that are gone too."""
    every = talk.town.slack.history(talk.channel, talk.thread)
    return [one for one in every if one.from_bot and one.subtype != "assistant_app_thread"]


def calls(slack: SlackTown, *methods: str) -> list[str]:
    return [one.method for one in slack.slack.journal.of(*(f"chat.{method}" for method in methods))]


async def streams(talk: SlackTalk, enough: Callable[[str], Any] = lambda text: len(text) > 20) -> Message:
    """Wait until a stream of ours shows enough."""

    def found() -> Message | None:
        every = talk.channel.messages.values()
        running = [one for one in every if one.streaming == "in_progress" and not one.deleted_at]
        return next((one for one in running if enough(one.text)), None)

    return await talk.town.slack.wait_for(found, channel=talk.channel)


@both
async def test_an_answer_is_streamed_and_then_stands_there_whole(slack: SlackTown) -> None:
    ann = await in_thread(slack)
    await ann.say(f"hi {GROWS}")
    await streams(ann)
    slack.openai.go_on(20)
    await streams(ann, lambda text: len(text.split()) >= 60)
    slack.openai.go_on()
    [message] = await ann.messages()
    assert message.text.endswith(slack.slack.history(ann.channel)[-1].text)
    assert (message.streaming, message.thread_ts) == ("", ann.thread)
    assert {block["type"] for block in message.blocks} == {"rich_text"}
    assert message.edits >= 3
    assert calls(slack, "startStream", "stopStream", "update", "postMessage") == [
        *("chat.startStream", "chat.stopStream", "chat.update"),
    ]
    await ann.say("and again")
    assert await ann.answer() == "echo: and again"


@pytest.mark.slow
async def test_an_answer_is_the_same_streamed_or_not(slack: SlackTown) -> None:
    ann = await in_thread(slack)
    asking = "[[table hold=9]] **b** `<!channel>` <@U0NOBODY00> & [l](https://example.org)"
    await ann.say(asking)
    await slack.slack.wait_for(lambda: calls(slack, "appendStream"))
    slack.openai.go_on()
    [streamed] = await ann.messages()
    assert calls(slack, "appendStream")
    await slack.restart(slack_native_streams=False)
    await ann.say(asking)
    [edited] = await ann.messages()
    assert (streamed.text, streamed.raw) == (edited.text, edited.raw)
    assert [one["elements"] for one in streamed.blocks] == [one["elements"] for one in edited.blocks]
    assert len(calls(slack, "startStream")) == 1


async def test_elsewhere_answers_grow_by_edits(slack: SlackTown) -> None:
    ann, bob = slack.direct("Ann"), slack.in_channel("general", "Bob")[0]
    await ann.say("[[tokens=60 delay=0.03]]")
    await bob.say("[[tokens=60 delay=0.03]]", mention=True)
    await slack.settled()
    await ann.on(await ann.say("!status")).say("!whoami")
    await slack.settled()
    assert calls(slack, "startStream", "appendStream", "stopStream") == []


async def test_a_stopped_answer_ends_with_what_was_said(slack: SlackTown) -> None:
    ann = await in_thread(slack)
    await ann.say("[[tokens=3000 hold=20]]")
    begun = await streams(ann)
    said = begun.text
    await ann.say("!stop")
    await slack.settled()
    [message] = [one for one in ours(ann) if one.ts == begun.ts]
    assert message.text.startswith(said[:20])
    assert message.text.endswith("Stopped.")
    assert message.streaming == ""


@pytest.mark.parametrize(("transport", "drain"), [(SOCKET, 0), (HTTP, 1)])
async def test_a_restart_in_the_middle_leaves_one_answer_and_no_stream(slack: SlackTown, drain: float) -> None:
    ann = await in_thread(slack)
    await slack.restart(drain_seconds=drain)
    await ann.say("[[tokens=110 hold=20]]")
    first = await streams(ann)
    await slack.restart()
    slack.openai.go_on()
    [message] = await ann.messages()
    assert len(message.text.split()) >= 110
    assert [one.streaming for one in ours(ann) if one.streaming == "in_progress"] == []
    if first.ts != message.ts:
        assert first.deleted_at is not None
        by_first = [one.method for one in slack.slack.journal.of() if one.params.get("ts") == first.ts]
        assert by_first[-2:] == ["chat.stopStream", "chat.delete"]


async def test_a_restart_between_the_end_of_a_turn_and_its_showing_ends_the_stream(slack: SlackTown) -> None:
    ann = await in_thread(slack)
    await slack.restart(drain_seconds=0)
    slack.slack.faults.fail("chat.stopStream", status=503, count=None)
    await ann.say("[[tokens=60 hold=20]]")
    begun = await streams(ann)
    slack.openai.go_on()
    await slack.slack.wait_for(lambda: calls(slack, "stopStream"))
    await slack.stop()
    assert begun.streaming == "in_progress"
    slack.slack.faults.clear()
    await slack.start()
    [message] = await ann.messages()
    assert (message.ts, message.streaming) == (begun.ts, "")
    assert len(message.text.split()) >= 60


async def test_a_stream_whose_beginning_was_lost_is_an_orphan_and_the_answer_comes(slack: SlackTown) -> None:
    ann = await in_thread(slack)
    slack.slack.faults.drop_answers("chat.startStream")
    await ann.say("hi")
    texts = await ann.answers()
    assert sorted(texts) == ["", "echo: hi"]
    assert await Part.filter(state=PartState.ORPHANED).count() == 1
    slack.slack.faults.drop_requests("chat.startStream")
    await ann.say("and now?")
    assert await ann.answer() == "echo: and now?"
    assert await Part.filter(state=PartState.ORPHANED).count() == 1


@pytest.mark.slow
async def test_a_long_answer_arrives_whole_and_in_order(slack: SlackTown) -> None:
    ann = await in_thread(slack)
    await ann.say("[[len=12000 hold=900]]")
    await streams(ann)
    slack.openai.go_on()
    messages = await ann.messages()
    assert len(messages) > 1
    assert [one.streaming for one in messages] == [""] * len(messages)
    shown = "".join("".join(one.text.split()) for one in messages)
    assert shown == "".join(paragraphs(12_000, "").split())
    assert len(calls(slack, "startStream")) == 1


@pytest.mark.slow
async def test_an_answer_that_took_long_is_told_of_in_a_fresh_message(
    slack: SlackTown, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "LONG_ANSWER", 0.0)
    ann = await in_thread(slack)
    await ann.say(GROWS)
    begun = await streams(ann)
    slack.openai.go_on()
    [message] = await ann.messages()
    assert message.ts != begun.ts
    assert (begun.deleted_at is not None, message.streaming) == (True, "")


@pytest.mark.slow
async def test_a_stream_that_slack_ended_goes_on_by_edits(slack: SlackTown) -> None:
    ann = await in_thread(slack)
    await ann.say("[[tokens=170 hold=20,60]]")
    begun = await streams(ann)
    before = begun.text
    begun.streaming = "completed"
    slack.openai.go_on(20)
    await slack.slack.wait_for(lambda: begun.text != before and not begun.streaming, channel=ann.channel)
    assert not await slack._is_settled()
    slack.openai.go_on()
    [message] = await ann.messages()
    assert (message.ts, len(message.text.split()) >= 170) == (begun.ts, True)


@pytest.mark.slow
async def test_thinking_does_not_keep_the_words_from_being_streamed(slack: SlackTown) -> None:
    ann = await in_thread(slack)
    await ann.say("[[thinking tokens=100 hold=20]]")
    assert "💭" not in (await streams(ann)).text
    slack.openai.go_on()
    [message] = await ann.messages()
    assert all("💭" not in version.text for version in message.versions)


async def test_a_streamed_text_mentions_nobody_at_any_moment(slack: SlackTown) -> None:
    ann = await in_thread(slack)
    words = "<!channel> <!here> <@U0NOBODY00> <!subteam^S1> &lt;!channel> <https://example.org|<!here>> "
    await ann.say(f"[[hold=15,30,45]] {words * 12}", raw=True)
    before = ""
    for held in (15, 30, 45):
        before = (await streams(ann, lambda text, before=before: text != before)).text
        slack.openai.go_on(held)
    slack.openai.go_on()
    await ann.messages()
    [streamed] = [one for one in ours(ann) if one.edits > 1]
    assert any("&lt;" in version.text for version in streamed.versions)
    assert slack.slack.triggered(ann.channel) == []


async def test_a_workspace_without_streams_is_answered_by_edits(
    slack: SlackTown, caplog: pytest.LogCaptureFixture
) -> None:
    slack.slack.faults.fail("chat.startStream", "unknown_method", count=None)
    ann = await in_thread(slack)
    for number, held in enumerate((20, 30), 1):
        await ann.say(f"[[tokens=60 hold={held}]]")
        await ann.sees(lambda texts, number=number: len(texts) == number and texts[-1] != "…")
        slack.openai.go_on(held)
        [message] = await ann.messages()
        assert message.edits > 1
    assert len(calls(slack, "startStream")) == 1
    told = [one for one in caplog.records if "native streams" in one.getMessage()]
    assert [one.levelno for one in told] == [logging.WARNING]
