"""Another model answers in place of one that can't, if the agent's owner named it; and thinking is seen as progress."""

from dataclasses import replace
from typing import Any

import pytest

from core import agents
from core.providers import retry
from storage.faults import Step
from storage.sealing import Owner
from storage.tables import Agent
from storage.transactions import transaction
from tests.scenarios.town import Talk, Town
from tests.servers.openai_script import Plan

SECOND = "gpt-4.1-mini"


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Failed attempts are repeated at once."""
    monkeypatch.setattr(retry, "_BASE", 0.001)


async def change(town: Town, **how: Any) -> None:
    services = town.core.services
    answering = await services.agents.default()
    key = await services.sealer.key(Owner("team", answering.team_id))
    async with transaction(Step.ADMIN):
        agent = await Agent.get(id=answering.agent_id)
        await agents.change(key, agent, replace(answering.plan, **how), None, town.clock.now())


def first_is_down(body: dict[str, Any]) -> Plan | None:
    return None if body["model"] == SECOND else Plan(status=500)


def models_asked(town: Town) -> set[str]:
    return {asked.body["model"] for asked in town.asked()}


async def test_a_named_model_stands_in_and_the_person_is_told(chat: Talk, town: Town) -> None:
    await change(town, fallbacks=(f"openai:{SECOND}",))
    town.openai.rules.append(first_is_down)
    await chat.say("hi")
    first, second = (await chat.answer()).split("\n\n")
    assert first == "echo: hi"
    assert second == f"Answered by openai:{SECOND}, as openai:gpt-5.4-mini could not: it has trouble on its side (500)."


async def test_a_stand_in_that_fails_too_leaves_the_first_reason_and_retry(chat: Talk, town: Town) -> None:
    await change(town, fallbacks=(f"openai:{SECOND}",))
    await chat.say("hi [[status=503]]")
    [message] = await chat.messages()
    assert "gpt-5.4-mini could not answer" in message.text
    assert message.labels == ["Retry"]
    assert models_asked(town) == {"gpt-5.4-mini", SECOND}


async def test_nobody_stands_in_unless_named(chat: Talk, town: Town) -> None:
    town.openai.rules.append(first_is_down)
    await chat.say("hi")
    assert "could not answer" in await chat.answer()
    assert models_asked(town) == {"gpt-5.4-mini"}


async def test_another_provider_stands_in_only_if_the_owner_said_so(chat: Talk, town: Town) -> None:
    await change(town, fallbacks=("offline:handbook",))
    await chat.say("How do I make a backup? [[status=500]]")
    assert "could not answer" in await chat.answer()
    await change(town, fallbacks=("offline:handbook",), other_providers=True)
    await chat.say("How do I make a backup? [[status=500]]")
    answer = await chat.answer()
    assert "Handbook" in answer
    assert "Answered by offline:handbook" in answer


async def test_thinking_is_seen_until_there_is_text(chat: Talk, town: Town) -> None:
    await chat.say("hi [[thinking hold]]")
    await chat.sees(lambda texts: any(text.startswith("💭 ") for text in texts))
    town.openai.go_on()
    assert await chat.answer() == "echo: hi"
