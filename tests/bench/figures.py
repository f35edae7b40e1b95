"""What is measured of a bot, one phase after the other, and the figures that come out."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from statistics import quantiles

import aiohttp
import psutil

from tests.bench.load import MANY, STREAMS, cpu_of, watched
from tests.bench.people import People, Question, SlackPeople, people_of
from tests.bench.processes import Bot, import_seconds, running

MEGABYTE = 1 << 20
NEWCOMERS = "newcomers"
WARM, IN_A_CHAT = 5, 20
"""Questions that are not measured at the start of a chat, and those that are."""


@dataclass(frozen=True, slots=True)
class Size:
    """How much is done in a run.

    Args:
        asked: questions one after the other, for the latency.
        chats: chats that write `each` messages, the next when answered.
        streams: chats that get an answer of `seconds` at once.
    """

    asked: int = 100
    chats: int = 200
    each: int = 5
    tokens: int = 50
    streams: int = 500
    seconds: float = 10.0
    rounds: int = 3


QUICK = Size(asked=20, chats=50, each=3, streams=100, seconds=3.0, rounds=1)


@dataclass(slots=True)
class Figures:
    """What one run of one bot showed; times in seconds, memory in bytes."""

    values: dict[str, float] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)


async def measure(bot: Bot, size: Size, modules: list[str]) -> Figures:
    """Run `bot` through all phases on fresh fakes."""
    figures = Figures()
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=None)) as http:
        people = people_of(http, bot.fakes)
        async with running(bot, http) as (process, seconds):
            figures.values["first start"] = seconds
            await _one_at_a_time(people, size, figures)
            await _many_chats(people, bot, process, size, figures)
            await _streams(people, bot, process, size, figures)
            await people.check(bot.name)
        async with running(bot, http) as (process, seconds):
            figures.values["start"] = seconds
            await asyncio.sleep(3)
            figures.values["idle memory"] = process.memory_info().rss
        figures.values["import"] = await import_seconds(bot, modules)
    figures.lost = people.lost
    return figures


async def _one_at_a_time(people: People, size: Size, figures: Figures) -> None:
    """One question at a time; from the answer's way the model's own time is taken off.

    The chats are short: a long one is summarised now and then, which is more than an answer.
    """
    added: list[float] = []
    for chat in range(1, 1 + -(-size.asked // IN_A_CHAT)):
        for number in range(WARM):
            await people.ask(chat, Question(f"warm {number}", 20, 0.002))
        await people.forget_model()
        for number in range(min(IN_A_CHAT, size.asked)):
            await people.ask(chat, Question(f"alone {number}", 20, 0.002))
        taken = (await people.times(chat))[WARM:]
        model = await people.model_seconds()
        if len(taken) == len(model):
            added += [answered.seconds - own for answered, own in zip(taken, model, strict=True)]
    if len(added) > 1:
        cuts = quantiles(added, n=20, method="inclusive")
        figures.values |= {"latency p50": cuts[9], "latency p95": cuts[18]}


async def _many_chats(people: People, bot: Bot, process: psutil.Process, size: Size, figures: Figures) -> None:
    """Many people, each of whom writes the next message when the last one is answered."""
    chats = range(1001, 1001 + size.chats)
    await _meet(people, chats, figures)

    async def talk(chat: int) -> None:
        for number in range(size.each):
            await people.ask(chat, Question(f"chat {chat} message {number}", size.tokens))

    messages, cpu, began = size.chats * size.each, cpu_of(process), time.monotonic()
    async with watched(bot.fakes, MANY, figures.values):
        await asyncio.gather(*(talk(chat) for chat in chats))
    figures.values["messages/s"] = messages / (time.monotonic() - began)
    figures.values["cpu"] = (cpu_of(process) - cpu) / messages
    await _acknowledged(people, MANY, figures)


async def _streams(people: People, bot: Bot, process: psutil.Process, size: Size, figures: Figures) -> None:
    """Many answers that all grow at the same time."""
    chats = range(5001, 5001 + size.streams)
    await _meet(people, chats, figures)
    await people.forget_model()
    tokens = round(size.seconds * 10)
    cpu = cpu_of(process)
    async with _peak_memory(process) as peak, watched(bot.fakes, STREAMS, figures.values):
        await people.write([(chat, Question(f"stream {chat}", tokens, 0.1)) for chat in chats])
        answered = await asyncio.gather(*(people.read(chat) for chat in chats))
    if all(answered):
        last = [(await people.times(chat))[-1] for chat in chats]
        first = min(one.asked_at for one in last)
        figures.values["streams"] = (max(one.shown_at for one in last) - first).total_seconds()
    figures.values["streams cpu"] = cpu_of(process) - cpu
    figures.values["streams model"] = max(await people.model_seconds(), default=0.0)
    figures.values["peak memory"] = max(peak)
    await _acknowledged(people, STREAMS, figures)


async def _acknowledged(people: People, phase: str, figures: Figures) -> None:
    """Note how long Slack waited for the acknowledgements of this phase."""
    if not isinstance(people, SlackPeople):
        return
    taken = await people.acknowledged()
    if len(taken.people) > 1:
        cuts = quantiles(taken.people, n=100, method="inclusive")
        figures.values |= {f"acknowledged p50, {phase}": cuts[49], f"acknowledged p99, {phase}": cuts[98]}
    figures.values["acknowledged last"] = max(figures.values.get("acknowledged last", 0.0), *taken.all)
    figures.values["repeated"] = float(taken.repeated)


async def _meet(people: People, chats: range, figures: Figures) -> None:
    """Let everybody say hello first, at the same moment, so that nobody is new."""
    await people.write([(chat, Question(f"hello {chat}", 5)) for chat in chats])
    await asyncio.gather(*(people.read(chat) for chat in chats))
    await asyncio.sleep(1)
    await _acknowledged(people, NEWCOMERS, figures)


@asynccontextmanager
async def _peak_memory(process: psutil.Process) -> AsyncIterator[list[int]]:
    seen = [process.memory_info().rss]

    async def watch() -> None:
        while True:
            await asyncio.sleep(0.1)
            seen.append(process.memory_info().rss)

    watching = asyncio.create_task(watch())
    try:
        yield seen
    finally:
        watching.cancel()
