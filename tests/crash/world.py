"""One installation with everything around it: its platform, its model, its people, and what went wrong there."""

import asyncio
import contextlib
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import asyncpg

from tests.crash.app import App
from tests.crash.browser import Browser
from tests.crash.colleague import AtTheTop, Direct, InThread
from tests.crash.echo import Echo
from tests.crash.friend import Friend
from tests.crash.oracle import Trouble, Verdict, judge
from tests.crash.platforms import SLACK_PAUSES, OnSlack, OnTelegram, Platform
from tests.crash.talk import Talker
from tests.crash.traces import Wanted, judge_bytes, judge_database, judge_page, judge_processes
from tests.crash.zygote import Zygote
from tests.servers.openai import FakeOpenAI
from tests.servers.slack import FakeSlack
from tests.servers.slack_limits import Limits as SlackLimits
from tests.servers.slack_world import TEAM
from tests.servers.telegram import FakeTelegram
from tests.servers.telegram_limits import Limits

CALM = 0.8
SLACK = ("slack-socket", "slack-http")
_FREE = {
    "PROWEX_ACCESS": "open",
    "PROWEX_LOG_LEVEL": "debug",
    "PROWEX_MESSAGES_PER_MINUTE": "100000",
    "TELEGRAM_MESSAGES_PER_SECOND": "10000",
    "TELEGRAM_CHAT_MESSAGES_PER_SECOND": "1000",
    "TELEGRAM_GROUP_MESSAGES_PER_MINUTE": "100000",
    "SLACK_MESSAGES_PER_SECOND": "10000",
    "SLACK_EDITS_PER_MINUTE": "100000",
    "PROWEX_DEFAULT_MODEL": "openai:gpt-5-mini",
}


class World:
    """`async with World(zygote, "poll") as world:` starts the fakes; `world.app.start()` the product.

    Args:
        channel: `poll` or `webhook` for Telegram, `slack-socket` or `slack-http`, or `web` for the web page alone.
        faults: see `App`.
        failures: the model is away for a while, so sentences that say so are no surprise.
        database: a PostgreSQL database's address; SQLite if empty. Then each process has a data folder of its own, and
            they share the key ring.

    Attributes:
        wanted: what the database must hold at the end.
    """

    def __init__(
        self,
        zygote: Zygote,
        channel: str = "poll",
        *,
        faults: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        constants: Mapping[str, Any] | None = None,
        failures: bool = False,
        database: str = "",
    ) -> None:
        self.channel = channel
        self.failures = failures
        self.database = database
        self.echo = Echo()
        self.folder = Path(tempfile.mkdtemp(prefix="prowex-crash-"))
        self.telegram = FakeTelegram(limits=Limits.off(), validate=False, parallel=8)
        self.slack = FakeSlack(limits=SlackLimits.off(), pauses=SLACK_PAUSES)
        self.platform: Platform = OnTelegram(self.telegram, channel)
        if channel in SLACK:
            self.platform = OnSlack(self.slack, channel)
        self.model = FakeOpenAI()
        self.model.rules.append(self.echo)
        self.people: list[Talker] = []
        self.wanted: list[Wanted] = []
        self.extra_troubles: list[Trouble] = []
        self._zygote = zygote
        self._faults = faults
        self._environment = dict(environment or {})
        self._constants = constants
        self._apps: list[App] = []

    async def __aenter__(self) -> Self:
        await self.platform.open()
        await self.model.__aenter__()
        self.app = self.new_app("app", self._faults)
        return self

    def new_app(self, name: str, faults: Sequence[str] = (), **environment: str) -> App:
        """Return one more process of the same bot."""
        base = {
            **_FREE,
            **self.platform.settings(),
            "OPENAI_BASE_URL": self.model.url,
            **self._environment,
        }
        if self.database:
            base["DATABASE_URL"] = self.database
            base["PROWEX_KEY_RING"] = str(self.folder / "keyring.json")
            base["PROWEX_DATA_DIR"] = str(self.folder / f"{name}-data")
        base |= environment
        app = App(self._zygote, self.folder, base, name=name, faults=faults, constants=self._constants)
        self.platform.add(app)
        self._apps.append(app)
        return app

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for one in self.people:
            if isinstance(one, Browser):
                await one.close()
        for app in self._apps:
            await app.destroy()
        await self.model.__aexit__()
        await self.platform.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    # people

    def friend(self, name: str = "Ann") -> Friend:
        """Return somebody in a private chat."""
        one = Friend(self.telegram, self.echo, self.telegram.private(name))
        self.people.append(one)
        return one

    def group(self, title: str = "Friends") -> Friend:
        """Return somebody in a group with the bot."""
        member = self.telegram.person("Bob")
        one = Friend(self.telegram, self.echo, self.telegram.supergroup(title, member), by=member)
        self.people.append(one)
        return one

    def direct(self, name: str = "Ann") -> Direct:
        """Return somebody in a direct chat on Slack."""
        one = Direct(self.slack, self.echo, self.slack.person(name))
        self.people.append(one)
        return one

    def thread(self, title: str = "general", name: str = "Bob") -> InThread:
        """Return somebody in a channel on Slack, who goes on in a thread while Eve talks around it."""
        who, eve = self.slack.person(name), self.slack.person("Eve")
        one = InThread(self.slack, self.echo, self.slack.channel(title, who, eve), who, eve)
        self.people.append(one)
        return one

    def top(self, title: str = "random", name: str = "Fay") -> AtTheTop:
        """Return somebody who gives commands in a channel on Slack."""
        who = self.slack.person(name)
        one = AtTheTop(self.slack, self.echo, self.slack.channel(title, who), who)
        self.people.append(one)
        return one

    def crowd(self) -> list[Talker]:
        """Return several people in several places of the channel."""
        if self.channel not in SLACK:
            friends = [self.friend(name) for name in ("Ann", "Cat", "Dan")]
            return [*friends, self.group(), self.group("Work")]
        direct = [self.direct(name) for name in ("Ann", "Cat", "Dan")]
        return [*direct, self.thread(), self.thread("work", "Bea"), self.top()]

    async def welcome_workspace(self) -> None:
        """Let everybody of the Slack workspace in, so that each becomes a member when they first say something."""
        row = f"'slack:{TEAM}', '{datetime.now(UTC).isoformat()}'"
        async with asyncio.timeout(60):
            while True:
                try:
                    await self.query(f"INSERT INTO workspaces (account, opened_at) VALUES ({row}) RETURNING account")
                    return
                except (sqlite3.OperationalError, asyncpg.PostgresError):  # its tables are not there yet
                    await asyncio.sleep(0.1)

    async def browser(self) -> Browser:
        """Return the operator, signed in on the web."""
        one = Browser(self.app, self.echo)
        self.people.append(one)
        await one.sign_in()
        return one

    async def up(self) -> None:
        """Wait until the product listens and can be told of what happens."""
        await self.app.up()
        await self.platform.connected()

    async def restart(self, *faults: str) -> None:
        """End the product well and start it again, with faults."""
        await self.app.end()
        self.app.faults[:] = faults
        await self.app.start()
        await self.up()

    # the end

    def troubles(self) -> list[Trouble]:
        """Return the kills and the lost answers so far."""
        kills = [Trouble(at) for app in self._apps for at in app.kills]
        return kills + self.platform.drops() + self.extra_troubles

    def verdict_of(self, one: Talker) -> Verdict:
        """Judge one chat as it stands."""
        return judge(
            one.said,
            one.seen(),
            self.echo.calls,
            self.troubles(),
            chat=one.place,
            lanes=one.lanes,
            failures=self.failures,
            web=isinstance(one, Browser),
            again=one.again,
            reads_back=one.reads_back,
            for_one=one.for_one,
        )

    def _state(self) -> tuple[Any, ...]:
        return (
            self.platform.pending(),
            len(self.echo.calls),
            tuple(tuple((seen.id, seen.text) for seen in one.seen()) for one in self.people),
        )

    async def rest(self, timeout: float = 120.0) -> bool:
        """Wait until nothing is missing and nothing moves any more; return whether that came."""
        deadline = time.monotonic() + timeout
        before, since = self._state(), time.monotonic()
        while time.monotonic() < deadline:
            await asyncio.sleep(0.1)
            now = self._state()
            if now != before:
                before, since = now, time.monotonic()
            calm = time.monotonic() - since
            if calm > CALM and not self.platform.pending():
                if not any(self.verdict_of(one).violations for one in self.people):
                    return True
                if calm > 30.0:
                    return False
        return False

    async def finish(self, timeout: float = 120.0) -> Verdict:
        """Wait for rest, end the product well, and judge everything."""
        verdict = Verdict()
        with contextlib.suppress(TimeoutError):
            await self.rest(timeout)
        for one in self.people:
            if isinstance(one, Browser):
                await judge_page(one, verdict)
        for app in self._apps:
            try:
                verdict.counts["end seconds"] += round(await app.end())
            except TimeoutError:
                verdict.break_("end", f"{app.log.name}: no good end within its time")
        await asyncio.sleep(0.05)
        for one in self.people:
            found = self.verdict_of(one)
            verdict.add(found)
        judge_processes(self._apps, verdict)
        judge_bytes(self.folder, self._words(), verdict)
        if not self.database and await self.query("PRAGMA integrity_check") != [("ok",)]:
            verdict.break_("I10", "the database is damaged")
        await judge_database(self.query, self.wanted, verdict, reads_back=self.channel in SLACK)
        for invariant, what in self.platform.wrongs():
            verdict.break_(invariant, what)
        expected = sum(said.wholes for one in self.people for said in one.said if said.token)
        verdict.counts["model calls"] += len(self.echo.calls)
        verdict.counts["expected answers"] += expected
        return verdict

    def _words(self) -> set[str]:
        """Return words that nothing but the chats may show."""
        tokens = {said.token for one in self.people for said in one.said if said.token}
        tokens |= {said.shows.rpartition("/")[2] for one in self.people for said in one.said if "zq" in said.shows}
        return tokens | {word for one in self.people for word in one.secrets}

    async def query(self, query: str) -> list[tuple[Any, ...]]:
        """Return the rows that a query of the database finds."""
        if not self.database:
            with contextlib.closing(sqlite3.connect(self.app.data / "prowex.db")) as database:
                found = database.execute(query).fetchall()
                database.commit()
                return found
        connection = await asyncpg.connect(self.database)
        try:
            return [tuple(row) for row in await connection.fetch(query)]
        finally:
            await connection.close()

    def transcripts(self) -> str:
        """Return all chats for a reader."""
        return "\n".join(f"— {one.name} —\n{one.transcript()}" for one in self.people)

    def logs(self) -> str:
        """Return what all processes logged."""
        return "\n".join(f"== {app.log.name}\n{app.log_text()}" for app in self._apps)
