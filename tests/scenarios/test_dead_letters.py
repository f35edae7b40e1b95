"""A message that something in us fails on is set aside, told of, and holds up nobody for ever."""

from collections.abc import Callable
from typing import Any

import pytest
from tortoise.exceptions import DoesNotExist, IntegrityError

from core import commands
from core.agent_loop import AgentLoop, Outcome, Task
from core.dead_letters import ATTEMPTS
from storage.tables import InboxEntry, Lane, Part
from tests.scenarios.town import Talk, Town

POISON = "poison"


class Poison:
    """Makes the agent fail on messages that contain the word, while it is on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.error: Callable[[], Exception] | None = lambda: RuntimeError("something in us")
        self.tries = 0
        healthy = AgentLoop.run

        async def run(loop: AgentLoop, task: Task, *args: Any) -> Outcome:
            if self.error is not None and POISON in task.present:
                self.tries += 1
                raise self.error()
            return await healthy(loop, task, *args)

        monkeypatch.setattr(AgentLoop, "run", run)


@pytest.fixture
def poison(monkeypatch: pytest.MonkeyPatch) -> Poison:
    return Poison(monkeypatch)


async def let_time_pass(town: Town, tries: int) -> None:
    """Move on to each next try of the lanes that failed."""
    for _ in range(tries):
        await town.resting()
        town.clock.move(seconds=400)
        town.core.lanes.wake([lane.id for lane in await Lane.filter(due_at__isnull=False)])
    await town.resting()


async def test_a_message_that_always_fails_is_set_aside_with_a_sentence_and_the_next_is_answered(
    chat: Talk, town: Town, poison: Poison
) -> None:
    await chat.say(POISON)
    await chat.sees("…")
    await let_time_pass(town, ATTEMPTS)
    await chat.say("next")
    failed, answered = await chat.messages()
    assert poison.tries == ATTEMPTS
    assert failed.text.startswith("I could not work on your message: something in me failed, five times.")
    assert failed.labels == ["Retry"]
    assert answered.text == "echo: next"
    assert "…" not in chat.shows()


async def test_what_was_set_aside_can_be_tried_again(chat: Talk, town: Town, poison: Poison) -> None:
    await chat.say(POISON)
    await chat.sees("…")
    await let_time_pass(town, ATTEMPTS)
    await chat.messages()
    poison.error = None
    await chat.press("Retry")
    assert await chat.answer() == f"echo: {POISON}"
    assert [row.state for row in await InboxEntry.all().order_by("id")] == ["done", "done"]


async def test_a_message_that_fails_sometimes_is_answered_in_the_end(chat: Talk, town: Town, poison: Poison) -> None:
    await chat.say(POISON)
    await chat.sees("…")
    await let_time_pass(town, 2)
    poison.error = None
    await let_time_pass(town, 1)
    assert await chat.answer() == f"echo: {POISON}"
    assert await Part.filter(state="orphaned").count() == 0


async def test_a_chat_that_fails_holds_up_no_other(chat: Talk, town: Town, poison: Poison) -> None:
    bob = town.person("Bob")
    await chat.say(POISON)
    await chat.sees("…")
    await bob.say("hi")
    await bob.sees("echo: hi")
    await let_time_pass(town, ATTEMPTS)


async def test_what_is_not_the_messages_fault_is_not_counted_against_it(chat: Talk, town: Town, poison: Poison) -> None:
    poison.error = lambda: OSError(28, "No space left on device")
    await chat.say(POISON)
    await chat.sees("…")
    await let_time_pass(town, ATTEMPTS + 3)
    assert [row.attempts for row in await InboxEntry.all()] == [0]
    poison.error = None
    await let_time_pass(town, 1)
    assert await chat.answer() == f"echo: {POISON}"


@pytest.mark.parametrize("error", [IntegrityError("it is there already"), DoesNotExist(InboxEntry)])
async def test_what_the_database_will_never_take_or_have_holds_up_nobody_for_ever(
    chat: Talk, town: Town, poison: Poison, error: Exception
) -> None:
    poison.error = lambda: error
    await chat.say(POISON)
    await chat.sees("…")
    await let_time_pass(town, ATTEMPTS)
    await chat.say("next")
    failed, answered = await chat.answers()
    assert "something in me failed" in failed
    assert answered == "echo: next"


async def test_a_command_that_always_fails_is_set_aside_too(
    chat: Talk, town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*args: Any) -> Any:
        raise RuntimeError("something in us")

    monkeypatch.setattr(commands, "invoke", broken)
    await chat.say("/whoami")
    await town.resting()
    await let_time_pass(town, ATTEMPTS)
    monkeypatch.undo()
    assert "something in me failed" in await chat.answer()
    await chat.say("hi")
    assert await chat.answer() == "echo: hi"


async def test_a_failed_lane_waits_longer_each_time(chat: Talk, town: Town, poison: Poison) -> None:
    town.clock.stand_still()
    await chat.say(POISON)
    await chat.sees("…")
    pauses = []
    for _ in range(3):
        await town.resting()
        lane = await Lane.get(due_at__isnull=False)
        assert lane.due_at is not None
        pauses.append((lane.due_at - town.clock.now()).total_seconds())
        town.clock.move(seconds=60)
        town.core.lanes.wake([lane.id])
    assert pauses == [1, 2, 4]
    poison.error = None
    await town.resting()
    await let_time_pass(town, 1)
    await chat.answer()
