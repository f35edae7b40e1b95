"""What every language model promises, held against each of them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

import pytest

from core.providers.anthropic import AnthropicModel
from core.providers.google import GoogleModel
from core.providers.offline import OfflineModel
from core.providers.openai import OpenAIModel
from core.providers.port import (
    End,
    Keep,
    LanguageModel,
    Message,
    ModelBusy,
    ModelEvent,
    ModelRequest,
    Picture,
    TextDelta,
    Timeouts,
    TokenUsage,
    ToolCall,
    ToolDefinition,
)
from tests.servers.anthropic import FakeAnthropic
from tests.servers.google import FakeGoogle
from tests.servers.openai import FakeOpenAI
from tests.servers.openai_script import Call, Plan

Opened = tuple[LanguageModel, str]

SERVED: dict[str, tuple[Any, Any, str]] = {
    "openai": (FakeOpenAI, OpenAIModel, "gpt-5.4-mini"),
    "compatible": (FakeOpenAI, OpenAIModel, "auto"),
    "anthropic": (FakeAnthropic, AnthropicModel, "claude-haiku-5-5"),
    "google": (FakeGoogle, GoogleModel, "gemini-3.8-flash"),
}
"""Each provider's fake server, its class, and the model that is asked."""


@pytest.fixture(params=[*SERVED, "offline"])
async def opened(request: pytest.FixtureRequest) -> AsyncIterator[Opened]:
    if request.param == "offline":
        yield OfflineModel(), "handbook"
        return
    fake, provider, name = SERVED[request.param]
    async with fake(key="sk-right") as server:
        model = provider("sk-right", server.url, Timeouts(5, 5, 5))
        yield model, name
        await model.close()


def asking(model: str, text: str, **more: object) -> ModelRequest:
    return ModelRequest(model, "You are kind.", (Message("user", text),), **more)  # type: ignore[arg-type]


async def events_of(opened: Opened, text: str, **more: object) -> list[ModelEvent]:
    model, name = opened
    return [event async for event in model.stream(asking(name, text, **more))]


async def test_an_answer_is_text_then_usage_then_the_end(opened: Opened) -> None:
    events = await events_of(opened, "How do I connect Telegram?")
    kinds = [type(event) for event in events]
    assert kinds[-2:] == [TokenUsage, End]
    assert set(kinds[:-2]) == {TextDelta}
    assert events[-1] == End("stop")


async def test_the_text_comes_in_pieces_and_none_is_empty(opened: Opened) -> None:
    pieces = [event.text for event in await events_of(opened, "who are you?") if isinstance(event, TextDelta)]
    assert len(pieces) > 2
    assert all(pieces)


async def test_the_same_question_gets_the_same_answer_from_the_same_model(opened: Opened) -> None:
    first, second = await events_of(opened, "hello"), await events_of(opened, "hello")
    assert first == second


async def test_a_picture_and_a_long_history_are_taken(opened: Opened) -> None:
    model, name = opened
    history = [Message("user" if n % 2 == 0 else "assistant", f"line {n}") for n in range(20)]
    seen = Message("user", "what is this?", (Picture("image/png", b"\x89PNG", "a.png"),))
    request = ModelRequest(name, "", (*history, seen), settings={"temperature": 0.5, "max_output_tokens": 500})
    events = [event async for event in model.stream(request)]
    assert events[-1] == End("stop")


async def test_closing_the_stream_early_leaves_the_model_usable(opened: Opened) -> None:
    model, name = opened
    async with aclosing(model.stream(asking(name, "who are you? [[tokens=50]]"))) as events:
        async for _ in events:
            break
    assert (await events_of(opened, "hello"))[-1] == End("stop")


@pytest.mark.parametrize("which", SERVED)
async def test_closing_early_ends_the_request_at_once(which: str) -> None:
    fake, provider, name = SERVED[which]
    async with fake(key="sk-right") as server:
        model = provider("sk-right", server.url)
        async with aclosing(model.stream(asking(name, "[[tokens=5000 delay=0.05]]"))) as events:
            async for _ in events:
                break
        asked = server.journal[-1]
        async with asyncio.timeout(20):
            await asked.over.wait()
        assert asked.closed_early
        assert asked.tokens < 400
        await model.close()


@pytest.mark.parametrize("which", SERVED)
@pytest.mark.parametrize("wish", ["[[tokens=5000 delay=0.05]]", "[[hang]]", "[[tokens=9 hang=3]]"])
async def test_cancelling_the_task_ends_the_request_at_once(which: str, wish: str) -> None:
    fake, provider, name = SERVED[which]
    asked_for = asyncio.Event()
    async with fake(key="sk-right") as server:
        server.rules.append(lambda body: asked_for.set())
        model = provider("sk-right", server.url)
        task = asyncio.ensure_future(events_of((model, name), wish))
        await asked_for.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with asyncio.timeout(20):
            await server.journal[-1].over.wait()
        assert server.journal[-1].closed_early
        await model.close()


@pytest.mark.parametrize("which", SERVED)
@pytest.mark.parametrize(
    ("wish", "timeouts", "reason"),
    [
        ("[[hang]]", Timeouts(first_token=0.4), "did not begin to answer within 0.4 s"),
        ("[[first=9]]", Timeouts(first_token=0.4), "did not begin to answer within 0.4 s"),
        ("[[tokens=9 hang=5]]", Timeouts(silence=0.2), "sent no text for 0.2 s"),
    ],
)
async def test_a_model_that_keeps_silent_is_given_up(which: str, wish: str, timeouts: Timeouts, reason: str) -> None:
    fake, provider, name = SERVED[which]
    async with fake(key="sk-right") as server:
        model = provider("sk-right", server.url, timeouts)
        with pytest.raises(ModelBusy, match=reason):
            await events_of((model, name), wish)
        await model.close()


async def test_check_returns_one_line_for_a_person(opened: Opened) -> None:
    line = await opened[0].check()
    assert line
    assert "\n" not in line


async def test_close_may_be_called_twice(opened: Opened) -> None:
    await events_of(opened, "hello")
    await opened[0].close()
    await opened[0].close()


async def test_the_models_it_lists_are_names_without_its_own(opened: Opened) -> None:
    model, name = opened
    listed = await model.models()
    assert listed
    assert all(each and not each.startswith(f"{model.name}:") for each in listed)
    assert name in (*listed, "auto")


async def test_its_settings_have_a_name_of_their_own_and_a_sentence(opened: Opened) -> None:
    settings = opened[0].settings
    assert len({setting.name for setting in settings}) == len(settings)
    assert all(setting.hint.endswith(".") for setting in settings)


async def test_settings_that_it_does_not_have_are_passed_over(opened: Opened) -> None:
    settings = {"temperature": 0.3, "top_p": None, "colour": "red", "max_output_tokens": 300}
    assert (await events_of(opened, "hello", settings=settings))[-1] == End("stop")


@pytest.mark.parametrize("which", SERVED)
async def test_rounds_of_tools_go_there_and_back(which: str) -> None:
    fake, provider, name = SERVED[which]
    tools = (ToolDefinition("clock.now", "The time.", {"type": "object"}), ToolDefinition("dice", "A number.", {}))
    said = [Message("user", "go")]
    async with fake(key="sk-right") as server:
        model = provider("sk-right", server.url, Timeouts(5, 5, 5))
        for number in range(3):
            calls = (Call("clock_now", '{"zone": "UTC"}', f"a{number}"), Call("dice", "{}", f"b{number}"))
            plan = Plan(thinking="hm", calls=calls) if number < 2 else Plan("done", thinking="hm")
            server.rules[:] = [lambda body, plan=plan: plan]
            request = ModelRequest(name, "You are kind.", tuple(said), tools)
            events = [event async for event in model.stream(request)]
            called = tuple(event for event in events if isinstance(event, ToolCall))
            text = "".join(event.text for event in events if isinstance(event, TextDelta))
            kept = "".join(event.data for event in events if isinstance(event, Keep))
            said.append(Message("assistant", text, calls=called, kept=kept))
            said += [Message("tool", f"result {number}", call_id=call.id) for call in called]
            assert events[-1] == End("tools" if number < 2 else "stop")
            assert [call.name for call in called] == (["clock.now", "dice"] if number < 2 else [])
        assert said[-1].text == "done"
        await model.close()


@pytest.mark.parametrize(
    "make",
    [
        OfflineModel,
        lambda: OpenAIModel("", "http://127.0.0.1:1/v1"),
        lambda: AnthropicModel("", "http://127.0.0.1:1"),
        lambda: GoogleModel(""),
    ],
)
async def test_a_model_that_was_never_asked_closes(make: Callable[[], LanguageModel]) -> None:
    await make().close()
