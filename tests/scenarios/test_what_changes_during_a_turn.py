"""Who answers changes during an answer: that one goes on, the next one is by who answers then."""

import pytest

from core import agents
from storage.faults import Step
from storage.tables import Agent, Chat, Conversation, Turn, TurnState
from storage.transactions import transaction
from tests.scenarios.town import Talk, Town, words_of


@pytest.fixture
async def ann(quiet_town: Town) -> Talk:
    """Ann, a member, with an agent of her own."""
    await quiet_town.start(access="pairing")
    ann = quiet_town.person("Ann")
    await ann.say((await quiet_town.call("people.invite"))["code"])
    await ann.answers()
    await ann.say("/agents create Writer You write.")
    await ann.answers()
    return ann


async def answer_here(town: Town, handle: str) -> None:
    """Have an agent answer in the only chat, as its form does in the urgent lane."""
    chat, agent = await Chat.get(), await Agent.get(handle=handle)
    async with transaction(Step.ADMIN):
        await agents.answer_in(chat, agent.id, agent.id, town.clock)


async def delete(town: Town, handle: str) -> None:
    agent = await Agent.get(handle=handle)
    async with transaction(Step.ADMIN):
        await agents.delete(agent.id, town.clock)


async def test_the_next_message_that_waited_goes_to_the_new_agent(ann: Talk, quiet_town: Town) -> None:
    await ann.say("one [[hold]]")
    await ann.sees("…")
    await ann.say("two")
    await quiet_town.taken_in()
    await answer_here(quiet_town, "writer")
    quiet_town.openai.go_on()
    assert await ann.answers() == ["echo: one", "echo: two"]
    first, second = quiet_town.asked()
    assert "You write." not in str(first.body["messages"][0])
    assert "You write." in str(second.body["messages"][0])
    assert words_of(second) == [("user", "two")]


async def test_the_next_message_goes_to_the_new_agent_after_a_turn_that_was_resumed_too(
    ann: Talk, quiet_town: Town
) -> None:
    await ann.say("one [[tokens=60 hold=9]]")
    await ann.sees("field ember")
    await quiet_town.restart(drain_seconds=0)
    await quiet_town.telegram.wait_for(lambda: len(quiet_town.asked()) == 2, chat=ann.chat)
    await ann.say("two")
    await quiet_town.taken_in()
    await answer_here(quiet_town, "writer")
    quiet_town.openai.go_on()
    assert (await ann.answers())[-1] == "echo: two"
    assert "You write." in str(quiet_town.asked()[-1].body["messages"][0])
    assert words_of(quiet_town.asked()[-1]) == [("user", "two")]


async def test_an_agent_that_is_deleted_while_it_answers_finishes_and_the_usual_one_goes_on(
    ann: Talk, quiet_town: Town
) -> None:
    await answer_here(quiet_town, "writer")
    await ann.say("one [[hold]]")
    await ann.sees("…")
    await ann.say("two")
    await quiet_town.taken_in()
    await delete(quiet_town, "writer")
    quiet_town.openai.go_on()
    assert await ann.answers() == ["echo: one", "echo: two"]
    assert "You write." in str(quiet_town.asked()[0].body["messages"][0])
    assert "You write." not in str(quiet_town.asked()[1].body["messages"][0])


async def test_a_turn_of_an_agent_that_was_deleted_is_resumed_by_the_usual_one(ann: Talk, quiet_town: Town) -> None:
    await answer_here(quiet_town, "writer")
    await ann.say("one [[tokens=60 hold=9]]")
    await ann.sees("field ember")
    await quiet_town.restart(drain_seconds=0)
    await delete(quiet_town, "writer")
    quiet_town.openai.go_on()
    [answer] = await ann.answers()
    assert len(answer.split()) == 60
    assert await Turn.all().values_list("state", flat=True) == [TurnState.DONE]
    await ann.say("two")
    assert await ann.answer() == "echo: two"


async def test_a_conversation_is_with_the_agent_of_the_chat_whoever_is_called_in_it(
    ann: Talk, quiet_town: Town
) -> None:
    await ann.say("Writer: hi")
    await ann.answers()
    assert "You write." in str(quiet_town.asked()[-1].body["messages"][0])
    usual = await Agent.get(default=True)
    assert [row.agent_id for row in await Conversation.all()] == [usual.id]
    assert await Turn.filter(agent_version__agent__handle="writer", state=TurnState.DONE).count() == 1
    await ann.say("/new")
    await ann.say("/conversations reopen 2")
    assert "answers here again" not in "\n".join(await ann.answers())
    assert (await Chat.get()).agent_id is None
