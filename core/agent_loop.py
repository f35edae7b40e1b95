"""The agent loop: context in, the model's answer out, with retries and one plain sentence when all of them fail."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from core.agents import Answering
from core.history import CONTEXT_CHARACTERS, Said, as_messages
from core.providers.catalogue import Catalogue
from core.providers.port import (
    End,
    LanguageModel,
    ModelError,
    ModelRefused,
    ModelRequest,
    ModelTooLong,
    Picture,
    TextDelta,
    TokenUsage,
)
from core.providers.retry import Restarted, ask
from storage.clock import Clock
from storage.tables import TurnState

log = logging.getLogger("prowex.agent")

SHORTEST_CONTEXT = 4_000


@dataclass(slots=True)
class Outcome:
    """How a turn ended.

    Args:
        text: what the person reads, Markdown.
        retry: offer to try again.
        failure: a short word for the record, empty if it went well.
    """

    state: TurnState
    text: str
    model: str = ""
    usage: TokenUsage | None = None
    retry: bool = False
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Task:
    """What the agent is to answer."""

    answering: Answering
    said: Sequence[Said]
    present: str
    pictures: tuple[Picture, ...]
    person_id: UUID
    where: str
    at: datetime


class AgentLoop:
    """Runs one turn's model calls."""

    def __init__(self, catalogue: Catalogue, clock: Clock) -> None:
        self._catalogue = catalogue
        self._clock = clock

    async def run(self, task: Task, show: Callable[[str], None], stop: asyncio.Event) -> Outcome:
        """Ask the model, calling `show` with the text so far; end early, with what was said, when `stop` is set."""
        name = task.answering.plan.model or self._catalogue.default
        progress = _Progress(show)
        answer = asyncio.ensure_future(self._answer(task, name, progress))
        stopped = asyncio.ensure_future(stop.wait())
        try:
            await asyncio.wait({answer, stopped}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopped.cancel()
            if not answer.done():
                answer.cancel()
                await asyncio.wait({answer})
        if answer.cancelled():
            if not stop.is_set():
                raise asyncio.CancelledError
            said = progress.text.rstrip()
            return Outcome(TurnState.STOPPED, f"{said}\n\n⏹ *Stopped.*" if said else "⏹ *Stopped.*", name)
        return answer.result()

    async def _answer(self, task: Task, name: str, progress: "_Progress") -> Outcome:
        characters = CONTEXT_CHARACTERS
        while True:
            try:
                model, model_name = self._catalogue.get(name)
                return await self._ask(task, name, model, model_name, characters, progress)
            except ModelError as error:
                if isinstance(error, ModelRefused) and _forget_pictures(task.said):
                    continue
                if isinstance(error, ModelTooLong) and characters > SHORTEST_CONTEXT and task.said:
                    characters = max(SHORTEST_CONTEXT, characters // 3)
                    continue
                log.warning("the model gave no answer", extra={"model": name, "reason": error.reason})
                return _failed(name, error)

    async def _ask(
        self, task: Task, name: str, model: LanguageModel, model_name: str, characters: int, progress: "_Progress"
    ) -> Outcome:
        request = ModelRequest(
            model=model_name,
            instructions=f"{task.answering.plan.instructions}\n\n{_circumstances(task)}",
            messages=tuple(as_messages(task.said, task.present, task.pictures, characters)),
            settings=task.answering.plan.settings,
            person=str(task.person_id),
        )
        usage, reason = None, "stop"
        progress.restart()
        async for event in ask(model, request, self._clock):
            if isinstance(event, TextDelta):
                progress.add(event.text)
            elif isinstance(event, Restarted):
                progress.restart()
            elif isinstance(event, TokenUsage):
                usage = event
            elif isinstance(event, End):
                reason = event.reason
        return _ended(name, progress.text, reason, usage)


class _Progress:
    """The text so far."""

    def __init__(self, show: Callable[[str], None]) -> None:
        self._show = show
        self.text = ""

    def add(self, text: str) -> None:
        self.text += text
        self._show(self.text)

    def restart(self) -> None:
        self.text = ""


def _forget_pictures(said: Sequence[Said]) -> bool:
    """Take the pictures out of what was said before: not every model can see. Return whether there were any."""
    had = [exchange for exchange in said if exchange.pictures]
    for exchange in had:
        exchange.pictures = ()
    return bool(had)


def _circumstances(task: Task) -> str:
    return f"Today is {task.at:%A, %d %B %Y} (UTC). You are called {task.answering.name} and write in {task.where}."


def _ended(name: str, text: str, reason: str, usage: TokenUsage | None) -> Outcome:
    if not text.strip():
        why = "its provider held the answer back" if reason == "filtered" else "the model sent an empty answer"
        return Outcome(
            TurnState.FAILED, f"I have no answer: {why}. Nothing was lost.", name, usage, retry=True, failure="empty"
        )
    if reason == "length":
        text = f"{text.rstrip()}\n\n*The answer was cut at the model's output limit.*"
    elif reason == "filtered":
        text = f"{text.rstrip()}\n\n*The rest was held back by the model's provider.*"
    return Outcome(TurnState.DONE, text, name, usage)


def _failed(name: str, error: ModelError) -> Outcome:
    text = f"The model `{name}` could not answer: {error.reason}. Your message is kept, nothing was lost."
    return Outcome(TurnState.FAILED, text, name, retry=True, failure=type(error).__name__)
