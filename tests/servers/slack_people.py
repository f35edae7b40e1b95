"""What people do in conversations: everything that makes an event."""

import re
import uuid
from typing import Any, TypedDict

from typing_extensions import Unpack

from tests.servers.slack_chat import Chat
from tests.servers.slack_errors import Impossible
from tests.servers.slack_events import Events
from tests.servers.slack_text import CONTROL, escaped, unescaped
from tests.servers.slack_world import JSON, TEAM, Channel, File, Message, Person, World

_NAMED = re.compile(r"(?<![\w@])@([\w.-]+)|(?<![\w<|])(https?://[^\s<>]+)")


class How(TypedDict, total=False):
    """How a person sends something.

    Args:
        by: who; left out, the person of a direct conversation or a channel's first member.
        thread: the message whose thread it goes to; `broadcast` shows it in the channel too.
        mention: say to whom, by putting a mention of our bot before it.
        raw: the text is Slack's own markup already; without it, it is escaped as clients do, and `@name` and addresses
            are found.
        event_id: an id of one's own, even a used one (a redelivery).
    """

    by: Person
    thread: Message | str
    broadcast: bool
    mention: bool
    raw: bool
    event_id: str


class People:
    """The people's side of the fake Slack. What a person does is an event at once."""

    world: World
    events: Events
    chat: Chat

    def person(self, name: str, *, id: str = "", team: str = TEAM, **more: Any) -> Person:
        """Return the person of this name, created if need be. Another `team`'s come through Slack Connect."""
        known = next((one for one in self.world.people.values() if one.name == name and not id), None)
        if known:
            return known
        number = id or self.world.new_id("U")
        handle = re.sub(r"\W+", ".", name.lower())
        return self.world.add(Person(number, name, handle, team, **more))

    def other_bot(self, name: str) -> Person:
        """Return another app's bot."""
        number = self.world.number()
        return self.person(name, bot_id=f"B0{number:08d}", app_id=f"A0{number:08d}")

    def channel(self, name: str, *people: Person, bot: bool = True, private: bool = False) -> Channel:
        """Create a channel with these members, and our bot if `bot`."""
        members = [*people, *([self.world.bot] if bot else [])]
        return self.world.new_channel(name.removeprefix("#"), "group" if private else "channel", members)

    def im(self, person: Person | str) -> Channel:
        """Return the direct conversation of a person (created by name if need be) with our bot."""
        return self.world.im(self.person(person) if isinstance(person, str) else person)

    def group_im(self, *people: Person) -> Channel:
        """Create a direct conversation of several people and our bot."""
        names = "mpdm-" + "--".join(one.handle for one in people) + "-1"
        return self.world.new_channel(names, "mpim", [*people, self.world.bot])

    async def say(self, channel: Channel, text: str, **how: Unpack[How]) -> Message:
        """Write a message."""
        author = how.get("by") or self._somebody(channel)
        if author not in channel.members:
            raise Impossible(f"{author.name} is not in #{channel.name}")
        written = text if how.get("raw") else self._typed(text)
        if how.get("mention"):
            written = f"<@{self.world.bot.id}> {written}"
        return self._post(channel, author, how, text=written, blocks=[_rich(written)])

    async def send_file(
        self,
        channel: Channel,
        data: bytes,
        name: str,
        media_type: str = "application/octet-stream",
        text: str = "",
        **how: Unpack[How],
    ) -> Message:
        """Send a file, with words or without."""
        return await self.send_files(channel, [(data, name, media_type)], text, **how)

    async def send_files(
        self, channel: Channel, files: list[tuple[bytes, str, str]], text: str = "", **how: Unpack[How]
    ) -> Message:
        """Send several files in one message; each is data, name and media type."""
        author = how.get("by") or self._somebody(channel)
        written = text if how.get("raw") else self._typed(text)
        if how.get("mention"):
            written = f"<@{self.world.bot.id}> {written}".strip()
        kept = [self.keep(author, *one) for one in files]
        fields: JSON = {"text": written, "files": kept, "subtype": "file_share"}
        return self._post(channel, author, how, **fields, blocks=[_rich(written)] if written else [])

    async def bot_says(
        self, bot: Person, channel: Channel, text: str, *, thread: Message | str = "", legacy: bool = False
    ) -> Message:
        """Let another app's bot write; a `legacy` one as an old integration does, with the subtype `bot_message`."""
        if bot not in channel.members:
            channel.members.append(bot)
        fields: JSON = {"subtype": "bot_message", "extra": {"username": bot.name, "user": None}} if legacy else {}
        message = self.chat.show(channel, bot, text=text, thread_ts=_ts(thread), **fields)
        return message

    async def edit(self, message: Message, text: str, *, raw: bool = False) -> None:
        """Change one's own message."""
        written = text if raw else self._typed(text)
        self.chat.change(message, message.author.id, text=written, blocks=[_rich(written)])

    async def delete(self, message: Message) -> None:
        """Delete one's own message."""
        self.chat.remove(message)

    async def react(self, message: Message, name: str, *, by: Person | None = None) -> None:
        """Put an emoji under a message; our bot is not told."""
        message.reactions.setdefault(name, []).append(by or self._somebody(message.channel))
        self.world.changed(message.channel)

    async def join(self, channel: Channel, person: Person) -> None:
        """Join a channel."""
        self._join(channel, person, None)

    async def invite(self, channel: Channel, *, by: Person | None = None) -> None:
        """Bring our bot into a channel."""
        self._join(channel, self.world.bot, by or self._somebody(channel))

    async def leave(self, channel: Channel, person: Person) -> None:
        """Leave a channel."""
        channel.members.remove(person)

    async def remove_bot(self, channel: Channel) -> None:
        """Take our bot out of a channel."""
        channel.members.remove(self.world.bot)

    async def archive(self, channel: Channel) -> None:
        """Archive a channel."""
        channel.archived = True

    async def open_home(self, person: Person, tab: str = "home") -> None:
        """Look at the app's home (`home`) or its `messages`."""
        self.events.home_opened(person, self.world.im(person), tab)

    async def open_pane(self, person: Person, beside: Channel | None = None) -> Message:
        """Open the assistant pane beside a channel; return the root of the thread that it starts."""
        channel = self.world.im(person)
        context = {"channel_id": beside.id, "team_id": TEAM, "enterprise_id": None} if beside else {}
        thread = {"title": "New Assistant Thread", "title_blocks": [], "artifacts": []}
        fields: JSON = {"subtype": "assistant_app_thread", "extra": {"assistant_app_thread": thread}}
        root = self.world.post(channel, self.world.bot, text="New Assistant Thread", **fields)
        root.thread_ts = root.ts
        self.events.thread("assistant_thread_started", person, channel, root.ts, context)
        return root

    async def look_at(self, person: Person, root: Message, beside: Channel) -> None:
        """Go to another channel while the assistant pane is open."""
        context = {"channel_id": beside.id, "team_id": TEAM, "enterprise_id": None}
        self.events.thread("assistant_thread_context_changed", person, root.channel, root.ts, context)

    def keep(self, owner: Person, data: bytes, name: str, media_type: str) -> File:
        """Keep a file."""
        created = int(self.world.clock.now().timestamp())
        file = File(self.world.new_id("F"), name, media_type, data, name, owner, created, len(data), True, True)
        self.world.files[file.id] = file
        return file

    def _join(self, channel: Channel, person: Person, inviter: Person | None) -> None:
        if person in channel.members:
            return
        channel.members.append(person)
        text = f"<@{person.id}> has joined the channel"
        extra = {"inviter": inviter.id} if inviter else {}
        kind = f"{channel.kind}_join"
        self.events.posted(self.world.post(channel, person, text=text, subtype=kind, extra=extra))
        self.events.joined(channel, person, inviter)

    def _post(self, channel: Channel, author: Person, how: How, **fields: Any) -> Message:
        if channel.archived:
            raise Impossible(f"#{channel.name} is archived")
        thread_ts = _ts(how.get("thread", ""))
        fields["extra"] = {**fields.get("extra", {}), "client_msg_id": str(uuid.uuid4())}
        broadcast = bool(thread_ts) and how.get("broadcast", False)
        message = self.world.post(channel, author, thread_ts=thread_ts, broadcast=broadcast, **fields)
        self.events.posted(message, how.get("event_id", ""))
        return message

    def _somebody(self, channel: Channel) -> Person:
        for person in channel.members:
            if not person.bot_id:
                return person
        raise Impossible(f"nobody is in #{channel.name}")

    def _typed(self, text: str) -> str:
        """Return a text as a client sends what was typed: escaped, `@name` and addresses turned into links."""
        handles = {one.handle: one.id for one in self.world.people.values()}
        broadcasts = {"channel": "<!channel>", "here": "<!here>", "everyone": "<!everyone>"}

        def link(match: re.Match[str]) -> str:
            if match[2]:
                return f"<{match[2]}>"
            number = handles.get(match[1].lower().rstrip(".-"))
            return f"<@{number}>" if number else broadcasts.get(match[1], match[0])

        return _NAMED.sub(link, escaped(text))


def _ts(thread: Message | str) -> str:
    return thread if isinstance(thread, str) else thread.thread_ts or thread.ts


def _rich(text: str) -> JSON:
    """Return the rich text block that clients send beside a text."""
    parts: list[JSON] = []
    place = 0
    for match in CONTROL.finditer(text):
        if match.start() > place:
            parts.append({"type": "text", "text": unescaped(text[place : match.start()])})
        target, _, label = match[1].partition("|")
        if target.startswith("@"):
            parts.append({"type": "user", "user_id": target[1:]})
        elif target.startswith("#"):
            parts.append({"type": "channel", "channel_id": target[1:]})
        elif target.startswith("!"):
            parts.append({"type": "broadcast", "range": target[1:]})
        else:
            parts.append({"type": "link", "url": unescaped(target), **({"text": label} if label else {})})
        place = match.end()
    if place < len(text):
        parts.append({"type": "text", "text": unescaped(text[place:])})
    section = {"type": "rich_text_section", "elements": parts}
    return {"type": "rich_text", "block_id": uuid.uuid4().hex[:5], "elements": [section]}
