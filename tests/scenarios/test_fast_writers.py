"""People who write faster than they are answered."""

import pytest

from tests.scenarios.town import Talk, Town

BOT = "@prowex_test_bot"


@pytest.fixture
async def town(quiet_town: Town) -> Town:
    """A town where a person may write five messages a minute."""
    await quiet_town.start(messages_per_minute=5)
    return quiet_town


async def one_by_one(chat: Talk, count: int) -> None:
    for number in range(count):
        await chat.say(f"message {number}")
        assert await chat.answer() == f"echo: message {number}"


async def test_whoever_writes_too_fast_is_told_once_and_answered_later(chat: Talk, town: Town) -> None:
    await one_by_one(chat, 5)
    await chat.say("sixth")
    await chat.sees("5 messages in a minute")
    await chat.say("seventh")
    notices = [text for text in chat.shows() if "5 messages in a minute" in text]
    assert len(notices) == 1
    assert "What you wrote is kept" in notices[0]
    await town.resting()
    town.clock.move(seconds=61)
    answers = await chat.answers()
    assert answers[-1] == "echo: sixth\n\nseventh"
    assert len(answers) == 2


async def test_the_notice_says_how_long_it_takes(chat: Talk, town: Town) -> None:
    began = town.clock.monotonic()
    await one_by_one(chat, 5)
    await town.resting()
    town.clock.move(seconds=20)
    await chat.say("sixth")
    await chat.sees("I go on in about")
    [notice] = [text for text in chat.shows() if "I go on in about" in text]
    seconds = int(notice.partition("about ")[2].partition(" s")[0])
    assert 59 - (town.clock.monotonic() - began) <= seconds <= 40
    await town.resting()
    town.clock.move(seconds=60)
    await chat.answers()


async def test_a_fast_writer_holds_up_nobody_else(chat: Talk, town: Town) -> None:
    await one_by_one(chat, 5)
    await chat.say("sixth")
    await chat.sees("5 messages in a minute")
    bob = town.person("Bob")
    await bob.say("hi")
    await bob.sees("echo: hi")
    await town.resting()
    town.clock.move(seconds=61)
    await chat.answers()


async def test_stop_and_status_work_for_a_fast_writer(chat: Talk, town: Town) -> None:
    await one_by_one(chat, 4)
    await chat.say("[[hold]]")
    await chat.sees("…")
    await chat.say("/status")
    await chat.sees("writing an answer")
    await chat.say("/stop")
    await chat.sees("Stopped. What was said")


async def test_in_a_group_the_others_go_on(town: Town) -> None:
    ann, bob = town.group("Friends", town.person("Ann"), town.person("Bob"))
    for number in range(5):
        await ann.say(f"{BOT} {number}")
        await ann.answer()
    await ann.say(f"{BOT} sixth")
    await ann.sees("5 messages in a minute")
    await bob.say(f"{BOT} mine")
    await bob.sees("echo: Bob: mine")
    await town.resting()
    town.clock.move(seconds=61)
    assert "echo: Ann: sixth" in await ann.answers()


async def test_a_burst_is_counted_message_by_message(chat: Talk, town: Town) -> None:
    await chat.say("zero [[hold]]")
    await chat.sees("…")
    for number in range(8):
        await chat.say(f"message {number}")
    await town.taken_in()
    town.openai.go_on()
    await chat.sees("echo: message 0")
    await chat.sees("5 messages in a minute")
    assert len(town.asked()) == 2
    assert "message 3" in town.asked()[-1].body["messages"][-1]["content"]
    assert "message 4" not in town.asked()[-1].body["messages"][-1]["content"]
    await town.resting()
    town.clock.move(seconds=61)
    assert (await chat.answers())[-1] == "echo: message 4\n\nmessage 5\n\nmessage 6\n\nmessage 7"


async def test_an_album_counts_as_one_message(chat: Talk, town: Town) -> None:
    await chat.album([b"\xff\xd8\xff" + bytes([number]) for number in range(9)], "look")
    await chat.answer()
    await one_by_one(chat, 4)
    await chat.say("sixth")
    await chat.sees("5 messages in a minute")
    await town.resting()
    town.clock.move(seconds=61)
    await chat.answers()
