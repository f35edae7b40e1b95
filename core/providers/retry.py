"""Asking a model again when it was busy or its answer broke off: the one way the product calls a model."""

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass

from core.providers.port import LanguageModel, ModelBusy, ModelEvent, ModelRequest, TokenUsage
from storage.clock import Clock
from storage.faults import Step, calling

_BASE = 1.0
_CAP = 60.0
_LONGEST_WAIT = 120.0


@dataclass(frozen=True, slots=True)
class Restarted:
    """The answer broke off and is asked for again: forget all that was said, thought and called so far.

    Args:
        reason: why, as a clause fit for a person.
        wait: seconds until it is asked again.
    """

    reason: str
    wait: float


def backoff(attempt: int, chance: Callable[[], float] = random.random) -> float:
    """Return seconds to wait after failed `attempt` (from 1): full jitter, base 1 s, at most 60 s.

    Source: AWS Architecture Blog, "Exponential Backoff And Jitter".
    """
    return min(_CAP, _BASE * 2.0 ** (attempt - 1)) * chance()


async def ask(
    model: LanguageModel,
    request: ModelRequest,
    clock: Clock,
    *,
    attempts: int = 4,
    patience: float = 600.0,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    chance: Callable[[], float] = random.random,
) -> AsyncGenerator[ModelEvent | Restarted, None]:
    """Yield the events of one whole answer, however many attempts it takes; close the generator to cancel.

    Waits as long as the provider asks, up to 120 s; a longer wait is no use to a person and ends it at once.

    Args:
        patience: seconds after which no new attempt begins.
        sleep: waits; `chance`: a number in [0, 1), for the jitter.

    Raises:
        ModelBusy: the last attempt's, when none brought a whole answer.
        ModelRefused: asking again will not help.
    """
    started = clock.monotonic()
    for attempt in range(1, attempts + 1):
        shown = False
        try:
            async with calling(Step.CALL_MODEL), aclosing(model.stream(request)) as events:
                async for event in events:
                    shown = shown or not isinstance(event, TokenUsage)
                    yield event
            return
        except ModelBusy as busy:
            wait = busy.retry_after + backoff(attempt, chance)
            late = clock.monotonic() - started + wait > patience
            if attempt == attempts or late or busy.retry_after > _LONGEST_WAIT:
                raise
            if shown:
                yield Restarted(busy.reason, wait)
        await sleep(wait)
