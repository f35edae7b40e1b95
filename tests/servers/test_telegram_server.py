"""The fake Telegram keeps Telegram's rules, under aiogram's real client."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import pytest
from aiogram import Bot
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.enums import ContentType
from aiogram.exceptions import (
    TelegramAPIError,
    TelegramBadRequest,
    TelegramConflictError,
    TelegramForbiddenError,
    TelegramMigrateToChat,
    TelegramNetworkError,
    TelegramRetryAfter,
    TelegramUnauthorizedError,
)
from aiogram.types import (
    BotCommand,
    BufferedInputFile,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    InputMediaDocument,
    InputMediaPhoto,
    MessageEntity,
    ReactionTypeEmoji,
    ReplyParameters,
    Update,
)
from aiohttp import web

from tests.servers.telegram import TOKEN, FakeTelegram
from tests.servers.telegram_limits import Limits
from tests.servers.telegram_models import UnfaithfulAnswer, check_answer, check_update
from tests.servers.telegram_request import JSON_FIELDS

ROOT = Path(__file__).parents[2]


class Hand:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        from datetime import UTC, datetime

        self.moment = datetime(2026, 3, 1, 12, tzinfo=UTC)
        self.seconds = 1000.0

    def now(self) -> Any:
        return self.moment

    def monotonic(self) -> float:
        return self.seconds

    def pass_by(self, seconds: float) -> None:
        from datetime import timedelta

        self.moment += timedelta(seconds=seconds)
        self.seconds += seconds


class Session(AiohttpSession):
    """aiogram's own, but without the quarter of a second that it sleeps after TLS connections."""

    async def close(self) -> None:
        if self._session:
            await self._session.close()


def new_bot(telegram: FakeTelegram, token: str = TOKEN) -> Bot:
    return Bot(token, session=Session(api=TelegramAPIServer.from_base(telegram.url)))


class Place(NamedTuple):
    telegram: FakeTelegram
    bot: Bot
    clock: Hand


@asynccontextmanager
async def open_place(limits: Limits, **more: Any) -> AsyncIterator[Place]:
    clock = Hand()
    async with FakeTelegram(limits=limits, clock=clock, **more) as telegram:
        bot = new_bot(telegram)
        try:
            yield Place(telegram, bot, clock)
        finally:
            await bot.session.close()


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    async with open_place(Limits.off()) as one:
        yield one


@pytest.fixture
async def limited() -> AsyncIterator[Place]:
    async with open_place(Limits()) as one:
        yield one


@pytest.fixture
async def strict() -> AsyncIterator[Place]:
    async with open_place(Limits.strict()) as one:
        yield one


async def refusal(asked: Awaitable[Any], kind: type[TelegramAPIError] = TelegramBadRequest) -> str:
    with pytest.raises(kind) as caught:
        await asked
    return str(caught.value)


def row(*buttons: tuple[str, str]) -> InlineKeyboardMarkup:
    return InlineKeyboardMarkup(
        inline_keyboard=[[InlineKeyboardButton(text=text, callback_data=data) for text, data in buttons]]
    )


# Updates by polling


async def test_an_update_comes_again_until_its_offset_is_passed(place: Place) -> None:
    chat = place.telegram.private("Ann")
    await place.telegram.say(chat, "one")
    await place.telegram.say(chat, "two")
    first = await place.bot.get_updates()
    assert [one.message.text for one in first if one.message] == ["one", "two"]
    assert await place.bot.get_updates() == first
    left = await place.bot.get_updates(offset=first[0].update_id + 1)
    assert [one.message.text for one in left if one.message] == ["two"]
    assert await place.bot.get_updates(offset=left[0].update_id + 1) == []
    assert place.telegram.updates.counts.confirmed == 2


async def test_a_long_poll_waits_for_the_next_update(place: Place) -> None:
    async with asyncio.TaskGroup() as tasks:
        poll = tasks.create_task(place.bot.get_updates(timeout=30))
        await place.telegram.wait_for(lambda: place.telegram.journal.by_method["getUpdates"])
        assert not poll.done()
        await place.telegram.say(place.telegram.private("Ann"), "hi")
    assert [one.message.text for one in poll.result() if one.message] == ["hi"]


async def test_a_limit_cuts_the_batch_and_a_negative_offset_forgets_the_older(place: Place) -> None:
    chat = place.telegram.private("Ann")
    for number in range(5):
        await place.telegram.say(chat, str(number))
    assert len(await place.bot.get_updates(limit=2)) == 2
    last = await place.bot.get_updates(offset=-1)
    assert [one.message.text for one in last if one.message] == ["4"]
    assert len(place.telegram.updates.pending) == 1


async def test_only_the_kinds_that_are_wanted_are_kept(place: Place) -> None:
    chat = place.telegram.private("Ann")
    await place.bot.get_updates(allowed_updates=["callback_query"])
    await place.telegram.say(chat, "unwanted")
    assert await place.bot.get_updates() == []
    assert place.telegram.updates.counts.unwanted == 1


async def test_the_older_of_two_pollers_is_sent_away(place: Place) -> None:
    other = new_bot(place.telegram)
    async with asyncio.TaskGroup() as tasks:
        older = tasks.create_task(refusal(place.bot.get_updates(timeout=30), TelegramConflictError))
        await place.telegram.wait_for(lambda: place.telegram.journal.by_method["getUpdates"])
        newer = tasks.create_task(other.get_updates(timeout=30))
        assert "terminated by other getUpdates request" in await older
        await place.telegram.say(place.telegram.private("Ann"), "hi")
        assert len(await newer) == 1
    await other.session.close()


async def test_polling_and_a_webhook_exclude_each_other(place: Place) -> None:
    async with asyncio.TaskGroup() as tasks:
        poll = tasks.create_task(refusal(place.bot.get_updates(timeout=30), TelegramConflictError))
        await place.telegram.wait_for(lambda: place.telegram.journal.by_method["getUpdates"])
        await place.bot.set_webhook("http://127.0.0.1:9/hook")
        assert "terminated by setWebhook" in await poll
    assert "webhook is active" in await refusal(place.bot.get_updates(), TelegramConflictError)
    await place.bot.delete_webhook()
    assert await place.bot.get_updates() == []


async def test_a_poller_that_was_killed_loses_nothing(place: Place) -> None:
    chat = place.telegram.private("Ann")
    async with asyncio.TaskGroup() as tasks:
        victim = tasks.create_task(place.bot.get_updates(timeout=30))
        await place.telegram.wait_for(lambda: place.telegram.journal.by_method["getUpdates"])
        victim.cancel()
    await place.telegram.say(chat, "are you there?")
    found = await place.bot.get_updates(timeout=30)
    assert [one.message.text for one in found if one.message] == ["are you there?"]


async def test_a_used_update_id_is_delivered_once_more_although_it_was_confirmed(place: Place) -> None:
    chat = place.telegram.private("Ann")
    await place.telegram.say(chat, "hi", update_id=7)
    assert [one.update_id for one in await place.bot.get_updates()] == [7]
    await place.bot.get_updates(offset=8)
    await place.telegram.say(chat, "hi", update_id=7)
    assert [one.update_id for one in await place.bot.get_updates(offset=8)] == [7]
    assert await place.bot.get_updates(offset=8) == []


async def test_a_redelivery_is_not_spent_on_a_poller_that_is_gone(place: Place) -> None:
    chat = place.telegram.private("Ann")
    await place.telegram.say(chat, "hi", update_id=7)
    await place.bot.get_updates()
    async with asyncio.TaskGroup() as tasks:
        victim = tasks.create_task(place.bot.get_updates(offset=8, timeout=30))
        await place.telegram.wait_for(lambda: place.telegram.journal.by_method["getUpdates"] == 2)
        victim.cancel()
    await place.bot.get_me()
    await place.telegram.say(chat, "hi", update_id=7)
    await place.telegram.wait_for(lambda: place.telegram.journal.of("getUpdates")[1].lost)
    assert [one.update_id for one in await place.bot.get_updates(offset=8)] == [7]


async def test_what_was_pending_when_ids_started_anew_is_not_lost(place: Place) -> None:
    chat = place.telegram.private("Ann")
    await place.telegram.say(chat, "old", update_id=5000)
    place.telegram.updates.restart_ids(12)
    await place.telegram.say(chat, "new")
    for _ in range(2):
        assert [one.update_id for one in await place.bot.get_updates()] == [5000, 12]
    assert await place.bot.get_updates(offset=13) == []


async def test_ids_that_start_anew_reach_a_poller_with_an_old_offset(place: Place) -> None:
    chat = place.telegram.private("Ann")
    await place.telegram.say(chat, "old", update_id=5000)
    assert len(await place.bot.get_updates()) == 1
    assert await place.bot.get_updates(offset=5001) == []
    place.telegram.updates.restart_ids(12)
    await place.telegram.say(chat, "new")
    for _ in range(2):  # the second time after a crash that forgot the first
        assert [one.update_id for one in await place.bot.get_updates(offset=5001)] == [12]
    assert await place.bot.get_updates(offset=13) == []


# Updates by webhook


class Hook:
    """A webhook that answers as it is told."""

    def __init__(self, *statuses: int) -> None:
        self.statuses = list(statuses)
        self.seen: list[str] = []
        self.secrets: set[str | None] = set()
        self.url = ""

    async def __aenter__(self) -> "Hook":
        self._runner = web.ServerRunner(web.Server(self._take), access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/hook"
        return self

    async def __aexit__(self, *gone: object) -> None:
        await self._runner.cleanup()

    async def _take(self, request: web.BaseRequest) -> web.Response:
        update = Update.model_validate(await request.json())
        assert update.message
        self.seen.append(str(update.message.text))
        self.secrets.add(request.headers.get("X-Telegram-Bot-Api-Secret-Token"))
        return web.Response(status=self.statuses.pop(0) if self.statuses else 200)


@pytest.fixture
async def hooked() -> AsyncIterator[Place]:
    async with open_place(Limits.off(), pauses=(0.01,)) as one:
        yield one


async def test_a_webhook_gets_an_update_again_until_it_says_2xx_and_in_order(hooked: Place) -> None:
    chat = hooked.telegram.private("Ann")
    async with Hook(500, 503, 200) as hook:
        await hooked.bot.set_webhook(hook.url, secret_token="s3cret_-")
        await hooked.telegram.say(chat, "one")
        await hooked.telegram.say(chat, "two")
        await hooked.telegram.wait_for(lambda: not hooked.telegram.updates.pending)
    assert hook.seen == ["one", "one", "one", "two"]
    assert hook.secrets == {"s3cret_-"}
    info = await hooked.bot.get_webhook_info()
    assert (info.pending_update_count, info.url) == (0, hook.url)
    assert info.last_error_message == "Wrong response from the webhook: 503"


async def test_a_parallel_webhook_keeps_the_order_of_each_chat() -> None:
    async with open_place(Limits.off(), pauses=(0.01,), parallel=8) as place:
        ann, ben = place.telegram.private("Ann"), place.telegram.private("Ben")
        for number in range(5):
            await place.telegram.say(ann, f"a{number}")
            await place.telegram.say(ben, f"b{number}")
        async with Hook(500, 500, 200, 500) as hook:
            await place.bot.set_webhook(hook.url)
            await place.telegram.wait_for(lambda: not place.telegram.updates.pending)
        for letter in "ab":
            seen = list(dict.fromkeys(one for one in hook.seen if one.startswith(letter)))
            assert seen == [f"{letter}{number}" for number in range(5)]
        assert len(hook.seen) == 13


async def test_an_update_for_a_webhook_that_is_down_waits_until_it_is_up(hooked: Place) -> None:
    async with Hook() as hook:
        pass
    await hooked.bot.set_webhook(hook.url)
    await hooked.telegram.say(hooked.telegram.private("Ann"), "hi")
    await hooked.telegram.wait_for(lambda: hooked.telegram.updates.counts.redeliveries >= 2)
    assert len(hooked.telegram.updates.pending) == 1
    await hooked.bot.delete_webhook()
    assert [one.message.text for one in await hooked.bot.get_updates() if one.message] == ["hi"]


async def test_a_secret_that_telegram_would_not_take_is_refused(place: Place) -> None:
    asked = place.bot.set_webhook("http://127.0.0.1:9/", secret_token="not allowed")
    assert "secret token contains unallowed characters" in await refusal(asked)


# What the bot shows


async def test_text_entities_and_buttons_are_seen_as_they_were_sent(place: Place) -> None:
    chat = place.telegram.private("Ann")
    entities = [MessageEntity(type="bold", offset=3, length=5), MessageEntity(type="italic", offset=3, length=2)]
    sent = await place.bot.send_message(chat.id, "🐈 hello", entities=entities, reply_markup=row(("Yes", "/yes")))
    [seen] = place.telegram.visible(chat)
    assert (seen.id, seen.text, seen.labels, seen.notified) == (sent.message_id, "🐈 hello", ["Yes"], True)
    assert [(one["type"], one["offset"], one["length"]) for one in seen.entities] == [
        ("bold", 3, 5),
        ("italic", 3, 2),
    ]
    assert [one.model_dump() for one in sent.entities or ()] == [one.model_dump() for one in entities]


async def test_history_keeps_every_text_and_visible_only_what_stands(place: Place) -> None:
    chat = place.telegram.private("Ann")
    sent = await place.bot.send_message(chat.id, "…", reply_markup=row(("Stop", "/stop")))
    await place.bot.edit_message_text("Hel", chat_id=chat.id, message_id=sent.message_id)
    await place.bot.edit_message_text("Hello", chat_id=chat.id, message_id=sent.message_id)
    gone = await place.bot.send_message(chat.id, "oops", disable_notification=True)
    await place.bot.delete_message(chat.id, gone.message_id)
    [seen] = place.telegram.visible(chat)
    assert (seen.text, seen.edits, seen.labels) == ("Hello", 2, [])
    kept, deleted = place.telegram.history(chat)
    assert [one.text for one in kept.versions] == ["…", "Hel", "Hello"]
    assert (deleted.text, deleted.notified) == ("oops", False)
    assert deleted.deleted_at is not None
    assert place.telegram.transcript(chat) == "12:00:00 Prowex: Hello (edited 2×)"


async def test_an_edit_without_a_change_is_refused(place: Place) -> None:
    chat = place.telegram.private("Ann")
    sent = await place.bot.send_message(chat.id, "same")
    edit = place.bot.edit_message_text("same \n", chat_id=chat.id, message_id=sent.message_id)
    assert "message is not modified" in await refusal(edit)
    await place.bot.edit_message_text("same", chat_id=chat.id, message_id=sent.message_id, reply_markup=row(("A", "a")))
    await place.bot.edit_message_reply_markup(chat_id=chat.id, message_id=sent.message_id)
    assert place.telegram.visible(chat)[0].edits == 2


async def test_what_is_not_there_can_be_neither_edited_nor_deleted(place: Place) -> None:
    chat = place.telegram.private("Ann")
    theirs = await place.telegram.say(chat, "mine")
    edit, delete = place.bot.edit_message_text, place.bot.delete_message
    assert "message to edit not found" in await refusal(edit("x", chat_id=chat.id, message_id=99))
    assert "message can't be edited" in await refusal(edit("x", chat_id=chat.id, message_id=theirs.id))
    assert "message to delete not found" in await refusal(delete(chat.id, 99))


async def test_a_message_of_two_days_ago_stays(place: Place) -> None:
    chat = place.telegram.private("Ann")
    sent = await place.bot.send_message(chat.id, "old")
    place.clock.pass_by(48 * 3600)
    refused = await refusal(place.bot.delete_message(chat.id, sent.message_id))
    assert "message can't be deleted for everyone" in refused
    assert place.telegram.texts(chat) == ["old"]


async def test_length_is_counted_in_utf16_units(place: Place) -> None:
    chat = place.telegram.private("Ann")
    await place.bot.send_message(chat.id, "🐈" * 2048)
    assert "message is too long" in await refusal(place.bot.send_message(chat.id, "🐈" * 2048 + "x"))
    assert "message text is empty" in await refusal(place.bot.send_message(chat.id, " \n "))
    photo = BufferedInputFile(b"jpeg", "a.jpg")
    assert "caption is too long" in await refusal(place.bot.send_photo(chat.id, photo, caption="x" * 1025))
    assert len(place.telegram.visible(chat)) == 1


@pytest.mark.parametrize(
    ("entities", "why"),
    [
        ([("bold", 0, 7)], "BOUNDS"),
        ([("bold", -1, 3)], "BOUNDS"),
        ([("bold", 1, 0)], "BOUNDS"),
        ([("bold", 1, 2)], "begins in a middle of a UTF-16 symbol"),
        ([("bold", 0, 1)], "ends in a middle of a UTF-16 symbol"),
        ([("bold", 2, 3), ("italic", 3, 3)], "overlap"),
    ],
)
async def test_entities_that_can_not_be_are_refused(place: Place, entities: list[Any], why: str) -> None:
    chat = place.telegram.private("Ann")
    marks = [MessageEntity(type=kind, offset=offset, length=length) for kind, offset, length in entities]
    assert why in await refusal(place.bot.send_message(chat.id, "🐈abcd", entities=marks))
    assert place.telegram.visible(chat) == []


@pytest.mark.parametrize(
    ("mode", "text", "why"),
    [
        ("HTML", "List<String>", 'Unsupported start tag "String"'),
        ("HTML", "<b>open", "Can't find end tag"),
        ("HTML", "<b><i>x</b></i>", "Unmatched end tag"),
        ("HTML", "1 < 2", 'Unsupported start tag ""'),
        ("MarkdownV2", "Hello.", "Character '.' is reserved"),
        ("MarkdownV2", "*bold", "Can't find end of Bold entity"),
        ("Markdown", "_open", "Can't find end of the entity"),
        ("bbcode", "x", "unsupported parse_mode"),
    ],
)
async def test_text_that_a_parse_mode_can_not_read_is_refused(place: Place, mode: str, text: str, why: str) -> None:
    chat = place.telegram.private("Ann")
    assert why in await refusal(place.bot.send_message(chat.id, text, parse_mode=mode))


@pytest.mark.parametrize(
    ("mode", "text"),
    [
        ("HTML", "<b>bo<i>th</i></b> &lt; <a href='https://e.org'>link</a>"),
        ("MarkdownV2", "*bo_th_* < [link](https://e.org)"),
    ],
)
async def test_a_parse_mode_becomes_entities(place: Place, mode: str, text: str) -> None:
    sent = await place.bot.send_message(place.telegram.private("Ann").id, text, parse_mode=mode)
    assert sent.text == "both < link"
    assert [(one.type, one.offset, one.length, one.url) for one in sent.entities or ()] == [
        ("bold", 0, 4, None),
        ("italic", 2, 2, None),
        ("text_link", 7, 4, "https://e.org"),
    ]


async def test_button_data_is_at_most_64_bytes(place: Place) -> None:
    chat = place.telegram.private("Ann")
    await place.bot.send_message(chat.id, "ok", reply_markup=row(("A", "é" * 32)))
    asked = place.bot.send_message(chat.id, "no", reply_markup=row(("A", "é" * 32 + "x")))
    assert "BUTTON_DATA_INVALID" in await refusal(asked)


async def test_a_press_reaches_the_bot_and_its_answer_the_person(place: Place) -> None:
    chat = place.telegram.private("Ann")
    await place.bot.send_message(chat.id, "Sure?", reply_markup=row(("Yes", "/yes 1"), ("No", "/no 1")))
    press = await place.telegram.press(chat, "No")
    [update] = await place.bot.get_updates()
    assert update.callback_query
    assert (update.callback_query.data, update.callback_query.from_user.first_name) == ("/no 1", "Ann")
    await place.bot.answer_callback_query(update.callback_query.id, text="As you wish")
    assert await place.telegram.answered(press) == {"text": "As you wish", "show_alert": False}
    place.clock.pass_by(3600)
    assert "query is too old" in await refusal(place.bot.answer_callback_query(press.id))
    with pytest.raises(LookupError):
        await place.telegram.press(chat, "Maybe")


# Files


async def test_files_go_both_ways(place: Place) -> None:
    chat = place.telegram.private("Ann")
    await place.telegram.send_file(chat, "document", b"%PDF" * 500_000, "report.pdf", "application/pdf", caption="look")
    await place.telegram.send_file(chat, "photo", b"jpeg", "a.jpg")
    await place.telegram.send_file(chat, "voice", b"opus", "a.ogg", "audio/ogg")
    document, photo, voice = [one.message for one in await place.bot.get_updates() if one.message]
    assert document.document
    assert (document.caption, document.document.file_name) == ("look", "report.pdf")
    loaded = await place.bot.download(document.document)
    assert loaded
    assert loaded.read() == b"%PDF" * 500_000
    assert photo.photo
    small = await place.bot.download(photo.photo[0])
    assert small
    assert small.read() == b"jpeg"
    assert voice.voice
    await place.bot.send_document(chat.id, BufferedInputFile(b"a,b" * 800_000, "t.csv"), caption="here")
    await place.bot.send_voice(chat.id, BufferedInputFile(b"opus", "v.ogg"))
    await place.bot.send_photo(chat.id, photo.photo[-1].file_id)
    seen = [one for one in place.telegram.visible(chat) if one.from_bot]
    assert [(one.kind, one.text, one.file.name if one.file else "") for one in seen] == [
        ("document", "here", "t.csv"),
        ("voice", "", "v.ogg"),
        ("photo", "", "a.jpg"),
    ]
    assert seen[0].file
    assert seen[0].file.data == b"a,b" * 800_000
    assert "wrong file identifier" in await refusal(place.bot.send_photo(chat.id, "nothing"))
    assert "wrong file_id" in await refusal(place.bot.get_file("nothing"))


async def test_albums_and_captions_and_media_can_be_sent_and_changed(place: Place) -> None:
    chat = place.telegram.private("Ann")
    media: list[Any] = [InputMediaPhoto(media=BufferedInputFile(bytes([n]), f"{n}.jpg"), caption="two") for n in (1, 2)]
    sent = await place.bot.send_media_group(chat.id, media)
    assert len({one.media_group_id for one in sent}) == 1
    assert "wrong number of media" in await refusal(place.bot.send_media_group(chat.id, media[:1]))
    first, second = (one.message_id for one in sent)
    await place.bot.edit_message_caption(chat_id=chat.id, message_id=first, caption="first")
    new = InputMediaDocument(media=BufferedInputFile(b"pdf", "b.pdf"), caption="second")
    await place.bot.edit_message_media(new, chat_id=chat.id, message_id=second)
    seen = place.telegram.visible(chat)
    assert [(one.kind, one.text) for one in seen] == [("photo", "first"), ("document", "second")]
    edit = place.bot.edit_message_text("x", chat_id=chat.id, message_id=first)
    assert "there is no text in the message to edit" in await refusal(edit)


# People and places


async def test_a_persons_messages_say_what_they_refer_to(place: Place) -> None:
    telegram, bot = place.telegram, place.bot
    ann, ben = telegram.person("Ann", username="ann"), telegram.person("Ben")
    group = telegram.group("Team", ann, ben)
    said = await bot.send_message(group.id, "It costs 3 €, and 🐈 are free")
    asked = await telegram.say(group, "@prowex_test_bot /help why?", by=ben)
    await telegram.say(group, "free?", by=ann, reply_to=group.messages[said.message_id], quote="are free")
    await telegram.say(group, "look", by=ann, forward_from=ben)
    await telegram.say(group, "look", by=ann, forward_from="Somebody hidden")
    await telegram.say(group, "admin", as_chat=group)
    await telegram.say(group, "channel", as_chat=telegram.channel("News"))
    await telegram.edit(asked, "@prowex_test_bot why not?")
    updates = await bot.get_updates()
    mention, quote, forward, hidden, anonymous, channel = [one.message for one in updates if one.message]
    assert [one.type for one in mention.entities or ()] == ["mention", "bot_command"]
    assert quote.reply_to_message
    assert quote.reply_to_message.message_id == said.message_id
    assert quote.quote
    assert (quote.quote.text, quote.quote.position) == ("are free", 21)
    assert forward.forward_origin
    assert forward.forward_origin.type == "user"
    assert hidden.forward_origin
    assert hidden.forward_origin.type == "hidden_user"
    assert anonymous.sender_chat
    assert anonymous.sender_chat.id == group.id
    assert channel.sender_chat
    assert channel.sender_chat.title == "News"
    assert updates[-1].edited_message
    assert updates[-1].edited_message.text == "@prowex_test_bot why not?"


async def test_everything_a_person_can_send_is_read_by_aiogram(place: Place) -> None:
    telegram = place.telegram
    chat = telegram.private("Ann")
    for kind in ("sticker", "location", "contact", "poll", "dice"):
        await telegram.send_thing(chat, kind)
    await telegram.send_album(chat, [b"a", b"b"], caption="two")
    for kind in ("audio", "video"):
        await telegram.send_file(chat, kind, b"x", "x.mp4", "video/mp4")
    updates = await place.bot.get_updates()
    kinds = [ContentType(one.message.content_type).value for one in updates if one.message]
    assert kinds == ["sticker", "location", "contact", "poll", "dice", "photo", "photo", "audio", "video"]
    albums = [one.message.media_group_id for one in updates if one.message]
    assert albums[5] == albums[6] is not None


async def test_a_long_text_is_split_as_clients_do_and_loses_nothing(place: Place) -> None:
    chat = place.telegram.private("Ann")
    text = "x" * 4095 + "🐈" + "y" * 5000
    await place.telegram.say(chat, text)
    parts = [str(one.message.text) for one in await place.bot.get_updates() if one.message]
    assert [len(one.encode("utf-16-le")) // 2 for one in parts] == [4095, 4096, 906]
    assert "".join(parts) == text


async def test_blocked_and_removed_bots_and_unknown_chats_are_refused(place: Place) -> None:
    telegram, bot = place.telegram, place.bot
    chat, group = telegram.private("Ann"), telegram.group("Team", telegram.person("Ben"))
    await telegram.block(chat)
    assert "bot was blocked by the user" in await refusal(bot.send_message(chat.id, "x"), TelegramForbiddenError)
    await telegram.unblock(chat)
    await bot.send_message(chat.id, "back")
    await telegram.remove_bot(group)
    assert "kicked from the group chat" in await refusal(bot.send_message(group.id, "x"), TelegramForbiddenError)
    await telegram.add_bot(group)
    await bot.leave_chat(group.id)
    assert "not a member" in await refusal(bot.send_message(group.id, "x"), TelegramForbiddenError)
    assert "chat not found" in await refusal(bot.send_message(31337, "x"))
    changes = [one.my_chat_member for one in await bot.get_updates() if one.my_chat_member]
    assert [one.new_chat_member.status for one in changes] == ["kicked", "member", "kicked", "member"]


async def test_topics_are_apart_and_may_be_closed(place: Place) -> None:
    telegram, bot = place.telegram, place.bot
    forum = telegram.supergroup("Forum", telegram.person("Ann"), forum=True)
    plans, news = telegram.topic(forum, "Plans"), telegram.topic(forum, "News")
    await telegram.say(forum, "hi", topic=plans)
    message = (await bot.get_updates())[-1].message
    assert message
    assert message.reply_to_message
    assert (message.message_thread_id, message.is_topic_message) == (plans.id, True)
    assert message.reply_to_message.forum_topic_created
    await bot.send_message(forum.id, "hello", message_thread_id=plans.id)
    assert (telegram.texts(forum, plans), telegram.texts(forum, news)) == (["hello"], [])
    await telegram.close_topic(forum, plans)
    asked = bot.send_message(forum.id, "x", message_thread_id=plans.id)
    assert "TOPIC_CLOSED" in await refusal(asked)
    asked = bot.send_message(forum.id, "x", message_thread_id=9999)
    assert "message thread not found" in await refusal(asked)


async def test_a_group_that_grew_tells_its_new_id(place: Place) -> None:
    group = place.telegram.group("Team", place.telegram.person("Ann"))
    new = await place.telegram.upgrade(group)
    with pytest.raises(TelegramMigrateToChat) as caught:
        await place.bot.send_message(group.id, "x")
    assert caught.value.migrate_to_chat_id == new.id
    await place.bot.send_message(new.id, "moved")
    moves = [one.message.migrate_to_chat_id for one in await place.bot.get_updates() if one.message]
    assert moves == [new.id, None]


async def test_privacy_mode_hides_group_talk_that_is_not_for_the_bot() -> None:
    async with open_place(Limits.off(), privacy=True) as place:
        ann = place.telegram.person("Ann")
        group = place.telegram.group("Team", ann)
        for text in ("among us", "/help", "hey @prowex_test_bot"):
            await place.telegram.say(group, text)
        texts = [one.message.text for one in await place.bot.get_updates() if one.message]
        assert texts == ["/help", "hey @prowex_test_bot"]


async def test_the_rest_of_the_methods_answer_as_aiogram_expects(place: Place) -> None:
    telegram, bot = place.telegram, place.bot
    ann = telegram.person("Ann")
    group = telegram.group("Team", ann)
    hello = await telegram.say(group, "hello")
    await bot.set_my_commands([BotCommand(command="help", description="What I can do")])
    assert [one.command for one in await bot.get_my_commands()] == ["help"]
    assert "BOT_COMMAND_INVALID" in await refusal(bot.set_my_commands([BotCommand(command="Help", description="x")]))
    await bot.delete_my_commands()
    assert await bot.get_my_commands() == []
    await bot.send_chat_action(group.id, "typing")
    assert [action for _, action, _ in telegram.typing(group)] == ["typing"]
    await bot.set_message_reaction(group.id, hello.id, [ReactionTypeEmoji(emoji="👍")])
    assert telegram.visible(group)[0].reactions[0]["emoji"] == "👍"
    assert (await bot.get_chat(group.id)).title == "Team"
    assert (await bot.get_chat_member(group.id, ann.id)).status == "creator"
    assert (await bot.get_chat_member(group.id, bot.id)).status == "member"
    assert len(await bot.get_chat_administrators(group.id)) == 1
    assert await bot.get_chat_member_count(group.id) == 2
    assert "can't be deleted" in await refusal(bot.delete_message(group.id, hello.id))
    await telegram.add_bot(group, status="administrator")
    assert await bot.delete_messages(group.id, [hello.id, 999])
    reply = ReplyParameters(message_id=hello.id)
    assert "replied not found" in await refusal(bot.send_message(group.id, "x", reply_parameters=reply))
    reply = ReplyParameters(message_id=hello.id, allow_sending_without_reply=True)
    await bot.send_message(group.id, "x", reply_parameters=reply)


# Requests as they come


async def test_a_wrong_token_is_unauthorized(place: Place) -> None:
    stranger = new_bot(place.telegram, "4242:wrong")
    await refusal(stranger.get_me(), TelegramUnauthorizedError)
    await stranger.session.close()


@pytest.mark.parametrize(
    ("method", "body", "why"),
    [
        ("sendMessage", {"chat_id": 1, "text": "x", "colour": "red"}, "unknown parameter colour"),
        ("sendMessage", {"chat_id": 1}, "invalid parameter text"),
        ("sendMessage", {"chat_id": 1, "text": "x", "message_thread_id": "y"}, "invalid parameter message_thread_id"),
        ("sendMessage", {"chat_id": 1, "text": "x", "entities": [{"type": "bold"}]}, "invalid parameter entities"),
        (
            "sendMessage",
            {"chat_id": 1, "text": "x", "reply_markup": {"inline_keyboard": [[{"text": "a", "callbackData": "b"}]]}},
            "unknown parameter reply_markup.inline_keyboard.0.0.callbackData",
        ),
        ("sendTelepathy", {"chat_id": 1}, "unknown method sendTelepathy"),
        ("sendDice", {"chat_id": 1}, "unknown method sendDice"),
    ],
)
async def test_what_the_bot_api_does_not_know_is_refused(place: Place, method: str, body: Any, why: str) -> None:
    async with aiohttp.ClientSession() as session:
        answer = await session.post(f"{place.telegram.url}/bot{TOKEN}/{method}", json=body)
        assert answer.status == 400
        assert why in (await answer.json())["description"]


async def test_json_form_and_query_mean_the_same(place: Place) -> None:
    chat = place.telegram.private("Ann")
    url = f"{place.telegram.url}/bot{TOKEN}/sendMessage"
    entities = [{"type": "bold", "offset": 0, "length": 3}]
    form = {"chat_id": str(chat.id), "text": "[1]", "entities": json.dumps(entities)}
    multipart = aiohttp.FormData(form, default_to_multipart=True)
    async with aiohttp.ClientSession() as session:
        await session.post(url, json={"chat_id": chat.id, "text": "[1]", "entities": entities})
        await session.post(url, data=form)
        await session.post(url, data=multipart)
        await session.get(url, params=form)
        broken = await session.post(url, data={**form, "entities": "[{"})
        assert "can't parse entities JSON object" in (await broken.json())["description"]
    seen = place.telegram.visible(chat)
    assert [(one.text, list(one.entities)) for one in seen] == [("[1]", entities)] * 4


def test_the_parameters_that_are_json_in_a_form_are_those_of_aiogram() -> None:
    import typing

    import aiogram.methods as methods
    from pydantic import BaseModel

    def structured(kind: Any) -> bool:
        inside = typing.get_args(kind)
        if typing.get_origin(kind) is list or (isinstance(kind, type) and issubclass(kind, BaseModel)):
            return True
        return any(structured(one) for one in inside)

    telegram = FakeTelegram(validate=False)
    for name in telegram._methods:
        model = getattr(methods, name[0].upper() + name[1:])
        for field, info in model.model_fields.items():
            assert structured(info.annotation) == (field in JSON_FIELDS), f"{name}.{field}"


def test_what_aiogram_can_not_read_is_not_sent() -> None:
    with pytest.raises(UnfaithfulAnswer):
        check_answer("getMe", {"id": 1})
    with pytest.raises(UnfaithfulAnswer, match="colour"):
        check_answer("getMe", {"id": 1, "is_bot": True, "first_name": "x", "colour": "red"})
    with pytest.raises(UnfaithfulAnswer):
        check_update({"update_id": 1, "message": {"message_id": 1}})


# Limits


async def test_sends_and_edits_share_a_chats_budget(limited: Place) -> None:
    chat = limited.telegram.private("Ann")
    sent = await limited.bot.send_message(chat.id, "1")
    for text in ("2", "3"):
        await limited.bot.edit_message_text(text, chat_id=chat.id, message_id=sent.message_id)
    with pytest.raises(TelegramRetryAfter) as caught:
        await limited.bot.edit_message_text("4", chat_id=chat.id, message_id=sent.message_id)
    assert caught.value.retry_after == 1
    assert limited.telegram.texts(chat) == ["3"]
    limited.clock.pass_by(1)
    await limited.bot.edit_message_text("4", chat_id=chat.id, message_id=sent.message_id)
    assert limited.telegram.flood.disobeyed == []
    assert limited.telegram.flood.refused[chat.id] == 1


async def test_a_request_during_a_pause_is_a_violation_and_prolongs_it(strict: Place) -> None:
    chat, other = strict.telegram.private("Ann"), strict.telegram.private("Ben")
    await strict.bot.send_message(chat.id, "1")
    await refusal(strict.bot.send_message(chat.id, "2"), TelegramRetryAfter)
    strict.clock.pass_by(0.4)
    with pytest.raises(TelegramRetryAfter) as caught:
        await strict.bot.send_message(chat.id, "2")
    assert caught.value.retry_after == 2
    [violation] = strict.telegram.flood.disobeyed
    assert (violation.chat_id, violation.method) == (chat.id, "sendMessage")
    assert violation.early == pytest.approx(0.6)
    await strict.bot.send_message(other.id, "1")
    strict.clock.pass_by(2)
    await strict.bot.send_message(chat.id, "2")
    assert strict.telegram.texts(chat) == ["1", "2"]


async def test_a_group_takes_twenty_in_any_minute_edits_included(limited: Place) -> None:
    group = limited.telegram.group("Team", limited.telegram.person("Ann"))
    sent = await limited.bot.send_message(group.id, "0")
    for number in range(1, 20):
        limited.clock.pass_by(1)
        await limited.bot.edit_message_text(str(number), chat_id=group.id, message_id=sent.message_id)
    limited.clock.pass_by(1)
    with pytest.raises(TelegramRetryAfter) as caught:
        await limited.bot.send_message(group.id, "20")
    assert caught.value.retry_after == 40
    limited.clock.pass_by(40)
    await limited.bot.send_message(group.id, "20")
    assert limited.telegram.flood.meters[group.id].most_in_60s == 20


async def test_the_whole_bot_takes_thirty_a_second(limited: Place) -> None:
    chats = [limited.telegram.private(f"Person {number}") for number in range(31)]
    for chat in chats[:30]:
        await limited.bot.send_message(chat.id, "x")
    await refusal(limited.bot.send_message(chats[30].id, "x"), TelegramRetryAfter)
    limited.clock.pass_by(1)
    await limited.bot.send_message(chats[30].id, "x")
    assert limited.telegram.stats()["bot"] == {"most_in_1s": 30, "most_in_60s": 31}


async def test_without_limits_everything_passes_but_is_measured(place: Place) -> None:
    chat = place.telegram.private("Ann")
    for _ in range(50):
        await place.bot.send_message(chat.id, "x")
    assert place.telegram.flood.meters[chat.id].most_in_1s == 50
    assert place.telegram.stats()["methods"]["sendMessage"] == 50


# Faults


async def test_a_dropped_answer_was_obeyed(place: Place) -> None:
    chat = place.telegram.private("Ann")
    place.telegram.faults.drop_answers("sendMessage", nth=2)
    await place.bot.send_message(chat.id, "one")
    await refusal(place.bot.send_message(chat.id, "two"), TelegramNetworkError)
    await place.bot.send_message(chat.id, "three")
    assert place.telegram.texts(chat) == ["one", "two", "three"]
    assert [call.dropped for call in place.telegram.journal.of("sendMessage")] == [False, True, False]


async def test_updates_whose_answer_was_dropped_come_again(place: Place) -> None:
    chat = place.telegram.private("Ann")
    await place.telegram.say(chat, "hi", update_id=7)
    place.telegram.faults.drop_answers("getUpdates")
    await refusal(place.bot.get_updates(), TelegramNetworkError)
    assert [one.update_id for one in await place.bot.get_updates()] == [7]
    assert place.telegram.updates.counts.deliveries == 1


async def test_a_failure_on_purpose_does_nothing_and_its_pause_counts(place: Place) -> None:
    chat = place.telegram.private("Ann")
    place.telegram.faults.fail("sendMessage", 429, "Too Many Requests: retry after 3", {"retry_after": 3})
    await refusal(place.bot.send_message(chat.id, "x"), TelegramRetryAfter)
    await refusal(place.bot.send_message(chat.id, "x"), TelegramRetryAfter)
    assert len(place.telegram.flood.disobeyed) == 1
    place.clock.pass_by(4)
    await place.bot.send_message(chat.id, "x")
    place.telegram.faults.fail("*", 502, "Bad Gateway", count=None)
    await refusal(place.bot.get_me(), TelegramAPIError)
    place.telegram.faults.clear()
    await place.bot.get_me()


async def test_the_same_seed_drops_the_same_answers() -> None:
    patterns = []
    for _ in range(2):
        async with open_place(Limits.off(), seed=5) as place:
            place.telegram.faults.drop_answers("getMe", count=None, probability=0.5)
            for _ in range(12):
                await asyncio.gather(place.bot.get_me(), return_exceptions=True)
            patterns.append([call.dropped for call in place.telegram.journal.of("getMe")])
    assert patterns[0] == patterns[1]
    assert 0 < sum(patterns[0]) < 12


async def test_a_delayed_answer_comes_after_the_message_is_seen(place: Place) -> None:
    chat = place.telegram.private("Ann")
    place.telegram.faults.delay("sendMessage", 0.2, count=1, obeyed=True)
    async with asyncio.TaskGroup() as tasks:
        send = tasks.create_task(place.bot.send_message(chat.id, "x"))
        assert await place.telegram.replies(chat) == ["x"]
        assert not send.done()


async def test_refused_connections_work_again_on_the_same_address(place: Place) -> None:
    chat = place.telegram.private("Ann")
    async with asyncio.TaskGroup() as tasks:
        poll = tasks.create_task(refusal(place.bot.get_updates(timeout=30), TelegramNetworkError))
        await place.telegram.wait_for(lambda: place.telegram.journal.by_method["getUpdates"])
        await place.telegram.refuse()
        await poll
    await refusal(place.bot.send_message(chat.id, "x"), TelegramNetworkError)
    await place.telegram.say(chat, "meanwhile")
    await place.telegram.accept()
    await place.bot.send_message(chat.id, "x")
    assert len(await place.bot.get_updates()) == 1


# The oracle's own ways of waiting


async def test_waiting_ends_with_what_people_see(place: Place) -> None:
    chat = place.telegram.private("Ann")
    await place.telegram.say(chat, "hello?")
    with pytest.raises(TimeoutError, match="Ann: hello"):
        await place.telegram.replies(chat, timeout=0.05)


async def test_replies_wait_for_the_final_text(place: Place) -> None:
    chat = place.telegram.private("Ann")
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(place.telegram.replies(chat, until=lambda texts: "…" not in texts, quiet=0.05))
        sent = await place.bot.send_message(chat.id, "…")
        for text in ("Hel", "Hello"):
            await place.bot.edit_message_text(text, chat_id=chat.id, message_id=sent.message_id)
    assert waiting.result() == ["Hello"]


# As a program


@pytest.fixture
async def program() -> AsyncIterator[str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.servers.telegram", "--no-validate", "--no-limits", "--token", TOKEN),
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert process.stdout
    async with asyncio.timeout(30):
        ready = (await process.stdout.readline()).decode().split()
    assert ready[0] == "ready"
    yield ready[1]
    process.terminate()
    await process.wait()


async def test_another_process_drives_it_by_the_control_api(program: str) -> None:
    bot = Bot(TOKEN, session=Session(api=TelegramAPIServer.from_base(program)))
    async with aiohttp.ClientSession(f"{program}/_control/") as control:

        async def post(what: str, body: Any) -> Any:
            async with control.post(what, json=body) as answer:
                assert answer.status == 200, await answer.text()
                return await answer.json()

        async def get(what: str, **query: Any) -> Any:
            async with control.get(what, params=query) as answer:
                assert answer.status == 200, await answer.text()
                return await answer.json()

        await post("say", [{"chat": 501, "text": "hi"}, {"chat": 502, "text": "hi"}])
        assert [one.message.chat.id for one in await bot.get_updates() if one.message] == [501, 502]
        await bot.send_message(501, "Sure?", reply_markup=row(("Yes", "/yes")))
        assert await get("wait", chat=501, contains="Sure") == ["Sure?"]
        press = await post("press", {"chat": 501, "button": "Yes"})
        await bot.answer_callback_query(press["press"], text="done")
        assert (await get("press", **press))["answer"]["text"] == "done"
        await post("file", {"chat": 501, "text": "a,b", "name": "t.csv"})
        [_, question, file] = await get("visible", chat=501)
        assert (question["text"], question["buttons"][0][0]["data"], file["file"]["name"]) == ("Sure?", "/yes", "t.csv")
        await post("fault", {"kind": "drop_answers", "method": "sendMessage"})
        await refusal(bot.send_message(501, "lost"), TelegramNetworkError)
        assert [call["dropped"] for call in await get("journal", method="sendMessage")] == [False, True]
        assert (await get("stats"))["methods"]["sendMessage"] == 2
        await post("fault", {"kind": "refuse", "seconds": 0.1})
        async with control.get("visible") as answer:
            assert answer.status == 400
    await bot.session.close()
