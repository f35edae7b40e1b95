"""What stands before every page: forged requests, foreign hosts, headers, other people's things."""

import asyncio
import logging
from uuid import uuid4

import aiohttp
import pytest

from tests.web.world import Browser

OURS = "http://127.0.0.1:{port}"

# Origin, Sec-Fetch-Site, allowed?
MATRIX = [
    ("ours", "same-origin", True),
    ("ours", None, True),
    (None, "same-origin", True),
    ("null", "same-origin", True),
    (None, None, False),
    ("null", None, False),
    ("", None, False),
    ("https://evil.example", None, False),
    ("https://evil.example", "cross-site", False),
    ("https://evil.example", "same-origin", False),
    ("ours", "cross-site", False),
    ("ours", "same-site", False),
    ("ours", "none", False),
    ("http://127.0.0.1", None, False),
    ("http://127.0.0.1:1", "same-site", False),
    ("https://127.0.0.1:{port}", None, False),
    ("http://127.0.0.1:{port}.evil.example", None, False),
]

NO_FILE = "/files/0192f0c1-0000-7000-8000-000000000001"


def manners(world, origin, site):
    headers = {}
    if origin is not None:
        headers["Origin"] = (OURS if origin == "ours" else origin).format(port=world.port)
    if site is not None:
        headers["Sec-Fetch-Site"] = site
    return headers


@pytest.mark.parametrize(("origin", "fetch_site", "allowed"), MATRIX)
async def test_only_our_own_pages_may_post(browser, origin, fetch_site, allowed):
    await browser.sign_in()
    token = await browser.form_token("/settings")
    headers = manners(browser.world, origin, fetch_site)
    response = await browser.post("/logout", {"form_token": token}, headers)
    assert response.status == (303 if allowed else 403)
    if not allowed:
        assert (await browser.get("/chat")).status == 200


@pytest.mark.parametrize(("origin", "fetch_site", "allowed"), MATRIX)
async def test_only_our_own_pages_may_sign_somebody_in(browser, origin, fetch_site, allowed):
    link = (await browser.world.link()).removeprefix(browser.world.base)
    token = await browser.form_token(link)
    response = await browser.post(link, {"form_token": token}, manners(browser.world, origin, fetch_site))
    assert response.status == (303 if allowed else 403)
    token = await browser.form_token("/login") if not allowed else ""
    if not allowed:
        headers = manners(browser.world, origin, fetch_site)
        login = await browser.post("/login", {"form_token": token, "password": "whatever it is"}, headers)
        assert login.status == 403
        assert "did not say that this came from our own page" in await login.text()


@pytest.mark.parametrize("path", ["/logout", "/settings/password"])
@pytest.mark.parametrize("token", [None, "", "x", "0" * 64, "ü" * 64])
async def test_a_form_without_its_session_s_token_is_refused(browser, path, token):
    await browser.sign_in()
    fields = {} if token is None else {"form_token": token}
    assert (await browser.post(path, fields)).status == 403
    assert (await browser.get("/chat")).status == 200


async def test_another_session_s_token_is_refused(browser, stranger):
    await browser.sign_in()
    foreign = await stranger.form_token("/settings")
    assert (await browser.post("/logout", {"form_token": foreign})).status == 403


async def test_a_sign_in_form_that_was_open_too_long_says_so(browser, clock):
    token = await browser.form_token("/login")
    clock.advance(hours=12)
    response = await browser.post("/login", {"form_token": token, "password": "whatever it is"})
    assert response.status == 403
    assert "open for too long" in await response.text()


async def test_a_message_needs_the_token_too(browser):
    await browser.sign_in()
    form = aiohttp.FormData(default_to_multipart=True)
    form.add_field("id", str(uuid4()))
    form.add_field("text", "hello")
    headers = {"Origin": browser.world.base, "X-Form-Token": "0" * 64}
    assert (await browser.post("/chat/messages", form, headers)).status == 403
    assert browser.world.chats.accepted == []


PATHS = [
    "/", "/login", "/open/abc", "/welcome", "/settings", "/chat", "/chat/messages", "/healthz", "/readyz", "/metrics",
    "/nowhere", "/static/nothing.css", NO_FILE, "/logout",
]  # fmt: skip


@pytest.mark.parametrize("signed_in", [False, True])
async def test_every_answer_has_the_security_headers(browser, signed_in):
    if signed_in:
        await browser.sign_in()
    for path in PATHS:
        response = await browser.get(path)
        assert response.status < 500, path
        headers = response.headers
        assert headers["Content-Security-Policy"] == (
            "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
            "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        ), path
        assert headers["X-Content-Type-Options"] == "nosniff", path
        assert headers["Referrer-Policy"] == "no-referrer", path
        assert "camera=()" in headers["Permissions-Policy"], path
        assert headers["Cross-Origin-Opener-Policy"] == "same-origin", path
        assert headers["Cache-Control"] == "no-store", path
        assert "Strict-Transport-Security" not in headers, path


async def test_pages_hold_no_script_or_style_of_their_own(browser):
    await browser.sign_in()
    import re

    for path in ("/", "/chat", "/settings", "/welcome", "/nowhere"):
        text = await (await browser.get(path)).text()
        assert re.findall(r"<script(?![^>]*\ssrc=\"/static/)", text) == [], path
        assert re.findall(r"<style|\sstyle=|\son\w+=|javascript:", text) == [], path
        assert re.findall(r'(?:src|href)="(?!/|#)', text) == [], path


async def test_static_files_are_kept_by_the_browser_until_they_change(browser):
    import re

    page = await (await browser.get("/login")).text()
    addresses = re.findall(r'(?:src|href)="(/static/[^"]+)"', page)
    assert len(addresses) == 3
    for address in addresses:
        first = await browser.get(address)
        assert first.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        again = await browser.get(address, **{"If-None-Match": first.headers["ETag"]})
        assert again.status == 304
    assert (await browser.get("/static/..%2fapp.py")).status == 404


HOSTS = [
    ("127.0.0.1:{port}", 200),
    ("localhost:{port}", 200),
    ("LOCALHOST:{port}", 200),
    ("[::1]:{port}", 200),
    ("prowex.localhost", 200),
    ("evil.example", 421),
    ("evil.example:{port}", 421),
    ("127.0.0.1.evil.example", 421),
    ("127.0.0.1@evil.example", 421),
    ("localhost.evil.example", 421),
    ("192.168.1.7:{port}", 421),
    ("0.0.0.0:{port}", 421),
    ("[", 421),
    ("a:b:c", 421),
    ("", 421),
]


@pytest.mark.parametrize(("host", "status"), HOSTS)
async def test_a_name_that_somebody_else_points_at_us_is_not_answered(browser, host, status):
    response = await browser.get("/login", Host=host.format(port=browser.world.port))
    assert response.status == status
    assert (await browser.get("/healthz", Host="10.1.2.3")).status == 200


async def served(world, http, **settings):
    world.settings = settings
    return world.served(), Browser(world, http)


@pytest.mark.parametrize(
    ("settings", "host", "status"),
    [
        ({"host": "0.0.0.0"}, "192.168.1.7:8080", 200),
        ({"host": "0.0.0.0"}, "anything.example", 200),
        ({"host": "192.168.1.7"}, "192.168.1.7:8080", 200),
        ({"host": "192.168.1.7"}, "192.168.1.8:8080", 421),
        ({"host": "0.0.0.0", "public_url": "https://chat.example"}, "chat.example", 200),
        ({"host": "0.0.0.0", "public_url": "https://chat.example"}, "evil.example", 421),
        ({"public_url": "https://chat.example"}, "127.0.0.1", 200),
    ],
)
async def test_which_names_are_ours_follows_from_the_settings(world, http, settings, host, status):
    serving, browser = await served(world, http, **settings)
    async with serving:
        assert (await browser.get("/login", Host=host)).status == status


async def test_behind_https_the_cookie_is_bound_to_the_host(world, http):
    serving, browser = await served(world, http, public_url="https://chat.example")
    async with serving:
        browser.headers = {"Host": "chat.example", "X-Forwarded-Proto": "https"}
        link = (await world.link(base="https://chat.example")).removeprefix("https://chat.example")
        fields = {"form_token": await browser.form_token(link)}
        refused = await browser.post(link, fields, {"Origin": "http://chat.example"})
        assert refused.status == 403
        response = await browser.post(link, fields, {"Origin": "https://chat.example"})
        assert response.status == 303
        assert response.headers["Strict-Transport-Security"].startswith("max-age=")
        (line,) = browser.set_cookies
        assert line.startswith("__Host-session=")
        assert "Secure" in line
        assert "Path=/" in line
        assert "Domain" not in line
        assert (await browser.get("/chat")).status == 200
        browser.cookies = {"session": browser.cookies["__Host-session"]}
        assert (await browser.get("/chat")).status == 303


async def test_a_forwarded_protocol_is_believed_only_where_the_public_address_is_https(world, http):
    serving, browser = await served(world, http)
    async with serving:
        browser.headers = {"X-Forwarded-Proto": "https"}
        await browser.sign_in()
        assert browser.set_cookies[0].startswith("session=")
        assert "Secure" not in browser.set_cookies[0]


async def test_whoever_comes_without_https_is_sent_there(world, http):
    serving, browser = await served(world, http, public_url="https://chat.example")
    async with serving:
        browser.headers = {"Host": "chat.example", "X-Forwarded-Proto": "http"}
        response = await browser.get("/login?x=1")
        assert (response.status, response.headers["Location"]) == (308, "https://chat.example/login?x=1")
        assert (await browser.post("/login", {"password": "secret"})).status == 403


async def test_coming_from_another_site_goes_on_from_our_own_page(browser):
    """A strict cookie is not sent with a click on another site."""
    await browser.sign_in()
    kept, browser.cookies = browser.cookies, {}
    elsewhere = await browser.get("/chat", **{"Sec-Fetch-Site": "cross-site"})
    assert elsewhere.status == 200
    assert 'content="0; url=/chat"' in await elsewhere.text()
    browser.cookies = kept
    assert (await browser.get("/chat", **{"Sec-Fetch-Site": "same-origin"})).status == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/chat/events"),
        ("GET", "/chat/messages"),
        ("POST", "/chat/messages"),
        ("POST", "/logout"),
        ("POST", "/settings/password"),
        ("GET", "/welcome"),
        ("GET", NO_FILE),
    ],
)
async def test_without_a_session_nothing_of_the_chat_is_reached(browser, method, path):
    response = await (browser.get(path) if method == "GET" else browser.post(path, {"form_token": "x"}))
    assert response.status == 401
    assert "Sign in" in await response.text()


@pytest.mark.parametrize("token", ["", "x", "ü", "A" * 43, "A" * 5_000, "../../etc"])
async def test_a_made_up_cookie_is_no_session(browser, token):
    response = await browser.get("/chat", Cookie=f"session={token}")
    assert response.status == 303


async def test_files_are_for_their_owner_alone(browser, stranger):
    await browser.sign_in()
    await browser.say("see this", files=[("plan.txt", "text/plain", b"the plan")])
    reference = browser.world.chats.accepted[0].attachments[0].reference
    path = "/files/" + reference.removeprefix("stored:")
    mine = await browser.get(path)
    assert (mine.status, await mine.read()) == (200, b"the plan")
    theirs = await stranger.get(path)
    nothing = await stranger.get("/files/" + str(uuid4()))
    assert theirs.status == nothing.status == 404
    assert await theirs.text() == await nothing.text()


async def test_a_file_is_only_ever_saved_never_run(browser):
    await browser.sign_in()
    await browser.say("x", files=[('a"b ß;.html', "text/html", b"<script>alert(1)</script>")])
    reference = browser.world.chats.accepted[0].attachments[0].reference
    response = await browser.get("/files/" + reference.removeprefix("stored:"))
    assert response.headers["Content-Disposition"].startswith("attachment; filename=")
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in response.headers["Content-Security-Policy"]


async def test_chats_are_for_their_person_alone(browser, stranger):
    await browser.sign_in()
    await browser.say("my secret plan")
    first = browser.world.chats.accepted[0].message_id
    assert "my secret plan" not in await (await stranger.get("/chat")).text()
    earlier = await stranger.get(f"/chat/messages?before={first}")
    assert (await earlier.json())["messages"] == []
    await stranger.say("hello from me", id=first)
    assert [i.text for i in browser.world.chats.accepted] == ["my secret plan", "hello from me"]


async def test_probes_say_how_the_process_is(browser):
    assert (await browser.get("/healthz")).status == 200
    assert (await browser.get("/readyz")).status == 200
    assert await (await browser.get("/metrics")).text() == "prowex_up 1\n"
    browser.world.problems["lanes"] = "The lanes are not running."
    response = await browser.get("/readyz")
    assert response.status == 503
    assert (await response.json())["checks"] == {"database": "ok", "lanes": "The lanes are not running."}


async def test_hooks_are_called_by_others_and_check_by_themselves(world, http):
    from aiohttp import web

    async def hook(request):
        return web.Response(text=await request.text())

    world.settings = {"hooks": {"/hooks/telegram": hook}}
    async with world.served():
        browser = Browser(world, http)
        response = await browser.post("/hooks/telegram", b"news", {"Host": "elsewhere.example"})
        assert (response.status, await response.text()) == (200, "news")
        assert (await browser.get("/hooks/telegram")).status == 405


@pytest.mark.parametrize(("path", "status"), [("/nowhere", 404), ("/logout", 405)])
async def test_errors_are_pages_too(browser, path, status):
    response = await browser.get(path)
    assert response.status == status
    text = await response.text()
    assert '<header class="bar">' in text
    assert '<a class="button"' in text


async def test_what_breaks_on_our_side_says_so_and_nothing_else(browser, caplog):
    await browser.sign_in()

    async def broken(*_, **__):
        raise ZeroDivisionError

    browser.world.chats.entries = broken
    response = await browser.get("/chat")
    assert response.status == 500
    text = await response.text()
    assert "on our side" in text
    assert "ZeroDivisionError" not in text
    assert "a web request failed" in caplog.text


async def test_a_port_that_is_taken_stops_the_start_with_a_sentence(site):
    from bot.stop import Stop
    from bot.web.app import create_app, serve

    del create_app
    with pytest.raises(Stop, match=f"Port {site.port} is in use by another program.*PROWEX_PORT"):
        async with serve(aiohttp.web.Application(), "127.0.0.1", site.port):
            pass
    with pytest.raises(Stop, match=r"no address 192\.0\.2\.1.*PROWEX_HOST"):
        async with serve(aiohttp.web.Application(), "192.0.2.1", 0):
            pass


@pytest.mark.parametrize(
    "junk",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"POST /login HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\n",
        b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    ],
)
async def test_junk_is_answered_and_fills_no_log(site, caplog, junk):
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    writer.write(junk)
    assert (await reader.readline()).split()[1] == b"400"
    writer.close()
    assert [record for record in caplog.records if record.levelno > logging.INFO] == []
    assert "127.0.0.1" not in caplog.text
