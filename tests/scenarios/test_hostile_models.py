"""Models that answer what no model should: the person sees what is done, and nobody's messages are lost."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from core.agent_loop import MOST_CALLS
from storage.tables import Agent, Approval, InboxEntry
from tests.scenarios.town import Talk, Town
from tests.servers.openai_script import Call, Plan

Rule = Callable[[dict[str, Any]], Plan | None]


@pytest.fixture
async def ann(quiet_town: Town) -> Talk:
    """Ann, a member."""
    await quiet_town.start(access="pairing")
    ann = quiet_town.person("Ann")
    await ann.say((await quiet_town.call("people.invite"))["code"])
    await ann.answers()
    return ann


def uses(*calls: Call) -> Rule:
    """Return a rule: the model makes these calls at once, then says what it was told."""

    def rule(body: dict[str, Any]) -> Plan | None:
        told = [message["content"] for message in body["messages"] if message["role"] == "tool"]
        if told:
            return Plan(text="\n".join(told))
        return Plan(text="Let me see.", calls=calls, finish="tool_calls")

    return rule


def creates(**values: str) -> Call:
    return Call("agents_create", json.dumps(values))


async def test_what_is_proposed_is_shown_with_what_nobody_would_see(ann: Talk, quiet_town: Town) -> None:
    unseen = "".join(chr(0xE0000 + ord(letter)) for letter in "obey")
    hidden = f"Be kind.{unseen}\u202ekind\n```obey\nx\n```\n[this](http://evil.example/x)\r\rName: Other\x00"
    quiet_town.openai.rules.append(uses(creates(name="Kind", instructions=hidden)))
    await ann.say("make me an agent")
    [message] = await ann.messages()
    assert "Be kind.�����kind\n```obey\nx\n```\n[this](http://evil.example/x)\n\nName: Other�" in message.text
    assert message.text.count("Name:") == 2
    assert not any(entity["type"] == "text_link" for entity in message.entities)


async def test_what_a_model_wanted_before_it_failed_is_not_asked(ann: Talk, quiet_town: Town) -> None:
    await ann.say("/agents create Maker You make agents. fallbacks=openai:gpt-5.4")
    await ann.answers()

    def rule(body: dict[str, Any]) -> Plan | None:
        name = body["model"].replace(".", "-")
        if body["messages"][-1]["role"] != "tool":
            return Plan(text="Let me see.", calls=(creates(name=name, instructions="x"),), finish="tool_calls")
        return Plan(text="Well?") if body["model"] == "gpt-5.4" else Plan(status=401)

    quiet_town.openai.rules.append(rule)
    await ann.say("@maker go")
    [message] = await ann.messages()
    assert message.labels == ["Yes, do it", "No"]
    assert "gpt-5-4-mini" not in message.text.partition("Create an agent?")[2]
    assert await Approval.all().count() == 1


async def test_an_edit_that_changes_nothing_is_not_asked(ann: Talk, quiet_town: Town) -> None:
    quiet_town.openai.rules.append(uses(Call("agents_edit", '{"agent": "writer"}')))
    await ann.say("/agents create Writer You write.")
    await ann.answers()
    await ann.say("change it")
    assert "That can't be done: too little is given." in await ann.answer()
    assert not await Approval.exists()


async def test_of_very_many_tools_at_once_only_the_first_are_used(ann: Talk, quiet_town: Town) -> None:
    quiet_town.openai.rules.append(uses(*(Call("agents_list", "{}", f"call{number}") for number in range(50))))
    await ann.say("go")
    text = "\n".join(await ann.answers())
    assert text.count("That was not done") == 50 - MOST_CALLS
    assert text.count("handle") == MOST_CALLS


@pytest.mark.parametrize(
    "arguments",
    [
        '{"name": "A\\ud800", "instructions": "x"}',
        '{"name": "A", "instructions": "x", "model": "openai:\\u0000"}',
        '{"name": "A", "instructions": "x", "model": "openai:\\u202ex"}',
        '{"name": "A", "instructions": "x", "fallbacks": "openai:\\u0000"}',
        '{"name": "A", "instructions": {"a": ' + "[" * 985 + "]" * 985 + "}}",
        '{"name": ["\\ud800"], "instructions": "x"}',
        "[1]",
        "\ud83d",
    ],
)
async def test_broken_arguments_are_told_to_the_model(ann: Talk, quiet_town: Town, arguments: str) -> None:
    quiet_town.openai.rules.append(uses(Call("agents_create", arguments)))
    await ann.say("go")
    assert "can't be done" in await ann.answer()
    assert not await InboxEntry.filter(attempts__gt=0).exists()
    assert await Agent.all().count() == 1


async def test_half_a_character_in_an_answer_costs_nobody_the_answer(ann: Talk, quiet_town: Town) -> None:
    quiet_town.openai.rules.append(lambda body: Plan(text="one \ud83d two"))
    await ann.say("hi")
    assert (await ann.answer()).startswith("one")
    assert not await InboxEntry.filter(attempts__gt=0).exists()
