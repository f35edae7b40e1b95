"""The crash suite's short form: each hot point once, a few of everything else. `make crash` runs all of it."""

import asyncio
import logging
from pathlib import Path

import pytest

from tests.crash import outages, scenarios, ways, zombies
from tests.crash.report import run_all, summary
from tests.crash.scenarios import HOT, Scenario, point
from tests.crash.zygote import Zygote
from tests.postgres import Postgres

JOBS = 8


def chosen() -> list[Scenario]:
    found = [point("poll", f"{name}#2", brief=True) for name in HOT]
    found += [
        point("poll", "part.sending.after#2", "reply.delivered.before#1", brief=True, kind="pairs"),
        point("poll", "turn.finish.after#2", "call.edit.after#1", brief=True, kind="pairs"),
        point("poll", "call.edit.after#2", "turn.resume.after#1", brief=True, kind="recovery"),
        point("poll", "call.edit.after#2", "call.delete.after#1", brief=True, kind="recovery"),
        point("poll", "call.model.before#2:raise,lane.fail.before#1", brief=True, kind="failing"),
        point("poll", "call.poll.after#3", brief=True),
        point("poll", "part.reserve.after#1:delay=2", brief=True, kind="slow"),
    ]
    for name in ("inbox.accept.before", "inbox.accept.after", "call.post.after", "turn.finish.after"):
        found.append(point("webhook", f"{name}#2", brief=True))
    for name in ("inbox.accept.after", "part.reserved.before", "turn.finish.after", "part.sending.after"):
        found.append(point("web", f"{name}#1", brief=True))
    found += [outages.lost_answer("poll", method, 3) for method in ("sendMessage", "editMessageText")]
    found.append(scenarios.random_kills("poll", 7, 10))
    found.append(scenarios.ends("poll", 0.6))
    return [*found, *on_slack(), *on_the_way()]


def on_slack() -> list[Scenario]:
    names = ("inbox.accept.before", "inbox.accept.after", "call.post.after", "part.sending.after", "turn.finish.after")
    found = [point("slack-socket", f"{name}#2", brief=True) for name in names]
    found += [
        point("slack-http", "inbox.accept.after#1", "part.reserved.before#1", brief=True, kind="pairs"),
        point("slack-http", "call.surroundings.before#1", "call.edit.after#1", brief=True, kind="pairs"),
        point("slack-http", "turn.admit.after#2"),
        outages.lost_answer("slack-http", "chat.postMessage", 5),
        outages.lost_answer("slack-socket", "chat.postEphemeral", 1),
        outages.lost_ack("slack-socket", "events_api", 2),
    ]
    return found


def on_the_way() -> list[Scenario]:
    form, modal, yes, compact, summary = ways.WAYS
    return [
        ways.broken(compact, "poll", "turn.compact.after#1"),
        ways.broken(summary, "slack-http", "turn.compact.after#1"),
        ways.broken(form, "poll", "turn.command.after#2"),
        ways.broken(form, "webhook", "inbox.accept.after#3", "call.post.after#1"),
        ways.broken(modal, "slack-http", "inbox.accept.after#1"),
        ways.broken(yes, "poll", "turn.command.before#1"),
        ways.broken(yes, "slack-socket", "turn.command.after#1"),
    ]


@pytest.mark.sqlite
@pytest.mark.timeout(900)
async def test_whatever_is_killed_people_get_each_answer_once(tmp_path: Path, postgres: Postgres) -> None:
    logging.getLogger("aiohttp").setLevel(logging.CRITICAL)
    async with asyncio.timeout(840), Zygote() as zygote:
        # the longest first
        those = [*chosen(), zombies.zombie(postgres, "slack-socket", "turn.finish.after#2")]
        those = [zombies.zombie(postgres, "webhook", "call.edit.after#2"), *reversed(those)]
        results = await run_all(zygote, those, JOBS, tmp_path, progress=False)
    failed = {result.name: result.verdict.violations for result in results if result.verdict.violations}
    print(summary(results))
    assert failed == {}
    assert sum(result.fired for result in results) >= len(HOT) + 40
