"""A Telegram update becomes an `Inbound`."""

import asyncio
import hashlib
from datetime import datetime

from aiogram.types import (
    CallbackQuery,
    ChatMemberUpdated,
    Message,
    MessageEntity,
    MessageOriginUnion,
    Update,
    User,
)

from channels.text.plain import utf16_len
from core.envelopes import Attachment, Context, Inbound, Origin, Place
from core.operations.typed import command_in

ALLOWED_UPDATES = ["message", "callback_query", "my_chat_member"]
SPLIT_AT = 3_900
"""Telegram's clients cut a text at 4,096 UTF-16 units, at a line or word if there is one near: more may follow."""


_NAMED = {"story", "game", "invoice", "checklist", "paid_media", "giveaway"}
"""What people send and we can do no more with than say what it is."""


class Me:
    """Our own account, to know when we are meant. `named` is set once Telegram has told us our `username`."""

    def __init__(self, bot_id: int) -> None:
        self.id = bot_id
        self.username = ""
        self.named = asyncio.Event()

    @property
    def account(self) -> str:
        """Return the name of this account in our tables."""
        return f"telegram:{self.id}"


def inbound_of(update: Update, me: Me, now: datetime) -> Inbound | None:
    """Return what a person did, None for what is nobody's doing (an edit, a service message)."""
    if update.message is not None:
        return _of_message(update.update_id, update.message, me, now)
    if update.callback_query is not None:
        return _of_press(update.update_id, update.callback_query, me, now)
    if update.my_chat_member is not None:
        return _of_membership(update.update_id, update.my_chat_member, me, now)
    return None


def _origin(me: Me, chat_id: int, kind: str, topic: int | None, user: User | None) -> Origin:
    return Origin(
        channel="telegram",
        account=me.account,
        chat=f"{chat_id}/{topic}" if topic else str(chat_id),
        place=Place.PRIVATE if kind == "private" else Place.GROUP,
        person=str(user.id) if user is not None and not user.is_bot else "",
        name=user.full_name if user is not None else "",
    )


def _fingerprint(kind: str, *ids: object) -> str:
    return hashlib.sha256(":".join([kind, *map(str, ids)]).encode()).hexdigest()


def _topic(message: Message) -> int | None:
    return message.message_thread_id if message.is_topic_message else None


def _of_message(update_id: int, message: Message, me: Me, now: datetime) -> Inbound | None:
    if message.chat.type == "channel":
        return None
    text, attachments = _text_of(message), _attachments_of(message)
    contexts = _contexts_of(message)
    if message.forward_origin is not None and (words := text or _names_of(attachments)):
        contexts, text = (*contexts, Context("forward", _said_by(message.forward_origin), words)), ""
    if not text and not attachments and not contexts:
        return None
    spoken = _without_mention(text, me)
    return Inbound(
        origin=_origin(me, message.chat.id, message.chat.type, _topic(message), _author(message)),
        event_id=str(update_id),
        fingerprint=_fingerprint("message", message.chat.id, message.message_id),
        position=update_id,
        received_at=now,
        text=spoken or (text if not attachments and not contexts else ""),
        message_id=str(message.message_id),
        contexts=contexts,
        attachments=attachments,
        addressed=message.chat.type == "private" or _is_addressed(message, me),
        more_follows=utf16_len(message.text or "") >= SPLIT_AT,
        group=message.media_group_id or "",
    )


def _author(message: Message) -> User | None:
    """Return who wrote; nobody for an anonymous admin or a channel speaking in a group."""
    return None if message.sender_chat is not None else message.from_user


def _of_press(update_id: int, press: CallbackQuery, me: Me, now: datetime) -> Inbound | None:
    message = press.message
    if message is None or not press.data:
        return None
    topic = _topic(message) if isinstance(message, Message) else None
    return Inbound(
        origin=_origin(me, message.chat.id, message.chat.type, topic, press.from_user),
        event_id=str(update_id),
        fingerprint=_fingerprint("press", press.id),
        position=update_id,
        received_at=now,
        text=press.data,
        message_id=str(message.message_id),
        button=True,
    )


def _of_membership(update_id: int, change: ChatMemberUpdated, me: Me, now: datetime) -> Inbound | None:
    """Return an introduction when somebody adds us to a group."""
    came = change.old_chat_member.status in ("left", "kicked")
    there = change.new_chat_member.status in ("member", "administrator")
    if change.chat.type not in ("group", "supergroup") or not (came and there):
        return None
    return Inbound(
        origin=_origin(me, change.chat.id, change.chat.type, None, change.from_user),
        event_id=str(update_id),
        fingerprint=_fingerprint("membership", change.chat.id, change.date.isoformat()),
        position=update_id,
        received_at=now,
        text="/start",
    )


def _text_of(message: Message) -> str:
    """Return the words, or one line that says what was sent instead."""
    if words := message.text or message.caption:
        return words
    if message.sticker is not None:
        return f"[sticker {message.sticker.emoji or ''}]".replace(" ]", "]")
    if message.venue is not None:
        place = message.venue
        return f"[place: {place.title}, {place.address}, {place.location.latitude}, {place.location.longitude}]"
    if message.location is not None:
        return f"[location: {message.location.latitude}, {message.location.longitude}]"
    if message.contact is not None:
        who = " ".join(filter(None, (message.contact.first_name, message.contact.last_name)))
        return f"[contact: {who}, {message.contact.phone_number}]"
    if message.poll is not None:
        options = ", ".join(option.text for option in message.poll.options)
        return f"[poll: {message.poll.question} Options: {options}]"
    if message.dice is not None:
        return f"[dice {message.dice.emoji}: {message.dice.value}]"
    return f"[{message.content_type.replace('_', ' ')}]" if message.content_type in _NAMED else ""


def _attachments_of(message: Message) -> tuple[Attachment, ...]:
    if message.photo:
        photo = max(message.photo, key=lambda size: size.width * size.height)
        return (Attachment(photo.file_id, "photo.jpg", "image/jpeg", photo.file_size or 0),)
    kinds = (
        (message.document, "file", "application/octet-stream"),
        (message.voice, "voice message", "audio/ogg"),
        (message.audio, "audio", "audio/mpeg"),
        (message.video, "video", "video/mp4"),
        (message.video_note, "video message", "video/mp4"),
    )
    for file, name, media_type in kinds:
        if file is not None:
            named = getattr(file, "file_name", None) or name
            typed = getattr(file, "mime_type", None) or media_type
            return (Attachment(file.file_id, named, typed, file.file_size or 0),)
    return ()


def _names_of(attachments: tuple[Attachment, ...]) -> str:
    return ", ".join(f"[{attachment.name}]" for attachment in attachments)


def _contexts_of(message: Message) -> tuple[Context, ...]:
    """Return what the message replies to or quotes, with who said it."""
    replied = message.reply_to_message
    quoted = message.quote.text if message.quote is not None else ""
    if replied is not None and replied.forum_topic_created is None:
        author = replied.sender_chat.title if replied.sender_chat else None
        author = author or (replied.from_user.full_name if replied.from_user else "")
        if quoted:
            return (Context("quote", author or "", quoted),)
        words = _text_of(replied) or _names_of(_attachments_of(replied))
        return (Context("reply", author or "", words),) if words else ()
    elsewhere = message.external_reply
    return (Context("quote", _said_by(elsewhere.origin) if elsewhere else "", quoted),) if quoted else ()


def _said_by(origin: MessageOriginUnion) -> str:
    """Return who said first what is forwarded or quoted from elsewhere."""
    for attribute in ("sender_user", "sender_chat", "chat"):
        sender = getattr(origin, attribute, None)
        if sender is not None:
            return str(sender.full_name if isinstance(sender, User) else sender.title or sender.full_name)
    return str(getattr(origin, "sender_user_name", ""))


def _is_addressed(message: Message, me: Me) -> bool:
    """Tell whether a group's message is meant for us: a mention, a reply to us, or one of our commands."""
    replied = message.reply_to_message
    if replied is not None and replied.from_user is not None and replied.from_user.id == me.id:
        return True
    text = message.text or message.caption or ""
    for entity in message.entities or message.caption_entities or ():
        if _mentions(entity, text, me):
            return True
    command = command_in(text)
    return command is not None and command.operation is not None and "@" not in text.split(maxsplit=1)[0]


def _mentions(entity: MessageEntity, text: str, me: Me) -> bool:
    if entity.type == "text_mention":
        return entity.user is not None and entity.user.id == me.id
    if entity.type not in ("mention", "bot_command") or not me.username:
        return False
    return entity.extract_from(text).lower().endswith(f"@{me.username.lower()}")


def _without_mention(text: str, me: Me) -> str:
    """Return the words without the mention that addresses us, if they begin or end with it."""
    mention = f"@{me.username}".lower()
    if not me.username:
        return text
    stripped = text.strip()
    if stripped.lower().startswith(mention):
        return stripped[len(mention) :].lstrip(" ,:\n")
    if stripped.lower().endswith(mention):
        return stripped[: -len(mention)].rstrip()
    return text
