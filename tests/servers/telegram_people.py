"""What people do: everything that makes an update."""

import asyncio
from collections.abc import Sequence
from typing import Any, TypedDict

from typing_extensions import Unpack

from tests.clock import PATIENCE
from tests.servers.telegram_text import Entity, cut, detected, utf16
from tests.servers.telegram_updates import Updates
from tests.servers.telegram_world import (
    ANONYMOUS_ADMIN,
    CHANNEL_BOT,
    JSON,
    Chat,
    Message,
    Person,
    Press,
    Topic,
    World,
)


class How(TypedDict, total=False):
    """How a person sends something.

    Args:
        by: who; left out, the person of a private chat or a group's first member.
        topic: in which topic.
        reply_to: the message that it answers, `quote` a part of that message's text.
        forward_from: whose words these are: a person, a chat, or the name of somebody who hides their account.
        as_chat: speak as the group itself (an anonymous admin) or as a channel.
        update_id: an id of one's own, even a used one (a redelivery).
    """

    by: Person
    topic: Topic
    reply_to: Message
    quote: str
    forward_from: Person | Chat | str
    as_chat: Chat
    update_id: int


class People:
    """The people's side of the fake Telegram. What a person does is an update at once."""

    world: World
    updates: Updates
    privacy: bool

    def person(self, name: str, *, username: str | None = None, id: int | None = None) -> Person:
        """Create an account."""
        person = Person(id or 1000 + self.world.number(), name, username)
        self.world.people[person.id] = person
        return person

    def private(self, person: Person | str) -> Chat:
        """Return the private chat of a person (created by name if need be) with the bot."""
        if isinstance(person, str):
            person = self.person(person)
        chat = Chat(person.id, "private", person.first_name, person.username, members={person.id: "member"})
        return self.world.chats.setdefault(person.id, chat)

    def group(self, title: str, *members: Person, kind: str = "group", **more: Any) -> Chat:
        """Create a group; its first member owns it. `kind`: `group`, `supergroup` or `channel`."""
        number = self.world.number()
        chat_id = -(4000 + number) if kind == "group" else -(1_000_000_004_000 + number)
        chat = Chat(chat_id, kind, title, **more)
        chat.members = {one.id: "member" if index else "creator" for index, one in enumerate(members)}
        self.world.chats[chat.id] = chat
        return chat

    def supergroup(self, title: str, *members: Person, forum: bool = False, username: str | None = None) -> Chat:
        """Create a supergroup; with `forum` it has topics."""
        return self.group(title, *members, kind="supergroup", forum=forum, username=username)

    def channel(self, title: str, *members: Person) -> Chat:
        """Create a channel in which the bot is an administrator."""
        return self.group(title, *members, kind="channel", bot_status="administrator")

    def topic(self, chat: Chat, name: str) -> Topic:
        """Open a topic in a forum."""
        created = {"forum_topic_created": {"name": name, "icon_color": 7322096}}
        message = self.world.post(chat, self._somebody(chat), "service", extra=created)
        chat.topics[message.id] = Topic(message.id, name)
        message.topic = message.id
        self._push("message", message.wire(reply=False), chat)
        return chat.topics[message.id]

    async def say(
        self, chat: Chat, text: str, *, entities: Sequence[Entity] | None = None, **how: Unpack[How]
    ) -> Message:
        """Write a text; one above 4,096 units is split as clients do. Return its first message.

        Args:
            entities: left out, commands, mentions, links and hashtags are found as clients find them.
        """
        posted = []
        for part in cut(text):
            marks = detected(part) if entities is None else entities
            posted.append(self._post(chat, "text", how, text=part, entities=tuple(marks)))
            how.pop("update_id", None)
        return posted[0]

    async def send_file(
        self,
        chat: Chat,
        kind: str,
        data: bytes,
        name: str = "file.bin",
        media_type: str = "application/octet-stream",
        *,
        caption: str = "",
        album: str | None = None,
        **how: Unpack[How],
    ) -> Message:
        """Send a photo, document, voice, audio or video. Files with the same `album` belong together."""
        file = self.world.keep(kind, data, name, media_type)
        marks = tuple(detected(caption))
        return self._post(chat, kind, how, text=caption, entities=marks, file=file, album=album)

    async def send_album(
        self, chat: Chat, photos: Sequence[bytes], *, caption: str = "", **how: Unpack[How]
    ) -> list[Message]:
        """Send several photos as one album; the caption goes with the first."""
        album, sent = f"{self.world.number():017d}", []
        for index, data in enumerate(photos):
            words = "" if index else caption
            name = f"photo_{index}.jpg"
            sent.append(
                await self.send_file(chat, "photo", data, name, "image/jpeg", caption=words, album=album, **how)
            )
        return sent

    async def send_thing(self, chat: Chat, kind: str, **how: Unpack[How]) -> Message:
        """Send a `sticker`, `location`, `contact`, `poll` or `dice`."""
        file_id = f"AgAD{self.world.number():08d}"
        sticker = {"file_id": file_id, "file_unique_id": f"u{file_id}", "type": "regular", "emoji": "🐈"}
        options = [
            {"persistent_id": str(one), "text": text, "voter_count": 0} for one, text in enumerate(("Tea", "Jam"))
        ]
        poll = {"id": file_id, "question": "Tea or jam?", "options": options, "total_voter_count": 0, "type": "regular"}
        flags = ("is_closed", "allows_multiple_answers", "allows_revoting", "members_only")
        things: dict[str, JSON] = {
            "sticker": {**sticker, "width": 512, "height": 512, "is_animated": False, "is_video": False},
            "location": {"latitude": 52.52, "longitude": 13.405},
            "contact": {"phone_number": "+4930123456", "first_name": "Grace", "last_name": "Hopper"},
            "poll": {**poll, "is_anonymous": True, **dict.fromkeys(flags, False)},
            "dice": {"emoji": "🎲", "value": 4},
        }
        return self._post(chat, kind, how, extra={kind: things[kind]})

    async def edit(self, message: Message, text: str) -> None:
        """Change one's own message."""
        message.text, message.entities = text, tuple(detected(text))
        message.edited_at = self.world.clock.now()
        message.remember(message.edited_at)
        kind = "edited_channel_post" if message.chat.type == "channel" else "edited_message"
        self._push(kind, message.wire(), message.chat)
        self.world.changed(message.chat)

    async def press(
        self, chat: Chat, button: str, *, by: Person | None = None, message: Message | None = None, update_id: int = 0
    ) -> Press:
        """Press the newest visible button with this label (or callback data).

        Raises:
            LookupError: there is no such button.
        """
        places = [message] if message else [one for one in reversed(chat.messages.values()) if not one.deleted_at]
        for place in places:
            for one in (one for row in place.buttons for one in row):
                if button in (one.text, one.data) and one.data is not None:
                    return self._press(place, one.data, by or self._somebody(chat), update_id)
        raise LookupError(f"no button {button!r} is in sight")

    async def answered(self, press: Press, timeout: float = PATIENCE) -> JSON:
        """Wait until the bot has answered a press, and return the answer."""
        async with asyncio.timeout(timeout):
            while press.answer is None:
                await self.world.change()
        return press.answer

    async def add_bot(self, chat: Chat, *, by: Person | None = None, status: str = "member") -> None:
        """Add the bot to a group, or make it an `administrator`."""
        fresh = chat.bot_status in ("left", "kicked")
        self._bot_status(chat, status, by)
        if fresh and chat.type != "channel":
            extra = {"new_chat_members": [self.world.bot.wire()]}
            message = self.world.post(chat, by or self._somebody(chat), "service", extra=extra)
            self._push("message", message.wire(), chat)

    async def remove_bot(self, chat: Chat, *, by: Person | None = None) -> None:
        """Remove the bot from a group."""
        self._bot_status(chat, "kicked", by)

    async def block(self, chat: Chat) -> None:
        """Block the bot in a private chat."""
        self._bot_status(chat, "kicked", None)

    async def unblock(self, chat: Chat) -> None:
        """Take a block back."""
        self._bot_status(chat, "member", None)

    async def close_topic(self, chat: Chat, topic: Topic, *, closed: bool = True) -> None:
        """Close a topic, or open it again."""
        topic.closed = closed
        extra: JSON = {"forum_topic_closed" if closed else "forum_topic_reopened": {}}
        message = self.world.post(chat, self._somebody(chat), "service", extra=extra, topic=topic.id)
        self._push("message", message.wire(), chat)

    async def delete(self, message: Message) -> None:
        """Delete a message as a person does: the bot is not told."""
        message.deleted_at = self.world.clock.now()
        self.world.changed(message.chat)

    async def upgrade(self, chat: Chat) -> Chat:
        """Turn a group into a supergroup with another id, as Telegram does when a group grows."""
        new = self.supergroup(chat.title)
        new.members, chat.migrated_to = dict(chat.members), new.id
        for place, extra in ((chat, {"migrate_to_chat_id": new.id}), (new, {"migrate_from_chat_id": chat.id})):
            message = self.world.post(place, self._somebody(place), "service", extra=extra)
            self._push("message", message.wire(), place)
        return new

    def _post(self, chat: Chat, kind: str, how: How, **fields: Any) -> Message:
        sender: Person | None = how.get("by") or self._somebody(chat)
        as_chat = chat if chat.type == "channel" else how.get("as_chat")
        if as_chat:
            sender = None if chat.type == "channel" else ANONYMOUS_ADMIN if as_chat is chat else CHANNEL_BOT
        topic, reply_to, quote = how.get("topic"), how.get("reply_to"), how.get("quote")
        fields["extra"] = {**fields.get("extra", {}), **self._origin(how.get("forward_from"))}
        if quote:
            source = reply_to.text if reply_to else ""
            place = utf16(source[: source.index(quote)])
            fields["quote"] = {"text": quote, "position": place, "is_manual": True}
        message = self.world.post(
            chat,
            sender,
            kind,
            sender_chat=as_chat,
            topic=topic.id if topic else None,
            reply_to=reply_to,
            **fields,
        )
        if self._is_shown_to_bot(message):
            update = "channel_post" if chat.type == "channel" else "message"
            self._push(update, message.wire(), chat, how.get("update_id"))
        return message

    def _press(self, message: Message, data: str, by: Person, update_id: int) -> Press:
        press = Press(str(10**15 + self.world.number()), by, message, data, self.world.clock.now())
        self.world.presses[press.id] = press
        body = {"id": press.id, "from": by.wire(), "message": message.wire(), "data": data}
        self._push("callback_query", {**body, "chat_instance": str(message.chat.id)}, message.chat, update_id or None)
        return press

    def _bot_status(self, chat: Chat, status: str, by: Person | None) -> None:
        old = self.world.member(chat, self.world.bot)
        chat.bot_status = status
        body = {"chat": chat.wire(), "from": (by or self._somebody(chat)).wire()}
        new = self.world.member(chat, self.world.bot)
        date = int(self.world.clock.now().timestamp())
        self._push("my_chat_member", {**body, "date": date, "old_chat_member": old, "new_chat_member": new}, chat)

    def _push(self, kind: str, body: JSON, chat: Chat, update_id: int | None = None) -> None:
        if kind == "my_chat_member" or chat.bot_status not in ("left", "kicked"):
            self.updates.add(kind, body, chat.id, update_id)

    def _is_shown_to_bot(self, message: Message) -> bool:
        """With privacy mode on, a bot in a group sees what is meant for it only."""
        if not self.privacy or message.chat.type in ("private", "channel"):
            return True
        answers_bot = message.reply_to is not None and message.reply_to.from_bot
        named = f"@{self.world.bot.username}".lower() in message.text.lower()
        return answers_bot or named or message.text.startswith("/") or message.chat.bot_status == "administrator"

    def _somebody(self, chat: Chat) -> Person:
        for number in chat.members:
            return self.world.people[number]
        return ANONYMOUS_ADMIN

    def _origin(self, source: Person | Chat | str | None) -> JSON:
        date = int(self.world.clock.now().timestamp()) - 3600
        match source:
            case None:
                return {}
            case str():
                return {"forward_origin": {"type": "hidden_user", "date": date, "sender_user_name": source}}
            case Person():
                return {"forward_origin": {"type": "user", "date": date, "sender_user": source.wire()}}
            case Chat(type="channel"):
                origin = {"type": "channel", "date": date, "chat": source.wire(), "message_id": 1}
                return {"forward_origin": origin}
        return {"forward_origin": {"type": "chat", "date": date, "sender_chat": source.wire()}}
