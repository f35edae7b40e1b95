"""What people see: the oracle that tests judge by. Nothing here trusts the application's own records."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from tests.clock import PATIENCE
from tests.servers.slack_render import labels, render
from tests.servers.slack_text import mrkdwn, unescaped
from tests.servers.slack_world import JSON, Channel, Message, Person, Version, View, World

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Shown:
    """A message as it was at the moment of looking.

    Args:
        text: as a person reads it: its blocks, or its text where it has none; `raw` as the app sent it.
        triggered: the mentions (`@U…`) and broadcasts (`!channel`) that it ever made.
        edits: how often it was changed after it was sent; a stream's growing counts.
        versions: everything it ever showed, the first one first.
        only_for: the id of the one person who sees it; empty if everybody does.
    """

    ts: str
    thread_ts: str
    from_bot: bool
    author: str
    text: str
    raw: str
    blocks: tuple[JSON, ...]
    labels: tuple[str, ...]
    triggered: tuple[str, ...]
    files: tuple[tuple[str, bytes], ...]
    metadata: JSON | None
    edits: int
    sent_at: datetime
    deleted_at: datetime | None
    only_for: str
    subtype: str
    streaming: str
    broadcast: bool
    reactions: tuple[str, ...]
    versions: tuple[Version, ...]

    def wire(self) -> JSON:
        """Return it as JSON values."""
        names = ("ts", "thread_ts", "from_bot", "author", "text", "raw", "metadata", "edits", "only_for", "subtype")
        body: JSON = {name: getattr(self, name) for name in (*names, "streaming", "broadcast")}
        body |= {"sent_at": self.sent_at.isoformat(), "blocks": list(self.blocks), "labels": list(self.labels)}
        body["deleted_at"] = self.deleted_at.isoformat() if self.deleted_at else None
        body |= {"triggered": list(self.triggered), "reactions": list(self.reactions)}
        body["files"] = [{"name": name, "size": len(data)} for name, data in self.files]
        body["versions"] = [{"at": one.at.isoformat(), "text": one.text} for one in self.versions]
        return body


class Sight:
    """The eyes on every conversation. `thread`: a message's `ts`, to look at its thread alone."""

    world: World

    def history(self, channel: Channel, thread: str = "", *, by: Person | None = None) -> list[Shown]:
        """Return all messages ever, deleted and ephemeral ones too, oldest first.

        Args:
            by: only what this person was ever shown.
        """
        every = [*channel.messages.values(), *channel.whispers.values()]
        every.sort(key=lambda one: one.ts)
        found = [one for one in every if not thread or thread in (one.ts, one.thread_ts)]
        names = self.world.names
        return [shown(one, names) for one in found if by is None or one.only_for in (None, by)]

    def visible(self, channel: Channel, thread: str = "", *, by: Person | None = None) -> list[Shown]:
        """Return what stands there now, oldest first, ephemeral messages to anybody (or to `by` alone) too."""
        return [one for one in self.history(channel, thread, by=by) if one.deleted_at is None]

    def texts(self, channel: Channel, thread: str = "", *, by: Person | None = None) -> list[str]:
        """Return the texts of our bot's messages that stand there now, the pane's invisible roots left out."""
        found = self.visible(channel, thread, by=by)
        return [one.text for one in found if one.from_bot and one.subtype != "assistant_app_thread"]

    def whispers(self, channel: Channel, person: Person) -> list[str]:
        """Return the ephemeral messages that one person sees there now."""
        return [one.text for one in self.visible(channel, by=person) if one.only_for]

    def triggered(self, channel: Channel) -> list[str]:
        """Return every mention and broadcast that our bot ever made there."""
        found = [one for one in self.history(channel) if one.from_bot]
        return [mark for one in found for mark in one.triggered]

    def status(self, channel: Channel, thread: str) -> str:
        """Return what the assistant shows itself to be doing in a thread; empty for nothing."""
        return next((one[2] for one in reversed(channel.statuses) if one[1] == thread), "")

    def modal_text(self, view: View) -> str:
        """Return what a modal or a home tab shows."""
        title = view.body.get("title", {}).get("text", "")
        buttons = [view.body[name]["text"] for name in ("close", "submit") if view.body.get(name)]
        lines = [f"== {title} =="] if title else []
        lines.append(render(view.body["blocks"], self.world.names, view.values))
        return "\n".join([*lines, " ".join(f"[{one}]" for one in buttons)]).strip()

    def transcript(self, channel: Channel, thread: str = "", *, by: Person | None = None) -> str:
        """Return what stands there as lines for a reader."""
        return "\n".join(_line(one, self.world.names) for one in self.visible(channel, thread, by=by))

    async def wait_for(
        self, predicate: Callable[[], T | None], timeout: float = PATIENCE, *, channel: Channel | None = None
    ) -> T:
        """Wait until `predicate()` is true, asked again at each change, and return what it returned.

        Args:
            channel: ask only when a message of this conversation changes; cheaper with many of them.

        Raises:
            TimeoutError: with a transcript of the conversations.
        """
        try:
            async with asyncio.timeout(timeout):
                while not (found := predicate()):
                    await self.world.change(channel)
                return found
        except TimeoutError as error:
            places = [channel] if channel else list(self.world.channels.values())[:20]
            seen = [f"— {one.name} {one.id} —\n{self.transcript(one)}" for one in places]
            raise TimeoutError(f"nothing came within {timeout} s; what people see:\n" + "\n".join(seen)) from error

    async def replies(
        self,
        channel: Channel,
        count: int = 1,
        *,
        until: Callable[[Sequence[str]], Any] | None = None,
        quiet: float = 0.0,
        thread: str = "",
        by: Person | None = None,
        timeout: float = PATIENCE,
    ) -> list[str]:
        """Wait until `count` messages of our bot or more are shown, and return their texts.

        Args:
            until: and until this holds for the texts (such as: the answer is no placeholder any more).
            quiet: and until they haven't changed for so many seconds.
        """

        def ready() -> list[str] | None:
            texts = self.texts(channel, thread, by=by)
            return texts if len(texts) >= count and (until is None or until(texts)) else None

        found = await self.wait_for(ready, timeout, channel=channel) or []
        while quiet:
            try:
                async with asyncio.timeout(quiet):
                    while self.texts(channel, thread, by=by) == found:
                        await self.world.change(channel)
            except TimeoutError:
                break
            found = await self.wait_for(ready, timeout, channel=channel) or []
        return found


def shown_text(message: Message, names: dict[str, str]) -> str:
    """Return a message's text as a person reads it."""
    if message.look[0] == len(message.versions):
        return message.look[1]
    lines = [render(message.blocks, names)] if message.blocks else []
    if not message.blocks and message.text:
        lines.append(unescaped(message.text) if message.plain else mrkdwn(message.text, names))
    for attachment in message.attachments:
        inside = [render(attachment.get("blocks", []), names)]
        inside += [mrkdwn(str(attachment.get(name, "")), names) for name in ("pretext", "title", "text")]
        lines.append("\n".join(f"| {one}" for one in inside if one))
    message.look = (len(message.versions), "\n".join(lines))
    return message.look[1]


def shown(message: Message, names: dict[str, str]) -> Shown:
    """Return a message as it is now."""
    marks = [mark for version in message.versions for mark in version.triggered]
    return Shown(
        ts=message.ts,
        thread_ts=message.thread_ts,
        from_bot=message.author.id == "U0PROWEXBOT",
        author=message.author.name,
        text=shown_text(message, names),
        raw=message.text,
        blocks=tuple(message.blocks),
        labels=tuple(labels(message.blocks)),
        triggered=tuple(dict.fromkeys(marks)),
        files=tuple((one.name, one.data) for one in message.files),
        metadata=message.metadata,
        edits=len(message.versions) - 1,
        sent_at=message.sent_at,
        deleted_at=message.deleted_at,
        only_for=message.only_for.id if message.only_for else "",
        subtype=message.subtype,
        streaming=message.streaming,
        broadcast=message.broadcast,
        reactions=tuple(message.reactions),
        versions=tuple(message.versions),
    )


def _line(message: Shown, names: dict[str, str]) -> str:
    notes = []
    if message.only_for:
        notes.append(f"(only {names.get(message.only_for, message.only_for)} sees this)")
    if message.edits:
        notes.append(f"(edited {message.edits}×)")
    notes += [f"[file {name}]" for name, _ in message.files]
    notes += [f":{name}:" for name in message.reactions]
    where = "  ↳ " if message.thread_ts not in ("", message.ts) else ""
    head = f"{where}{message.sent_at:%H:%M:%S} {message.author}:"
    return " ".join([head, message.text, *notes]).replace("\n", "\n    " + where)
