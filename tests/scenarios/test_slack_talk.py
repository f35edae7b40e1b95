"""People talk with the assistant on Slack: in direct messages, channels and threads."""

import asyncio
import logging

import pytest

from core.channel import Refused
from core.envelopes import Attachment
from storage.tables import Chat, Identity, InboxEntry
from tests.scenarios.slack_town import HTTP, SOCKET, SlackTalk, SlackTown
from tests.scenarios.town import pictures_of, words_of

both = pytest.mark.parametrize("transport", [SOCKET, HTTP])
PNG = b"\x89PNG\r\n\x1a\n" + bytes(32)


@both
async def test_a_direct_message_is_answered(dm: SlackTalk) -> None:
    await dm.say("hi")
    assert await dm.answer() == "echo: hi"
    await dm.say("and <again> & again")
    assert await dm.answer() == "echo: and <again> & again"


@both
async def test_a_mention_is_answered_in_a_thread_under_it(slack: SlackTown) -> None:
    ann, bob = slack.in_channel("general", "Ann", "Bob")
    asking = await ann.say("what is a swordfish?", mention=True)
    [message] = await ann.messages()
    assert message.text == "echo: Ann: what is a swordfish?"
    assert message.thread_ts == asking.ts
    assert not message.broadcast
    [chat] = await Chat.all()
    assert chat.external_id == f"{ann.channel.id}/{asking.ts}"
    assert bob.on(asking).shows() == ["echo: Ann: what is a swordfish?"]


@both
async def test_in_a_thread_with_us_nobody_need_mention_us(slack: SlackTown) -> None:
    ann, bob = slack.in_channel("general", "Ann", "Bob")
    asking = await ann.say("one", mention=True)
    await ann.answer()
    await bob.on(asking).say("two")
    assert await bob.answer() == "echo: Bob: two"
    assert words_of(slack.asked()[-1]) == [
        ("user", "Ann: one"),
        ("assistant", "echo: Ann: one"),
        ("user", "Bob: two"),
    ]


async def test_talk_among_people_is_neither_answered_nor_kept(slack: SlackTown) -> None:
    ann, bob = slack.in_channel("general", "Ann", "Bob")
    said = await ann.say("Did you see the swordfish?")
    await bob.on(said).say("I did.")
    assert await ann.answers() == []
    assert slack.asked() == []
    rows = await InboxEntry.all()
    assert [(row.body, row.state) for row in rows] == [(None, "ignored"), (None, "ignored")]
    assert [chat.external_id for chat in await Chat.all()] == [ann.channel.id]


async def test_in_our_thread_people_may_turn_to_each_other(slack: SlackTown) -> None:
    ann, bob = slack.in_channel("general", "Ann", "Bob")
    asking = await ann.say("hm", mention=True)
    await ann.answer()
    await bob.on(asking).say("@ann what do you think?")
    await ann.on(asking).say("it is right")
    assert (
        await ann.answer() == "echo: [Said before in this thread:]\n> Bob: @Ann what do you think?\n\nAnn: it is right"
    )


async def test_called_into_a_thread_it_knows_what_was_said_there(slack: SlackTown) -> None:
    ann, bob = slack.in_channel("general", "Ann", "Bob")
    ci = slack.slack.other_bot("Deployer")
    root = await ann.say("Shall we deploy on Friday?")
    await bob.on(root).say("I'd rather not.")
    await slack.slack.bot_says(ci, ann.channel, "Build 17 is green", thread=root)
    await bob.on(root).send(b"x", "plan.txt", "text/plain", "this is the plan")
    await ann.on(root).say("who is right?", mention=True)
    assert await ann.answer() == (
        "echo: [Said before in this thread:]\n"
        "> Ann: Shall we deploy on Friday?\n"
        "> Bob: I'd rather not.\n"
        "> Deployer: Build 17 is green\n"
        "> Bob: this is the plan\n"
        "> [file: plan.txt]\n\n"
        "Ann: who is right?"
    )


async def test_what_it_said_in_a_thread_before_it_was_installed_anew_it_knows_as_its_own(slack: SlackTown) -> None:
    [ann] = slack.in_channel("general", "Ann")
    root = await ann.say("What is the capital of France?")
    slack.slack.chat.show(ann.channel, slack.slack.bot, text="Paris.", thread_ts=root.ts)
    await ann.on(root).say("are you sure?", mention=True)
    await slack.settled()
    [asked] = slack.asked()
    assert words_of(asked)[-1][1] == (
        "[Said before in this thread:]\n> Ann: What is the capital of France?\n> you: Paris.\n\nAnn: are you sure?"
    )


async def test_a_long_thread_is_known_from_its_last_fifty_messages(slack: SlackTown) -> None:
    [ann] = slack.in_channel("general", "Ann")
    root = await ann.say("number 0")
    for number in range(1, 230):
        await ann.on(root).say(f"number {number}")
    await ann.on(root).say("so?", mention=True)
    await slack.settled()
    words = words_of(slack.asked()[-1])[-1][1]
    assert [line for line in words.splitlines() if "number" in line] == [f"> Ann: number {n}" for n in range(180, 230)]


async def test_mentions_are_read_as_names(slack: SlackTown) -> None:
    ann, _ = slack.in_channel("general", "Ann", "Bob")
    await ann.say("ask @bob about it", mention=True)
    assert await ann.answer() == "echo: Ann: ask @Bob about it"


async def test_names_are_asked_for_once_an_hour(slack: SlackTown) -> None:
    ann, _ = slack.in_channel("general", "Ann", "Bob")
    for _ in range(3):
        await ann.say("hi", mention=True)
        await ann.answers()
    assert len(slack.slack.journal.of("users.info")) == 1
    slack.clock.move(hours=1, seconds=1)
    await ann.say("hi", mention=True)
    await ann.answers()
    assert len(slack.slack.journal.of("users.info")) == 2


async def test_without_the_directory_and_the_thread_it_answers_all_the_same(slack: SlackTown) -> None:
    ann, bob = slack.in_channel("general", "Ann", "Bob")
    slack.slack.faults.fail("users.info", "missing_scope", count=None)
    slack.slack.faults.fail("conversations.replies", "missing_scope", count=None)
    root = await ann.say("hm")
    await bob.on(root).say("hi", mention=True)
    assert await bob.answer() == "echo: hi"


@both
async def test_the_twins_of_one_message_are_answered_once(slack: SlackTown) -> None:
    [ann] = slack.in_channel("general", "Ann")
    await ann.say("hi", mention=True)
    await ann.answer()
    told = [one.payload["event"] for one in slack.slack.deliveries.log]
    assert sorted(one["type"] for one in told if one.get("user") == ann.who.id) == ["app_mention", "message"]
    assert await InboxEntry.all().count() == 1


@both
async def test_what_is_delivered_again_is_answered_once(slack: SlackTown) -> None:
    ann = slack.direct("Ann")
    slack.slack.faults.lose_acks(count=2)
    await ann.say("hi")
    assert await ann.answer() == "echo: hi"
    assert await ann.answers() == []
    assert slack.slack.deliveries.counts["repeated"] == 2
    assert await InboxEntry.all().count() == 1


@both
async def test_people_wait_for_a_service_that_is_down(slack: SlackTown) -> None:
    ann = slack.direct("Ann")
    slack.slack.deliveries.pauses = (0.2,) * 50
    await slack.stop()
    await ann.say("one")
    await ann.say("two")
    await slack.start()
    answers = "\n".join(await ann.answers())
    assert answers.index("one") < answers.index("two")


async def test_bots_are_not_answered(slack: SlackTown) -> None:
    [ann] = slack.in_channel("general", "Ann")
    other = slack.slack.other_bot("Parrot")
    asking = await ann.say("hi", mention=True)
    await ann.answer()
    mention = f"<@{slack.slack.bot.id}>"
    await slack.slack.bot_says(other, ann.channel, f"{mention} hello", thread=asking)
    await slack.slack.bot_says(other, ann.channel, f"{mention} hello", legacy=True)
    assert await ann.answers() == []


async def test_an_edited_or_deleted_message_is_not_answered_again(slack: SlackTown, dm: SlackTalk) -> None:
    message = await dm.say("hi")
    await dm.answer()
    await slack.slack.edit(message, "hi there")
    await slack.slack.delete(message)
    assert await dm.answers() == []


async def test_a_thread_in_a_direct_chat_is_a_conversation_of_its_own(dm: SlackTalk) -> None:
    root = await dm.say("the main talk")
    await dm.answer()
    await dm.on(root).say("aside")
    [message] = await dm.on(root).messages()
    assert message.thread_ts == root.ts
    assert "aside" in message.text


async def test_an_answer_that_is_shown_to_the_channel_too_is_a_message(slack: SlackTown) -> None:
    [ann] = slack.in_channel("general", "Ann")
    root = await ann.say("one", mention=True)
    await ann.answer()
    await ann.on(root).say("two", broadcast=True)
    assert await ann.answer() == "echo: Ann: two"


async def test_a_group_of_people_is_like_a_channel(slack: SlackTown) -> None:
    ann, bob = slack.slack.person("Ann"), slack.slack.person("Bob")
    talk = SlackTalk(slack, slack.slack.group_im(ann, bob), ann)
    await talk.say("just us")
    assert await talk.answers() == []
    asking = await talk.say("hi", mention=True)
    [message] = await talk.messages()
    assert (message.text, message.thread_ts) == ("echo: Ann: hi", asking.ts)


async def test_somebody_from_another_workspace_is_somebody_else(slack: SlackTown) -> None:
    [ann] = slack.in_channel("shared", "Ann")
    eve = slack.slack.person("Eve", team="T0ELSEWHERE")
    ann.channel.members.append(eve)
    await SlackTalk(slack, ann.channel, eve).say("hi", mention=True)
    await slack.settled()
    assert [one.external_id for one in await Identity.filter(channel="slack")] == [f"T0ELSEWHERE:{eve.id}"]


@both
async def test_an_answer_grows_before_the_persons_eyes_and_stops_when_told(slack: SlackTown) -> None:
    ann, bob = slack.in_channel("general", "Ann", "Bob")
    root = await ann.say("[[tokens=300 hold=9]]", mention=True)
    await ann.on(root).sees(lambda texts: any(len(text) > 20 for text in texts))
    await bob.on(root).say("!stop")
    await slack.settled()
    assert any("Stopped" in text for text in ann.on(root).shows() + slack.slack.whispers(ann.channel, bob.who))


async def test_words_that_would_mention_everybody_mention_nobody(slack: SlackTown, dm: SlackTalk) -> None:
    await dm.say("`<!channel>` <!here> <@U0NOBODY00> <!subteam^S1> & <x> @channel")
    answer = await dm.answer()
    assert "<!channel> <!here> <@U0NOBODY00> <!subteam^S1> & <x> @channel" in answer
    assert slack.slack.triggered(dm.channel) == []


async def test_a_picture_reaches_the_model(slack: SlackTown, dm: SlackTalk) -> None:
    await dm.send(PNG, "cat.png", "image/png", "what is this?")
    assert "what is this?" in await dm.answer()
    assert pictures_of(slack.asked()[-1]) == 1


async def test_a_text_file_is_read(dm: SlackTalk) -> None:
    await dm.send(b"swordfish", "note.txt", "text/plain")
    assert "swordfish" in await dm.answer()


async def test_a_file_is_fetched_from_slack_alone(slack: SlackTown) -> None:
    channel = slack.core.worker._outbox._channels["slack"]
    for url in (
        "http://127.0.0.1:1/x",
        "https://files.slack.com/x",
        "file:///etc/passwd",
        slack.slack.address.replace("http://", "http://user@"),
        "http://[::1/x",
        "",
    ):
        with pytest.raises(Refused):
            await channel.fetch(Attachment(url, "x", "text/plain"))


async def test_an_account_that_is_asked_who_it_is_late_still_answers(quiet_slack: SlackTown) -> None:
    quiet_slack.slack.faults.delay("auth.test", 0.5)
    ann = quiet_slack.direct("Ann")
    await quiet_slack.start()
    await ann.say("hi")
    assert await ann.answer() == "echo: hi"


async def test_many_people_are_answered_side_by_side(slack: SlackTown) -> None:
    people = [slack.direct(f"Person {number}") for number in range(20)]
    await asyncio.gather(*(one.say(f"hi from {one.who.name}") for one in people))
    await slack.settled(20)
    assert [one.shows() for one in people] == [[f"echo: hi from {one.who.name}"] for one in people]


async def test_no_log_holds_what_people_say(slack: SlackTown, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    [ann] = slack.in_channel("general", "Ann")
    for method, error in (("chat.update", "invalid_blocks"), ("chat.postMessage", "some_error"), ("users.info", "x")):
        slack.slack.faults.fail(method, error)
        await ann.say("the canary sings", mention=True)
        await slack.settled()
    slack.slack.faults.fail("chat.postMessage", status=503)
    await ann.say("the canary sings again", mention=True)
    await slack.settled()
    await ann.say("the canary" * 5, raw=True, mention=True)
    await slack.settled()
    ours = [record for record in caplog.records if not record.name.startswith(("aiosqlite", "tortoise", "openai"))]
    assert [record.getMessage() for record in ours if "canary" in f"{record.getMessage()} {record.__dict__}"] == []
