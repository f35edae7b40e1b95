"""Two processes on one PostgreSQL: one stands still past its lease and comes back, or is killed and replaced."""

import asyncio
import random
import signal
import time

from tests.crash import traffic
from tests.crash.app import App
from tests.crash.oracle import Trouble, Verdict
from tests.crash.scenarios import TRAFFIC, Result, Scenario, judged
from tests.crash.world import World
from tests.crash.zygote import Zygote
from tests.postgres import Postgres

SHORT_LEASES = {
    "storage.database.IDLE_SECONDS": 2.0,
    "core.lanes.LEASE_SECONDS": 3.0,
    "core.lanes.RENEW_SECONDS": 0.7,
    "channels.telegram.receive.LEASE_SECONDS": 4.0,
    "channels.telegram.receive.POLL_SECONDS": 1,
    "channels.telegram.receive.STANDBY_SECONDS": 0.5,
}
FAILOVER_WITHIN = 40.0
BEFORE_IT_IS_UP = ("admin.write.before#1", "key.create.before#1")
"""A process that stands still in its first transactions finds its connection gone: it ends and is started again."""


def zombie(postgres: Postgres, channel: str, fault: str) -> Scenario:
    """Stop process A at a point, let B take over, let A go on, and let both live."""
    name = f"zombie/{channel}/{fault}"

    async def run(zygote: Zygote) -> Result:
        result = Result(name, Verdict(), wanted=1)
        url = await postgres.empty()
        world = World(zygote, channel, faults=[f"{fault}:stop"], database=url, constants=SHORT_LEASES)
        async with judged(world, result, up=False):
            talking = asyncio.create_task(TRAFFIC[channel](world))
            if await _stopped(world.app, talking):
                result.fired = 1
                world.extra_troubles.append(Trouble(time.time()))
                other = world.new_app("other")
                await other.start()
                await other.up()
                await asyncio.sleep(random.Random(name).choice((4.0, 6.0, 9.0)))
                world.extra_troubles.append(Trouble(time.time() + 1.0))
                world.app.send(signal.SIGCONT)
            await talking
        await postgres.drop(url)
        return result

    return Scenario(name, run)


async def _stopped(app: App, talking: "asyncio.Task[None]") -> bool:
    while not app.is_stopped:
        if talking.done():
            return False
        await asyncio.sleep(0.02)
    return True


def shared(postgres: Postgres, channel: str, seed: int, kills: int) -> Scenario:
    """Let two processes share the work while one or the other is killed at any time."""
    name = f"shared/{channel}/{seed}x{kills}"

    async def run(zygote: Zygote) -> Result:
        result, chance = Result(name, Verdict()), random.Random(seed)
        url = await postgres.empty()
        async with judged(World(zygote, channel, database=url, constants=SHORT_LEASES), result) as world:
            other = world.new_app("other")
            await other.start()
            await other.up()
            stop = asyncio.Event()
            async with asyncio.TaskGroup() as group:
                for number, one in enumerate(world.crowd()):
                    group.create_task(traffic.talk_until(stop, one, random.Random(seed * 1000 + number)))
                for _ in range(kills):
                    await asyncio.sleep(chance.uniform(0.1, 2.5))
                    await chance.choice((world.app, other)).kill()
                stop.set()
        await postgres.drop(url)
        return result

    return Scenario(name, run)


def failover(postgres: Postgres, *, one_folder: bool) -> Scenario:
    """Kill the process that polls, for good: the other takes over within 40 s, at once if it sees the same folder."""
    name = f"failover/poll/{'one folder' if one_folder else 'two folders'}"

    async def run(zygote: Zygote) -> Result:
        result = Result(name, Verdict())
        url = await postgres.empty()
        async with judged(World(zygote, "poll", database=url), result) as world:
            folder = {"PROWEX_DATA_DIR": str(world.folder / "app-data")} if one_folder else {}
            other = world.new_app("other", **folder)
            await other.start()
            await other.up()
            ann, cat = world.friend("Ann"), world.friend("Cat")
            await ann.ask()
            running = asyncio.create_task(cat.ask("[[len=3000 slow=3]]"))
            await asyncio.sleep(1.5)
            await world.app.destroy()
            killed = time.time()
            world.extra_troubles.append(Trouble(killed))
            await ann.ask()
            result.recoveries.append(time.time() - killed)
            result.verdict.counts["seconds to the other's first answer"] = round(time.time() - killed)
            if time.time() - killed > FAILOVER_WITHIN:
                result.verdict.break_("late", f"the other took over after {time.time() - killed:.0f} s")
            await running
        await postgres.drop(url)
        return result

    return Scenario(name, run)


def everything(postgres: Postgres, channel: str, hits: dict[str, int], kills: int, seed: int) -> list[Scenario]:
    """Return all scenarios of a channel that need two processes."""
    faults = [f"{name}#{hit}" for name in sorted(hits) if name != "count" for hit in (1, 3)]
    found = [zombie(postgres, channel, fault) for fault in faults if fault not in BEFORE_IT_IS_UP]
    found += [shared(postgres, channel, seed + number, kills // 2) for number in range(2)]
    if channel == "poll":
        found += [failover(postgres, one_folder=one_folder) for one_folder in (True, False)]
    return found
