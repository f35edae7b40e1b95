"""Telegram's flood limits: kept by ourselves, and obeyed when Telegram asks for a pause."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from tests.clock import PATIENCE
from tests.scenarios.town import Talk, Town
from tests.servers.openai_script import paragraphs, words
from tests.servers.telegram_limits import Limits

BOT = "@prowex_test_bot"
pytestmark = pytest.mark.slow
TELEGRAMS_OWN = {
    "telegram_messages_per_second": 30,
    "telegram_chat_messages_per_second": 1,
    "telegram_group_messages_per_minute": 20,
}


@pytest.fixture
async def town(quiet_town: Town) -> AsyncIterator[Town]:
    """A town with Telegram's own limits, which both sides keep."""
    quiet_town.telegram.flood.limits = Limits()
    await quiet_town.start(**TELEGRAMS_OWN)
    yield quiet_town
    await quiet_town.stop()


async def everybody_is_answered(town: Town, people: list[Talk]) -> None:
    await town.settled(3 * PATIENCE)
    for number, one in enumerate(people):
        assert " ".join(one.shows()) == words(30, f"{number}"), one.who


async def test_sixty_chats_stream_at_once_without_a_single_429(town: Town) -> None:
    people = [town.person(f"P{number}") for number in range(50)]
    people += [town.group(f"G{number}", town.person(f"Q{number}"))[0] for number in range(10)]
    for number, one in enumerate(people):
        mention = f"{BOT} " if one.chat.type == "group" else ""
        await one.say(f"{mention}{number} [[tokens=30 delay=0.06]]")
    await town.settled(3 * PATIENCE)
    for number, one in enumerate(people):
        said = f"{one.who.first_name}: {number}" if one.chat.type == "group" else f"{number}"
        assert one.shows() == [words(30, said)]
    assert town.telegram.journal.by_status[429] == 0


async def test_sixty_chats_of_a_strict_telegram_are_all_answered(town: Town) -> None:
    town.telegram.flood.limits = Limits.strict()
    people = [town.person(f"P{number}") for number in range(60)]
    for number, one in enumerate(people):
        await one.say(f"{number} [[tokens=30 delay=0.03]]")
    await everybody_is_answered(town, people)


@pytest.mark.parametrize("method", ["sendMessage", "editMessageText", "*"])
async def test_nothing_is_lost_when_telegram_asks_for_pauses(town: Town, method: str) -> None:
    people = [town.person(f"P{number}") for number in range(6)]
    for one in people:
        for nth in (1, 2, 4):
            town.telegram.faults.fail(
                method, 429, "Too Many Requests", {"retry_after": 2}, nth=nth, chat_id=one.chat.id
            )
    for number, one in enumerate(people):
        await one.say(f"{number} [[tokens=30 delay=0.05]]")
    await everybody_is_answered(town, people)


async def test_a_chat_that_is_paused_holds_up_no_other(town: Town) -> None:
    ann, bob = town.person("Ann"), town.person("Bob")
    town.telegram.faults.fail("sendMessage", 429, "Too Many Requests", {"retry_after": 10}, chat_id=ann.chat.id)
    await ann.say("hi")
    await bob.say("hi")
    await bob.sees("echo: hi")
    assert ann.shows() == []
    assert await ann.answer() == "echo: hi"


async def test_a_pause_for_the_typing_action_is_no_reason_to_be_silent(town: Town) -> None:
    ann = town.person("Ann")
    town.telegram.faults.fail("sendChatAction", 500, "Internal", count=None)
    await ann.say("hm [[first=2]]")
    assert await ann.answer() == "echo: hm"


async def test_a_long_pause_is_remembered_across_a_restart(town: Town) -> None:
    ann = town.person("Ann")
    town.telegram.faults.fail("sendMessage", 429, "Too Many Requests", {"retry_after": 6}, chat_id=ann.chat.id)
    await ann.say("hi")
    await asyncio.wait_for(_asked_for_a_pause(town, ann), PATIENCE)
    started = time.monotonic()
    await town.restart(drain_seconds=0)
    assert await ann.answer() == "echo: hi"
    assert time.monotonic() - started > 5.5


async def test_twelve_thousand_characters_arrive_within_the_limits(town: Town) -> None:
    ann = town.person("Ann")
    await ann.say("[[len=12000]]")
    texts = await ann.answers()
    assert " ".join(texts).split() == paragraphs(12000).split()
    assert town.telegram.journal.by_status[429] == 0


async def test_talk_back_and_forth_is_within_the_limits(town: Town) -> None:
    ann = town.person("Ann")
    for number in range(4):
        await ann.say(f"{number}")
        assert await ann.answer() == f"echo: {number}"
    assert town.telegram.journal.by_status[429] == 0


async def test_a_group_that_talks_much_is_answered_within_its_twenty_a_minute(town: Town) -> None:
    ann, bob = town.group("Friends", town.person("Ann"), town.person("Bob"))
    for number in range(4):
        await (ann, bob)[number % 2].say(f"{BOT} {number}")
    await town.settled(3 * PATIENCE)
    said = "\n".join(ann.shows())
    assert all(f": {number}" in said for number in range(4))
    assert town.telegram.journal.by_status[429] == 0


async def _asked_for_a_pause(town: Town, talk: Talk) -> None:
    while not town.telegram.flood.refused[talk.chat.id]:
        await town.telegram.world.change()
