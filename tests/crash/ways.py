"""What takes a person several steps, with a kill at each point on the way: an agent is made, a talk is summarised."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.crash import forms, summaries
from tests.crash.oracle import Verdict
from tests.crash.scenarios import Result, Scenario, judged
from tests.crash.talk import Talker
from tests.crash.world import SLACK, World
from tests.crash.zygote import Zygote


async def _nothing(one: Talker) -> None:
    """Do nothing first."""


@dataclass(frozen=True, slots=True)
class Way:
    """Something that people do in steps, and the channels where they can.

    Args:
        first: what they do before anything breaks.
        constants: module constants to set.
    """

    name: str
    channels: tuple[str, ...]
    acts: Callable[[World, Talker], Awaitable[None]]
    first: Callable[[Talker], Awaitable[None]] = _nothing
    constants: Mapping[str, Any] = field(default_factory=dict)


WAYS = (
    Way("form", ("poll", "webhook"), forms.by_questions),
    Way("modal", SLACK, forms.by_modal),
    Way("yes", ("poll", "webhook", *SLACK), forms.by_yes),
    Way("compact", ("poll", "slack-socket"), summaries.on_request, summaries.talk_first),
    Way("summary", ("poll", "slack-http"), summaries.by_itself, constants=summaries.SOON),
)


async def _member(world: World) -> Talker:
    """Return somebody who is a member of the team."""
    if world.channel in SLACK:
        await world.welcome_workspace()
        one = world.direct()
        await one.ask()
        return one
    code = (await world.app.call("people.invite"))["code"]
    friend = world.friend()
    await friend.command(f"/start {code}", "Welcome, you are in")
    return friend


async def _acts(world: World, way: Way, *faults: str) -> None:
    one = await _member(world)
    await way.first(one)
    await world.restart(*faults)
    await way.acts(world, one)


def broken(way: Way, channel: str, *faults: str) -> Scenario:
    """Break the process at these points on the way."""
    name = f"{way.name}/{channel}/{'+'.join(faults)}"

    async def run(zygote: Zygote) -> Result:
        result = Result(name, Verdict(), wanted=len(faults))
        async with judged(World(zygote, channel, constants=way.constants), result) as world:
            await _acts(world, way, *faults)
        return result

    return Scenario(name, run)


async def count_hits(zygote: Zygote, way: Way, channel: str) -> dict[str, int]:
    """Return how often each point is passed on the way when nothing is broken."""
    world = World(zygote, channel, constants=way.constants)
    async with world:
        await world.app.start()
        await world.up()
        await _acts(world, way, "count#1000000000")
        verdict = await world.finish()
        if verdict.violations:
            raise AssertionError(f"without any fault: {verdict.violations}\n{world.transcripts()}")
        return {name: count for name, count in world.app.hits().items() if name != "count"}


async def everything(zygote: Zygote, channel: str) -> tuple[list[Scenario], set[str]]:
    """Return a kill at each point of each way, at its first, second and last pass, and a few of two; and the points."""
    found, passed = [], set[str]()
    for way in WAYS:
        if channel not in way.channels:
            continue
        hits = await count_hits(zygote, way, channel)
        passed |= hits.keys()
        for name, count in sorted(hits.items()):
            found += [broken(way, channel, f"{name}#{hit}") for hit in dict.fromkeys((1, 2, count)) if 0 < hit <= count]
        twice = ("inbox.accept.after", "turn.command.before", "turn.command.after", "call.post.after")
        twice = tuple(name for name in twice if hits.get(name, 0) > 1)
        found += [broken(way, channel, f"{one}#2", f"{two}#1") for one in twice for two in twice]
    return found, passed
