"""No secret and no word of a person reaches a log, whatever the level, the package and the mishap."""

import asyncio
import base64
import io
import json
import logging
import threading
import urllib.parse
import warnings

import aiohttp
import pytest
from aiohttp import web

from bot import redaction
from bot.access_log import AccessLogger
from bot.log import configure, register_secret

WORDS = "my divorce papers"
SECRET = "canary/s3cret+value=Ω~77"
TOKEN = "123456789:AAH-canary_token_abcdefghijklmno"
log = logging.getLogger("prowex.test")


@pytest.fixture
def written():
    """Log as JSON at DEBUG into what this returns, and put the logging back as it was."""
    root = logging.getLogger()
    before = (root.handlers[:], root.level, threading.excepthook)
    stream = io.StringIO()
    configure("debug", "json", stream)
    yield stream
    root.handlers[:], threading.excepthook = before[0], before[2]
    root.setLevel(before[1])
    logging.captureWarnings(False)


@pytest.fixture
def secret(monkeypatch):
    monkeypatch.setattr(redaction, "_registered", redaction._Registered())
    register_secret(SECRET)
    return SECRET


def lines(stream: io.StringIO) -> list[dict]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_record_becomes_one_json_line_with_its_fields(written):
    log.info("Sent %d parts", 2, extra={"reply": "0197-aa", "ms": 1.5, "last": True})
    (line,) = lines(written)
    assert line["message"] == "Sent 2 parts"
    assert (line["level"], line["logger"]) == ("info", "prowex.test")
    assert (line["reply"], line["ms"], line["last"]) == ("0197-aa", 1.5, True)
    assert line["time"].endswith("+00:00")


def test_a_field_cannot_take_the_place_of_what_every_line_has(written):
    log.info("Real", extra={"level": "fatal", "time": 0, "logger": "someone.else"})
    assert lines(written)[0]["level"] == "info"
    assert lines(written)[0]["logger"] == "prowex.test"


def test_words_given_as_a_field_are_hidden(written):
    log.info("Took a message", extra={"text": WORDS, "turn": "0197"})
    assert WORDS not in written.getvalue()
    assert lines(written)[0] | {"text": "[hidden]", "turn": "0197"} == lines(written)[0]


@pytest.mark.parametrize(
    "name", ["openai", "httpx", "httpx2", "aiogram.dispatcher", "tortoise.db_client", "unheard_of"]
)
def test_other_packages_never_speak_below_warning_even_when_they_raise_their_own_level(written, name):
    other = logging.getLogger(name)
    before = other.level
    try:
        other.setLevel(logging.DEBUG)
        other.debug("prompt: %s", WORDS)
        other.info("prompt: %s", WORDS)
        other.warning("Slow down")
    finally:
        other.setLevel(before)
    assert [line["message"] for line in lines(written)] == ["Slow down"]


def test_our_level_is_the_one_that_was_set():
    stream = io.StringIO()
    root = logging.getLogger()
    before = root.handlers[:]
    try:
        configure("warning", "console", stream)
        log.info("quiet")
        log.warning("loud")
    finally:
        root.handlers[:] = before
    assert "loud" in stream.getvalue()
    assert "quiet" not in stream.getvalue()
    assert "\x1b" not in stream.getvalue()


@pytest.mark.parametrize(
    "spelling",
    [
        SECRET,
        urllib.parse.quote(SECRET, safe=""),
        urllib.parse.quote(SECRET),
        urllib.parse.quote_plus(SECRET),
        json.dumps({"key": SECRET}),
        repr(SECRET),
        SECRET.encode().hex(),
        *(base64.b64encode(b"u" * n + SECRET.encode() + b"!" * m).decode() for n in range(4) for m in range(3)),
        base64.urlsafe_b64encode(b"user:" + SECRET.encode()).decode(),
    ],
)
def test_a_registered_secret_is_hidden_in_every_spelling(written, secret, spelling):
    log.error("Call failed: %s", spelling)
    shown = lines(written)[0]["message"]
    assert "[hidden]" in shown
    assert SECRET[7:14] not in shown
    assert not any(len(spelling) > 12 and spelling[n : n + 12] in shown for n in range(4, len(spelling) - 14))


@pytest.mark.parametrize(
    "text",
    [
        f"POST https://api.telegram.org/bot{TOKEN}/getMe",
        f"https://x/{urllib.parse.quote(TOKEN, safe='')}",
        "key sk-proj-canary_token_abcdef",
        "xoxb-1-canary_token_abcdef",
        "xapp-1-canary_token_abcdef",
        "Authorization: Bearer canary_token_abcdef",
        "authorization: bearer canary_token_abcdef",
        "postgres://prowex:canary_token_abcdef@db/prowex",
    ],
)
def test_what_looks_like_a_secret_is_hidden_without_being_known(written, text):
    logging.getLogger("aiogram").error("%s", text)
    assert "canary_token" not in written.getvalue()
    assert "[hidden]" in written.getvalue()


def test_an_ordinary_address_with_a_port_is_left_alone():
    assert redaction.redact("http://127.0.0.1:8080/chat") == "http://127.0.0.1:8080/chat"


class TheirError(Exception):
    status_code = 400


TheirError.__module__ = "openai"


def _fail(error: BaseException) -> None:
    local = WORDS  # noqa: F841 - a local that a careless traceback would print
    raise error


def test_a_traceback_shows_places_but_neither_messages_nor_values(written, secret):
    try:
        try:
            _fail(TheirError(f"bad prompt: {WORDS} {SECRET}"))
        except TheirError as error:
            raise ValueError(f"could not parse {WORDS}") from error
    except ValueError:
        log.exception("Turn failed")
    trace = "\n".join(lines(written)[0]["traceback"])
    assert "in _fail" in trace
    assert "openai.TheirError (status_code 400)" in trace
    assert trace.rstrip().endswith("ValueError")
    assert WORDS not in written.getvalue().replace("local = WORDS", "")
    assert SECRET not in written.getvalue()


def test_members_of_an_exception_group_are_shown_without_messages(written):
    try:
        raise ExceptionGroup(
            WORDS, [TheirError(WORDS), ExceptionGroup(WORDS, [OSError(28, "No space left on device")])]
        )
    except* (TheirError, OSError):
        log.exception("Group")
    assert WORDS not in written.getvalue()
    assert "openai.TheirError" in written.getvalue()
    assert "No space left on device" in written.getvalue()


def test_an_exception_given_as_an_argument_is_shown_without_its_message(written):
    logging.getLogger("aiogram").error("Failed to fetch updates: %s", TheirError(WORDS))
    assert lines(written)[0]["message"] == "Failed to fetch updates: openai.TheirError (status_code 400)"


def test_our_own_errors_and_harmless_ones_keep_their_message():
    from bot.stop import Stop

    assert redaction.describe(Stop("Port 8080 is taken.")) == "bot.stop.Stop: Port 8080 is taken."
    assert redaction.describe(AttributeError("no attribute x")) == "AttributeError: no attribute x"
    assert redaction.describe(KeyError(WORDS)) == "KeyError"


async def test_a_forgotten_task_shows_neither_its_error_nor_its_arguments(written):
    async def forgotten():
        raise RuntimeError(WORDS)

    loop = asyncio.get_running_loop()
    task = loop.create_task(forgotten())
    await asyncio.wait({task})
    del task
    __import__("gc").collect()
    loop.call_soon(lambda words: _fail(RuntimeError(words)), WORDS)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    messages = [line["message"] for line in lines(written)]
    assert messages[0] == "Task exception was never retrieved"
    assert messages[1].startswith("Exception in callback")
    assert WORDS not in written.getvalue()


def test_a_thread_that_dies_and_a_warning_are_logged_without_words(written):
    thread = threading.Thread(target=_fail, args=(KeyError(WORDS),))
    thread.start()
    thread.join()
    warnings.warn("old\n" + WORDS, DeprecationWarning, stacklevel=1)
    assert WORDS not in written.getvalue()
    assert "A thread died" in written.getvalue()


def test_arguments_that_do_not_fit_are_not_printed_to_stderr(written, capsys):
    root = logging.getLogger()
    root.handlers[:] = [handler for handler in root.handlers if getattr(handler, "stream", None) is written]
    log.error("two %s %s", WORDS)
    assert lines(written)[0]["message"] == "two %s %s (its arguments don't fit)"
    assert WORDS not in capsys.readouterr().err + written.getvalue()


def test_a_line_break_or_escape_in_a_message_cannot_forge_a_line(secret):
    stream = io.StringIO()
    root = logging.getLogger()
    before = root.handlers[:]
    try:
        configure("info", "console", stream)
        log.info("name is %s", "x\n12:00:00 INFO forged\x1b[2J")
    finally:
        root.handlers[:] = before
    assert stream.getvalue().count("\n") == 1
    assert "\x1b" not in stream.getvalue()


async def test_the_access_log_holds_the_route_and_not_the_address(written):
    async def page(request: web.Request) -> web.Response:
        return web.Response(text="ok")

    app = web.Application()
    app.router.add_get("/hooks/{token}", page)
    runner = web.AppRunner(app, access_log_class=AccessLogger, access_log=logging.getLogger("prowex.access"))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        async with aiohttp.ClientSession(headers={"Referer": "http://x/canary-referer"}) as session:
            async with session.get(f"http://127.0.0.1:{port}/hooks/canary-path?q=canary-query") as answer:
                assert answer.status == 200
            async with session.get(f"http://127.0.0.1:{port}/canary-nowhere") as answer:
                assert answer.status == 404
            async with session.request("CANARY", f"http://127.0.0.1:{port}/hooks/x") as answer:
                assert answer.status == 400
    finally:
        await runner.cleanup()
    found = [line for line in lines(written) if line["logger"] == "prowex.access"]
    assert [line["message"] for line in found] == [
        "GET /hooks/{token} 200",
        "GET (no route) 404",
        "(other) (no route) 400",
    ]
    assert all(line["ms"] >= 0 for line in found)
    assert "canary" not in written.getvalue().lower()
