"""What exists on the fake Telegram: people, chats, messages with all their versions, files, and their wire form."""

import asyncio
import itertools
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from storage.clock import Clock

JSON = dict[str, Any]


@dataclass(slots=True)
class Person:
    """An account, ours (the bot) or a person's."""

    id: int
    first_name: str
    username: str | None = None
    language: str | None = "en"
    is_bot: bool = False

    def wire(self) -> JSON:
        """Return the Bot API's User."""
        user: JSON = {"id": self.id, "is_bot": self.is_bot, "first_name": self.first_name}
        if self.username:
            user["username"] = self.username
        if self.language and not self.is_bot:
            user["language_code"] = self.language
        return user


@dataclass(slots=True)
class File:
    """A file that Telegram keeps."""

    file_id: str
    kind: str
    name: str
    media_type: str
    data: bytes
    path: str

    def wire(self) -> Any:
        """Return what a message says of it: PhotoSizes, a Document, a Voice and so on."""
        plain: JSON = {"file_id": self.file_id, "file_unique_id": f"u{self.file_id}", "file_size": len(self.data)}
        if self.kind == "photo":
            small = {**plain, "file_id": f"{self.file_id}-s", "file_unique_id": f"u{self.file_id}-s"}
            return [{**small, "width": 90, "height": 60}, {**plain, "width": 1280, "height": 853}]
        if self.kind == "video":
            plain |= {"width": 640, "height": 480}
        if self.kind in ("audio", "video", "voice"):
            plain["duration"] = 3
        if self.kind != "voice":
            plain["file_name"] = self.name
        return {**plain, "mime_type": self.media_type}


@dataclass(frozen=True, slots=True)
class Button:
    """An inline button as it stands under a message."""

    text: str
    data: str | None = None
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Version:
    """What a message looked like from `at` on."""

    at: datetime
    text: str
    entities: tuple[JSON, ...]
    buttons: tuple[tuple[Button, ...], ...]
    file: File | None


@dataclass(slots=True)
class Topic:
    """A topic of a forum; its id is that of the message that created it."""

    id: int
    name: str
    closed: bool = False


@dataclass(slots=True)
class Chat:
    """A chat as the bot may see it. `bot_status` is the bot's own standing in it."""

    id: int
    type: str
    title: str
    username: str | None = None
    forum: bool = False
    members: dict[int, str] = field(default_factory=dict)
    bot_status: str = "member"
    topics: dict[int, Topic] = field(default_factory=dict)
    messages: dict[int, "Message"] = field(default_factory=dict)
    migrated_to: int | None = None
    actions: deque[tuple[datetime, str, int | None]] = field(default_factory=lambda: deque(maxlen=1000))
    own_ids: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def wire(self) -> JSON:
        """Return the Bot API's Chat."""
        chat: JSON = {"id": self.id, "type": self.type}
        chat["first_name" if self.type == "private" else "title"] = self.title
        if self.username:
            chat["username"] = self.username
        if self.forum:
            chat["is_forum"] = True
        return chat


@dataclass(slots=True)
class Message:
    """A message and all it ever was. `extra` goes out as it is (a sticker, a poll, who joined …)."""

    id: int
    chat: Chat
    sent_at: datetime
    sender: Person | None
    kind: str
    from_bot: bool = False
    text: str = ""
    entities: tuple[JSON, ...] = ()
    keyboard: list[list[JSON]] = field(default_factory=list)
    file: File | None = None
    extra: JSON = field(default_factory=dict)
    sender_chat: Chat | None = None
    topic: int | None = None
    reply_to: "Message | None" = None
    quote: JSON | None = None
    album: str | None = None
    notified: bool = True
    edited_at: datetime | None = None
    deleted_at: datetime | None = None
    reactions: list[JSON] = field(default_factory=list)
    versions: list[Version] = field(default_factory=list)

    @property
    def author(self) -> str:
        """Return who a person sees as its author."""
        if self.sender_chat:
            return self.sender_chat.title
        return self.sender.first_name if self.sender else self.chat.title

    @property
    def buttons(self) -> tuple[tuple[Button, ...], ...]:
        """Return the inline buttons, row by row."""
        return tuple(
            tuple(Button(one["text"], one.get("callback_data"), one.get("url")) for one in row) for row in self.keyboard
        )

    def remember(self, at: datetime) -> None:
        """Keep the present look as a version."""
        self.versions.append(Version(at, self.text, self.entities, self.buttons, self.file))

    def wire(self, *, reply: bool = True) -> JSON:
        """Return the Bot API's Message."""
        body: JSON = {"message_id": self.id, "date": int(self.sent_at.timestamp()), "chat": self.chat.wire()}
        if self.sender:
            body["from"] = self.sender.wire()
        if self.sender_chat:
            body["sender_chat"] = self.sender_chat.wire()
        if self.topic:
            body |= {"message_thread_id": self.topic, "is_topic_message": True}
        if self.edited_at:
            body["edit_date"] = int(self.edited_at.timestamp())
        text, entities = ("text", "entities") if self.kind == "text" else ("caption", "caption_entities")
        if self.text:
            body[text] = self.text
        if self.entities:
            body[entities] = list(self.entities)
        if self.file:
            body[self.file.kind] = self.file.wire()
        if self.keyboard:
            body["reply_markup"] = {"inline_keyboard": self.keyboard}
        if self.album:
            body["media_group_id"] = self.album
        if self.quote:
            body["quote"] = self.quote
        if reply and (answered := self._answered()):
            body["reply_to_message"] = answered.wire(reply=False)
        return {**body, **self.extra}

    def _answered(self) -> "Message | None":
        """In a topic, whatever replies to nothing replies to the message that opened the topic."""
        return self.reply_to or (self.chat.messages.get(self.topic) if self.topic else None)


@dataclass(slots=True)
class Press:
    """A press of a button. `answer` is what the bot answered to it: the parameters of answerCallbackQuery."""

    id: str
    by: Person
    message: Message
    data: str
    at: datetime
    answer: JSON | None = None
    answers: int = 0


ANONYMOUS_ADMIN = Person(1087968824, "Group", "GroupAnonymousBot", is_bot=True)
CHANNEL_BOT = Person(136817688, "Channel", "Channel_Bot", is_bot=True)


class World:
    """All of it, for one bot. `changed` wakes whoever waits for something to happen."""

    def __init__(self, clock: Clock, bot: Person) -> None:
        self.clock = clock
        self.bot = bot
        self.people: dict[int, Person] = {bot.id: bot}
        self.chats: dict[int, Chat] = {}
        self.files: dict[str, File] = {}
        self.presses: dict[str, Press] = {}
        self.commands: dict[str, list[JSON]] = {}
        self.delete_age = timedelta(hours=48)
        self.press_age = timedelta(minutes=15)
        self._message_ids = itertools.count(1)
        self._numbers = itertools.count(1)
        self._waiting: dict[int, list[asyncio.Future[None]]] = {}

    def number(self) -> int:
        """Return the next number of a general kind (files, albums, presses, people)."""
        return next(self._numbers)

    def changed(self, chat: Chat | None = None) -> None:
        """Wake everybody who waits in `change`; those who wait for one chat only if it is this one."""
        for place in {0, chat.id if chat else 0}:
            for waiter in self._waiting.pop(place, ()):
                if not waiter.done():
                    waiter.set_result(None)

    async def change(self, chat: Chat | None = None) -> None:
        """Wait until something happens, or until something happens in one chat."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(chat.id if chat else 0, []).append(waiter)
        await waiter

    def find_chat(self, chat_id: int | str) -> Chat | None:
        """Return a chat by its id, `@username` or an id written as text."""
        if isinstance(chat_id, str):
            if chat_id.startswith("@"):
                names = (one for one in self.chats.values() if one.username and one.type != "private")
                return next((one for one in names if f"@{one.username}".lower() == chat_id.lower()), None)
            try:
                chat_id = int(chat_id)
            except ValueError:
                return None
        return self.chats.get(chat_id)

    def keep(self, kind: str, data: bytes, name: str, media_type: str) -> File:
        """Keep a file."""
        number = self.number()
        suffix = name.rpartition(".")[2] if "." in name else "bin"
        file = File(f"AgAD{number:08d}", kind, name, media_type, data, f"{kind}s/file_{number}.{suffix}")
        self.files[file.file_id] = file
        return file

    def post(self, chat: Chat, sender: Person | None, kind: str, **fields: Any) -> Message:
        """Put a new message into a chat. Supergroups and channels number their own, as on Telegram."""
        ids = chat.own_ids if chat.type in ("supergroup", "channel") else self._message_ids
        message = Message(next(ids), chat, self.clock.now(), sender, kind, **fields)
        message.remember(message.sent_at)
        chat.messages[message.id] = message
        self.changed(chat)
        return message

    def member(self, chat: Chat, person: Person) -> JSON:
        """Return the Bot API's ChatMember of a person or the bot."""
        status = chat.bot_status if person is self.bot else chat.members.get(person.id, "left")
        member: JSON = {"status": status, "user": person.wire()}
        if status == "creator":
            member["is_anonymous"] = False
        elif status == "kicked":
            member["until_date"] = 0
        elif status == "administrator":
            rights = (
                "be_edited manage_chat delete_messages manage_video_chats restrict_members promote_members change_info "
                "invite_users post_stories edit_stories delete_stories send_welcome_messages"
            )
            member |= {"is_anonymous": False, **{f"can_{right}": True for right in rights.split()}}
        return member
