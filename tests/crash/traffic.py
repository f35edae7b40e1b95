"""What people do in a scenario. Each piece of traffic passes as many kinds of work as it can in a few seconds."""

import asyncio
import random
from collections.abc import Awaitable, Callable

from tests.crash.colleague import AtTheTop, Direct, InThread
from tests.crash.friend import Friend
from tests.crash.talk import STOP_CARD, Talker
from tests.crash.world import World

Traffic = Callable[[World], Awaitable[None]]


async def on_telegram(world: World) -> None:
    """Three people and a group at once: bursts, commands, an album, a long answer, a stop, another answer, a pause."""
    faults = world.telegram.faults
    for method in ("sendMessage", "editMessageText"):
        faults.fail(method, 429, "Too Many Requests: retry after 1", {"retry_after": 1}, nth=4)

    async def ann(one: Friend) -> None:
        await one.ask()
        await one.command()
        await one.burst(3)
        await one.show_pictures(2)
        await one.command()

    async def cat(one: Friend) -> None:
        await one.ask("[[len=9000 slow=2]]")
        await one.ask()

    async def dan(one: Friend) -> None:
        await one.stop()
        await one.retry()

    async def bob(one: Friend) -> None:
        await one.ask()
        await one.command()
        await one.ask()

    await asyncio.gather(
        ann(world.friend("Ann")), cat(world.friend("Cat")), dan(world.friend("Dan")), bob(world.group())
    )


async def on_slack(world: World) -> None:
    """Three people in direct chats, one in a thread among others, one with commands in a channel; pauses."""
    await world.welcome_workspace()
    ann_s = world.direct("Ann")
    world.slack.faults.fail("chat.postMessage", "ratelimited", status=429, retry_after=1, nth=4, channel=ann_s.place)

    async def ann(one: Direct) -> None:
        await one.ask()
        await one.command()
        await one.burst(3)
        await one.show_pictures(2)
        await one.command()

    async def cat(one: Direct) -> None:
        await one.ask("[[len=9000 slow=2]]")
        await one.ask()

    async def dan(one: Direct) -> None:
        await one.stop()
        await one.retry()

    async def bob(one: InThread) -> None:
        await one.ask()
        await one.ask("[[len=5000 slow=1.7]]")
        await one.command()
        await one.burst(2)

    async def fay(one: AtTheTop) -> None:
        await one.command()
        await one.command("/status", "Status")

    await asyncio.gather(
        ann(ann_s), cat(world.direct("Cat")), dan(world.direct("Dan")), bob(world.thread()), fay(world.top())
    )  # fmt: skip


async def on_the_web(world: World) -> None:
    """The operator signs in and does what can be done in one chat."""
    one = await world.browser()
    await one.ask()
    await one.command()
    await one.show_pictures(2)
    await one.ask("[[len=3000 slow=1.8]]")
    await one.stop(0.4)
    await one.retry()
    await one.burst(2)


async def briefly(world: World) -> None:
    """One person, one group: what a double fault is tried on."""

    async def ann(one: Friend) -> None:
        await one.ask()
        await one.command()
        await one.ask("[[len=5000 slow=1.7]]")

    async def bob(one: Friend) -> None:
        await one.ask("[[slow=1]]")
        await one.command()

    await asyncio.gather(ann(world.friend("Ann")), bob(world.group()))


async def briefly_on_slack(world: World) -> None:
    """One person directly, one in a thread, one command in a channel."""

    async def ann(one: Direct) -> None:
        await one.ask()
        await one.command()
        await one.ask("[[len=5000 slow=1.7]]")

    async def bob(one: InThread) -> None:
        await one.ask("[[slow=1]]")
        await one.command()

    await asyncio.gather(ann(world.direct("Ann")), bob(world.thread()), world.top().command())


async def briefly_on_the_web(world: World) -> None:
    """The same in the browser."""
    one = await world.browser()
    await one.ask()
    await one.command()
    await one.command()
    await one.ask("[[len=2000 slow=1.7]]")


async def act(one: Talker, chance: random.Random) -> None:
    """Do something that people do."""
    if isinstance(one, AtTheTop):
        await (one.command() if chance.random() < 0.6 else one.command("/status", "Status"))
        await one.show_again()
        return
    match chance.choices(range(9), (20, 15, 12, 12, 8, 8, 8, 8, 6))[0]:
        case 0:
            await one.ask()
        case 1:
            await one.command()
        case 2:
            await one.burst(chance.randint(2, 5))
        case 3:
            await one.ask(f"[[slow={chance.uniform(0.3, 2.5):.1f}]]")
        case 4:
            await one.ask(f"[[len=12000 slow={chance.uniform(0.5, 3):.1f}]]")
        case 5:
            await one.show_pictures(chance.randint(1, 3))
        case 6:
            await one.stop(chance.uniform(0.1, 2.0))
        case 7:
            await one.retry()
        case 8:
            await one.command("/stop", STOP_CARD)
    await one.show_again()


async def talk_until(stop: asyncio.Event, one: Talker, chance: random.Random) -> None:
    """Do one thing after the other."""
    while not stop.is_set():
        await act(one, chance)
        await asyncio.sleep(chance.uniform(0, 0.3))
