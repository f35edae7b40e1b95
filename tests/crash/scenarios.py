"""The scenarios: what is broken when, on which channel."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.crash import traffic
from tests.crash.oracle import Verdict
from tests.crash.world import World
from tests.crash.zygote import Zygote

HOT = (
    "inbox.accept.before", "inbox.accept.after", "lane.claim.after", "turn.take.after", "call.post.after",
    "part.reserved.after", "call.model.after", "turn.finish.before", "turn.finish.after", "call.edit.after",
    "part.sending.after", "reply.delivered.before",
)  # fmt: skip
"""Points between which the most can go wrong; all ordered pairs of them are tried."""

ENDS_WITHIN = 40.0
"""Seconds: the 20 that are given to answers under way, and what a busy machine adds."""
RECOVERY = (
    "lane.free.before", "lane.free.after", "turn.resume.before", "turn.resume.after", "call.delete.before",
    "call.delete.after", "part.deleted.before", "part.deleted.after",
)  # fmt: skip
"""Points that a process passes only while it picks up what a killed one has left."""

SLOW = ("part.reserve.before", "part.reserve.after", "part.reserved.before", "call.post.after", "call.edit.after")
"""Points at which a growing answer may be overtaken by its end."""

ELSEWHERE = {
    "lane.fail": "a lane fails by an exception, not by a kill: `failing/`",
    "lane.free": "a process frees what a dead one held: `recovery/`",
    "turn.compact": "a long conversation is summarised: `compact/`, `summary/`",
    "turn.resume": "a turn is resumed after a kill: `recovery/`",
}
"""Steps that the traffic doesn't pass by itself, and the scenarios that pass them."""


@dataclass(slots=True)
class Result:
    """How a scenario went.

    Args:
        fired: how many of its faults came to pass.
        recoveries: seconds from each kill to the next process's first call to the platform.
        transcript: the chats, if something is wrong.
    """

    name: str
    verdict: Verdict
    fired: int = 0
    wanted: int = 0
    seconds: float = 0.0
    recoveries: list[float] = field(default_factory=list)
    transcript: str = ""
    log: str = ""


@dataclass(frozen=True, slots=True)
class Scenario:
    """A name that says all (`points/poll/inbox.accept.after#1`), and what is done."""

    name: str
    run: Callable[[Zygote], Awaitable[Result]]


TRAFFIC = {
    "poll": traffic.on_telegram, "webhook": traffic.on_telegram, "web": traffic.on_the_web,
    "slack-socket": traffic.on_slack, "slack-http": traffic.on_slack,
}  # fmt: skip
BRIEF = {
    "poll": traffic.briefly, "webhook": traffic.briefly, "web": traffic.briefly_on_the_web,
    "slack-socket": traffic.briefly_on_slack, "slack-http": traffic.briefly_on_slack,
}  # fmt: skip


@asynccontextmanager
async def judged(world: World, result: Result, *, up: bool = True) -> AsyncIterator[World]:
    """Run the block in a world whose process is started, then judge it into `result`."""
    started = time.monotonic()
    async with world:
        await world.app.start()
        if up:
            await world.up()
        try:
            async with asyncio.timeout(600):
                yield world
        except TimeoutError:
            result.verdict.break_("I1", "the people were not done within ten minutes")
        result.verdict.add(await world.finish())
        result.fired = result.fired or len(world.app.kills)
        result.recoveries += _recoveries(world)
        if result.verdict.violations:
            result.transcript, result.log = world.transcripts(), world.logs()
    result.seconds = time.monotonic() - started


def _recoveries(world: World) -> list[float]:
    calls = world.platform.called_at()
    found = []
    for kill in world.app.kills:
        later = [at - kill for at in calls if at >= kill]
        if later:
            found.append(min(later))
    return found


def point(channel: str, *faults: str, brief: bool = False, kind: str = "points") -> Scenario:
    """Kill the first process at the first fault, the next at the second, and so on."""
    name = f"{kind}/{channel}/{'+'.join(faults)}"
    acts = (BRIEF if brief else TRAFFIC)[channel]

    async def run(zygote: Zygote) -> Result:
        result = Result(name, Verdict(), wanted=sum("=" not in fault for fault in faults))
        async with judged(World(zygote, channel, faults=faults), result) as world:
            await acts(world)
        return result

    return Scenario(name, run)


async def count_hits(zygote: Zygote, channel: str, *, brief: bool = False) -> dict[str, int]:
    """Return how often the traffic passes each point when nothing is broken."""
    world = World(zygote, channel, faults=["count#1000000000"])
    async with world:
        await world.app.start()
        await world.up()
        await (BRIEF if brief else TRAFFIC)[channel](world)
        verdict = await world.finish()
        if verdict.violations:
            raise AssertionError(f"without any fault: {verdict.violations}\n{world.transcripts()}")
        hits = world.app.hits()
    return hits


def points(channel: str, hits: dict[str, int]) -> list[Scenario]:
    """Return a kill at each point: at its first, second and last pass, then those that need a kill before them."""
    found = []
    for name, count in sorted(hits.items()):
        if name == "count":
            continue
        found += [point(channel, f"{name}#{hit}") for hit in dict.fromkeys((1, 2, count)) if 0 < hit <= count]
    found += [point(channel, "call.edit.after#2", f"{name}#1", kind="recovery") for name in RECOVERY]
    found += [point(channel, f"{name}#{hit}:delay=2", brief=True, kind="slow") for name in SLOW for hit in (1, 2)]
    found += [
        point(channel, f"call.model.before#2:raise,lane.fail.{side}#1", kind="failing") for side in ("before", "after")
    ]
    return found


def pairs(channel: str) -> list[Scenario]:
    """Return all ordered pairs of hot points."""
    return [point(channel, f"{one}#2", f"{two}#1", brief=True, kind="pairs") for one in HOT for two in HOT]


def random_kills(channel: str, seed: int, kills: int) -> Scenario:
    """Kill at any time, in the middle of a start too, while people talk on all channels."""
    name = f"random/{channel}/{seed}x{kills}"

    async def run(zygote: Zygote) -> Result:
        result, chance = Result(name, Verdict(), wanted=kills), random.Random(seed)
        async with judged(World(zygote, channel), result) as world:
            stop = asyncio.Event()
            people = world.crowd()
            async with asyncio.TaskGroup() as group:
                for number, one in enumerate([*people, await world.browser()]):
                    group.create_task(traffic.talk_until(stop, one, random.Random(seed * 1000 + number)))
                for _ in range(kills):
                    await asyncio.sleep(chance.choice((0.02, 0.3, 1.0, 2.0)) * chance.uniform(0.2, 1.8))
                    await world.app.kill()
                stop.set()
        return result

    return Scenario(name, run)


def ends(channel: str, after: float) -> Scenario:
    """Ask for a good end in the middle of an answer: what was begun is finished, nothing is lost."""
    name = f"end/{channel}/{after}"

    async def run(zygote: Zygote) -> Result:
        result = Result(name, Verdict())
        async with judged(World(zygote, channel), result) as world:
            ann, cat = world.crowd()[:2]
            early = asyncio.create_task(ann.ask("[[len=6000 slow=5]]"))
            await asyncio.sleep(after)
            late = asyncio.create_task(cat.ask())
            seconds = await world.app.end()
            result.verdict.counts["end within"] = round(seconds)
            if seconds > ENDS_WITHIN:
                result.verdict.break_("end", f"it took {seconds:.1f} s")
            await world.app.start()
            await asyncio.gather(early, late)
        return result

    return Scenario(name, run)


def everything(channel: str, hits: dict[str, int], kills: int, seed: int) -> list[Scenario]:
    """Return all scenarios of a channel that need one process."""
    found = [*points(channel, hits), *pairs(channel)]
    if channel == "web":
        return found
    found += [ends(channel, after) for after in (0.1, 0.6, 1.5, 3.0)]
    each = 25
    found += [
        random_kills(channel, seed + number, min(each, kills - number * each))
        for number in range((kills + each - 1) // each)
    ]
    return found
