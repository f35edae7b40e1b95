"""Sending to the chat and reading it, as its script does; and what the script would never send."""

import asyncio
import gzip
import json
from contextlib import asynccontextmanager, suppress
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.web.forms import FILE_BYTES, TEXT_CHARACTERS
from core.envelopes import Body, Button
from tests.clock import PATIENCE


async def test_a_message_reaches_the_inbox_before_it_is_acknowledged(browser):
    await browser.sign_in()
    number = str(uuid4())
    response = await browser.say("Hello\r\nthere", id=number)
    assert (response.status, await response.json()) == (202, {"id": number})
    (inbound,) = browser.world.chats.accepted
    me = str(browser.world.operator.id)
    assert (inbound.origin.channel, inbound.origin.account) == ("web", "web")
    assert inbound.origin.chat == inbound.origin.person == me
    assert (inbound.text, inbound.message_id, inbound.button) == ("Hello\nthere", number, False)


async def test_a_repeated_message_is_kept_once_with_its_files(browser):
    await browser.sign_in()
    number = str(uuid4())
    for _ in range(3):
        response = await browser.say("Hi", id=number, files=[("a.txt", "text/plain", b"a")])
        assert response.status == 202
    assert len(browser.world.chats.accepted) == 1
    assert len(browser.world.files.kept) == 1


async def test_messages_keep_their_order_within_one_moment(browser):
    await browser.sign_in()
    for text in ("one", "two", "three"):
        await browser.say(text)
    positions = [inbound.position for inbound in browser.world.chats.accepted]
    assert positions == sorted(set(positions))


async def test_what_is_kept_later_is_answered_later(browser, monkeypatch):
    await browser.sign_in()
    files, going_on, stored = browser.world.files, asyncio.Event(), asyncio.Event()
    put = files.put

    async def slowly(*args):
        going_on.set()
        await stored.wait()
        return await put(*args)

    monkeypatch.setattr(files, "put", slowly)
    slow = asyncio.create_task(browser.say("with a file", files=[("a.txt", "text/plain", b"a")]))
    await going_on.wait()
    await browser.say("meanwhile, in another tab")
    stored.set()
    await slow
    accepted = browser.world.chats.accepted
    assert [inbound.text for inbound in accepted] == ["meanwhile, in another tab", "with a file"]
    assert accepted[0].position < accepted[1].position


async def test_files_are_stored_before_the_message(browser):
    await browser.sign_in()
    body = multipart(
        ID,
        file('../../etc/pa\u202ess"wörd'.replace('"', "%22"), "Text/Plain; x=y", b"1"),
        file("C:\\\\secret\\\\.b", "no type", b""),
        file("..", "image/png", b"2"),
    )
    response = await send_raw(browser, body, "multipart/form-data; boundary=b")
    assert response.status == 202, await response.text()
    found = [(a.name, a.media_type, a.size) for a in browser.world.chats.accepted[0].attachments]
    assert found == [
        ('pass"wörd', "text/plain", 1),
        ("b", "application/octet-stream", 0),
        ("file", "image/png", 1),
    ]
    first = browser.world.chats.accepted[0].attachments[0].reference.removeprefix("stored:")
    owner, download = browser.world.files.kept[first]
    assert (owner, download.data) == (str(browser.world.operator.id), b"1")


async def test_a_button_sends_its_command(browser):
    await browser.sign_in()
    await browser.say("/show 7", button="1")
    (inbound,) = browser.world.chats.accepted
    assert (inbound.text, inbound.button) == ("/show 7", True)
    assert (await browser.say("/" + "x" * 64, button="1")).status == 400


async def test_when_too_much_is_waiting_the_page_is_told_when_to_repeat(browser):
    await browser.sign_in()
    browser.world.chats.busy = True
    number = str(uuid4())
    response = await browser.say("Hi", id=number, files=[("a", "text/plain", b"a")])
    assert (response.status, response.headers["Retry-After"]) == (503, "2")
    browser.world.chats.busy = False
    assert (await browser.say("Hi", id=number, files=[("a", "text/plain", b"a")])).status == 202
    assert len(browser.world.files.kept) == 1


async def send_raw(browser, body, content_type, **headers):
    everything = {
        "Origin": browser.world.base,
        "X-Form-Token": await browser.form_token("/chat"),
        "Accept": "application/json",
        "Content-Type": content_type,
        **headers,
    }
    return await browser.post("/chat/messages", body, everything)


def multipart(*parts):
    return b"".join(b"--b\r\n" + part + b"\r\n" for part in parts) + b"--b--\r\n"


def field(name, value):
    return f'Content-Disposition: form-data; name="{name}"\r\n\r\n'.encode() + value


def file(name, media_type, value):
    head = f'Content-Disposition: form-data; name="file"; filename="{name}"\r\nContent-Type: {media_type}\r\n\r\n'
    return head.encode() + value


ID = field("id", str(uuid4()).encode())
ABUSE = {
    "not multipart": (b"{}", "application/json"),
    "plain form": (b"text=hi", "application/x-www-form-urlencoded"),
    "no boundary": (b"--b--", "multipart/form-data"),
    "long boundary": (b"x", "multipart/form-data; boundary=" + "b" * 200),
    "empty body": (b"", "multipart/form-data; boundary=b"),
    "garbage": (b"\x00\xff" * 500, "multipart/form-data; boundary=b"),
    "other boundary": (multipart(ID).replace(b"--b", b"--c"), "multipart/form-data; boundary=b"),
    "cut off": (multipart(ID, field("text", b"hi"))[:-20], "multipart/form-data; boundary=b"),
    "no id": (multipart(field("text", b"hi")), "multipart/form-data; boundary=b"),
    "bad id": (multipart(field("id", b"1 OR 1=1"), field("text", b"hi")), "multipart/form-data; boundary=b"),
    "no text": (multipart(ID), "multipart/form-data; boundary=b"),
    "blank": (multipart(ID, field("text", b" \n\t ")), "multipart/form-data; boundary=b"),
    "nul only": (multipart(ID, field("text", b"\x00\x00")), "multipart/form-data; boundary=b"),
    "not UTF-8": (multipart(ID, field("text", b"\xff\xfe\xfa")), "multipart/form-data; boundary=b"),
    "surrogate": (multipart(ID, field("text", b"\xed\xa0\x80")), "multipart/form-data; boundary=b"),
    "nested": (
        multipart(ID, b"Content-Type: multipart/mixed; boundary=i\r\n\r\n--i\r\n\r\nx\r\n--i--"),
        "multipart/form-data; boundary=b",
    ),
    "no headers": (multipart(b"\r\nx"), "multipart/form-data; boundary=b"),
    "broken header": (multipart(b"Content-Disposition\r\n\r\nx"), "multipart/form-data; boundary=b"),
    "odd encoding": (
        multipart(b'Content-Disposition: form-data; name="text"\r\nContent-Transfer-Encoding: rot13\r\n\r\nx'),
        "multipart/form-data; boundary=b",
    ),
    "bad length": (
        multipart(b'Content-Disposition: form-data; name="text"\r\nContent-Length: -5\r\n\r\nx'),
        "multipart/form-data; boundary=b",
    ),
    "many headers": (multipart(b"X: y\r\n" * 5_000 + b"\r\nx"), "multipart/form-data; boundary=b"),
    "long header": (multipart(b"X: " + b"y" * 50_000 + b"\r\n\r\nx"), "multipart/form-data; boundary=b"),
    "odd charset": (multipart(ID, field("text", b"")), "multipart/form-data; boundary=b; charset=rot13"),
}


@pytest.mark.parametrize("name", ABUSE)
async def test_what_no_page_of_ours_sends_is_refused_politely(browser, name):
    await browser.sign_in()
    response = await send_raw(browser, *ABUSE[name])
    assert 400 <= response.status < 500, await response.text()
    assert (await response.json())["error"].endswith((".", "?"))
    assert browser.world.chats.accepted == []
    assert (await browser.say("still there")).status == 202


async def test_a_text_and_a_file_have_their_limits(browser):
    await browser.sign_in()
    assert (await browser.say("ü" * TEXT_CHARACTERS)).status == 202
    too_long = await browser.say("ü" * (TEXT_CHARACTERS + 1))
    assert (too_long.status, "60,000" in (await too_long.json())["error"]) == (413, True)
    assert (await browser.say("", files=[("f", "text/plain", b"x" * FILE_BYTES)])).status == 202
    too_large = await browser.say("", files=[("f", "text/plain", b"x" * (FILE_BYTES + 1))])
    assert too_large.status == 413
    many = await browser.say("", files=[(f"f{n}", "text/plain", b"x") for n in range(11)])
    assert (many.status, "up to 10 files" in (await many.json())["error"]) == (413, True)
    assert len(browser.world.chats.accepted) == 2


async def test_a_compressed_bomb_is_cut_off(browser):
    await browser.sign_in()
    bomb = gzip.compress(multipart(ID, field("text", b"a" * 60_000_000)))
    response = await send_raw(browser, bomb, "multipart/form-data; boundary=b", **{"Content-Encoding": "gzip"})
    assert response.status in (400, 413)
    broken = await send_raw(browser, b"junk", "multipart/form-data; boundary=b", **{"Content-Encoding": "gzip"})
    assert broken.status == 400


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"form_token=%ff%fe", "application/x-www-form-urlencoded"),
        (b"\xff\xfe=1", "application/x-www-form-urlencoded"),
        (b"a=" + b"x" * 70_000, "application/x-www-form-urlencoded"),
        (b"&".join(b"a%d=1" % n for n in range(2_000)), "application/x-www-form-urlencoded"),
        (b"form_token=x", "application/x-www-form-urlencoded; charset=rot13"),
        (b'{"form_token": "x"}', "application/json"),
        (b"[" * 60_000, "application/json"),
        (b"--b--", "multipart/form-data; boundary=b"),
        (b"x", ""),
    ],
)
async def test_a_form_that_no_page_of_ours_sends_is_refused(browser, body, content_type):
    headers = {"Origin": browser.world.base, "Content-Type": content_type}
    response = await browser.post("/login", body, headers)
    assert response.status in (400, 403, 413)


@pytest.mark.parametrize("before", ["", "x" * 101, "' OR 1=1 --", "\x00", "%ff"])
async def test_an_odd_question_for_earlier_messages_is_no_trouble(browser, before):
    await browser.sign_in()
    response = await browser.get("/chat/messages?before=" + before.replace("\x00", "%00").replace(" ", "%20"))
    assert response.status in (200, 400)


@pytest.mark.filterwarnings("ignore::aiohttp.multipart.BadContentDispositionHeader")
@pytest.mark.filterwarnings("ignore::aiohttp.multipart.BadContentDispositionParam")
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(max_size=400), cut=st.integers(0, 300), at=st.integers(0, 300))
def test_no_body_breaks_the_reading_of_forms(body, cut, at):
    from aiohttp import web
    from aiohttp.test_utils import make_mocked_request

    from bot.web.forms import Malformed, TooMuch, read_multipart

    whole = multipart(ID, field("text", b"hello"), b'Content-Disposition: form-data; name="f"; filename="x"\r\n\r\n1')
    mangled = whole[:at] + body + whole[at + cut :]

    async def read():
        from aiohttp.streams import StreamReader

        payload = StreamReader(_Protocol(), 2**16, loop=asyncio.get_running_loop())
        payload.feed_data(mangled)
        payload.feed_eof()
        headers = {"Content-Type": "multipart/form-data; boundary=b"}
        request = make_mocked_request("POST", "/", headers=headers, payload=payload)
        assert isinstance(request, web.Request)
        with suppress(Malformed, TooMuch):
            await read_multipart(request)

    asyncio.run(read())


class _Protocol:
    _reading_paused = False

    def pause_reading(self, **_):
        pass

    def resume_reading(self, **_):
        pass


# the stream of events


class Stream:
    def __init__(self, response):
        self.response = response
        self.page = {}

    async def next(self):
        """Return the next event and keep the page up to date, as the script does."""
        name, data = "", ""
        async with asyncio.timeout(PATIENCE):
            while True:
                line = (await self.response.content.readline()).decode()
                if not line:
                    return None, None
                if line.startswith("event: "):
                    name = line[7:].strip()
                elif line.startswith("data: "):
                    data = json.loads(line[6:])
                elif line == "\n" and name:
                    break
        if name == "sync":
            self.page = {message["id"]: message["html"] for message in data["messages"]}
        elif name == "show":
            self.page[data["id"]] = data["html"]
        elif name == "remove":
            self.page.pop(data["id"], None)
        return name, data

    async def until(self, wanted):
        while not any(wanted in html for html in self.page.values()):
            name, _ = await self.next()
            assert name is not None, "the stream ended"


@asynccontextmanager
async def listening(browser):
    cookie = {"Cookie": f"session={browser.cookies['session']}"}
    async with browser.http.get(browser.world.base + "/chat/events", headers=cookie) as response:
        assert response.status == 200
        assert response.headers["Content-Type"] == "text/event-stream"
        yield Stream(response)


async def test_a_page_first_hears_everything_then_each_change(browser):
    await browser.sign_in()
    chats, me = browser.world.chats, str(browser.world.operator.id)
    await browser.say("Hi")
    async with listening(browser) as stream:
        name, _ = await stream.next()
        assert (name, len(stream.page)) == ("sync", 1)
        key = await chats.begin(me)
        await chats.grow(me, key, "I am")
        await stream.until("I am")
        await chats.finish(me, key, Body("I am **well**.", ((Button("More", "/more"),),)))
        await stream.until("<strong>well</strong>")
        assert len(stream.page) == 2
        assert 'data-command="/more"' in stream.page[key]


async def test_a_page_that_comes_late_sees_how_far_an_answer_has_grown(browser):
    await browser.sign_in()
    chats, me = browser.world.chats, str(browser.world.operator.id)
    key = await chats.begin(me)
    await chats.grow(me, key, "Half of it")
    async with listening(browser) as stream:
        await stream.next()
        assert "Half of it" in stream.page[key]
        assert 'data-state="growing"' in stream.page[key]


async def test_what_another_process_did_is_read_from_the_database(browser):
    from dataclasses import replace

    await browser.sign_in()
    chats, me = browser.world.chats, str(browser.world.operator.id)
    await browser.say("Hi")
    async with listening(browser) as stream:
        await stream.next()
        (mine,) = chats.said[me]
        from bot.web.ports import Entry

        chats.said[me] = [replace(mine, state="final"), Entry("their-part", "agent", Body("Hello!"), "final", mine.at)]
        await stream.until("Hello!")
        assert len(stream.page) == 2
        chats.said[me] = [replace(mine, state="waiting")]
        while "their-part" in stream.page:
            browser.world.clock.advance(seconds=20)
            await browser.say("again", id=str(uuid4()))
            await stream.next()


async def test_late_news_never_takes_an_answer_back(browser):
    await browser.sign_in()
    chats, me = browser.world.chats, str(browser.world.operator.id)
    key = await chats.begin(me)
    async with listening(browser) as stream:
        await stream.next()
        await chats.finish(me, key, Body("All of it"))
        await stream.until("All of it")
        await chats.grow(me, key, "Half of it")
        other = await chats.begin(me)
        while other not in stream.page:
            await stream.next()
        assert "All of it" in stream.page[key]
        assert "Half of it" not in "".join(stream.page.values())


async def test_a_page_hears_when_its_session_ends(browser, monkeypatch):
    monkeypatch.setattr("bot.web.live.CHECK_SESSION", 0.05)
    await browser.sign_in()
    async with listening(browser) as stream:
        await stream.next()
        await browser.submit("/logout", "/settings")
        assert (await stream.next())[0] == "ended"
        assert (await stream.next())[0] is None


async def test_an_open_page_does_not_keep_a_session_alive(browser, clock, monkeypatch):
    monkeypatch.setattr("bot.web.live.CHECK_SESSION", 0.05)
    await browser.sign_in()
    clock.advance(hours=1)
    async with listening(browser) as stream:
        await stream.next()
        clock.advance(hours=1)
        assert (await stream.next())[0] == "ended"


async def test_stopping_ends_the_streams_at_once(world, http, monkeypatch):
    from tests.web.world import Browser

    monkeypatch.setattr("bot.web.app._LAST_REQUESTS_SECONDS", 600.0)
    async with asyncio.timeout(PATIENCE):
        async with world.served():
            browser = Browser(world, http)
            await browser.sign_in()
            async with listening(browser) as stream:
                await stream.next()
                world.hub.close()
                assert (await stream.next())[0] is None


async def test_what_people_and_models_write_is_shown_as_words(browser):
    await browser.sign_in()
    chats, me = browser.world.chats, str(browser.world.operator.id)
    await browser.say("<script>alert('me')</script> & <b>bold</b>")
    key = await chats.begin(me)
    answer = "<script>alert(1)</script> <img src=x onerror=alert(2)> [go](javascript:alert(3)) List<String>"
    await chats.finish(me, key, Body(answer, ((Button('<i>"x"</i>', '"><script>'),),)))
    page = await (await browser.get("/chat")).text()
    for bad in ("<script>alert", "<img src=x", 'href="javascript', "<b>bold", '<i>"x"'):
        assert bad not in page
    assert "List&lt;String&gt;" in page
