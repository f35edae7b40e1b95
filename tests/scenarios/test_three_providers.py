"""The same question to three agents with models of three providers: each answers, and only the asked one gets it."""

from collections.abc import AsyncIterator

import pytest

from tests.scenarios.town import Talk, Town
from tests.servers.anthropic import FakeAnthropic
from tests.servers.google import FakeGoogle

QUESTION = "What is the capital of France?"


@pytest.fixture
async def providers(quiet_town: Town) -> AsyncIterator[tuple[FakeAnthropic, FakeGoogle]]:
    async with FakeAnthropic() as anthropic, FakeGoogle() as google:
        await quiet_town.start(
            access="pairing",
            anthropic_api_key="sk-ant-of-the-tests",
            anthropic_base_url=anthropic.url,
            gemini_api_key="gemini-of-the-tests",
            google_base_url=google.url,
        )
        yield anthropic, google


async def member(town: Town, name: str) -> Talk:
    talk = town.person(name)
    await talk.say((await town.call("people.invite"))["code"])
    await talk.answers()
    return talk


async def test_each_of_three_providers_answers_the_same_question(
    quiet_town: Town, providers: tuple[FakeAnthropic, FakeGoogle]
) -> None:
    ann, (anthropic, google) = await member(quiet_town, "Ann"), providers
    for name, model in (("Gus", "openai:gpt-5.4"), ("Cleo", "anthropic"), ("Gem", "google")):
        if ":" not in model:
            models = await quiet_town.core.services.catalogue.models()
            model = f"{model}:{models[model][0]}"
        await ann.say(f"/agents create name={name} model={model} instructions='You are {name}.'")
        assert f"{name} is there" in await ann.answer()
    asked = len(anthropic.journal), len(google.journal)
    for name in ("Gus", "Cleo", "Gem"):
        await ann.say(f"{name}: {QUESTION}")
        assert QUESTION in await ann.answer()
    assert [one.body["model"] for one in quiet_town.asked()] == ["gpt-5.4"]
    assert (len(anthropic.journal) - asked[0], len(google.journal) - asked[1]) == (1, 1)
    print(quiet_town.transcript())


async def test_an_agents_whole_life_on_telegram(quiet_town: Town, providers: tuple[FakeAnthropic, FakeGoogle]) -> None:
    ann = await member(quiet_town, "Ann")
    for said in ("/agents create", "Poet", "You are a poet.", "/agents here poet", "a line, please"):
        await ann.say(said)
        await ann.answers()
        if said == "You are a poet.":
            await ann.press("Skip")
            await ann.answers()
    await ann.say("/agents edit poet instructions You are a strict poet.")
    assert "strict" in await ann.answer()
    await ann.say("another line")
    await ann.answers()
    assert "You are a strict poet." in quiet_town.asked()[-1].body["messages"][0]["content"]
    await ann.say("/agents rollback poet 1")
    assert "as it was in version 1" in await ann.answer()
    await ann.say("/agents delete poet")
    await ann.answers()
    await ann.press("Delete for good")
    assert "is deleted" in await ann.answer()
    print(quiet_town.transcript())


async def test_the_first_models_of_each_provider_are_offered_and_any_other_can_be_written(
    quiet_town: Town, providers: tuple[FakeAnthropic, FakeGoogle]
) -> None:
    ann = await member(quiet_town, "Ann")
    for said in ("/agents create", "Poet", "You are a poet."):
        await ann.say(said)
        [asked] = await ann.messages()
    models = [label for label in asked.labels if ":" in label]
    assert len(models) <= 12
    assert {label.partition(":")[0] for label in models} == {"openai", "anthropic", "google"}
    assert "There are more: write the one you want." in asked.text
    every = await quiet_town.core.services.catalogue.models()
    [other] = [f"google:{name}" for name in every["google"] if f"google:{name}" not in models][:1]
    await ann.say(other)
    assert f"{other} answers for it" in await ann.answer()
