"""Native streams: what a person sees while they grow, that they end as any message does, and what happens when not."""

import asyncio
import logging
from typing import Any

import pytest

from channels.slack import history, streams
from channels.slack.channel import SlackChannel
from channels.slack.streams import harmless
from core.channel import Gone, TryLater, Unsure
from core.envelopes import Body, Button, Piece
from tests.channels.slack.conftest import Bench
from tests.servers.slack_limits import Limits
from tests.servers.slack_sight import Shown
from tests.servers.slack_world import Channel, Message

WAITING = Piece("…")


class Answer:
    """A question in a thread of Ann's direct chat, and the answer to it."""

    def __init__(self, bench: Bench, im: Channel, question: Message) -> None:
        self.bench = bench
        self.im = im
        self.target = bench.at(im, question.thread_ts or question.ts, answers=question.ts)
        self.ts = ""

    @property
    def channel(self) -> SlackChannel:
        return self.bench.channel

    async def begin(self, key: str = "key-1") -> None:
        self.ts = await self.channel.post(self.target, WAITING, key)

    async def grows(self, text: str) -> None:
        for piece in self.channel.render(Body(text), growing=True)[:1]:
            await self.channel.edit(self.target, self.ts, piece)

    async def ends(self, text: str, *buttons: Button) -> None:
        [piece] = self.channel.render(Body(text, (buttons,) if buttons else ()))
        await self.channel.edit(self.target, self.ts, piece)

    def message(self) -> Message:
        return self.im.messages[self.ts]

    def shown(self) -> Shown:
        return next(one for one in self.bench.slack.history(self.im) if one.ts == self.ts)

    def calls(self, *methods: str) -> list[str]:
        every = self.bench.slack.journal.of(channel=self.im.id)
        return [
            one.method for one in every if one.method.startswith("chat.") and (not methods or one.method in methods)
        ]


async def asked(bench: Bench, text: str = "hi") -> Answer:
    im = bench.slack.im("Ann")
    return Answer(bench, im, await bench.slack.say(im, text))


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look again at once."""
    monkeypatch.setattr(history, "LOOK_AGAIN_SECONDS", 0.0)


@pytest.fixture
def native_streams() -> bool:
    return True


@pytest.fixture
async def answer(bench: Bench) -> Answer:
    answer = await asked(bench)
    await answer.begin()
    return answer


async def restarted(bench: Bench) -> None:
    """Let another process take the place of this one."""
    old = bench.channel
    bench.channel = SlackChannel(
        old._client, bench.me, old.budgets, old._files, bench.responses, bench.clock, native_streams=True
    )


async def test_an_answer_grows_as_a_stream_and_ends_as_the_message_that_it_would_be_without(answer: Answer) -> None:
    assert answer.shown().streaming == "in_progress"
    await answer.grows("Some **bo")
    await answer.grows("Some **bold** words")
    assert (answer.shown().text, answer.shown().streaming) == ("Some bold words", "in_progress")
    await answer.ends("Some **bold** words.", Button("Again", "/retry 1"))
    shown = answer.shown()
    assert (shown.text, shown.labels) == ("Some bold words.\n[Again]", ("Again",))
    assert {block["type"] for block in shown.blocks} == {"rich_text", "actions"}
    assert shown.metadata == history.metadata_of("key-1")
    assert answer.calls() == [
        *("chat.startStream", "chat.appendStream", "chat.appendStream", "chat.stopStream", "chat.update"),
    ]
    sent = [call.params["markdown_text"] for call in answer.bench.slack.journal.of("chat.appendStream")]
    assert sent == ["Some **bo", "ld** words"]


async def test_what_has_not_changed_is_not_sent_and_the_end_may_be_repeated(answer: Answer) -> None:
    await answer.grows("one")
    await answer.grows("one")
    await answer.ends("one two")
    await answer.ends("one two")
    assert answer.calls("chat.appendStream", "chat.stopStream") == ["chat.appendStream", "chat.stopStream"]
    assert answer.shown().text == "one two"


async def test_an_answer_that_comes_at_once_ends_a_stream_that_is_still_empty(answer: Answer) -> None:
    await answer.ends("all of it")
    assert answer.shown().text == "all of it"


async def test_a_text_that_begins_anew_waits_for_its_end(answer: Answer) -> None:
    await answer.grows("The capital is")
    await answer.grows("Another")
    await answer.grows("Another beginning")
    assert answer.shown().text == "The capital is"
    await answer.ends("Another beginning and end")
    assert answer.shown().text == "Another beginning and end"


async def test_thinking_is_never_streamed(answer: Answer) -> None:
    await answer.channel.typing(answer.target)
    await answer.grows("💭 hm")
    await answer.grows("💭 hm, hm")
    assert answer.shown().text == ""
    assert answer.bench.slack.status(answer.im, answer.target.chat.partition("/")[2]) == "is thinking…"
    await answer.grows("So")
    assert answer.shown().text == "So"
    assert answer.bench.slack.status(answer.im, answer.target.chat.partition("/")[2]) == ""


async def test_a_text_that_goes_on_after_a_pause_between_paragraphs_is_appended(answer: Answer) -> None:
    await answer.grows("I will look it up. \n")
    await answer.grows("I will look it up.\n\nHere it is")
    assert answer.shown().text == "I will look it up.\n\nHere it is"


@pytest.mark.parametrize(
    "text",
    [
        "<!channel> and <!here> and <@U0NOBODY00> and <!subteam^S1>",
        "&lt;!channel> &#60;!here> &lt;@U0NOBODY00>",
        "```\n<!channel>\n```\n<!channel>",
        "\\<!channel> `<!here>` <https://example.org|<!channel>>",
    ],
)
async def test_a_stream_mentions_nobody_however_its_text_is_cut(answer: Answer, text: str) -> None:
    for end in range(1, len(text) + 1):
        await answer.grows(text[:end])
    raw = answer.message().text
    assert "<" not in raw
    assert answer.bench.slack.triggered(answer.im) == []
    for entity in ("&lt;", "&#60;"):  # as if Slack read again what it has unescaped
        assert not any(f"{entity}{mark}" in raw for mark in "!@#")
    assert raw == harmless(text)


async def test_a_stream_hides_no_address_behind_words(answer: Answer) -> None:
    await answer.grows("![chart](https://evil.example/?q=secret) [bank](https://evil.example)")
    assert "[image" not in answer.shown().text
    assert "[bank]" in answer.shown().text
    await answer.ends("[bank](https://evil.example)")
    assert answer.shown().text == "bank (https://evil.example)"


async def test_what_marks_a_growing_text_never_reaches_slack(answer: Answer) -> None:
    await answer.grows("one")
    answer.message().streamed_at -= 400
    await answer.grows("one two")
    assert not any("growing" in str(call.params) for call in answer.bench.slack.journal.of())


async def test_a_long_text_goes_on_in_messages_of_its_own(answer: Answer) -> None:
    words = "A sentence of some words that goes on. " * 400
    for end in range(2_000, len(words), 2_000):
        await answer.grows(words[:end])
    first, *_ = pieces = answer.channel.render(Body(words))
    assert len(pieces) > 1
    assert answer.shown().streaming == ""
    full = answer.shown().text
    await answer.channel.edit(answer.target, answer.ts, first)
    assert answer.shown().text == full
    later = await answer.channel.post(answer.target, WAITING, "key-2")
    assert answer.im.messages[later].streaming == ""
    assert await answer.channel.find(answer.target, "key-2") == later


async def test_a_stream_that_slack_ended_goes_on_by_edits(answer: Answer) -> None:
    await answer.grows("one")
    answer.message().streamed_at -= 400
    await answer.grows("one two")
    await answer.grows("one two three")
    assert answer.shown().text == "one two three"
    await answer.ends("one two three four")
    assert answer.shown().text == "one two three four"
    assert answer.shown().metadata == history.metadata_of("key-1")
    assert answer.calls("chat.update") == ["chat.update"] * 3


@pytest.mark.parametrize("error", ["msg_too_long", "streaming_state_conflict", "some_new_error", "internal_error"])
async def test_a_stream_that_takes_no_more_goes_on_by_edits(answer: Answer, error: str) -> None:
    answer.bench.slack.faults.fail("chat.appendStream", error)
    await answer.grows("one")
    assert (answer.shown().text, answer.shown().streaming) == ("one", "")
    await answer.ends("one two")
    assert answer.shown().text == "one two"


async def test_words_whose_arrival_nobody_knows_are_not_there_twice(answer: Answer) -> None:
    await answer.grows("one")
    answer.bench.slack.faults.drop_answers("chat.appendStream")
    await answer.grows("one two")
    await answer.grows("one two three")
    assert answer.shown().text == "one two three"


async def test_they_are_not_there_twice_either_if_the_stream_can_not_be_stopped_at_once(answer: Answer) -> None:
    answer.bench.slack.faults.drop_answers("chat.appendStream")
    answer.bench.slack.faults.fail("chat.stopStream", status=503)
    with pytest.raises(TryLater):
        await answer.grows("one")
    await answer.grows("one")
    assert [version.text for version in answer.shown().versions if "oneone" in version.text] == []
    assert answer.shown().text == "one"


async def test_a_stop_whose_answer_was_lost_is_repeated(answer: Answer) -> None:
    await answer.grows("one")
    answer.bench.slack.faults.drop_answers("chat.stopStream")
    with pytest.raises(TryLater):
        await answer.ends("one two")
    await answer.ends("one two")
    assert answer.shown().text == "one two"


async def test_a_stream_that_somebody_deleted_is_gone(bench: Bench) -> None:
    for growing in (True, False):
        answer = await asked(bench)
        await answer.begin()
        await answer.grows("one")
        answer.bench.slack.chat.remove(answer.message())
        with pytest.raises(Gone):
            await (answer.grows("one two") if growing else answer.ends("one two"))


async def test_a_stream_is_stopped_before_it_is_deleted(bench: Bench, answer: Answer) -> None:
    await answer.grows("one")
    await bench.channel.delete(answer.target, answer.ts)
    assert answer.calls("chat.stopStream", "chat.delete") == ["chat.stopStream", "chat.delete"]
    assert answer.shown().deleted_at is not None
    await bench.channel.delete(answer.target, answer.ts)


@pytest.mark.parametrize("words", ["", "one"])
async def test_what_another_process_streamed_is_stopped_and_deleted(bench: Bench, answer: Answer, words: str) -> None:
    if words:
        await answer.grows(words)
    await restarted(bench)
    await bench.channel.delete(answer.target, answer.ts)
    assert (answer.shown().deleted_at is not None, answer.shown().streaming) == (True, "completed")


@pytest.mark.parametrize("words", ["", "one"])
async def test_what_another_process_streamed_is_ended_by_this_one(bench: Bench, answer: Answer, words: str) -> None:
    if words:
        await answer.grows(words)
    await restarted(bench)
    with pytest.raises(TryLater):
        await answer.ends("one two")
    await answer.ends("one two")
    assert (answer.shown().text, answer.shown().streaming) == ("one two", "")


async def test_a_slack_that_deletes_no_running_stream_is_asked_again(bench: Bench, answer: Answer) -> None:
    bench.channel._streams.wanted = False
    await restarted(bench)
    bench.channel._streams.wanted = False
    bench.slack.faults.fail("chat.delete", "streaming_state_conflict")
    with pytest.raises(TryLater):
        await bench.channel.delete(answer.target, answer.ts)
    await bench.channel.delete(answer.target, answer.ts)
    assert answer.shown().streaming == "completed"
    assert answer.shown().deleted_at is not None


# what was lost


async def test_a_stream_whose_beginning_was_lost_leaves_nobody_sure_and_the_next_is_posted(
    bench: Bench,
) -> None:
    answer = await asked(bench)
    bench.slack.faults.drop_answers("chat.startStream")
    with pytest.raises(Unsure):
        await answer.begin()
    with pytest.raises(Unsure):
        await bench.channel.find(answer.target, "key-1")
    await answer.begin("key-2")
    assert await bench.channel.find(answer.target, "key-2") == answer.ts
    assert answer.calls("chat.startStream") == ["chat.startStream"]


async def test_a_stream_that_certainly_never_began_is_known_not_to_be_there(bench: Bench) -> None:
    before = await asked(bench)
    await before.begin("key-0")
    await before.ends("an earlier answer in the thread")
    question = await bench.slack.say(before.im, "and now?", thread=before.target.chat.partition("/")[2])
    answer = Answer(bench, before.im, question)
    bench.slack.faults.drop_requests("chat.startStream")
    with pytest.raises(Unsure):
        await answer.begin()
    assert await bench.channel.find(answer.target, "key-1") is None


async def test_the_root_of_the_assistant_pane_is_never_taken_for_a_stream_that_was_lost(bench: Bench) -> None:
    root = await bench.slack.open_pane(bench.slack.person("Ann"))
    answer = Answer(bench, root.channel, await bench.slack.say(root.channel, "hi", thread=root))
    bench.slack.faults.drop_requests("chat.startStream")
    with pytest.raises(Unsure):
        await answer.begin()
    assert await bench.channel.find(answer.target, "key-1") is None


async def test_an_earlier_answer_is_never_taken_for_a_stream_that_was_lost(bench: Bench) -> None:
    before = await asked(bench)
    await before.begin("key-0")
    await restarted(bench)
    with pytest.raises(TryLater):
        await before.ends("ended by a process that does not know its key")
    await before.ends("ended by a process that does not know its key")
    assert before.shown().metadata is None
    question = await bench.slack.say(before.im, "and now?", thread=before.target.chat.partition("/")[2])
    answer = Answer(bench, before.im, question)
    bench.slack.faults.drop_requests("chat.startStream")
    with pytest.raises(Unsure):
        await answer.begin()
    assert await bench.channel.find(answer.target, "key-1") is None


async def test_out_of_reach_no_stream_begins_and_it_is_tried_later(bench: Bench) -> None:
    answer = await asked(bench)
    await bench.slack.refuse()
    with pytest.raises(TryLater):
        await answer.begin()


# where there are no streams


@pytest.mark.parametrize("where", ["a direct chat", "a channel's thread", "no question", "a card"])
async def test_elsewhere_messages_are_posted_and_edited(bench: Bench, where: str) -> None:
    ann = bench.slack.person("Ann")
    place = bench.slack.channel("general", ann) if "channel" in where else bench.slack.im(ann)
    said = await bench.slack.say(place, "hi")
    thread, answers = "" if where == "a direct chat" else said.ts, "" if where == "no question" else said.ts
    target = bench.at(place, thread, answers=answers)
    ts = await bench.channel.post(target, Piece("done") if where == "a card" else WAITING, "key-1")
    [growing] = bench.channel.render(Body("one"), growing=True)
    await bench.channel.edit(target, ts, growing)
    assert bench.slack.texts(place)[-1] == "one"
    await bench.channel.delete(target, ts)
    assert not bench.slack.journal.of("chat.startStream", "chat.appendStream")


async def test_slack_may_want_to_know_for_whom_a_stream_is(bench: Bench) -> None:
    first = await asked(bench)
    bench.slack.faults.fail("chat.startStream", "missing_recipient_user_id")
    await first.begin()
    assert first.shown().streaming == "in_progress"
    second = await asked(bench)
    await second.begin("key-2")
    calls = bench.slack.journal.of("chat.startStream")
    ann = bench.slack.person("Ann")
    named = [(one.params.get("recipient_user_id"), one.params.get("recipient_team_id")) for one in calls]
    assert named == [(None, None), *[(ann.id, bench.me.team)] * 2]


@pytest.mark.parametrize("error", ["unknown_method", "missing_scope", "not_allowed", "channel_type_not_supported"])
async def test_a_workspace_that_takes_no_streams_is_asked_once_and_told_of_once(
    bench: Bench, caplog: pytest.LogCaptureFixture, error: str
) -> None:
    bench.slack.faults.fail("chat.startStream", error, count=None)
    caplog.set_level(logging.INFO)
    for number in range(3):
        answer = await asked(bench)
        await answer.begin(f"key-{number}")
        await answer.grows("one")
        await answer.ends("one two")
        assert answer.shown().text == "one two"
    assert len(bench.slack.journal.of("chat.startStream")) == 1
    assert [one.levelname for one in caplog.records if "native streams" in one.getMessage()] == ["WARNING"]


async def test_a_place_that_takes_no_message_at_all_says_nothing_of_streams(bench: Bench) -> None:
    answer = await asked(bench)
    for method in ("chat.startStream", "chat.postMessage"):
        bench.slack.faults.fail(method, "restricted_action")
    with pytest.raises(Exception, match="the workspace lets only some people write"):
        await answer.begin()
    other = await asked(bench)
    await other.begin("key-2")
    assert other.shown().streaming == "in_progress"


# within Slack's limits


async def test_no_more_streams_begin_than_slack_lets_begin_and_stop(bench: Bench) -> None:
    bench.slack.flood.limits = Limits(post_rate=1_000, post_burst=1_000, tier3=1_000, tolerance=0)
    answers = [await asked(bench, f"{number}") for number in range(40)]
    await asyncio.gather(*(answer.begin(f"key-{number}") for number, answer in enumerate(answers)))
    streamed = [one for one in answers if one.message().streaming]
    assert 0 < len(streamed) <= streams.MOST_RUNNING
    bench.clock.advance(61)
    for number, answer in enumerate(answers):
        await answer.ends(f"answer {number}")
    for number in range(40):
        fresh = await asked(bench)
        await fresh.begin(f"later-{number}")
        await fresh.ends("x")
    assert [one.shown().text for one in answers] == [f"answer {number}" for number in range(40)]
    limits = bench.slack.flood
    assert not limits.refused["chat.startStream"]
    assert not limits.refused["chat.stopStream"]
    assert limits.limits.tier2 >= streams.MOST_STARTS + streams.MOST_RUNNING


async def test_a_pause_that_slack_asks_for_is_kept_and_answers_are_posted_meanwhile(bench: Bench) -> None:
    bench.slack.faults.fail("chat.startStream", "ratelimited", status=429, retry_after=30)
    for key, streaming in (("key-1", ""), ("key-2", "")):
        answer = await asked(bench)
        await answer.begin(key)
        assert answer.shown().streaming == streaming
    assert len(bench.slack.journal.of("chat.startStream")) == 1
    bench.clock.advance(31)
    bench.slack.flood._paused.clear()  # its clock stands for thirty seconds less
    answer = await asked(bench)
    await answer.begin("key-3")
    assert answer.shown().streaming == "in_progress"


async def test_words_wait_for_a_pause_that_slack_asks_for_and_no_message_does(answer: Answer) -> None:
    slack = answer.bench.slack
    slack.faults.fail("chat.appendStream", "ratelimited", status=429, retry_after=30)
    await answer.grows("one")
    await answer.grows("one two")
    assert len(slack.journal.of("chat.appendStream")) == 1
    await answer.ends("one two three")
    assert answer.shown().text == "one two three"
    assert slack.flood.disobeyed == []


async def test_a_pause_of_stops_is_kept_by_all_streams(bench: Bench, answer: Answer) -> None:
    other = await asked(bench)
    await other.begin("key-2")
    bench.slack.faults.fail("chat.stopStream", "ratelimited", status=429, retry_after=30)
    with pytest.raises(TryLater) as first:
        await answer.ends("one")
    with pytest.raises(TryLater) as second:
        await other.ends("two")
    assert (first.value.flood, second.value.flood, second.value.retry_after) == (True, False, 30.0)
    assert len(bench.slack.journal.of("chat.stopStream")) == 1
    assert bench.slack.flood.disobeyed == []


# off


@pytest.mark.parametrize("native_streams", [False])
async def test_switched_off_nothing_is_streamed_marked_or_stopped(bench: Bench, native_streams: bool) -> None:
    answer = await asked(bench)
    await answer.begin()
    await answer.grows("one")
    await answer.ends("one two")
    assert [piece.format for piece in bench.channel.render(Body("one"), growing=True)] == [
        piece.format for piece in bench.channel.render(Body("one"))
    ]
    await bench.channel.delete(answer.target, answer.ts)
    assert answer.calls() == ["chat.postMessage", "chat.update", "chat.update", "chat.delete"]


@pytest.mark.parametrize("native_streams", [False])
async def test_switched_off_a_stream_that_was_left_is_ended_all_the_same(bench: Bench, native_streams: bool) -> None:
    answer = await asked(bench)
    started: Any = await bench.channel._client.chat_startStream(
        channel=answer.im.id, thread_ts=answer.target.chat.partition("/")[2]
    )
    answer.ts = started["ts"]
    with pytest.raises(TryLater):
        await answer.ends("one")
    await answer.ends("one")
    assert answer.shown().text == "one"
