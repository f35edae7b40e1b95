"""A town for scenarios: the service, a fake Telegram and a fake model in one loop, and people who talk to it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from typing_extensions import Unpack

from bot.compose import Core
from bot.service import Service, open_service
from bot.settings import Settings
from core.operations.gateway import invoke
from core.operations.registry import OPERATIONS, Call
from storage.clock import SystemClock
from storage.faults import Step
from storage.tables import InboundState, InboxEntry, Reply, ReplyState
from storage.transactions import transaction
from tests.clock import PATIENCE
from tests.ports import free_port
from tests.servers.model_server import Asked
from tests.servers.openai import FakeOpenAI
from tests.servers.telegram import TOKEN, FakeTelegram
from tests.servers.telegram_people import How
from tests.servers.telegram_sight import Shown
from tests.servers.telegram_world import Chat, Message, Person, Press, Topic

MODEL = "gpt-5.4-mini"
NO_LIMITS: dict[str, Any] = {
    "telegram_messages_per_second": 10_000,
    "telegram_chat_messages_per_second": 10_000,
    "telegram_group_messages_per_minute": 100_000,
}
SECRET = "hook-secret-of-the-tests"
_PLACEHOLDER = "…"


class MovableClock(SystemClock):
    """The computer's clock, which a test may stop and move forward."""

    def __init__(self) -> None:
        self.ahead = 0.0
        self._stood_at: datetime | None = None

    def now(self) -> datetime:
        return (self._stood_at or super().now()) + timedelta(seconds=self.ahead)

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead

    def stand_still(self) -> None:
        """Show the time that it is now, until it is moved."""
        self._stood_at = super().now()

    def move(self, **by: float) -> None:
        """Move forward, by what `timedelta` takes."""
        self.ahead += timedelta(**by).total_seconds()


@dataclass
class Town:
    """Everything a scenario needs. The service runs from `start` to `stop`; the servers outlive it."""

    data_dir: Path
    database_url: str
    telegram: FakeTelegram
    openai: FakeOpenAI
    clock: MovableClock = field(default_factory=MovableClock)
    settings: dict[str, Any] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    service: Service | None = None
    _stop: asyncio.Event = field(default_factory=asyncio.Event)
    _running: asyncio.Task[None] | None = None

    async def start(self, **changes: Any) -> None:
        """Start the service, open to everybody and without limits unless settings say otherwise."""
        self.settings |= changes
        ready: asyncio.Future[Service] = asyncio.get_running_loop().create_future()
        self._stop = asyncio.Event()
        self._running = asyncio.create_task(self._run(ready))
        await asyncio.wait({self._running, ready}, return_when=asyncio.FIRST_COMPLETED)
        if not ready.done():
            await self._running
        self.service = await ready

    async def _run(self, ready: "asyncio.Future[Service]") -> None:
        async with open_service(self.made_settings()) as service:
            ready.set_result(service)
            await service.serve(self._stop)

    def made_settings(self) -> Settings:
        """Return the settings the service gets."""
        values: dict[str, Any] = {
            "telegram_bot_token": TOKEN,
            "telegram_api_url": self.telegram.url,
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

    async def stop(self) -> None:
        """Stop the service in good order."""
        if self._running is not None:
            self._stop.set()
            running, self._running = self._running, None
            await running
            self.service = None

    async def restart(self, **changes: Any) -> None:
        """Stop the service and start it again."""
        await self.stop()
        await self.start(**changes)

    @property
    def url(self) -> str:
        """The address of the service's web."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def core(self) -> Core:
        """The spine of the running service."""
        assert self.service is not None
        return self.service._core

    async def settled(self, timeout: float = PATIENCE) -> None:
        """Wait until everything that people did was taken in and answered.

        Raises:
            TimeoutError: with what people see.
        """
        try:
            async with asyncio.timeout(timeout):
                while not await self._is_settled():  # noqa: ASYNC110 - the rows decide, and they tell nobody
                    await asyncio.sleep(0.01)
        except TimeoutError as error:
            raise TimeoutError(f"still busy after {timeout} s\n{self.transcript()}") from error

    async def resting(self, timeout: float = PATIENCE) -> None:
        """Wait until everything that people did was taken in and nothing can be done about it just now."""
        async with asyncio.timeout(timeout):
            while self.telegram.updates.pending or self.core.lanes.active:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.01)

    async def taken_in(self, timeout: float = PATIENCE) -> None:
        """Wait until everything that people did was taken in."""
        async with asyncio.timeout(timeout):
            while self.telegram.updates.pending:
                await self.telegram.world.change()

    async def _is_settled(self) -> bool:
        if self.telegram.updates.pending or self.core.lanes.active:
            return False
        busy = [InboundState.NEW, InboundState.RUNNING]
        return not (
            await InboxEntry.filter(state__in=busy).exists()
            or await Reply.filter(state__in=[ReplyState.OPEN, ReplyState.FINAL]).exists()
            or self.core.lanes.active
        )

    def transcript(self) -> str:
        """Return all chats as people see them now."""
        return "\n".join(
            f"— {chat.title} —\n{self.telegram.transcript(chat)}" for chat in self.telegram.world.chats.values()
        )

    def person(self, name: str, **more: Any) -> "Talk":
        """Return a person in their private chat."""
        person = self.telegram.person(name, **more)
        return Talk(self, self.telegram.private(person), person)

    def group(self, title: str, *people: "Talk", **more: Any) -> list["Talk"]:
        """Return the people as they stand in a new group."""
        chat = self.telegram.group(title, *(one.who for one in people), **more)
        heard: set[int] = set()
        return [Talk(self, chat, one.who, None, heard) for one in people]

    async def call(self, operation: str, **values: str) -> dict[str, str]:
        """Run an operation as the operator does on the command line; return what it tells programs."""
        from core.access import Standing

        async with transaction(Step.ADMIN):
            call = Call(services=self.core.services, surface="cli", standing=Standing.OPERATOR)
            card = await invoke(call, OPERATIONS[operation], values)
        for action in call.after_commit:
            action()
        return dict(card.data)

    def asked(self) -> list[Asked]:
        """Return what the model was asked so far."""
        return [asked for asked in self.openai.journal if asked.path.endswith("/chat/completions")]

    def check(self) -> None:
        """Hold every scenario to what must be true in all of them."""
        assert self.telegram.flood.disobeyed == []
        for call in self.telegram.journal.of("sendMessage", "editMessageText"):
            assert "parse_mode" not in call.params
            assert (call.params.get("link_preview_options") or {}).get("is_disabled") is True, call.params
            assert "disable_web_page_preview" not in call.params


@dataclass
class Talk:
    """One person in one chat; reads as a transcript."""

    town: Town
    chat: Chat
    who: Person
    topic: Topic | None = None
    heard: set[int] = field(default_factory=set)

    async def say(self, text: str, **how: Unpack[How]) -> Message:
        """Write a text."""
        return await self.town.telegram.say(self.chat, text, **self._how(how))

    async def send(self, kind: str, data: bytes = b"", *args: Any, **how: Any) -> Message:
        """Send a file or, without data, a thing such as a sticker."""
        if data:
            return await self.town.telegram.send_file(self.chat, kind, data, *args, **self._how(how))
        return await self.town.telegram.send_thing(self.chat, kind, **self._how(how))

    async def album(self, photos: list[bytes], caption: str = "") -> list[Message]:
        """Send an album of photos."""
        return await self.town.telegram.send_album(self.chat, photos, caption=caption, **self._how({}))

    async def press(self, button: str) -> Press:
        """Press the newest button with this label."""
        return await self.town.telegram.press(self.chat, button, by=self.who)

    def in_topic(self, name: str) -> "Talk":
        """Return the person in a new topic of this chat."""
        return Talk(self.town, self.chat, self.who, self.town.telegram.topic(self.chat, name), self.heard)

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
        """Return the bot's messages that stand here and were not heard before, as they are now."""
        shown = [one for one in self.town.telegram.visible(self.chat, self.topic) if one.from_bot]
        new = [one for one in shown if one.id not in self.heard]
        self.heard |= {one.id for one in new}
        return new

    async def sees(self, wanted: Callable[[list[str]], Any] | str, timeout: float = PATIENCE) -> list[str]:
        """Wait until what the bot shows here is as wanted (a text: contains it), and return it."""

        def there() -> list[str] | None:
            texts = self.town.telegram.texts(self.chat, self.topic)
            met = any(wanted in text for text in texts) if isinstance(wanted, str) else wanted(texts)
            return texts if met else None

        return await self.town.telegram.wait_for(there, timeout, chat=self.chat)

    def shows(self) -> list[str]:
        """Return the texts of the bot that stand here now."""
        return self.town.telegram.texts(self.chat, self.topic)

    def _how(self, how: Any) -> Any:
        how.setdefault("by", self.who)
        if self.topic is not None:
            how.setdefault("topic", self.topic)
        return how


def words_of(asked: Asked) -> list[tuple[str, str]]:
    """Return role and text of what the model was asked, without the instructions and pictures."""
    said = []
    for message in asked.body["messages"]:
        content = message["content"]
        if isinstance(content, list):
            content = "\n".join(part["text"] for part in content if part["type"] == "text")
        if message["role"] != "system":
            said.append((message["role"], content))
    return said


def pictures_of(asked: Asked) -> int:
    """Return how many pictures the model was shown."""
    return sum(
        part["type"] == "image_url"
        for message in asked.body["messages"]
        if isinstance(message["content"], list)
        for part in message["content"]
    )
