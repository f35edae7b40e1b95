"""The scenarios: what is broken when, on which channel."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.crash import traffic
from tests.crash.oracle import Verdict
from tests.crash.world import SLACK, World
from tests.crash.zygote import Zygote

HOT = (
    "inbox.accept.before", "inbox.accept.after", "lane.claim.after", "turn.take.after", "call.post.after",
    "part.reserved.after", "call.model.after", "turn.finish.before", "turn.finish.after", "call.edit.after",
    "part.sending.after", "reply.delivered.before",
)  # fmt: skip
"""Points between which the most can go wrong; all ordered pairs of them are tried."""

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


def lost_answer(channel: str, method: str, nth: int) -> Scenario:
    """Let the platform obey, and lose its answer."""
    name = f"lost/{channel}/{method}#{nth}"

    async def run(zygote: Zygote) -> Result:
        result = Result(name, Verdict(), wanted=1)
        async with judged(World(zygote, channel), result) as world:
            faults = world.slack.faults if channel in SLACK else world.telegram.faults
            fault = faults.drop_answers(method, nth=nth)
            await TRAFFIC[channel](world)
        result.fired = fault.hits
        return result

    return Scenario(name, run)


def lost_ack(channel: str, kind: str, nth: int) -> Scenario:
    """Lose an acknowledgement to Slack, so that it delivers again what was taken."""
    name = f"lost/{channel}/ack of {kind}#{nth}"

    async def run(zygote: Zygote) -> Result:
        result = Result(name, Verdict(), wanted=1)
        async with judged(World(zygote, channel), result) as world:
            fault = world.slack.faults.lose_acks(kind, nth=nth)
            await TRAFFIC[channel](world)
        result.fired = fault.hits
        return result

    return Scenario(name, run)


SLACKS = {
    "chat.postMessage": 14, "chat.update": 12, "chat.postEphemeral": 3, "chat.delete": 2, "conversations.replies": 2,
    "users.info": 1, "download": 1,
}  # fmt: skip
"""How many of Slack's methods' first answers are lost, each in a scenario of its own."""


def lost_answers(channel: str) -> list[Scenario]:
    """Return a lost answer at each of the first calls of each kind."""
    if channel in SLACK:
        found = [lost_answer(channel, method, nth) for method, count in SLACKS.items() for nth in range(1, count + 1)]
        found += [lost_ack(channel, "events_api", nth) for nth in (1, 2, 4, 8, 16)]
        return [*found, lost_ack(channel, "slash_commands", 1)]
    counts = {"sendMessage": 16, "editMessageText": 14, "deleteMessage": 2, "getUpdates": 4, "getFile": 1}
    if channel == "webhook":
        counts = {**counts, "getUpdates": 0, "setWebhook": 1}
    return [lost_answer(channel, method, nth) for method, count in counts.items() for nth in range(1, count + 1)]


def outage(channel: str, what: str, seed: int) -> Scenario:
    """Take the platform or the model away, or let them fail or ask for pauses, with a kill now and then."""
    name = f"outage/{channel}/{what}/{seed}"

    async def run(zygote: Zygote) -> Result:
        result, chance = Result(name, Verdict()), random.Random(seed)
        async with judged(World(zygote, channel, failures=True), result) as world:
            stop, people = asyncio.Event(), world.crowd()
            async with asyncio.TaskGroup() as group:
                for number, one in enumerate([people[0], people[1], people[-2]]):
                    group.create_task(traffic.talk_until(stop, one, random.Random(seed * 1000 + number)))
                for _ in range(3):
                    await asyncio.sleep(chance.uniform(0.3, 1.5))
                    await _break(world, what, chance)
                    if chance.random() < 0.7:
                        await world.app.kill()
                stop.set()
        return result

    return Scenario(name, run)


async def _break(world: World, what: str, chance: random.Random) -> None:
    faults, seconds = world.telegram.faults, chance.uniform(1, 3)
    match what:
        case "telegram away":
            await world.telegram.refuse()
            await asyncio.sleep(seconds)
            await world.telegram.accept()
        case "telegram 500":
            for method in ("sendMessage", "editMessageText", "getUpdates", "deleteMessage"):
                faults.fail(method, 500, "Internal Server Error", count=3)
            await asyncio.sleep(seconds)
        case "telegram 429":
            for method in ("sendMessage", "editMessageText", "deleteMessage"):
                faults.fail(method, 429, "Too Many Requests: retry after 1", {"retry_after": 1}, count=3)
            await asyncio.sleep(seconds)
        case "model away":
            await world.model.__aexit__()
            await asyncio.sleep(seconds)
            await world.model.__aenter__()
        case _ if what.startswith("slack"):
            await _break_slack(world, what, seconds)
        case _:
            from tests.servers.openai_script import Plan

            world.echo.failing = Plan(status=int(what.split()[1]))
            await asyncio.sleep(seconds)
            world.echo.failing = None


async def _break_slack(world: World, what: str, seconds: float) -> None:
    slack, writing = world.slack, ("chat.postMessage", "chat.update", "chat.delete", "chat.postEphemeral")
    match what:
        case "slack away":
            await slack.refuse()
            await asyncio.sleep(seconds)
            await slack.accept()
            return
        case "slack 500":
            for method in writing:
                slack.faults.fail(method, status=500, count=3)
        case "slack 429":
            for method in writing:
                slack.faults.fail(method, "ratelimited", status=429, retry_after=1, count=3)
        case "slack cut":
            slack.sockets.cut()
        case "slack refresh":
            await slack.sockets.disconnect("refresh_requested", close=False)
    await asyncio.sleep(seconds)


OUTAGES = ("telegram away", "telegram 500", "telegram 429", "model away", "model 500", "model 429")
SLACK_OUTAGES = ("slack away", "slack 500", "slack 429", "model away", "model 500")


def outages(channel: str, seed: int) -> list[Scenario]:
    """Return three of each kind."""
    kinds = OUTAGES
    if channel in SLACK:
        kinds = (*SLACK_OUTAGES, *(("slack cut", "slack refresh") if channel == "slack-socket" else ()))
    return [outage(channel, what, seed + number) for what in kinds for number in range(3)]


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
            if seconds > 20:
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
    found += lost_answers(channel)
    found += outages(channel, seed)
    found += [ends(channel, after) for after in (0.1, 0.6, 1.5, 3.0)]
    each = 25
    found += [
        random_kills(channel, seed + number, min(each, kills - number * each))
        for number in range((kills + each - 1) // each)
    ]
    return found
