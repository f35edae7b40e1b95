"""What people see: the oracle that tests judge by. Nothing here trusts the application's own records."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from tests.clock import PATIENCE
from tests.servers.telegram_world import JSON, Button, Chat, File, Message, Topic, Version, World

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Shown:
    """A message as it was at the moment of looking.

    Args:
        edits: how often it was changed after it was sent.
        notified: the person's phone rang for it. An edit never rings.
        versions: everything it ever said, the first one first.
    """

    id: int
    from_bot: bool
    author: str
    kind: str
    text: str
    entities: tuple[JSON, ...]
    buttons: tuple[tuple[Button, ...], ...]
    file: File | None
    edits: int
    sent_at: datetime
    edited_at: datetime | None
    deleted_at: datetime | None
    notified: bool
    topic: int | None
    reply_to: int | None
    album: str | None
    reactions: tuple[JSON, ...]
    versions: tuple[Version, ...]

    @property
    def labels(self) -> list[str]:
        """Return the labels of all buttons, row by row."""
        return [one.text for row in self.buttons for one in row]

    def wire(self) -> JSON:
        """Return it as JSON values."""
        names = ["id", "from_bot", "author", "kind", "text", "edits", "notified", "topic", "reply_to", "album"]
        body: JSON = {name: getattr(self, name) for name in names}
        for name in ("sent_at", "edited_at", "deleted_at"):
            moment: datetime | None = getattr(self, name)
            body[name] = moment.isoformat() if moment else None
        body |= {"entities": list(self.entities), "reactions": list(self.reactions)}
        body["buttons"] = [[{"text": b.text, "data": b.data, "url": b.url} for b in row] for row in self.buttons]
        body["file"] = {"name": self.file.name, "size": len(self.file.data)} if self.file else None
        body["versions"] = [{"at": one.at.isoformat(), "text": one.text} for one in self.versions]
        return body


class Sight:
    """The eyes on every chat."""

    world: World

    def history(self, chat: Chat, topic: Topic | None = None) -> list[Shown]:
        """Return all messages ever, deleted ones too, oldest first."""
        return [_shown(one) for one in chat.messages.values() if topic is None or one.topic == topic.id]

    def visible(self, chat: Chat, topic: Topic | None = None) -> list[Shown]:
        """Return what stands in the chat now, oldest first."""
        return [one for one in self.history(chat, topic) if one.deleted_at is None]

    def texts(self, chat: Chat, topic: Topic | None = None) -> list[str]:
        """Return the texts of the bot's messages that stand in the chat now."""
        messages = chat.messages.values()
        mine = (one for one in messages if one.from_bot and not one.deleted_at)
        return [one.text for one in mine if topic is None or one.topic == topic.id]

    def typing(self, chat: Chat) -> list[tuple[datetime, str, int | None]]:
        """Return the chat actions that were shown: when, which, in which topic."""
        return list(chat.actions)

    def transcript(self, chat: Chat, topic: Topic | None = None) -> str:
        """Return what stands in the chat as lines for a reader."""
        return "\n".join(_line(one) for one in self.visible(chat, topic))

    async def wait_for(
        self, predicate: Callable[[], T | None], timeout: float = PATIENCE, *, chat: Chat | None = None
    ) -> T:
        """Wait until `predicate()` is true, asked again at each change, and return what it returned.

        Args:
            chat: ask only when a message of this chat changes; cheaper with many chats.

        Raises:
            TimeoutError: with a transcript of the chats.
        """
        try:
            async with asyncio.timeout(timeout):
                while not (found := predicate()):
                    await self.world.change(chat)
                return found
        except TimeoutError as error:
            places = [chat] if chat else list(self.world.chats.values())[:20]
            chats = [f"— {one.title} —\n{self.transcript(one)}" for one in places]
            raise TimeoutError(f"nothing came within {timeout} s; what people see:\n" + "\n".join(chats)) from error

    async def replies(
        self,
        chat: Chat,
        count: int = 1,
        *,
        until: Callable[[Sequence[str]], Any] | None = None,
        quiet: float = 0.0,
        topic: Topic | None = None,
        timeout: float = PATIENCE,
    ) -> list[str]:
        """Wait until the chat shows `count` messages of the bot or more, and return their texts.

        Args:
            until: and until this holds for the texts (such as: the answer is no placeholder any more).
            quiet: and until they haven't changed for so many seconds.
        """

        def ready() -> list[str] | None:
            texts = self.texts(chat, topic)
            return texts if len(texts) >= count and (until is None or until(texts)) else None

        found = await self.wait_for(ready, timeout, chat=chat) or []
        while quiet:
            try:
                async with asyncio.timeout(quiet):
                    while self.texts(chat, topic) == found:
                        await self.world.change(chat)
            except TimeoutError:
                break
            found = await self.wait_for(ready, timeout, chat=chat) or []
        return found


def _shown(message: Message) -> Shown:
    return Shown(
        id=message.id,
        from_bot=message.from_bot,
        author=message.author,
        kind=message.kind,
        text=message.text,
        entities=message.entities,
        buttons=message.buttons,
        file=message.file,
        edits=len(message.versions) - 1,
        sent_at=message.sent_at,
        edited_at=message.edited_at,
        deleted_at=message.deleted_at,
        notified=message.notified,
        topic=message.topic,
        reply_to=message.reply_to.id if message.reply_to else None,
        album=message.album,
        reactions=tuple(message.reactions),
        versions=tuple(message.versions),
    )


def _line(message: Shown) -> str:
    notes = []
    if message.kind not in ("text", "service"):
        notes.append(f"[{message.kind}{' ' + message.file.name if message.file else ''}]")
    if message.kind == "service":
        notes.append("[service]")
    if message.edits:
        notes.append(f"(edited {message.edits}×)")
    notes += [f"[{label}]" for label in message.labels]
    notes += [one.get("emoji", "") for one in message.reactions]
    return " ".join([f"{message.sent_at:%H:%M:%S} {message.author}:", message.text, *notes]).replace("\n", "\n    ")
