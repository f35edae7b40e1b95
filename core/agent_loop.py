"""The agent loop: context in, the model's answer out, with retries and one plain sentence when all of them fail."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol
from uuid import UUID

from core.agents import Answering, Plan
from core.history import CONTEXT_CHARACTERS, Said, as_messages
from core.providers.catalogue import Catalogue
from core.providers.port import (
    End,
    Keep,
    LanguageModel,
    Message,
    ModelError,
    ModelRefused,
    ModelRequest,
    ModelTooLong,
    Picture,
    TextDelta,
    ThinkingDelta,
    TokenUsage,
    ToolCall,
    ToolDefinition,
)
from core.providers.retry import Restarted, ask
from core.wire import sound
from storage.clock import Clock
from storage.tables import TurnState

log = logging.getLogger("prowex.agent")

SHORTEST_CONTEXT = 4_000


MOST_ROUNDS = 8
"""How often a model may be asked in one turn, with what its tools answered."""
MOST_CALLS = 8
"""Tools that a model may use at once."""
_TOO_MANY = f"That was not done: use at most {MOST_CALLS} tools at once."
_MOST_THOUGHT = 200


@dataclass(slots=True)
class Outcome:
    """How a turn ended.

    Args:
        text: what the person reads, Markdown.
        usage: of all the model's calls.
        retry: offer to try again.
        failure: a short word for the record, empty if it went well.
    """

    state: TurnState
    text: str
    model: str = ""
    usage: TokenUsage | None = None
    retry: bool = False
    failure: str = ""


class Tools(Protocol):
    """What the agent may use in this turn."""

    def definitions(self) -> tuple[ToolDefinition, ...]:
        """Return the tools as a model reads them."""

    def begin(self) -> None:
        """Forget what was wanted so far: the answer begins anew."""

    async def use(self, asked: ToolCall) -> str:
        """Do what the model asks for; return what it reads."""


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
    tools: Tools | None = None


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
        """Ask the agent's model and, if that can't answer, those that its owner named to stand in, in their order."""
        first: ModelError | None = None
        for candidate in (name, *_stand_ins(task.answering.plan, name)):
            try:
                outcome = await self._asked(task, candidate, progress)
            except ModelError as error:
                log.warning("the model gave no answer", extra={"model": candidate, "reason": error.reason})
                first = first or error
                continue
            if first is not None:
                outcome.text = f"{outcome.text}\n\n*Answered by `{candidate}`, as `{name}` could not: {first.reason}.*"
            return outcome
        assert first is not None
        return _failed(name, first)

    async def _asked(self, task: Task, name: str, progress: "_Progress") -> Outcome:
        """Ask one model, with less around the question if that is too much for it."""
        characters = CONTEXT_CHARACTERS
        while True:
            try:
                return await self._converse(task, name, characters, progress)
            except ModelRefused as error:
                if _forget_pictures(task.said):
                    continue
                if isinstance(error, ModelTooLong) and characters > SHORTEST_CONTEXT and task.said:
                    characters = max(SHORTEST_CONTEXT, characters // 3)
                    continue
                raise

    async def _converse(self, task: Task, name: str, characters: int, progress: "_Progress") -> Outcome:
        """Ask the model until it has no more tools to use."""
        model, model_name = self._catalogue.get(name)
        messages = as_messages(task.said, task.present, task.pictures, characters)
        tools = task.tools.definitions() if task.tools is not None else ()
        if task.tools is not None:
            task.tools.begin()
        used: list[TokenUsage] = []
        progress.begin()
        for number in range(MOST_ROUNDS):
            request = ModelRequest(
                model=model_name,
                instructions=f"{task.answering.plan.instructions}\n\n{_circumstances(task)}",
                messages=tuple(messages),
                tools=tools,
                settings=task.answering.plan.settings,
                person=str(task.person_id),
            )
            round_ = await self._round(model, request, progress)
            used += round_.usage
            if not round_.calls or task.tools is None or number == MOST_ROUNDS - 1:
                return _ended(name, progress.text, round_.reason, _sum(used))
            messages.append(Message("assistant", sound(round_.text), calls=tuple(round_.calls), kept=round_.kept))
            for count, call in enumerate(round_.calls):
                told = await task.tools.use(call) if count < MOST_CALLS else _TOO_MANY
                messages.append(Message("tool", told, call_id=call.id))
            progress.keep()
        raise AssertionError("the last round returns")

    async def _round(self, model: LanguageModel, request: ModelRequest, progress: "_Progress") -> "_Round":
        round_ = _Round()
        async for event in ask(model, request, self._clock):
            if isinstance(event, TextDelta):
                round_.text += event.text
                progress.add(event.text)
            elif isinstance(event, ThinkingDelta):
                progress.think(event.text)
            elif isinstance(event, ToolCall):
                round_.calls.append(replace(event, name=sound(event.name), arguments=sound(event.arguments)))
            elif isinstance(event, Keep):
                round_.kept = event.data
            elif isinstance(event, TokenUsage):
                round_.usage.append(event)
            elif isinstance(event, Restarted):
                round_ = _Round(usage=round_.usage)
                progress.restart()
            elif isinstance(event, End):
                round_.reason = event.reason
        return round_


@dataclass(slots=True)
class _Round:
    """What one model call brought."""

    text: str = ""
    calls: list[ToolCall] = field(default_factory=list)
    kept: str = ""
    usage: list[TokenUsage] = field(default_factory=list)
    reason: str = "stop"


class _Progress:
    """The text so far: what earlier rounds said, and what this one says."""

    def __init__(self, show: Callable[[str], None]) -> None:
        self._show = show
        self._before = ""
        self._now = ""
        self._thought = ""

    @property
    def text(self) -> str:
        """Return all that was said."""
        return f"{self._before}{self._now}"

    def begin(self) -> None:
        """Forget everything."""
        self._before = ""
        self.restart()

    def add(self, text: str) -> None:
        self._now += text
        self._show(self.text)

    def think(self, text: str) -> None:
        """Show the end of the thinking, until there is text."""
        self._thought += text
        if not self.text.strip() and self._thought.strip():
            self._show(f"💭 {' '.join(self._thought[-_MOST_THOUGHT:].split())}")

    def keep(self) -> None:
        """Keep what this round said; the next one goes on below it."""
        said = self.text.rstrip()
        self._before, self._now, self._thought = f"{said}\n\n" if said else "", "", ""

    def restart(self) -> None:
        self._now = self._thought = ""


def _stand_ins(plan: Plan, name: str) -> list[str]:
    """Return the models that may answer in place of `name`: other providers' only if the agent's owner said so."""
    provider = name.partition(":")[0]
    return [each for each in plan.fallbacks if plan.other_providers or each.partition(":")[0] == provider]


def _sum(used: Sequence[TokenUsage]) -> TokenUsage | None:
    if not used:
        return None
    return TokenUsage(
        sum(each.input_tokens for each in used),
        sum(each.output_tokens for each in used),
        sum(each.cached_tokens for each in used),
    )


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
