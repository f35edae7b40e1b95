"""Forms that people fill in and proposals that they agree to, with a kill at each point on the way.

Somebody makes an agent: question by question on Telegram, in a modal on Slack, or by a yes to what an agent proposes.
However the process dies, the agent is made once.
"""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.crash.colleague import Direct
from tests.crash.oracle import NOTICE, Said, Verdict
from tests.crash.scenarios import Result, Scenario, judged
from tests.crash.talk import ANSWERED_WITHIN, Talker
from tests.crash.world import SLACK, World
from tests.crash.zygote import Zygote

MADE = r"is there\. It is yours alone"
AGREED_ALREADY = "You said yes to that already"
_NAME, _INSTRUCTIONS = "Checker", "You check what you are told about"
_ONE_AGENT = ("agents that were asked for once", f"SELECT count(*) FROM agents WHERE name = '{_NAME}'", 1)
_NO_FORM = ("forms that are still open", "SELECT count(*) FROM open_forms", 0)
_ONE_PROPOSAL = ("proposals", "SELECT count(*) FROM approvals", 1)
_ONE_YES = ("proposals that were agreed to", "SELECT count(*) FROM approvals WHERE state = 'agreed'", 1)


async def _shows(one: Talker, text: str, shows: str) -> None:
    """Write, and wait for a card; where a notice comes instead, have it shown again."""
    notices = one.cards(NOTICE)
    await one.command(text, shows)
    await _again(one, shows, notices)


async def _again(one: Talker, shows: str, notices: int) -> None:
    if one.cards(NOTICE) > notices:
        await one.show_again()
        await one.until(lambda: one.cards(shows))


async def _press(one: Talker, label: str, shows: str) -> None:
    """Press a button as soon as it is there, and wait for the card that it leads to."""
    notices, before = one.cards(NOTICE), one.cards(shows)
    one.said.append(Said(shows=shows))
    deadline = time.monotonic() + ANSWERED_WITHIN
    while not await one.press(label) and time.monotonic() < deadline:
        await one.change()
    await one.until(lambda: one.cards(shows) > before or one.cards(NOTICE) > notices)
    await _again(one, shows, notices)


async def by_questions(world: World, one: Talker) -> None:
    """Make an agent by answering one question after the other."""
    world.wanted += [_ONE_AGENT, _NO_FORM]
    await _shows(one, "/agents create", "Name – ")
    await _shows(one, _NAME, "Instructions – ")
    await _shows(one, f"{_INSTRUCTIONS} {one.secret()}", "Model – ")
    await _press(one, "Skip", MADE)
    await one.ask()


async def by_modal(world: World, one: Talker) -> None:
    """Make an agent by filling in a modal on Slack."""
    assert isinstance(one, Direct)
    world.wanted += [_ONE_AGENT, _NO_FORM]
    notices = one.cards(NOTICE)
    one.said.append(Said(shows=MADE))
    await one.fill_in("agents create", {"Name": _NAME, "Instructions": f"{_INSTRUCTIONS} {one.secret()}"})
    await one.until(lambda: one.cards(MADE) or one.cards(NOTICE) > notices)
    await _again(one, MADE, notices)
    await one.ask()


async def by_yes(world: World, one: Talker) -> None:
    """Let the agent propose one, say yes, and being impatient say it once more."""
    world.wanted += [_ONE_AGENT, _ONE_PROPOSAL, _ONE_YES]
    await one.ask(f"[[propose={_NAME}]]")
    await _press(one, "Yes, do it", MADE)
    await _press(one, "Yes, do it", AGREED_ALREADY)
    await one.ask()


@dataclass(frozen=True, slots=True)
class Way:
    """A way to make an agent, and the channels that have it."""

    name: str
    channels: tuple[str, ...]
    acts: Callable[[World, Talker], Awaitable[None]]


WAYS = (
    Way("form", ("poll", "webhook"), by_questions),
    Way("modal", SLACK, by_modal),
    Way("yes", ("poll", "webhook", *SLACK), by_yes),
)


async def _member(world: World) -> Talker:
    """Return somebody who is a member of the team already."""
    if world.channel in SLACK:
        await world.welcome_workspace()
        one = world.direct()
        await one.ask()
        return one
    code = (await world.app.call("people.invite"))["code"]
    friend = world.friend()
    await friend.command(f"/start {code}", "Welcome, you are in")
    return friend


def made(way: Way, channel: str, *faults: str) -> Scenario:
    """Break the process at these points while an agent is made."""
    name = f"{way.name}/{channel}/{'+'.join(faults)}"

    async def run(zygote: Zygote) -> Result:
        result = Result(name, Verdict(), wanted=len(faults))
        async with judged(World(zygote, channel), result) as world:
            one = await _member(world)
            await world.restart(*faults)
            await way.acts(world, one)
        return result

    return Scenario(name, run)


async def count_hits(zygote: Zygote, way: Way, channel: str) -> dict[str, int]:
    """Return how often making an agent passes each point when nothing is broken."""
    world = World(zygote, channel)
    async with world:
        await world.app.start()
        await world.up()
        one = await _member(world)
        await world.restart("count#1000000000")
        await way.acts(world, one)
        verdict = await world.finish()
        if verdict.violations:
            raise AssertionError(f"without any fault: {verdict.violations}\n{world.transcripts()}")
        return {name: count for name, count in world.app.hits().items() if name != "count"}


async def everything(zygote: Zygote, channel: str) -> list[Scenario]:
    """Return a kill at each point of each way, at its first, second and last pass, and a few of two."""
    found = []
    for way in WAYS:
        if channel not in way.channels:
            continue
        hits = await count_hits(zygote, way, channel)
        for name, count in sorted(hits.items()):
            found += [made(way, channel, f"{name}#{hit}") for hit in dict.fromkeys((1, 2, count)) if 0 < hit <= count]
        twice = ("inbox.accept.after", "turn.command.before", "turn.command.after", "call.post.after")
        found += [made(way, channel, f"{one}#2", f"{two}#1") for one in twice for two in twice]
    return found
