"""What exists on the fake Slack: people, conversations, messages with all their versions, files and modals."""

import asyncio
import itertools
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from storage.clock import Clock
from tests.servers.slack_text import triggered

JSON = dict[str, Any]
TEAM = "T0PROWEXHQ"
TEAM_NAME = "Prowex HQ"
APP = "A0PROWEX00"
PREFIXES = {"channel": "C", "group": "C", "im": "D", "mpim": "G"}


@dataclass(slots=True, eq=False)
class Person:
    """An account: a person's, our bot's or another bot's.

    Args:
        team: the workspace it belongs to; another one's people come through Slack Connect.
        views: the modals that stand open, the top one last; `home`: the app's home tab as they see it.
    """

    id: str
    name: str
    handle: str
    team: str = TEAM
    bot_id: str = ""
    app_id: str = ""
    is_admin: bool = False
    is_guest: bool = False
    is_deleted: bool = False
    views: list["View"] = field(default_factory=list)
    home: "View | None" = None

    def wire(self) -> JSON:
        """Return the Web API's user."""
        profile = {"real_name": self.name, "display_name": self.name, "team": self.team}
        email = {} if self.bot_id else {"email": f"{self.handle}@example.com"}
        return {
            "id": self.id,
            "team_id": self.team,
            "name": self.handle,
            "deleted": self.is_deleted,
            "real_name": self.name,
            "tz": "Europe/Berlin",
            "tz_offset": 3600,
            "profile": {**profile, **email, **({"bot_id": self.bot_id, "api_app_id": self.app_id} if email else {})},
            "is_admin": self.is_admin,
            "is_owner": False,
            "is_restricted": self.is_guest,
            "is_ultra_restricted": False,
            "is_bot": bool(self.bot_id),
            "is_app_user": False,
            "is_stranger": self.team != TEAM,
            "updated": 1700000000,
        }


@dataclass(slots=True, eq=False)
class File:
    """A file that Slack keeps; `shares`: the messages that show it. Without `done` it is still being uploaded."""

    id: str
    name: str
    media_type: str
    data: bytes
    title: str = ""
    owner: Person | None = None
    created: int = 0
    length: int = 0
    done: bool = False
    uploaded: bool = False
    shares: list["Message"] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Channel:
    """A conversation. `kind`: `channel` (public), `group` (private), `im` or `mpim`.

    Args:
        whispers: the ephemeral messages.
        statuses: what the assistant showed itself to be doing: when, in which thread, what.
        prompts: what the assistant pane suggests, by thread.
    """

    id: str
    name: str
    kind: str
    created: int
    members: list[Person] = field(default_factory=list)
    archived: bool = False
    messages: dict[str, "Message"] = field(default_factory=dict)
    whispers: dict[str, "Message"] = field(default_factory=dict)
    statuses: deque[tuple[datetime, str, str]] = field(default_factory=lambda: deque(maxlen=1000))
    prompts: dict[str, JSON] = field(default_factory=dict)

    def wire(self, bot: Person) -> JSON:
        """Return the Web API's conversation as our bot sees it."""
        body: JSON = {"id": self.id, "created": self.created, "is_archived": self.archived, "is_org_shared": False}
        body |= {"is_im": self.kind == "im", "context_team_id": TEAM, "updated": self.created * 1000}
        if self.kind == "im":
            return {**body, "user": next(one.id for one in self.members if one is not bot), "is_user_deleted": False}
        foreign = any(one.team != TEAM for one in self.members)
        return {
            **body,
            "name": self.name,
            "name_normalized": self.name,
            "is_channel": self.kind == "channel",
            "is_group": self.kind == "group",
            "is_mpim": self.kind == "mpim",
            "is_private": self.kind != "channel",
            "is_general": False,
            "is_shared": foreign,
            "is_ext_shared": foreign,
            "is_member": bot in self.members,
            "creator": self.members[0].id if self.members else "",
            "topic": {"value": "", "creator": "", "last_set": 0},
            "purpose": {"value": "", "creator": "", "last_set": 0},
            "num_members": len(self.members),
        }


@dataclass(frozen=True, slots=True)
class Version:
    """What a message looked like from `at` on; `triggered` are the mentions and broadcasts that it made."""

    at: datetime
    text: str
    blocks: tuple[JSON, ...]
    triggered: tuple[str, ...]


@dataclass(slots=True, eq=False)
class Message:
    """A message and all it ever was; with `only_for` an ephemeral one.

    Args:
        plain: shown without mrkdwn.
        extra: goes out as it is.
        streaming: `in_progress` or `completed`, of a stream; `streamed_at`: when it last grew.
        answers: what was written in its thread.
        look: its text as people read it, and of which version that is.
    """

    ts: str
    channel: Channel
    author: Person
    sent_at: datetime
    text: str = ""
    blocks: list[JSON] = field(default_factory=list)
    attachments: list[JSON] = field(default_factory=list)
    thread_ts: str = ""
    subtype: str = ""
    broadcast: bool = False
    plain: bool = False
    only_for: Person | None = None
    metadata: JSON | None = None
    files: list[File] = field(default_factory=list)
    extra: JSON = field(default_factory=dict)
    edited_by: str = ""
    edited_ts: str = ""
    deleted_at: datetime | None = None
    streaming: str = ""
    streamed_at: float = 0.0
    reactions: dict[str, list[Person]] = field(default_factory=dict)
    versions: list[Version] = field(default_factory=list)
    answers: list["Message"] = field(default_factory=list)
    look: tuple[int, str] = (0, "")

    @property
    def is_reply(self) -> bool:
        """Return whether it stands in somebody's thread."""
        return bool(self.thread_ts) and self.thread_ts != self.ts

    def remember(self, at: datetime) -> None:
        """Keep the present look as a version."""
        marks = triggered(self.text, self.blocks, self.attachments)
        self.versions.append(Version(at, self.text, tuple(self.blocks), marks))

    def replies(self) -> list["Message"]:
        """Return the answers in its thread that stand, oldest first."""
        return [one for one in self.answers if not one.deleted_at]


@dataclass(slots=True, eq=False)
class View:
    """A modal or a home tab. `values` is what the person filled in, as Slack's `view.state.values`."""

    id: str
    person: Person
    body: JSON
    hash: str
    root: str
    previous: str | None = None
    values: dict[str, dict[str, JSON]] = field(default_factory=dict)

    def wire(self) -> JSON:
        """Return the Web API's view."""
        names = ("private_metadata", "callback_id", "external_id")
        flags = ("clear_on_close", "notify_on_close")
        return {
            "id": self.id,
            "team_id": TEAM,
            "state": {"values": self.values},
            "hash": self.hash,
            **{name: self.body.get(name) for name in ("title", "close", "submit")},
            **{name: self.body.get(name, "") for name in names},
            **{name: self.body.get(name, False) for name in flags},
            "type": self.body["type"],
            "blocks": self.body["blocks"],
            "previous_view_id": self.previous,
            "root_view_id": self.root,
            "app_id": APP,
            "app_installed_team_id": TEAM,
            "bot_id": "B0PROWEX00",
        }


class World:
    """All of it, for one workspace with our bot. `changed` wakes whoever waits for something to happen."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.bot = Person("U0PROWEXBOT", "Prowex", "prowex", bot_id="B0PROWEX00", app_id=APP)
        self.people: dict[str, Person] = {}
        self.names: dict[str, str] = {}
        self.channels: dict[str, Channel] = {}
        self.files: dict[str, File] = {}
        self.views: dict[str, View] = {}
        self._last_ts = (0, 0)
        self._numbers = itertools.count(1)
        self._waiting: dict[str, list[asyncio.Future[None]]] = {}
        self.add(self.bot)

    def add(self, person: Person) -> Person:
        """Let somebody exist."""
        self.people[person.id] = person
        self.names[person.id] = person.name
        return person

    def number(self) -> int:
        """Return the next number of a general kind."""
        return next(self._numbers)

    def new_id(self, prefix: str) -> str:
        """Return a fresh id that looks like Slack's."""
        return f"{prefix}0{self.number():09d}"

    def ts(self) -> str:
        """Return a fresh time stamp, later than every one before."""
        now = self.clock.now()
        self._last_ts = max((int(now.timestamp()), now.microsecond), (self._last_ts[0], self._last_ts[1] + 1))
        return f"{self._last_ts[0]}.{self._last_ts[1]:06d}"

    def changed(self, channel: Channel | None = None) -> None:
        """Wake everybody who waits in `change`; those who wait for one conversation only if it is this one."""
        for place in {"", channel.id if channel else ""}:
            for waiter in self._waiting.pop(place, ()):
                if not waiter.done():
                    waiter.set_result(None)

    async def change(self, channel: Channel | None = None) -> None:
        """Wait until something happens, or until something happens in one conversation."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(channel.id if channel else "", []).append(waiter)
        await waiter

    def new_channel(self, name: str, kind: str, members: Sequence[Person]) -> Channel:
        """Create a conversation."""
        created = int(self.clock.now().timestamp())
        channel = Channel(self.new_id(PREFIXES[kind]), name, kind, created, list(members))
        self.channels[channel.id] = channel
        self.names[channel.id] = name
        return channel

    def im(self, person: Person, other: Person | None = None) -> Channel:
        """Return the direct conversation of a person with our bot (or with somebody else)."""
        pair = {person, other or self.bot}
        for channel in self.channels.values():
            if channel.kind == "im" and set(channel.members) == pair:
                return channel
        return self.new_channel("directmessage", "im", [person, other or self.bot])

    def post(self, channel: Channel, author: Person, **fields: Any) -> Message:
        """Put a new message into a conversation; an ephemeral one where only its person sees it."""
        message = Message(self.ts(), channel, author, self.clock.now(), **fields)
        message.remember(message.sent_at)
        place = channel.whispers if message.only_for else channel.messages
        place[message.ts] = message
        if message.is_reply and not message.only_for and (parent := channel.messages.get(message.thread_ts)):
            parent.answers.append(message)
        for file in message.files:
            file.shares.append(message)
        self.changed(channel)
        return message
