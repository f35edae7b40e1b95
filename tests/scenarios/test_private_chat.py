"""A person and the assistant in a private chat."""

import asyncio

import pytest

from core import live
from storage.faults import Step
from storage.ids import new_id
from storage.tables import Lane, Reply, ReplyState
from storage.transactions import transaction
from tests.clock import PATIENCE
from tests.scenarios.town import Talk, Town, words_of


async def test_a_message_is_answered_once(chat: Talk) -> None:
    await chat.say("hi")
    assert await chat.answer() == "echo: hi"


async def test_a_redelivered_update_is_answered_once(chat: Talk, town: Town) -> None:
    message = await chat.say("hi", update_id=7)
    assert await chat.answer() == "echo: hi"
    town.telegram.updates.add("message", message.wire(), chat.chat.id, 7)
    assert await chat.answers() == []
    await chat.say("still there?")
    assert await chat.answer() == "echo: still there?"
    assert len(town.asked()) == 2


async def test_an_update_delivered_twice_in_one_batch_is_answered_once(chat: Talk, quiet_town: Town) -> None:
    message = await chat.say("hi", update_id=7)
    quiet_town.telegram.updates.add("message", message.wire(), chat.chat.id, 7)
    assert await chat.answer() == "echo: hi"


async def test_messages_after_telegram_restarted_its_ids_are_new_ones(chat: Talk, town: Town) -> None:
    for text in ("one", "two", "three"):
        await chat.say(text)
        assert await chat.answer() == f"echo: {text}"
    town.telegram.updates.restart_ids(2)
    town.clock.move(days=8)
    await chat.say("four")
    assert await chat.answer() == "echo: four"
    await chat.say("five")
    assert await chat.answer() == "echo: five"


async def test_updates_of_an_unknown_shape_hold_up_nobody(chat: Talk, town: Town) -> None:
    town.telegram.updates.check = None
    town.telegram.updates.add("message", {"text": "no chat, no id", "from": "nowhere"}, 1)
    town.telegram.updates.add("message_of_the_future", {"id": 1}, 1)
    await chat.say("hi")
    assert await chat.answer() == "echo: hi"


async def test_an_edit_of_a_message_is_not_answered_again(chat: Talk, town: Town) -> None:
    message = await chat.say("helo")
    assert await chat.answer() == "echo: helo"
    await town.telegram.edit(message, "hello")
    assert await chat.answers() == []
    assert len(town.asked()) == 1


async def test_the_model_sees_what_was_said_before(chat: Talk, town: Town) -> None:
    await chat.say("My name is Ann.")
    await chat.answer()
    await chat.say("What is my name?")
    await chat.answer()
    assert words_of(town.asked()[-1]) == [
        ("user", "My name is Ann."),
        ("assistant", "echo: My name is Ann."),
        ("user", "What is my name?"),
    ]


async def test_new_forgets_what_was_said_before(chat: Talk, town: Town) -> None:
    await chat.say("My name is Ann.")
    await chat.answer()
    await chat.say("/new")
    assert "new conversation" in await chat.answer()
    await chat.say("What is my name?")
    await chat.answer()
    assert words_of(town.asked()[-1]) == [("user", "What is my name?")]


async def test_two_people_have_nothing_in_common(chat: Talk, town: Town) -> None:
    bob = town.person("Bob")
    await chat.say("The word is swordfish.")
    await chat.answer()
    await bob.say("What is the word?")
    assert await bob.answer() == "echo: What is the word?"
    assert words_of(town.asked()[-1]) == [("user", "What is the word?")]


async def test_commands_are_no_part_of_what_the_model_sees(chat: Talk, town: Town) -> None:
    await chat.say("/help")
    await chat.answer()
    await chat.say("hi")
    await chat.answer()
    assert words_of(town.asked()[-1]) == [("user", "hi")]


async def test_start_says_who_answers_and_what_is_kept_and_its_button_helps(chat: Talk, town: Town) -> None:
    await chat.say("/start")
    answer = await chat.answer()
    assert "Prowex" in answer
    assert "sealed" in answer
    press = await chat.press("What can you do?")
    helped = await chat.answer()
    assert "/stop" in helped
    assert "/new" in helped
    assert (await town.telegram.answered(press))["text"] == ""


async def test_help_lists_every_command_of_the_menu(chat: Talk, town: Town) -> None:
    await chat.say("/help")
    helped = await chat.answer()
    [menu] = town.telegram.world.commands.values()
    allowed = {"access", "agents", "invite", "permit"}
    assert {one["command"] for one in menu} >= {"start", "help", "new", "stop", "retry", "status", "whoami", "invite"}
    assert {one["command"] for one in menu if f"/{one['command']} " not in helped} == allowed


async def test_an_unknown_command_suggests_the_nearest(chat: Talk, town: Town) -> None:
    await chat.say("/hlep")
    assert await chat.answer() == "I don't know /hlep. Did you mean /help? /help lists what you can do."
    await chat.say("/xyzzy")
    assert await chat.answer() == "I don't know /xyzzy. /help lists what you can do."
    assert town.asked() == []


async def test_a_path_is_no_command(chat: Talk) -> None:
    await chat.say("/etc/passwd is a file, isn't it?")
    assert await chat.answer() == "echo: /etc/passwd is a file, isn't it?"


async def test_a_command_may_name_the_bot_and_be_in_capitals(chat: Talk) -> None:
    await chat.say("/STATUS@prowex_test_bot")
    assert "Prowex" in await chat.answer()


async def test_whoami_says_that_a_guest_is_a_guest(chat: Talk) -> None:
    await chat.say("/whoami")
    answer = await chat.answer()
    assert "guest" in answer
    assert str(chat.who.id) in answer


async def test_wrong_arguments_are_explained(chat: Talk) -> None:
    await chat.say("/retry soon")
    assert "/retry [turn]" in await chat.answer()


async def test_retry_writes_the_last_answer_again(chat: Talk, town: Town) -> None:
    await chat.say("hi")
    await chat.answer()
    await chat.say("/retry")
    assert await chat.answer() == "echo: hi"
    assert words_of(town.asked()[-1]) == [("user", "hi")]
    await chat.say("and now?")
    await chat.answer()
    assert words_of(town.asked()[-1]) == [("user", "hi"), ("assistant", "echo: hi"), ("user", "and now?")]


async def test_retry_without_anything_said_explains_itself(chat: Talk) -> None:
    await chat.say("/retry")
    assert await chat.answer() == "There is nothing to repeat yet: write to me first."


async def test_the_model_is_told_the_day_and_the_place(chat: Talk, town: Town) -> None:
    await chat.say("hi")
    await chat.answer()
    system = town.asked()[-1].body["messages"][0]
    assert system["role"] == "system"
    assert f"{town.clock.now():%Y}" in system["content"]
    assert "private Telegram chat" in system["content"]


async def test_typing_shows_while_the_model_thinks(chat: Talk, town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "TYPING_SECONDS", 600)
    await chat.say("think [[hold]]")
    await town.telegram.wait_for(lambda: town.telegram.typing(chat.chat))
    town.openai.go_on()
    assert await chat.answer() == "echo: think"
    assert [action for _, action, _ in town.telegram.typing(chat.chat)] == ["typing"]


async def test_an_answer_grows_before_it_is_whole(chat: Talk, town: Town) -> None:
    await chat.say("[[tokens=30 hold=9,18]]")
    for seen in (9, 18):
        await chat.sees(lambda texts, seen=seen: texts and len(texts[0].split(" …")[0].split()) == seen)
        town.openai.go_on(seen)
    town.openai.go_on()
    [message] = await chat.messages()
    texts = [version.text for version in message.versions]
    assert texts[0] == "…"
    assert len(texts) >= 4
    assert all(message.text.startswith(text.rstrip(" …")) for text in texts)
    assert len(message.text.split()) == 30
    assert message.notified


async def test_a_name_is_no_part_of_the_words_in_a_private_chat(chat: Talk, town: Town) -> None:
    await chat.say("hi")
    await chat.answer()
    assert "Ann" not in str(town.asked()[-1].body)


async def test_what_was_asked_during_a_restart_is_answered_after_it(chat: Talk, town: Town) -> None:
    await chat.say("one")
    assert await chat.answer() == "echo: one"
    await town.stop()
    await chat.say("two")
    await town.start()
    assert await chat.answer() == "echo: two"
    assert words_of(town.asked()[-1])[0] == ("user", "one")


async def test_an_answer_under_way_is_finished_before_the_service_stops(chat: Talk, town: Town) -> None:
    await town.restart(drain_seconds=PATIENCE)
    await chat.say("[[tokens=5 hold]]")
    await chat.sees("…")
    lanes = town.core.lanes
    async with asyncio.TaskGroup() as group:
        group.create_task(town.stop())
        while not lanes.draining:  # noqa: ASYNC110 - the lanes tell nobody
            await asyncio.sleep(0)
        town.openai.go_on()
    assert len(chat.shows()[0].split()) == 5


async def test_an_answer_that_is_too_long_for_the_stop_is_written_anew_after_it(chat: Talk, town: Town) -> None:
    await town.restart(drain_seconds=0.2)
    await chat.say("[[tokens=20 hold=9]]")
    await chat.sees(lambda texts: texts and texts[0] != "…")
    await town.restart()
    town.openai.go_on()
    answer = await chat.answer()
    assert len(answer.split()) == 20
    assert len(chat.shows()) == 1


async def test_what_a_stopping_process_could_not_show_is_shown_first_by_the_next(chat: Talk, town: Town) -> None:
    await chat.say("one")
    await chat.answer()
    lanes, now = town.core.lanes, town.clock.now()
    await lanes.drain(0)
    async with transaction(Step.ADMIN):  # as a killed process leaves it: finished, and not known to be shown
        await Reply.all().update(state=ReplyState.FINAL)
        await Lane.filter(urgent=False).update(holder=new_id(), lease_until=now, due_at=now)
    lane = await Lane.get(urgent=False)
    held = await lanes.claim(lane.id)
    assert held is not None
    await town.core.worker.work(held)
    assert await Reply.exists(state=ReplyState.FINAL)
    next_one = await lanes.claim(lane.id)
    assert next_one is not None
    assert next_one.dirty
