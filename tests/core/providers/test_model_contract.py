"""What every language model promises, held against each of them."""

from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import pytest

from core.providers.google import GoogleModel
from core.providers.anthropic import AnthropicModel
from core.providers.offline import OfflineModel
from core.providers.openai import OpenAIModel
from core.providers.port import (
    End,
    Keep,
    LanguageModel,
    Message,
    ModelEvent,
    ModelRequest,
    Picture,
    TextDelta,
    Timeouts,
    TokenUsage,
)
from tests.servers.google import FakeGoogle
from tests.servers.openai import FakeOpenAI

Opened = tuple[LanguageModel, str]


@pytest.fixture(params=["openai", "compatible", "google", "offline"])
async def opened(request: pytest.FixtureRequest) -> AsyncIterator[Opened]:
    if request.param == "offline":
        yield OfflineModel(), "handbook"
        return
    if request.param == "google":
        async with FakeGoogle(key="right") as google:
            gemini = GoogleModel("right", google.url, Timeouts(5, 5, 5))
            yield gemini, "gemini-3.8-flash"
            await gemini.close()
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


async def test_check_returns_one_line_for_a_person(opened: Opened) -> None:
    line = await opened[0].check()
    assert line
    assert "\n" not in line


async def test_close_may_be_called_twice(opened: Opened) -> None:
    await events_of(opened, "hello")
    await opened[0].close()
    await opened[0].close()


@pytest.mark.parametrize(
    "make", [OfflineModel, lambda: OpenAIModel("", "http://127.0.0.1:1/v1"), lambda: GoogleModel("")]
)
async def test_a_model_that_was_never_asked_closes(make: Callable[[], LanguageModel]) -> None:
    await make().close()
