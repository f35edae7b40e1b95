"""What people do while an answer is being written."""

import re
import time

import pytest

from core import inbox, lanes, waiting
from tests.scenarios.town import Talk, Town, words_of


async def test_what_comes_while_a_turn_runs_is_answered_together_and_in_order(chat: Talk, town: Town) -> None:
    await chat.say("first [[hold]]")
    await chat.sees("…")
    for text in ("second", "third", "fourth"):
        await chat.say(text)
    await town.taken_in()
    town.openai.go_on()
    assert await chat.answers() == ["echo: first", "echo: second\n\nthird\n\nfourth"]
    assert len(town.asked()) == 2


async def test_a_burst_is_in_order_even_when_it_arrives_at_once(chat: Talk, town: Town) -> None:
    await chat.say("zero [[hold]]")
    texts = [f"number {number}" for number in range(15)]
    for text in texts:
        await chat.say(text)
    await town.taken_in()
    town.openai.go_on()
    said = "\n".join(await chat.answers())
    assert [said.index(text) for text in texts] == sorted(said.index(text) for text in texts)
    assert len(town.asked()) <= 3


async def test_a_command_in_the_middle_of_a_burst_keeps_its_place(chat: Talk, town: Town) -> None:
    await chat.say("one [[hold]]")
    await chat.sees("…")
    await chat.say("two")
    await chat.say("/new")
    await chat.say("three")
    await town.taken_in()
    town.openai.go_on()
    answers = await chat.answers()
    assert answers[:2] == ["echo: one", "echo: two"]
    assert "new conversation" in answers[2]
    assert answers[3] == "echo: three"
    assert words_of(town.asked()[-1]) == [("user", "three")]


async def test_stop_ends_the_answer_at_once_and_keeps_what_was_said(
    quiet_town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    town = quiet_town
    for rescue in ("SWEEP_SECONDS", "STOP_POLL_SECONDS"):
        monkeypatch.setattr(lanes, rescue, 600)
    await town.start()
    chat = town.person("Ann")
    await chat.say("[[tokens=200 hold=9]]")
    await chat.sees(lambda texts: texts and len(texts[0].split()) > 5)
    await chat.say("/stop")
    await chat.sees(lambda texts: len(texts) == 2 and "Stopped" in texts[0])
    stopped, said = await chat.answers()
    assert stopped.endswith("⏹ Stopped.")
    assert 5 < len(stopped.split()) < 60
    assert said == "Stopped. What was said so far stays."
    await town.asked()[0].over.wait()
    assert town.asked()[0].closed_early


async def test_stop_says_what_waits_and_that_comes_next(chat: Talk, town: Town) -> None:
    await chat.say("[[tokens=200 hold=9]]")
    await chat.sees("…")
    await chat.say("next")
    await chat.say("and next")
    await town.taken_in()
    await chat.say("/stop")
    await town.settled()
    answers = await chat.answers()
    assert "Stopped. What was said so far stays. 2 messages are waiting and come next." in answers
    assert answers[-1] == "echo: next\n\nand next"


async def test_stop_before_the_first_word_leaves_only_that_it_stopped(chat: Talk) -> None:
    await chat.say("[[hold]]")
    await chat.sees("…")
    await chat.say("/stop")
    assert await chat.answers() == ["⏹ Stopped.", "Stopped. What was said so far stays."]


async def test_stop_when_nothing_runs_says_so(chat: Talk) -> None:
    await chat.say("/stop")
    assert await chat.answer() == "Nothing is running."


async def test_what_was_stopped_is_part_of_what_the_model_sees(chat: Talk, town: Town) -> None:
    await chat.say("[[tokens=200 hold=9]] tell")
    await chat.sees(lambda texts: texts and len(texts[0].split()) > 3)
    await chat.say("/stop")
    await chat.answers()
    await chat.say("go on")
    await chat.answer()
    said = words_of(town.asked()[-1])
    assert [role for role, _ in said] == ["user", "assistant", "user"]
    assert len(said[1][1].split()) > 3


async def test_status_during_a_turn_says_what_runs_and_what_waits(chat: Talk, town: Town) -> None:
    await chat.say("slow [[hold]]")
    await chat.sees("…")
    await chat.say("next")
    await town.taken_in()
    await chat.say("/status")
    await chat.sees("Status")
    status = next(text for text in chat.shows() if "Status" in text)
    assert "openai:gpt-5.4-mini" in status
    assert "writing an answer" in status
    assert "Waiting: 1 message" in status
    town.openai.go_on()
    assert set(await chat.answers()) == {"echo: slow", "echo: next", status}


async def test_status_of_a_quiet_chat(chat: Talk) -> None:
    await chat.say("/status")
    status = await chat.answer()
    assert "Now: ready" in status
    assert "0 messages" in status


async def test_a_slow_answer_to_one_holds_up_nobody_else(chat: Talk, town: Town) -> None:
    bob = town.person("Bob")
    await chat.say("[[hold]]")
    await chat.sees("…")
    await bob.say("quick")
    await bob.sees("echo: quick")
    await chat.say("/stop")
    await chat.answers()


async def test_retry_while_an_answer_is_written_waits_for_it(chat: Talk, town: Town) -> None:
    await chat.say("hi [[hold]]")
    await chat.sees("…")
    await chat.say("/retry")
    await town.taken_in()
    town.openai.go_on()
    assert await chat.answers() == ["echo: hi", "echo: hi"]
    assert len(town.asked()) == 2


async def test_when_too_many_wait_the_rest_is_refused_in_one_sentence_at_once(
    chat: Talk, town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "MOST_WAITING", 30)
    await chat.say("[[hold]]")
    await chat.sees("…")
    for number in range(60):
        await chat.say(f"message {number}.")
    await chat.sees("30 messages wait here for an answer")
    await chat.say("/stop")
    answers = await chat.answers()
    refusals = [text for text in answers if "could not keep" in text]
    refused = sum(int(re.search(r"keep the last (\d+)\. Please send them again", text)[1]) for text in refusals)
    assert refused == 30
    assert len(refusals) <= 5
    said = "\n".join(answers)
    assert [f"message {number}." in said for number in range(60)] == [True] * 30 + [False] * 30


async def test_one_message_too_many_is_told_of_as_one(chat: Talk, town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox, "MOST_WAITING", 20)
    monkeypatch.setattr(inbox, "COUNT_EVERY", 1)
    await chat.say("[[hold]]")
    await chat.sees("…")
    for number in range(20):
        await chat.say(f"message {number}.")
    await town.taken_in()
    await chat.say("one more")
    await chat.sees("so I could not keep this one. Please send it again")
    await chat.say("/stop")
    assert "message 19." in "\n".join(await chat.answers())


async def test_a_text_that_the_client_split_is_answered_as_one(chat: Talk, town: Town) -> None:
    text = " ".join(f"word{number}" for number in range(1200))
    assert len(text) > 2 * 4096
    await chat.say(text)
    await town.settled()
    assert len(town.asked()) == 1
    [(_, seen)] = words_of(town.asked()[0])
    assert seen.split() == text.split()


async def test_a_word_that_the_client_split_is_whole_again(chat: Talk, town: Town) -> None:
    await chat.say("x" * 9000)
    await town.settled()
    assert [words_of(asked) for asked in town.asked()] == [[("user", "x" * 9000)]]


async def test_the_rest_of_a_message_just_below_the_split_is_waited_for_and_no_longer(
    quiet_town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "SWEEP_SECONDS", 600)
    await quiet_town.start()
    chat = quiet_town.person("Ann")
    started = time.monotonic()
    await chat.say("y" * 4000)
    await chat.sees("echo: yyy")
    assert time.monotonic() - started >= waiting.SPLIT_SECONDS


async def test_messages_far_apart_are_answered_one_by_one(chat: Talk, town: Town) -> None:
    await chat.say("one [[hold]]")
    await chat.sees("…")
    await chat.say("two")
    await town.taken_in()
    town.clock.move(seconds=waiting.BURST_SECONDS + 1)
    await chat.say("three")
    await town.taken_in()
    town.openai.go_on()
    assert await chat.answers() == ["echo: one", "echo: two", "echo: three"]
