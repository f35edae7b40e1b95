"""The methods that show something in a chat: sends, edits, deletions, reactions."""

import re
from collections.abc import Mapping
from typing import Any

from tests.servers.telegram_errors import ApiError, bad
from tests.servers.telegram_limits import Flood
from tests.servers.telegram_request import Request
from tests.servers.telegram_text import Entity, checked, parsed, trimmed, utf16
from tests.servers.telegram_world import JSON, Chat, File, Message, World

MOST_TEXT = 4096
MOST_CAPTION = 1024
NOT_MODIFIED = (
    "message is not modified: specified new message content and reply markup are exactly the same as a current "
    "content and reply markup of the message"
)
_KINDS = ("text", "callback_data", "url", "web_app", "login_url", "switch_inline_query", "copy_text", "pay")
_TYPES = {"photo": "image/jpeg", "voice": "audio/ogg", "audio": "audio/mpeg", "video": "video/mp4"}


class Sending:
    """What the bot shows, held to Telegram's rules."""

    def __init__(self, world: World, flood: Flood) -> None:
        self._world = world
        self._flood = flood
        self.methods = {
            "sendMessage": self.send_message,
            "sendPhoto": self.send_file,
            "sendDocument": self.send_file,
            "sendVoice": self.send_file,
            "sendAudio": self.send_file,
            "sendVideo": self.send_file,
            "sendMediaGroup": self.send_album,
            "editMessageText": self.edit_text,
            "editMessageCaption": self.edit_caption,
            "editMessageMedia": self.edit_media,
            "editMessageReplyMarkup": self.edit_markup,
            "deleteMessage": self.delete,
            "deleteMessages": self.delete_several,
            "setMessageReaction": self.react,
        }

    def chat(self, request: Request) -> Chat:
        """Return the chat that a request is about.

        Raises:
            ApiError: there is none, it moved, or the bot may not write there.
        """
        chat = self._world.find_chat(request.wanted("chat_id"))
        if chat is None:
            raise bad("chat not found")
        if chat.migrated_to:
            raise ApiError(
                400,
                "Bad Request: group chat was upgraded to a supergroup chat",
                {"migrate_to_chat_id": chat.migrated_to},
            )
        if chat.type == "private" and chat.bot_status == "kicked":
            raise ApiError(403, "Forbidden: bot was blocked by the user")
        if chat.bot_status == "kicked":
            raise ApiError(403, f"Forbidden: bot was kicked from the {chat.type} chat")
        if chat.bot_status == "left":
            raise ApiError(403, f"Forbidden: bot is not a member of the {chat.type} chat")
        return chat

    def send_message(self, request: Request) -> JSON:
        """sendMessage."""
        chat = self.chat(request)
        text, entities = content(request.params, "text", "entities")
        if not text:
            raise bad("message text is empty")
        if utf16(text) > MOST_TEXT:
            raise bad("message is too long")
        return self._post(request, chat, "text", text, entities).wire()

    def send_file(self, request: Request) -> JSON:
        """Send a photo, document, voice, audio or video."""
        chat, kind = self.chat(request), request.method.removeprefix("send").lower()
        text, entities = caption(request.params)
        file = self._file(request, kind, request.wanted(kind))
        return self._post(request, chat, kind, text, entities, file=file).wire()

    def send_album(self, request: Request) -> list[JSON]:
        """sendMediaGroup: counts once."""
        chat, media = self.chat(request), request.wanted("media")
        if not 2 <= len(media) <= 10:
            raise bad("wrong number of media in the album: it must be from 2 to 10")
        kinds = {one["type"] for one in media}
        if len(kinds) > 1 and not kinds <= {"photo", "video"}:
            raise bad("document can't be mixed with other media types")
        items = [(one["type"], *caption(one), self._file(request, one["type"], one["media"])) for one in media]
        album, posted = f"{self._world.number():017d}", list[Message]()
        for kind, text, entities, file in items:
            posted.append(self._post(request, chat, kind, text, entities, file=file, album=album, counted=bool(posted)))
        return [message.wire() for message in posted]

    def edit_text(self, request: Request) -> JSON:
        """editMessageText."""
        message = self._own(request)
        text, entities = content(request.params, "text", "entities")
        if not text:
            raise bad("message text is empty")
        if utf16(text) > MOST_TEXT:
            raise bad("message is too long")
        if message.kind != "text":
            raise bad("there is no text in the message to edit")
        return self._change(request, message, text, entities, message.file)

    def edit_caption(self, request: Request) -> JSON:
        """editMessageCaption."""
        message = self._own(request)
        if message.kind == "text":
            raise bad("there is no caption in the message to edit")
        return self._change(request, message, *caption(request.params), message.file)

    def edit_media(self, request: Request) -> JSON:
        """editMessageMedia."""
        message, media = self._own(request), request.wanted("media")
        text, entities = caption(media)
        file = self._file(request, media["type"], media["media"])
        self._change(request, message, text, entities, file)
        message.kind = media["type"]
        return message.wire()

    def edit_markup(self, request: Request) -> JSON:
        """editMessageReplyMarkup."""
        message = self._own(request)
        return self._change(request, message, message.text, list(message.entities), message.file)

    def delete(self, request: Request) -> bool:
        """deleteMessage."""
        self._delete(self.chat(request), request.number("message_id"))
        return True

    def delete_several(self, request: Request) -> bool:
        """deleteMessages: those that can't be found are skipped."""
        chat = self.chat(request)
        for number in request.wanted("message_ids"):
            message = chat.messages.get(int(number))
            if message and not message.deleted_at:
                self._delete(chat, message.id)
        return True

    def react(self, request: Request) -> bool:
        """setMessageReaction: one at most."""
        message = self._existing(self.chat(request), request.number("message_id"), "message to react not found")
        reactions = request.params.get("reaction") or []
        if len(reactions) > 1:
            raise bad("REACTIONS_TOO_MANY")
        message.reactions = list(reactions)
        self._world.changed(message.chat)
        return True

    def _post(
        self,
        request: Request,
        chat: Chat,
        kind: str,
        text: str,
        entities: list[Entity],
        *,
        file: File | None = None,
        album: str | None = None,
        counted: bool = False,
    ) -> Message:
        keyboard = inline_keyboard(request.params.get("reply_markup"), sending=True)
        topic = self._topic(request, chat)
        reply_to, quote = self._reply(request, chat)
        if not counted:
            self._flood.admit(chat.id, request.method, group=chat.type != "private")
        return self._world.post(
            chat,
            None if chat.type == "channel" else self._world.bot,
            kind,
            from_bot=True,
            text=text,
            entities=tuple(entities),
            keyboard=keyboard,
            file=file,
            album=album,
            topic=topic,
            reply_to=reply_to,
            quote=quote,
            notified=not request.flag("disable_notification"),
            sender_chat=chat if chat.type == "channel" else None,
        )

    def _topic(self, request: Request, chat: Chat) -> int | None:
        number = request.number("message_thread_id")
        if number is None:
            return None
        topic = chat.topics.get(number)
        if topic is None:
            raise bad("message thread not found")
        if topic.closed and chat.bot_status != "administrator":
            raise bad("TOPIC_CLOSED")
        return topic.id

    def _reply(self, request: Request, chat: Chat) -> tuple[Message | None, JSON | None]:
        wanted = request.params.get("reply_parameters") or {"message_id": request.number("reply_to_message_id")}
        if wanted.get("message_id") is None:
            return None, None
        answered = chat.messages.get(int(wanted["message_id"]))
        if answered is None or answered.deleted_at:
            if wanted.get("allow_sending_without_reply") or request.flag("allow_sending_without_reply"):
                return None, None
            raise bad("message to be replied not found")
        if not (quote := wanted.get("quote")):
            return answered, None
        if quote not in answered.text:
            raise bad("QUOTE_TEXT_INVALID")
        return answered, {"text": quote, "position": utf16(answered.text[: answered.text.index(quote)])}

    def _file(self, request: Request, kind: str, reference: str) -> File:
        if not reference.startswith("attach://"):
            known = self._world.files.get(reference)
            if known is None:
                raise bad("wrong file identifier/HTTP URL specified")
            return File(known.file_id, kind, known.name, known.media_type, known.data, known.path)
        upload = request.uploads.get(reference.removeprefix("attach://"))
        if upload is None:
            raise bad(f"file {reference} not found in the request")
        if not upload.data:
            raise bad("file must be non-empty")
        media_type = _TYPES.get(kind, upload.media_type)
        return self._world.keep(kind, upload.data, upload.name, media_type)

    def _existing(self, chat: Chat, number: int | None, words: str) -> Message:
        message = chat.messages.get(number or 0)
        if message is None or message.deleted_at:
            raise bad(words)
        return message

    def _own(self, request: Request) -> Message:
        chat = self.chat(request)
        message = self._existing(chat, request.number("message_id"), "message to edit not found")
        if not message.from_bot:
            raise bad("message can't be edited")
        return message

    def _change(self, request: Request, message: Message, text: str, entities: list[Entity], file: File | None) -> JSON:
        keyboard = inline_keyboard(request.params.get("reply_markup"), sending=False)
        self._flood.admit(message.chat.id, request.method, group=message.chat.type != "private")
        new = (text, tuple(entities), keyboard, file)
        if new == (message.text, message.entities, message.keyboard, message.file):
            raise bad(NOT_MODIFIED)
        message.text, message.entities, message.keyboard, message.file = new
        message.edited_at = self._world.clock.now()
        message.remember(message.edited_at)
        self._world.changed(message.chat)
        return message.wire()

    def _delete(self, chat: Chat, number: int | None) -> None:
        message = self._existing(chat, number, "message to delete not found")
        if not message.from_bot and chat.type != "private" and chat.bot_status != "administrator":
            raise bad("message can't be deleted")
        if self._world.clock.now() - message.sent_at >= self._world.delete_age:
            raise bad("message can't be deleted for everyone")
        message.deleted_at = self._world.clock.now()
        self._world.changed(chat)


def content(params: Mapping[str, Any], text: str, entities: str) -> tuple[str, list[Entity]]:
    """Return a text and its entities as Telegram keeps them: parsed, checked, trimmed."""
    words = str(params.get(text) or "")
    utf16(words)
    found = params.get(entities) or []
    if mode := params.get("parse_mode"):
        words, found = parsed(words, mode)
    return trimmed(words, checked(words, found))


def caption(params: Mapping[str, Any]) -> tuple[str, list[Entity]]:
    """Return a caption and its entities.

    Raises:
        ApiError: it is too long.
    """
    words, entities = content(params, "caption", "caption_entities")
    if utf16(words) > MOST_CAPTION:
        raise bad("message caption is too long")
    return words, entities


def inline_keyboard(markup: Any, *, sending: bool) -> list[list[JSON]]:
    """Return the inline buttons of a reply markup; other keyboards may only be sent.

    Raises:
        ApiError: a button that Telegram would refuse.
    """
    if not markup:
        return []
    if "inline_keyboard" not in markup:
        if sending:
            return []
        raise bad("inline keyboard expected")
    rows = [row for row in markup["inline_keyboard"] if row]
    for button in (one for row in rows for one in row):
        kinds = [kind for kind in button if kind in _KINDS[1:]]
        data, url = button.get("callback_data"), button.get("url")
        if not button.get("text"):
            raise bad('can\'t parse inline keyboard button: Field "text" must be non-empty')
        if not kinds:
            raise bad("can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard")
        if len(kinds) > 1:
            raise bad("BUTTON_TYPE_INVALID")
        if data is not None and not 1 <= len(data.encode()) <= 64:
            raise bad("BUTTON_DATA_INVALID")
        if url is not None and not re.match(r"(https?|tg)://\S+\Z|[\w.-]+\.\w+", url):
            raise bad(f"inline keyboard button URL '{url}' is invalid: Wrong HTTP URL")
    if sum(map(len, rows)) > 100:
        raise bad("reply markup is too long")
    return [list(row) for row in rows]
