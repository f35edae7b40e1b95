"""What a person reads when the model fails, and what they never read."""

import time
from typing import Any

import pytest

from core import turns
from core.providers import retry
from core.providers.port import MOST_TOKENS
from storage.tables import Usage
from tests.ports import free_port
from tests.scenarios.town import Talk, Town, words_of
from tests.servers.openai_script import Plan


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Failed attempts are repeated at once."""
    monkeypatch.setattr(retry, "_BASE", 0.01)


pytestmark = pytest.mark.usefixtures("hasty")


@pytest.mark.parametrize("trouble", ["status=500", "status=429", "status=503", "cut=3", "error=2", "malformed=2"])
async def test_trouble_that_passes_is_not_seen(chat: Talk, town: Town, trouble: str) -> None:
    await chat.say(f"one two three four five six [[{trouble} times=2]]")
    assert await chat.answer() == "echo: one two three four five six"
    assert len(town.asked()) == 3


async def test_a_cut_answer_is_never_left_standing(chat: Talk, town: Town) -> None:
    await chat.say("[[tokens=40 delay=0.05 cut=35 times=1]]")
    [message] = await chat.messages()
    assert len(message.text.split()) == 40
    assert len(chat.shows()) == 1


async def test_a_model_that_is_down_is_one_sentence_with_retry_and_retry_works(chat: Talk, town: Town) -> None:
    await chat.say("hi [[status=500 times=4]]")
    [message] = await chat.messages()
    assert message.text == (
        "The model openai:gpt-5.4-mini could not answer: it has trouble on its side (500). "
        "Your message is kept, nothing was lost."
    )
    assert message.labels == ["Retry"]
    press = await chat.press("Retry")
    assert await chat.answer() == "echo: hi"
    await town.telegram.answered(press)
    await chat.say("and now?")
    await chat.answer()
    assert [role for role, _ in words_of(town.asked()[-1])] == ["user", "assistant", "user"]


async def test_cut_every_time_is_a_sentence_and_no_half_answer(chat: Talk) -> None:
    await chat.say("[[tokens=30 delay=0.02 cut=25]]")
    [message] = await chat.messages()
    assert "broke" in message.text
    assert message.labels == ["Retry"]


async def test_a_wrong_key_is_told_and_not_tried_again(chat: Talk, town: Town) -> None:
    await chat.say("hi [[status=401]]")
    [message] = await chat.messages()
    assert "refused the key (401)" in message.text
    assert "sk-key" not in message.text
    assert len(town.asked()) == 1


async def test_a_model_that_cannot_be_reached_is_told(chat: Talk, town: Town) -> None:
    await town.restart(openai_base_url=f"http://127.0.0.1:{free_port()}/v1")
    await chat.say("hi")
    [message] = await chat.messages()
    assert "could not be reached" in message.text
    assert message.labels == ["Retry"]


async def test_a_model_that_says_nothing_is_told(chat: Talk, town: Town) -> None:
    await town.restart(model_first_token_seconds=0.2)
    await chat.say("hi [[hang]]")
    [message] = await chat.messages()
    assert "did not begin to answer within 0.2 s" in message.text


async def test_a_model_that_falls_silent_is_asked_again(chat: Talk, town: Town) -> None:
    await town.restart(model_silence_seconds=0.7)
    await chat.say("one two three four [[hang=2 times=1]]")
    assert await chat.answer() == "echo: one two three four"


async def test_an_empty_answer_is_a_sentence_with_retry(chat: Talk, town: Town) -> None:
    await chat.say("hi [[empty times=1]]")
    [message] = await chat.messages()
    assert message.text == "I have no answer: the model sent an empty answer. Nothing was lost."
    assert message.labels == ["Retry"]
    await chat.press("Retry")
    assert await chat.answer() == "echo: hi"


async def test_an_answer_of_white_space_counts_as_empty(chat: Talk, town: Town) -> None:
    town.openai.rules.append(lambda body: Plan(text=" \n\n\t "))
    await chat.say("hi")
    [message] = await chat.messages()
    assert message.labels == ["Retry"]


async def test_an_answer_cut_at_the_models_limit_says_so(chat: Talk) -> None:
    await chat.say("hi [[long]]")
    assert await chat.answer() == "echo: hi\n\nThe answer was cut at the model's output limit."


async def test_an_answer_that_was_filtered_says_so(chat: Talk) -> None:
    await chat.say("hi [[filter]]")
    assert await chat.answer() == "echo: hi\n\nThe rest was held back by the model's provider."


async def test_a_conversation_too_long_for_the_model_is_asked_with_less_history(chat: Talk, town: Town) -> None:
    def small(body: dict[str, Any]) -> Plan | None:
        size = sum(len(message["content"]) for message in body["messages"])
        return Plan(status=400, code="context_length_exceeded") if size > 8000 else None

    for number in range(6):
        await chat.say(f"part {number} " + "x" * 3000)
        await chat.answer()
    town.openai.rules.append(small)
    await chat.say("in short?")
    assert await chat.answer() == "echo: in short?"
    said = words_of(town.asked()[-1])
    assert said[-1] == ("user", "in short?")
    assert 1 <= len(said) < 13


async def test_a_message_too_long_for_the_model_is_told(chat: Talk, town: Town) -> None:
    town.openai.rules.append(lambda body: Plan(status=400, code="context_length_exceeded"))
    await chat.say("hi")
    [message] = await chat.messages()
    assert "too long for this model" in message.text


async def test_retry_of_an_older_answer_explains_itself(chat: Talk) -> None:
    await chat.say("one [[empty]]")
    [message] = await chat.messages()
    await chat.say("two")
    assert await chat.answer() == "echo: two"
    await chat.town.telegram.press(chat.chat, "Retry", by=chat.who)
    assert "no longer the latest" in await chat.answer()
    assert message.labels == ["Retry"]


async def test_retry_pressed_twice_is_answered_once(chat: Talk, town: Town) -> None:
    await chat.say("hi [[empty times=1]]")
    await chat.messages()
    await chat.press("Retry")
    await chat.press("Retry")
    answers = await chat.answers()
    assert answers.count("echo: hi") == 1


async def test_a_long_answer_comes_as_a_fresh_message_that_rings(
    chat: Talk, town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "LONG_ANSWER", 1.0)
    await chat.say("[[tokens=30 delay=0.06]]")
    await chat.sees("…")
    first = town.telegram.visible(chat.chat)[-1]
    [message] = await chat.messages()
    assert message.id != first.id
    assert message.notified
    assert message.versions[0].text == "Your answer is ready:"
    assert len(message.text.split()) == 30
    assert [one.id for one in town.telegram.history(chat.chat) if one.deleted_at] == [first.id]


async def test_a_quick_answer_is_an_edit_of_the_first_message(chat: Talk, town: Town) -> None:
    await chat.say("hi")
    await chat.answer()
    assert [one.deleted_at for one in town.telegram.history(chat.chat)] == [None, None]


async def test_people_wait_as_long_as_the_model_asks(chat: Talk, town: Town) -> None:
    started = time.monotonic()
    await chat.say("hi [[status=429 retry_after=1 times=1]]")
    assert await chat.answer() == "echo: hi"
    assert time.monotonic() - started >= 1


@pytest.mark.parametrize("claimed", [3_000_000_000, 10**20, float("inf")])
async def test_a_provider_that_claims_to_have_counted_too_much_costs_nobody_the_answer(
    chat: Talk, town: Town, claimed: Any
) -> None:
    town.openai.rules.append(lambda body: Plan(text="hello", cached=claimed))
    await chat.say("hi")
    assert await chat.answer() == "hello"
    assert [row.cached_tokens for row in await Usage.all()] == [MOST_TOKENS]
