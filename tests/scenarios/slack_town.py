"""A town whose people talk on Slack: the service, a fake Slack and a fake model in one loop."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from typing_extensions import Unpack

from bot.settings import Settings
from channels.slack import modals, receive, surroundings
from storage.tables import InboundState, InboxEntry, Reply, ReplyState
from tests.clock import PATIENCE
from tests.scenarios.town import MODEL, Town
from tests.servers.slack import FakeSlack
from tests.servers.slack_acts import Act
from tests.servers.slack_limits import Limits
from tests.servers.slack_people import How
from tests.servers.slack_sight import Shown
from tests.servers.slack_world import TEAM, Channel, Message, Person, View

HOOK = "/hooks/slack"
NO_LIMITS: dict[str, Any] = {"slack_messages_per_second": 10_000, "slack_edits_per_minute": 100_000}
SOCKET, HTTP = "socket", "http"


@asynccontextmanager
async def patient_slack(patch: pytest.MonkeyPatch) -> AsyncIterator[FakeSlack]:
    """Serve a Slack without limits, where what must be done within three seconds may take a minute."""
    for module, name in ((modals, "OPEN_SECONDS"), (receive, "NAME_SECONDS"), (surroundings, "SECONDS")):
        patch.setattr(module, name, PATIENCE)
    pauses = (0.05, 0.2, 0.5, 1.0, 5.0, 20.0)
    async with FakeSlack(limits=Limits.off(), pauses=pauses, deadline=PATIENCE) as slack:
        slack.views.trigger_seconds = PATIENCE
        yield slack


@dataclass
class SlackTown(Town):
    """Everything a scenario on Slack needs.

    Args:
        transport: how deliveries come: over a socket, or to the request URL.
    """

    slack: FakeSlack = field(kw_only=True)
    transport: str = field(default=SOCKET, kw_only=True)

    async def start(self, **changes: Any) -> None:
        """Start the service; return once it can be told of what happens."""
        if self.transport == HTTP:
            self.slack.events_url = f"{self.url}{HOOK}"
        await self.begin(**changes)
        if self.transport == SOCKET:
            await self.slack.sockets.connected()

    async def begin(self, **changes: Any) -> None:
        """Start the service; return once it listens."""
        await super().start(**changes)
        async with asyncio.timeout(PATIENCE):
            while not await self._listens():  # noqa: ASYNC110 - the service tells nobody
                await asyncio.sleep(0.01)

    async def _listens(self) -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            return False
        writer.close()
        return True

    def made_settings(self) -> Settings:
        """Return the settings the service gets."""
        over_socket = self.transport == SOCKET
        values: dict[str, Any] = {
            "slack_bot_token": self.slack.bot_token,
            "slack_app_token": self.slack.app_token if over_socket else None,
            "slack_signing_secret": None if over_socket else self.slack.signing_secret,
            "slack_api_url": self.slack.url,
            "openai_base_url": self.openai.url,
            "openai_api_key": "sk-key-of-the-tests",
            "default_model": f"openai:{MODEL}",
            "data_dir": self.data_dir,
            "database_url": self.database_url,
            "port": self.port,
            "access": "open",
            "messages_per_minute": 1000,
            "drain_seconds": 2,
            **NO_LIMITS,
            **self.settings,
        }
        return Settings.model_validate({name: value for name, value in values.items() if value is not None})

    async def resting(self, timeout: float = PATIENCE) -> None:
        """Wait until everything that people did was taken in and nothing can be done about it just now."""
        await self.taken_in(timeout)
        await self.slack.wait_for(lambda: not self.core.lanes.active, timeout)

    async def taken_in(self, timeout: float = PATIENCE) -> None:
        """Wait until everything that people did was taken in."""
        await self.slack.wait_for(lambda: not self.slack.deliveries.pending, timeout)

    async def _is_settled(self) -> bool:
        if self.slack.deliveries.pending or self.core.lanes.active:
            return False
        busy = [InboundState.NEW, InboundState.RUNNING]
        return not (
            await InboxEntry.filter(state__in=busy).exists()
            or await Reply.filter(state__in=[ReplyState.OPEN, ReplyState.FINAL]).exists()
            or self.core.lanes.active
        )

    def transcript(self) -> str:
        """Return all conversations as people see them now."""
        every = self.slack.world.channels.values()
        return "\n".join(f"— {channel.name} —\n{self.slack.transcript(channel)}" for channel in every)

    def direct(self, name: str, **more: Any) -> "SlackTalk":
        """Return a person in their direct conversation with the bot."""
        person = self.slack.person(name, **more)
        return SlackTalk(self, self.slack.im(person), person)

    def in_channel(self, name: str, *people: str, **more: Any) -> "list[SlackTalk]":
        """Return the people as they stand in a new channel."""
        those = [self.slack.person(one) for one in people]
        channel = self.slack.channel(name, *those, **more)
        heard: set[str] = set()
        return [SlackTalk(self, channel, one, heard=heard) for one in those]

    def check(self) -> None:
        """Hold every scenario to what must be true in all of them."""
        assert self.slack.flood.disobeyed == []
        assert self.slack.sockets.stray == []
        for channel in self.slack.world.channels.values():
            ours = [one for one in self.slack.history(channel) if one.from_bot and one.subtype != "channel_join"]
            assert [one.triggered for one in ours if one.triggered] == [], "something that we wrote mentioned somebody"
        for call in self.slack.journal.of("chat.postMessage"):
            assert call.params.get("unfurl_links") is False, call.params
            assert call.params.get("unfurl_media") is False, call.params


@dataclass
class SlackTalk:
    """One person in one conversation; reads as a transcript. `thread`: they stand in that message's thread."""

    town: SlackTown
    channel: Channel
    who: Person
    thread: str = ""
    heard: set[str] = field(default_factory=set)

    @property
    def name(self) -> str:
        """How the inbox knows the person."""
        return f"{TEAM}:{self.who.id}"

    def on(self, message: Message) -> "SlackTalk":
        """Return the person in the message's thread."""
        return SlackTalk(self.town, self.channel, self.who, message.thread_ts or message.ts, self.heard)

    async def say(self, text: str, **how: Unpack[How]) -> Message:
        """Write a text."""
        return await self.town.slack.say(self.channel, text, **self._how(how))

    async def send(self, data: bytes, name: str, media_type: str, text: str = "", **how: Unpack[How]) -> Message:
        """Send a file."""
        return await self.town.slack.send_file(self.channel, data, name, media_type, text, **self._how(how))

    async def command(self, text: str) -> Act:
        """Give a slash command; return once it is acknowledged."""
        act = await self.town.slack.command(self.channel, text, by=self.who)
        assert (await act.outcome()).acknowledged
        return act

    async def press(self, button: str) -> Act:
        """Press the newest button with this label; return once it is acknowledged."""
        act = await self.town.slack.press(self.channel, button, by=self.who)
        assert (await act.outcome()).acknowledged
        return act

    def modal(self) -> View:
        """Return the modal that stands open before the person."""
        assert self.who.views, self.town.transcript()
        return self.who.views[-1]

    async def answers(self, timeout: float = PATIENCE) -> list[str]:
        """Wait until everything is answered; return what the bot says here that was not heard before."""
        return [shown.text for shown in await self.messages(timeout)]

    async def answer(self, timeout: float = PATIENCE) -> str:
        """Return the one new message of the bot."""
        texts = await self.answers(timeout)
        assert len(texts) == 1, f"expected one answer, not {texts}\n{self.town.transcript()}"
        return texts[0]

    async def messages(self, timeout: float = PATIENCE) -> list[Shown]:
        """As `answers`, with everything that is seen of each message."""
        await self.town.settled(timeout)
        return self.fresh()

    def fresh(self) -> list[Shown]:
        """Return the bot's messages that the person sees here and did not hear before, as they are now."""
        shown = self.town.slack.visible(self.channel, self.thread, by=self.who)
        new = [one for one in shown if one.from_bot and one.ts not in self.heard]
        new = [one for one in new if one.subtype not in ("assistant_app_thread", "channel_join")]
        self.heard |= {one.ts for one in new}
        return new

    async def sees(self, wanted: Callable[[list[str]], Any] | str, timeout: float = PATIENCE) -> list[str]:
        """Wait until what the bot shows here is as wanted (a text: contains it), and return it."""

        def there() -> list[str] | None:
            texts = self.shows()
            met = any(wanted in text for text in texts) if isinstance(wanted, str) else wanted(texts)
            return texts if met else None

        return await self.town.slack.wait_for(there, timeout, channel=self.channel)

    def shows(self) -> list[str]:
        """Return the texts of the bot that the person sees here now."""
        return self.town.slack.texts(self.channel, self.thread, by=self.who)

    def _how(self, how: Any) -> Any:
        how.setdefault("by", self.who)
        if self.thread:
            how.setdefault("thread", self.thread)
        return how
