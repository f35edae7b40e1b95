"""A rendered piece becomes a Bot API call, and the Bot API's errors become ours."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from aiogram import Bot
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.exceptions import (
    ClientDecodeError,
    TelegramAPIError,
    TelegramBadRequest,
    TelegramEntityTooLarge,
    TelegramForbiddenError,
    TelegramMigrateToChat,
    TelegramNetworkError,
    TelegramNotFound,
    TelegramRetryAfter,
    TelegramServerError,
    TelegramUnauthorizedError,
)
from aiogram.methods import EditMessageText, Response, SendChatAction, SendMessage
from aiogram.types import (
    BufferedInputFile,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    LinkPreviewOptions,
    MessageEntity,
    ReplyParameters,
)

from channels.text import telegram as text
from core.channel import Budget, Budgets, FormStyle, Gone, Refused, Surroundings, TryLater, Unsure
from core.envelopes import Attachment, Body, OutgoingFile, Piece, Place, Target

log = logging.getLogger("prowex.telegram")

REQUEST_SECONDS = 30
TOKEN_REFUSED_SECONDS = 30.0
_NOTHING_VISIBLE = Piece("The answer has nothing in it that can be shown.")
_PICTURES = ("image/png", "image/jpeg", "image/webp")
_ANSWERS = [Response[method.__returning__] for method in (SendMessage, EditMessageText, SendChatAction)]  # type: ignore[name-defined]
"""Only held on to: pydantic forgets a generic class that nobody holds, and aiogram asks for one at each answer; to make
it anew takes longer than the rest of the call."""


def open_bot(token: str, api_url: str) -> Bot:
    """Return aiogram's client for a Bot API server; whoever opens it closes its session.

    Idle connections are dropped before servers drop them: a send on a connection that is being closed would leave us
    unsure whether it arrived.
    """
    session = AiohttpSession(api=TelegramAPIServer.from_base(api_url))
    session._connector_init["keepalive_timeout"] = 10
    return Bot(token, session=session)


def budgets(per_second: float, per_chat: float, group_per_minute: float) -> Budgets:
    """Return Telegram's limits with a little room: what it counts comes later than what we do, and closer."""
    return Budgets(
        private=Budget(per_chat * 0.95, 2),
        group=Budget(max(1.0, group_per_minute - 4) / 60, 4),
        whole=Budget(per_second * 0.85, max(1.0, per_second * 0.04)),
        interval=0.8,
    )


class TelegramChannel:
    """Shows replies in Telegram chats.

    Args:
        read_file: returns a stored file's bytes.
    """

    name = "telegram"
    form_style = FormStyle.QUESTIONS

    def __init__(self, bot: Bot, limits: Budgets, read_file: Callable[[str], Awaitable[bytes]]) -> None:
        self.budgets = limits
        self._bot = bot
        self._read_file = read_file
        self._moved: dict[int, int] = {}

    def render(self, body: Body, *, growing: bool = False) -> tuple[Piece, ...]:
        """Cut the text into messages of at most 4,096 UTF-16 units; buttons stand under the last one."""
        if growing:
            return text.render(body.markdown(), growing=True)
        pieces = [*text.render(body.markdown()), *(Piece("", file=file) for file in body.files)] or [_NOTHING_VISIBLE]
        if body.buttons:
            last = pieces[-1]
            pieces[-1] = Piece(last.text, last.format, body.buttons, last.file)
        return tuple(pieces)

    async def post(self, target: Target, piece: Piece, key: str) -> str:
        """Send a message; Telegram knows no idempotency key, so a lost answer is `Unsure`."""
        async with _translated(posting=True):
            return await self._send(target, piece)

    async def edit(self, target: Target, message_id: str, piece: Piece) -> None:
        """Edit a message's text; the answer "not modified" is a success."""
        async with _translated(posting=False):
            try:
                await self._edit(target, message_id, piece)
            except TelegramMigrateToChat as moved:
                self._follow(target, moved)
                raise Gone from moved
            except TelegramBadRequest as error:
                if not _says(error, "message is not modified"):
                    raise

    async def delete(self, target: Target, message_id: str) -> None:
        """Delete a message; one that is not there is a success."""
        async with _translated(posting=False):
            try:
                await self._bot.delete_message(self._chat(target), int(message_id), request_timeout=REQUEST_SECONDS)
            except TelegramMigrateToChat as moved:
                self._follow(target, moved)
            except TelegramBadRequest as error:
                if not _says(error, "message to delete not found", *_NO_SUCH_ID):
                    raise

    async def find(self, target: Target, key: str) -> str | None:
        """Bots can't read a chat's history: nobody can know."""
        raise Unsure

    async def typing(self, target: Target) -> None:
        """Send the typing action; its failure matters to nobody."""
        try:
            await self._bot.send_chat_action(
                self._chat(target), "typing", message_thread_id=_topic(target), request_timeout=REQUEST_SECONDS
            )
        except (TelegramAPIError, ClientDecodeError):
            log.debug("a typing action failed")

    async def surroundings(
        self, target: Target, *, people: Sequence[str], texts: Sequence[str], known: Collection[str]
    ) -> Surroundings:
        """Return nothing: an inbound here carries all there is to know."""
        return Surroundings()

    async def fetch(self, attachment: Attachment) -> bytes:
        """Download a file that a person sent."""
        async with _translated(posting=False):
            file = await self._bot.get_file(attachment.reference, request_timeout=REQUEST_SECONDS)
            if file.file_path is None:
                raise Refused("Telegram does not hand it out")
            try:
                stream = await self._bot.download_file(file.file_path, timeout=REQUEST_SECONDS)
            except (aiohttp.ClientError, TimeoutError) as error:
                raise TryLater(1) from error
            assert stream is not None
            return stream.read()

    async def answer_press(self, press_id: str) -> None:
        """End the waiting animation of a pressed button; its failure matters to nobody."""
        try:
            await self._bot.answer_callback_query(press_id, request_timeout=REQUEST_SECONDS)
        except (TelegramAPIError, ClientDecodeError):
            log.debug("a press could not be answered")

    def _chat(self, target: Target) -> int:
        chat_id = int(target.chat.partition("/")[0])
        return self._moved.get(chat_id, chat_id)

    def _follow(self, target: Target, moved: TelegramMigrateToChat) -> None:
        """Remember where a group went that became a supergroup; its old messages can't be changed any more."""
        self._moved[int(target.chat.partition("/")[0])] = moved.migrate_to_chat_id

    async def _send(self, target: Target, piece: Piece) -> str:
        addressed: dict[str, Any] = {
            "message_thread_id": _topic(target),
            "reply_parameters": _reply_to(target),
            "reply_markup": _keyboard(piece),
            "request_timeout": REQUEST_SECONDS,
        }
        try:
            if piece.file is not None:
                return await self._send_file(target, piece.file, addressed)
            return await self._send_text(target, piece, addressed)
        except TelegramMigrateToChat as moved:
            self._follow(target, moved)
            return await self._send(target, piece)

    async def _send_text(self, target: Target, piece: Piece, addressed: dict[str, Any]) -> str:
        async def send(entities: list[MessageEntity] | None) -> str:
            message = await self._bot.send_message(
                self._chat(target),
                piece.text,
                entities=entities,
                parse_mode=None,
                link_preview_options=_NO_PREVIEW,
                **addressed,
            )
            return str(message.message_id)

        return await _formatted(piece, send)

    async def _send_file(self, target: Target, file: OutgoingFile, addressed: dict[str, Any]) -> str:
        upload = BufferedInputFile(await self._read_file(file.file_id), file.name)
        if file.media_type in _PICTURES:
            message = await self._bot.send_photo(self._chat(target), upload, **addressed)
        else:
            message = await self._bot.send_document(self._chat(target), upload, **addressed)
        return str(message.message_id)

    async def _edit(self, target: Target, message_id: str, piece: Piece) -> None:
        async def edit(entities: list[MessageEntity] | None) -> str:
            await self._bot.edit_message_text(
                piece.text,
                chat_id=self._chat(target),
                message_id=int(message_id),
                entities=entities,
                parse_mode=None,
                link_preview_options=_NO_PREVIEW,
                reply_markup=_keyboard(piece),
                request_timeout=REQUEST_SECONDS,
            )
            return message_id

        await _formatted(piece, edit)


_NO_PREVIEW = LinkPreviewOptions(is_disabled=True)
_NO_SUCH_ID = ("message_id_invalid",)
"""What Telegram says, in some chats, in place of "not found"."""


async def _formatted(piece: Piece, send: Callable[[list[MessageEntity] | None], Awaitable[str]]) -> str:
    """Send with formatting; should the server refuse the formatting, send the words without it."""
    if not piece.format:
        return await send(None)
    try:
        return await send([MessageEntity.model_validate(entity) for entity in piece.format])
    except TelegramBadRequest as error:
        if _says(error, "not modified", "not found", *_NO_SUCH_ID):
            raise
        log.warning("the platform refused a text's formatting", extra={"reason": _reason(error)})
        return await send(None)


def _topic(target: Target) -> int | None:
    topic = target.chat.partition("/")[2]
    return int(topic) if topic else None


def _reply_to(target: Target) -> ReplyParameters | None:
    """In a group, answer the message that asked."""
    if target.place is not Place.GROUP or not target.answers:
        return None
    return ReplyParameters(message_id=int(target.answers), allow_sending_without_reply=True)


def _keyboard(piece: Piece) -> InlineKeyboardMarkup | None:
    if not piece.buttons:
        return None
    rows = [[InlineKeyboardButton(text=b.label, callback_data=b.command) for b in row] for row in piece.buttons]
    return InlineKeyboardMarkup(inline_keyboard=rows)


def _says(error: TelegramBadRequest, *words: str) -> bool:
    return any(each in error.message.lower() for each in words)


def _reason(error: TelegramAPIError) -> str:
    """Return what went wrong in Telegram's words: `Bad Request: what: details that may quote the refused text`."""
    kind, *what = error.message.split(": ")
    return what[0] if what else kind


@asynccontextmanager
async def _translated(*, posting: bool) -> AsyncIterator[None]:
    """Turn aiogram's errors into ours. `posting`: doing it again would show it twice."""
    try:
        yield
    except TelegramRetryAfter as error:
        raise TryLater(float(error.retry_after), flood=True) from error
    except TelegramNetworkError as error:
        if not posting or isinstance(error.__cause__, aiohttp.ClientConnectorError):
            raise TryLater(1) from error
        raise Unsure from error
    except (TelegramServerError, ClientDecodeError) as error:
        if posting:
            raise Unsure from error
        raise TryLater(1) from error
    except (TelegramUnauthorizedError, TelegramNotFound) as error:
        log.error("Telegram refuses the bot token: set a valid TELEGRAM_BOT_TOKEN")
        raise TryLater(TOKEN_REFUSED_SECONDS) from error
    except (TelegramForbiddenError, TelegramEntityTooLarge, TelegramMigrateToChat) as error:
        raise Refused(_reason(error)) from error
    except TelegramBadRequest as error:
        if _says(error, "message to edit not found", "message can't be edited", *_NO_SUCH_ID):
            raise Gone from error
        raise Refused(_reason(error)) from error
    except TelegramAPIError as error:
        raise Refused(_reason(error)) from error
