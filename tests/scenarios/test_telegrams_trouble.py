"""Telegram fails, refuses, is away, or is somebody else's."""

import asyncio
import logging
from typing import Any

import aiohttp
import pytest

from storage.tables import Part, Reply
from tests.clock import PATIENCE
from tests.scenarios.town import Talk, Town


async def test_telegram_may_be_down_at_the_start(quiet_town: Town, caplog: pytest.LogCaptureFixture) -> None:
    town = quiet_town
    await town.telegram.refuse()
    await town.start()
    await _until(lambda: "can't be reached" in caplog.text)
    assert "can't be reached" in (await ready(town))["checks"]["telegram"]
    await town.telegram.accept()
    chat = town.person("Ann")
    await chat.say("hi")
    assert await chat.answer() == "echo: hi"
    assert (await ready(town))["checks"]["telegram"] == "ok"
    assert town.telegram.world.commands


async def test_telegram_may_go_away_and_come_back(chat: Talk, town: Town, caplog: pytest.LogCaptureFixture) -> None:
    await chat.say("one")
    assert await chat.answer() == "echo: one"
    await town.telegram.refuse()
    await chat.say("two")
    await _until(lambda: "can't be reached" in caplog.text)
    await town.telegram.accept()
    assert await chat.answer() == "echo: two"


async def test_telegram_may_go_away_while_an_answer_is_written(chat: Talk, town: Town) -> None:
    await chat.say("[[tokens=20 hold=9]]")
    await chat.sees(lambda texts: texts and texts[0] != "…")
    await town.telegram.refuse()
    town.openai.go_on()
    await asyncio.wait_for(town.asked()[0].over.wait(), PATIENCE)
    await town.telegram.accept()
    assert len((await chat.answer()).split()) == 20


async def test_another_poller_is_a_problem_that_passes(
    chat: Talk, town: Town, caplog: pytest.LogCaptureFixture
) -> None:
    await chat.say("one")
    await chat.answer()
    async with aiohttp.ClientSession() as http, http.get(f"{town.telegram.url}/bot{town.telegram.token}/getUpdates"):
        pass
    await _until(lambda: "another program polls" in caplog.text)
    await chat.say("two")
    assert await chat.answer() == "echo: two"


async def test_a_webhook_of_old_times_is_taken_away(quiet_town: Town) -> None:
    town = quiet_town
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"{town.telegram.url}/bot{town.telegram.token}/setWebhook", json={"url": "http://127.0.0.1:1/x"}),
    ):
        pass
    await town.start()
    chat = town.person("Ann")
    await chat.say("hi")
    assert await chat.answer() == "echo: hi"


async def test_a_wrong_token_is_told_and_the_rest_works(quiet_town: Town, caplog: pytest.LogCaptureFixture) -> None:
    town = quiet_town
    await town.start(telegram_bot_token="4242:not-the-token-that-telegram-knows")
    await _until(lambda: "refuses the bot token" in caplog.text)
    told = await ready(town)
    assert "TELEGRAM_BOT_TOKEN" in told["checks"]["telegram"]
    assert "not-the-token" not in caplog.text
    async with aiohttp.ClientSession() as http, http.get(f"{town.url}/healthz") as response:
        assert response.status == 200


async def test_a_person_who_blocked_the_bot_causes_no_storm_and_is_answered_after_unblocking(
    chat: Talk, town: Town
) -> None:
    await chat.say("[[tokens=10 delay=0.1 hold]]")
    await chat.sees("…")
    await town.telegram.block(chat.chat)
    town.openai.go_on()
    await town.settled()
    sent = len(town.telegram.journal.of("sendMessage", "editMessageText"))
    assert sent < 10
    assert [row.state for row in await Reply.all()] == ["dead"]
    await town.telegram.unblock(chat.chat)
    await chat.say("back again")
    assert (await chat.answers())[-1] == "echo: back again"


async def test_a_person_who_blocks_before_the_answer_begins_causes_no_storm(chat: Talk, town: Town) -> None:
    await town.stop()
    await chat.say("hi")
    await town.telegram.block(chat.chat)
    await town.start()
    await town.settled()
    assert len(town.telegram.journal.of("sendMessage", "editMessageText")) <= 2
    await town.telegram.unblock(chat.chat)
    await chat.say("/status")
    assert "Status" in (await chat.answers())[-1]


@pytest.mark.parametrize("method", ["editMessageText", "deleteMessage", "sendChatAction", "answerCallbackQuery"])
async def test_errors_that_pass_are_not_seen(chat: Talk, town: Town, method: str) -> None:
    town.telegram.faults.fail(method, 500, "Internal Server Error", count=2)
    await chat.say("hi [[empty times=1]]")
    await chat.answers()
    await chat.press("Retry")
    assert await chat.answer() == "echo: hi"
    assert len(chat.shows()) == 2


async def test_an_answer_to_a_send_that_is_lost_costs_a_placeholder_at_most(chat: Talk, town: Town) -> None:
    town.telegram.faults.drop_answers("sendMessage")
    await chat.say("hi")
    answers = await chat.answers()
    assert answers.count("echo: hi") == 1
    assert set(answers) <= {"echo: hi", "…"}
    assert await Part.filter(state="orphaned").count() == answers.count("…")


async def test_an_answer_to_an_edit_that_is_lost_is_not_seen(chat: Talk, town: Town) -> None:
    town.telegram.faults.drop_answers("editMessageText", count=2)
    await chat.say("hi")
    assert await chat.answer() == "echo: hi"


async def test_a_card_whose_arrival_is_unknown_can_be_shown_again(chat: Talk, town: Town) -> None:
    town.telegram.faults.drop_answers("sendMessage")
    await chat.say("/status")
    answers = await chat.answers()
    assert "Status" in answers[0]
    assert answers[1] == (
        "I can't tell whether my last message reached you: the connection was cut, or I restarted, while I sent it."
    )
    await chat.press("Show it again")
    assert await chat.answer() == answers[0]


async def test_a_placeholder_that_the_person_deleted_is_made_anew(chat: Talk, town: Town) -> None:
    await chat.say("hi [[hold]]")
    await chat.sees("…")
    placeholder = list(chat.chat.messages.values())[-1]
    await town.telegram.delete(placeholder)
    town.openai.go_on()
    assert await chat.answer() == "echo: hi"


async def test_a_placeholder_that_is_gone_is_made_anew_whatever_telegram_calls_it(chat: Talk, town: Town) -> None:
    town.telegram.faults.fail("editMessageText", 400, "Bad Request: MESSAGE_ID_INVALID", count=1)
    await chat.say("hi")
    assert (await chat.answers())[-1] == "echo: hi"


async def test_a_text_whose_formatting_telegram_refuses_is_sent_without_it(chat: Talk, town: Town) -> None:
    town.telegram.faults.fail("editMessageText", 400, "Bad Request: can't parse entities: something", count=1)
    await chat.say("**bold**")
    assert await chat.answer() == "echo: bold"


async def test_an_answer_that_telegram_refuses_for_no_known_reason_is_told(chat: Talk, town: Town) -> None:
    town.telegram.faults.fail("editMessageText", 400, "Bad Request: something strange", count=1)
    await chat.say("one")
    assert "it is not accepted here. Please ask me again" in await chat.answer()
    await chat.say("two")
    assert await chat.answer() == "echo: two"


async def test_a_chat_that_telegram_does_not_know_any_more_blocks_nobody(chat: Talk, town: Town) -> None:
    await chat.say("hi [[hold]]")
    await chat.sees("…")
    del town.telegram.world.chats[chat.chat.id]
    town.openai.go_on()
    bob = town.person("Bob")
    await bob.say("hi")
    assert await bob.answer() == "echo: hi"


async def test_buttons_of_a_stranger_to_the_message_are_answered(chat: Talk, town: Town) -> None:
    await chat.say("/start")
    await chat.answer()
    press = await chat.press("What can you do?")
    assert await town.telegram.answered(press) == {"text": "", "show_alert": False}
    assert "What you can do here" in await chat.answer()


async def ready(town: Town) -> dict[str, Any]:
    async with aiohttp.ClientSession() as http, http.get(f"{town.url}/readyz") as response:
        found: dict[str, Any] = await response.json()
        return found


async def _until(condition: Any, timeout: float = PATIENCE) -> None:
    logging.getLogger("prowex").propagate = True
    async with asyncio.timeout(timeout):
        while not condition():  # noqa: ASYNC110 - a log tells nobody
            await asyncio.sleep(0.02)
