"""The web channel and its hub."""

import asyncio
from datetime import UTC, datetime

import pytest

from channels.web import Changed, Hub, Removed, Shown, Typing, WebChannel
from core.channel import Refused
from core.envelopes import Attachment, Body, Button, OutgoingFile, Piece, Place, Target

TARGET = Target("web", "web", "me", Place.PRIVATE)
NOW = datetime(2026, 11, 24, tzinfo=UTC)


async def read(file_id):
    return {"1": b"one"}[file_id]


@pytest.fixture
def hub():
    return Hub()


@pytest.fixture
def channel(hub, clock):
    return WebChannel(hub, clock, read)


def shown(number, text="", growing=True):
    return Shown(str(number), Body(text), growing, NOW)


async def test_any_text_is_one_piece_and_stays_whole(channel):
    text = "x" * 200_000 + "\n\n```\ncode\n```"
    for growing in (False, True):
        (piece,) = channel.render(Body(text), growing=growing)
        assert piece.text == text


async def test_a_message_is_posted_edited_found_and_deleted_under_one_id(hub, channel):
    files = (OutgoingFile("1", "a.txt", "text/plain"), OutgoingFile("2", "b.txt", "text/plain"))
    body = Body("Done", ((Button("More", "/more"),),), files)
    async with hub.subscribe("me") as events:
        assert await channel.post(TARGET, Piece("…"), "k1") == "k1"
        assert (await anext(events)).growing
        await channel.edit(TARGET, "k1", channel.render(Body("Do"), growing=True)[0])
        assert (await anext(events)).growing
        await channel.edit(TARGET, "k1", channel.render(body)[0])
        final = await anext(events)
        assert (final.body, final.growing) == (body, False)
        assert await channel.find(TARGET, "k1") == "k1"
        await channel.typing(TARGET)
        assert await anext(events) == Typing()
        await channel.delete(TARGET, "k1")
        assert await anext(events) == Removed("k1")


async def test_other_chats_hear_nothing(hub, channel):
    async with hub.subscribe("somebody else") as events:
        await channel.post(TARGET, Piece("secret"), "k1")
        hub.publish("somebody else", Typing())
        assert await anext(events) == Typing()


async def test_a_slow_page_gets_the_newest_of_each_message(hub):
    async with hub.subscribe("me") as events:
        for text in ("a", "ab", "abc"):
            hub.publish("me", shown(1, text))
        hub.publish("me", shown(2, "x"))
        assert [(await anext(events)).body.text for _ in range(2)] == ["abc", "x"]


async def test_a_page_that_never_reads_costs_little_and_is_told_to_read_anew(hub):
    async with hub.subscribe("me") as events:
        for number in range(10_000):
            hub.publish("me", shown(number, growing=False))
        assert len(events._waiting) <= 200
        assert await anext(events) == Changed()


async def test_giving_up_waiting_loses_no_event(hub):
    async with hub.subscribe("me") as events:
        for _ in range(50):
            waiting = asyncio.ensure_future(anext(events))
            await asyncio.sleep(0)
            hub.publish("me", shown(1, "x"))
            waiting.cancel()
            try:
                event = await waiting
            except asyncio.CancelledError:
                event = await anext(events)
            assert event.body.text == "x"


async def test_how_a_message_grows_is_remembered_until_it_is_whole(hub):
    hub.publish("me", shown(1, "half"))
    assert hub.growing("me", "1").body.text == "half"
    hub.publish("me", shown(1, "whole", growing=False))
    assert hub.growing("me", "1") is None
    for number in range(5_000):
        hub.publish("me", shown(number))
    assert len(hub._growing) <= 1_000


async def test_leaving_pages_leave_nothing_behind(hub):
    async with hub.subscribe("me"), hub.subscribe("me"):
        assert hub.pages("me") == 2
    assert hub.pages("me") == 0
    assert hub._pages == {}


async def test_closing_ends_every_page(hub):
    async with hub.subscribe("me") as events:
        hub.close()
        assert [event async for event in events] == []
    async with hub.subscribe("me") as events:
        assert [event async for event in events] == []


async def test_stored_files_are_fetched_others_refused_in_words(channel):
    assert await channel.fetch(Attachment("stored:1", "a", "text/plain")) == b"one"
    for reference in ("stored:2", "https://elsewhere.example/x"):
        with pytest.raises(Refused, match="file"):
            await channel.fetch(Attachment(reference, "a", "text/plain"))
