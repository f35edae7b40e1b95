"""What goes wrong on the other side: answers that are lost, platforms and models that are away or ask for pauses."""

import asyncio
import random

from tests.crash import traffic
from tests.crash.oracle import Verdict
from tests.crash.scenarios import TRAFFIC, Result, Scenario, judged
from tests.crash.world import SLACK, World
from tests.crash.zygote import Zygote
from tests.servers.openai_script import Plan


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


def everything(channel: str, seed: int) -> list[Scenario]:
    """Return all of a channel; nothing lies between the web page and the product."""
    return [] if channel == "web" else [*lost_answers(channel), *outages(channel, seed)]
