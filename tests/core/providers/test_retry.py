"""Asking a model again: what is repeated, how long it waits, and when it gives up."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, datetime

import pytest

from core.providers.openai import OpenAIModel
from core.providers.port import (
    End,
    Message,
    ModelBusy,
    ModelEvent,
    ModelRefused,
    ModelRequest,
    TextDelta,
    Timeouts,
    TokenUsage,
)
from core.providers.retry import Restarted, ask, backoff
from storage import faults
from tests.servers.openai import FakeOpenAI


class Clockwork:
    """A clock that only its own `sleep` moves."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.monotonic(), UTC)

    def monotonic(self) -> float:
        return 1000 + sum(self.slept)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


class Scripted:
    """A model that answers by script: events, and an error to raise."""

    name = "scripted"

    def __init__(self, *attempts: list[ModelEvent | Exception]) -> None:
        self.attempts = list(attempts)
        self.asked = 0

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        self.asked += 1
        for event in self.attempts.pop(0):
            if isinstance(event, Exception):
                raise event
            yield event

    async def check(self) -> str:
        return "fine"

    async def close(self) -> None: ...


REQUEST = ModelRequest("m", "", (Message("user", "hi"),))
ANSWER: list[ModelEvent | Exception] = [TextDelta("all of it"), End("stop")]


async def collect(model: Scripted, clock: Clockwork, chance: float = 1.0) -> list[ModelEvent | Restarted]:
    return [event async for event in ask(model, REQUEST, clock, sleep=clock.sleep, chance=lambda: chance)]


async def test_a_whole_answer_is_asked_for_once() -> None:
    model, clock = Scripted(ANSWER), Clockwork()
    assert await collect(model, clock) == ANSWER
    assert (model.asked, clock.slept) == (1, [])


async def test_a_busy_model_is_asked_again_with_growing_waits_and_nothing_of_it_shows() -> None:
    busy: list[ModelEvent | Exception] = [ModelBusy("it is busy")]
    model, clock = Scripted(busy, busy, busy, ANSWER), Clockwork()
    assert await collect(model, clock) == ANSWER
    assert clock.slept == [1, 2, 4]


async def test_after_the_last_attempt_its_error_is_raised() -> None:
    model, clock = Scripted(*[[ModelBusy(f"failure {number}")] for number in range(1, 6)]), Clockwork()
    with pytest.raises(ModelBusy, match="failure 4"):
        await collect(model, clock)
    assert model.asked == 4


async def test_a_refusal_is_not_repeated() -> None:
    model, clock = Scripted([ModelRefused("no")], ANSWER), Clockwork()
    with pytest.raises(ModelRefused):
        await collect(model, clock)
    assert model.asked == 1


async def test_an_answer_that_broke_off_is_forgotten_and_asked_for_again() -> None:
    model, clock = Scripted([TextDelta("all "), ModelBusy("its answer broke off")], ANSWER), Clockwork()
    assert await collect(model, clock) == [TextDelta("all "), Restarted("its answer broke off", 1), *ANSWER]


async def test_nothing_is_forgotten_when_only_usage_was_told() -> None:
    model, clock = Scripted([TokenUsage(1, 1), ModelBusy("x")], ANSWER), Clockwork()
    assert Restarted not in map(type, await collect(model, clock))


async def test_the_providers_wish_is_obeyed() -> None:
    model, clock = Scripted([ModelBusy("busy", retry_after=20)], ANSWER), Clockwork()
    assert await collect(model, clock, chance=0.5) == ANSWER
    assert clock.slept == [20.5]


async def test_a_wish_for_more_than_two_minutes_ends_it_at_once() -> None:
    model, clock = Scripted([ModelBusy("busy", retry_after=121)], ANSWER), Clockwork()
    with pytest.raises(ModelBusy):
        await collect(model, clock)
    assert (model.asked, clock.slept) == (1, [])


async def test_patience_ends() -> None:
    model, clock = Scripted(*[[ModelBusy("busy", retry_after=100)] for _ in range(9)]), Clockwork()
    with pytest.raises(ModelBusy):
        async for _ in ask(model, REQUEST, clock, attempts=9, patience=250, sleep=clock.sleep, chance=lambda: 0):
            pass
    assert clock.slept == [100, 100]


def test_the_wait_is_jittered_in_full_and_capped() -> None:
    assert [backoff(attempt, lambda: 1.0) for attempt in (1, 2, 3, 7, 50)] == [1, 2, 4, 60, 60]
    assert backoff(5, lambda: 0.0) == 0
    assert 0 <= backoff(3) <= 4


async def test_closing_early_closes_the_model() -> None:
    closed = asyncio.Event()

    class Endless(Scripted):
        async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
            try:
                while True:
                    yield TextDelta("on ")
            finally:
                closed.set()

    async with aclosing(ask(Endless(), REQUEST, Clockwork())) as events:
        async for _ in events:
            break
    assert closed.is_set()


async def test_every_attempt_passes_the_fault_points() -> None:
    faults.arm("call.model.before#99")
    model, clock = Scripted([ModelBusy("x")], ANSWER), Clockwork()
    await collect(model, clock)
    assert (faults.hits()["call.model.before"], faults.hits()["call.model.after"]) == (2, 1)
    faults.arm("")


async def test_a_real_client_gets_over_floods_and_cut_streams() -> None:
    async with FakeOpenAI() as server:
        model, clock = OpenAIModel("", server.url, Timeouts(2, 2, 2)), Clockwork()
        for wish in ("[[status=429 retry_after=2 times=2]]", "[[tokens=30 cut=20 times=1]]", "[[malformed=1 times=3]]"):
            request = ModelRequest("gpt-5.4-mini", "", (Message("user", f"hello {wish}"),))
            text, ended = "", False
            async for event in ask(model, request, clock, sleep=clock.sleep):
                if isinstance(event, Restarted):
                    text = ""
                elif isinstance(event, TextDelta):
                    text += event.text
                ended = isinstance(event, End)
            assert ended
            assert text == "echo: hello" or len(text.split()) == 30
        await model.close()
        assert len(server.journal) == 3 + 2 + 4
        assert clock.slept[0] >= 2
