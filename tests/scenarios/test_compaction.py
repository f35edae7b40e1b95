"""A conversation that becomes long is summarised in the open."""

from typing import Any

import pytest

from storage.faults import arm, hits
from storage.tables import Reply, Summary, Usage
from tests.scenarios.town import Talk, Town, words_of
from tests.servers.openai_script import Plan

ASKED_TO_SUMMARISE = "You are given the earlier part"
SHOWN = "I summarised the first"
LONG = "[[len=6000]]"


def is_summary(body: dict[str, Any]) -> bool:
    return str(body["messages"][0]["content"]).startswith(ASKED_TO_SUMMARISE)


class Summaries:
    """What the fake model is asked to summarise, and what it answers."""

    def __init__(self, town: Town) -> None:
        self.asked: list[str] = []
        self.plans: list[Plan] = []
        self._told = town.telegram.world.changed
        town.openai.rules.append(self)

    def __call__(self, body: dict[str, Any]) -> Plan | None:
        if not is_summary(body):
            return None
        self.asked.append(body["messages"][-1]["content"])
        self._told()
        return self.plans.pop(0) if self.plans else Plan(text=f"Ann likes plums ({len(self.asked)}).")


@pytest.fixture
def summaries(town: Town) -> Summaries:
    return Summaries(town)


async def talk_long(chat: Talk, turns: int, first: int = 1) -> list[str]:
    """Have `turns` exchanges of six thousand characters; return what was shown beside the answers."""
    beside = []
    for number in range(first, first + turns):
        await chat.say(f"question {number} {LONG}")
        beside += [text for text in await chat.answers() if SHOWN in text or "summarise" in text]
    return beside


async def test_a_conversation_that_becomes_long_is_summarised_and_shown(
    chat: Talk, town: Town, summaries: Summaries
) -> None:
    assert await talk_long(chat, 8) == []
    assert summaries.asked == []
    await chat.say("and now?")
    answer, told = await chat.answers()
    assert answer == "echo: and now?"
    assert told.startswith("I summarised the first 10 messages so that I can keep up:")
    assert "Ann likes plums (1)." in told
    [asked] = summaries.asked
    assert "question 1 " in asked
    assert "question 5 " in asked
    assert "question 6 " not in asked
    shown = words_of(town.asked()[-1])
    assert shown[0] == ("user", "[Summary of what was said before:]\nAnn likes plums (1).")
    assert [words.split(" [")[0] for role, words in shown[1:] if role == "user"] == [
        "question 6", "question 7", "question 8", "and now?",
    ]  # fmt: skip


async def test_the_summary_is_shown_before_what_was_written_meanwhile_is_answered(
    chat: Talk, town: Town, summaries: Summaries
) -> None:
    await talk_long(chat, 8)
    await chat.say("and now? [[hold]]")
    await chat.sees("…")
    await chat.say("and then?")
    await town.taken_in()
    town.openai.go_on()
    answer, told, after = await chat.answers()
    assert (answer, after) == ("echo: and now?", "echo: and then?")
    assert SHOWN in told


async def test_the_summary_stays_until_it_is_too_long_again_and_the_next_takes_it_up(
    chat: Talk, town: Town, summaries: Summaries
) -> None:
    assert len(await talk_long(chat, 9)) == 1
    assert await talk_long(chat, 4, 10) == []
    [told] = await talk_long(chat, 1, 14)
    assert "Ann likes plums (2)." in told
    assert "Ann likes plums (1)." in summaries.asked[1]
    assert "question 5 " not in summaries.asked[1]
    assert "question 6 " in summaries.asked[1]
    assert [one.messages for one in await Summary.all().order_by("id")] == [10, 20]
    assert words_of(town.asked()[-1])[0][1].endswith("Ann likes plums (2).")


async def test_a_conversation_of_many_short_messages_is_summarised_from_its_first(
    chat: Talk, town: Town, summaries: Summaries
) -> None:
    for number in range(41):
        await chat.say(f"question {number}.")
        assert await chat.answer() == f"echo: question {number}."
    await chat.say("and now?")
    _, told = await chat.answers()
    assert told.startswith("I summarised the first 62 messages")
    assert "question 0." in summaries.asked[0]
    assert "question 30." in summaries.asked[0]
    shown = words_of(town.asked()[-1])
    assert shown[1] == ("user", "question 31.")
    assert len(shown) == 1 + 20 + 1


async def test_undo_brings_the_words_back_and_stops_it_until_there_is_as_much_again(
    chat: Talk, town: Town, summaries: Summaries
) -> None:
    await talk_long(chat, 9)
    await chat.press("Undo")
    assert "the messages themselves again" in await chat.answer()
    await chat.press("Undo")
    assert await chat.answer() == "That summary does not count any more."
    assert await talk_long(chat, 3, 10) == []
    assert len(summaries.asked) == 1
    assert "Summary of what was said" not in words_of(town.asked()[-1])[0][1]
    assert await talk_long(chat, 2, 13) == []
    assert len(await talk_long(chat, 1, 15)) == 1


async def test_a_summary_that_fails_changes_nothing_and_is_tried_again_later(
    chat: Talk, town: Town, summaries: Summaries
) -> None:
    summaries.plans = [Plan(status=400), Plan(text="At last.")]
    await talk_long(chat, 9)
    assert len(summaries.asked) == 1
    assert await Summary.all().count() == 0
    await talk_long(chat, 9, 10)
    assert len(summaries.asked) == 1
    assert len(await talk_long(chat, 1, 19)) == 1
    assert "At last." in summaries.asked[2]


async def test_an_empty_summary_is_none(chat: Talk, summaries: Summaries) -> None:
    summaries.plans = [Plan(text=" ")]
    assert await talk_long(chat, 9) == []
    assert await Summary.all().count() == 0


async def test_stop_ends_a_summary_that_is_being_written(chat: Talk, town: Town, summaries: Summaries) -> None:
    await talk_long(chat, 8)
    summaries.plans = [Plan(text="too late", silent=-1)]
    await chat.say("and now?")
    await town.telegram.wait_for(lambda: summaries.asked)
    await chat.say("/stop")
    texts = await chat.answers()
    assert any("Stopped" in text for text in texts)
    assert await Summary.all().count() == 0


async def test_what_it_cost_is_written_down(chat: Talk, summaries: Summaries) -> None:
    await talk_long(chat, 9)
    [turn] = {usage.turn_id for usage in await Usage.all().order_by("-id").limit(2)}
    assert await Usage.filter(turn_id=turn).count() == 2


async def test_compact_summarises_all_but_the_last_exchanges(chat: Talk, town: Town, summaries: Summaries) -> None:
    for number in range(1, 8):
        await chat.say(f"question {number}")
        await chat.answer()
    await chat.say("/compact")
    assert (await chat.answer()).startswith("I summarised the first 6 messages")
    assert "question 3" in summaries.asked[0]
    assert "question 4" not in summaries.asked[0]
    await chat.say("/compact")
    assert (await chat.answer()).startswith("I summarised the first 6 messages")
    assert len(summaries.asked) == 1
    await chat.say("go on")
    await chat.answer()
    said = words_of(town.asked()[-1])
    assert said[0][1].startswith("[Summary")
    assert said[1] == ("user", "question 4")
    await chat.press("Undo")
    await chat.answer()
    await chat.say("once more")
    await chat.answer()
    assert words_of(town.asked()[-1])[0] == ("user", "question 1")


async def test_a_short_conversation_needs_no_summary(chat: Talk, summaries: Summaries) -> None:
    await chat.say("/compact")
    assert await chat.answer() == "There is nothing to summarise yet."
    await chat.say("hi")
    await chat.answer()
    await chat.say("/compact")
    assert await chat.answer() == "There is too little to summarise: I still look back at every word."
    assert summaries.asked == []


async def test_answers_that_were_written_again_and_failures_are_no_part_of_it(
    chat: Talk, town: Town, summaries: Summaries
) -> None:
    await chat.say("first try")
    await chat.answer()
    await chat.say("/retry")
    await chat.answers()
    await chat.say("this fails [[status=400]]")
    assert "could not answer" in await chat.answer()
    for number in range(5):
        await chat.say(f"question {number}")
        await chat.answer()
    await chat.say("/compact")
    assert (await chat.answer()).startswith("I summarised the first 6 messages")
    assert summaries.asked[0].count("first try") == 2
    assert "this fails" in summaries.asked[0]
    assert "could not answer" not in summaries.asked[0]


async def test_compact_says_why_it_could_not(chat: Talk, summaries: Summaries) -> None:
    for number in range(6):
        await chat.say(f"question {number}")
        await chat.answer()
    summaries.plans = [Plan(status=401)]
    await chat.say("/compact")
    answer = await chat.answer()
    assert answer.startswith("I could not summarise it: ")
    assert answer.endswith("Nothing has changed.")


async def test_the_offline_model_says_once_that_it_leaves_out_the_oldest(quiet_town: Town) -> None:
    await quiet_town.start(openai_base_url=None, openai_api_key=None, default_model="offline:handbook")
    chat, told = quiet_town.person("Ann"), []
    for _ in range(44):
        await chat.say("hello")
        told += [text for text in await chat.answers() if "can't summarise it" in text]
    assert len(told) == 1
    await chat.say("/compact")
    assert "the offline model can't" in await chat.answer()


async def test_a_failure_before_the_commit_asks_again_and_after_it_repeats_nothing(
    chat: Talk, town: Town, summaries: Summaries
) -> None:
    await talk_long(chat, 8)
    arm("turn.compact.before#1:raise")
    await chat.say("and now?")
    texts = await chat.answers()
    arm("")
    assert len([text for text in texts if SHOWN in text]) == 1
    assert len(summaries.asked) == 2
    assert await Summary.all().count() == 1
    assert hits() == {}


async def test_a_failure_after_the_commit_repeats_nothing(chat: Talk, town: Town, summaries: Summaries) -> None:
    await talk_long(chat, 8)
    arm("turn.compact.after#1:raise")
    await chat.say("and now?")
    texts = await chat.answers()
    arm("")
    assert len([text for text in texts if SHOWN in text]) == 1
    assert len(summaries.asked) == 1
    assert await Summary.all().count() == 1


async def test_a_summary_is_of_its_conversation_alone(chat: Talk, town: Town, summaries: Summaries) -> None:
    await talk_long(chat, 9)
    await chat.say("/new")
    await chat.answer()
    await chat.say("fresh")
    await chat.answer()
    assert words_of(town.asked()[-1]) == [("user", "fresh")]
    [row] = await Summary.all()
    reply = await Reply.filter(conversation_id=row.conversation_id, turn_id__isnull=True).get()
    assert reply.body is not None
    assert b"plums" not in row.text + reply.body
