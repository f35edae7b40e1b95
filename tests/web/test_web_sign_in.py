"""Signing in: one-time links, the password, sessions that end."""

import asyncio
import threading
from collections import Counter
from functools import partial
from itertools import islice

import pytest
from argon2 import PasswordHasher

from bot.web.sessions import make_login_link
from storage.faults import Step
from storage.tables import AuditEvent, Identity, LoginLink, Session, User
from storage.transactions import transaction
from tests.clock import PATIENCE

PASSWORD = "correct horse battery"


@pytest.fixture
def library_hashes():
    """Passwords are hashed with the library's own parameters."""


@pytest.fixture(autouse=True)
def quick_hashes(request, monkeypatch):
    """Elsewhere hashes take no time."""
    if "library_hashes" not in request.fixturenames:
        quick = partial(PasswordHasher, time_cost=1, memory_cost=8, parallelism=1)
        monkeypatch.setattr("bot.web.passwords.PasswordHasher", quick)


async def set_password(browser, password=PASSWORD):
    await browser.sign_in()
    response = await browser.submit("/settings/password", "/settings", password=password)
    assert response.status == 200, await response.text()


async def test_a_link_signs_in_and_offers_a_password(browser):
    response = await browser.sign_in()
    assert response.headers["Location"].startswith("/welcome?proof=")
    page = await (await browser.get(response.headers["Location"])).text()
    assert "Set a password" in page
    assert "Not now" in page
    assert (await browser.get("/chat")).status == 200


async def test_looking_at_a_link_does_not_use_it_up(browser):
    link = await browser.world.link()
    for _ in range(3):
        assert (await browser.get(link)).status == 200
    assert await LoginLink.filter(used_at__isnull=True).count() == 1


async def test_a_link_works_once(browser):
    link = (await browser.world.link()).removeprefix(browser.world.base)
    token = await browser.form_token(link)
    first, second = await asyncio.gather(
        browser.post(link, {"form_token": token}), browser.post(link, {"form_token": token})
    )
    assert sorted([first.status, second.status]) == [303, 410]
    assert await Session.all().count() == 1


async def test_a_used_link_leads_whom_it_signed_in_to_the_chat(browser):
    link = (await browser.world.link()).removeprefix(browser.world.base)
    assert (await browser.post(link, {"form_token": await browser.form_token(link)})).status == 303
    page = await browser.post(link, {"form_token": await browser.form_token(link)})
    assert page.status == 410
    assert 'href="/chat">Go to the chat' in await page.text()


async def test_a_link_works_for_fifteen_minutes(browser, clock):
    for seconds, status in ((899, 303), (900, 410)):
        link = (await browser.world.link()).removeprefix(browser.world.base)
        token = await browser.form_token(link)
        clock.advance(seconds=seconds)
        assert (await browser.post(link, {"form_token": token})).status == status


async def test_a_made_up_link_is_answered_like_a_used_one(browser):
    link = "/open/" + "A" * 43
    response = await browser.post(link, {"form_token": await browser.form_token(link)})
    assert response.status == 410
    assert "Make a new one" in await response.text()


async def test_neither_links_nor_sessions_are_kept_in_plain(browser):
    link = await browser.world.link()
    await browser.sign_in()
    kept = [row.token_hash for row in await LoginLink.all()] + [row.token_hash for row in await Session.all()]
    assert link.rsplit("/", 1)[1] not in kept
    assert browser.cookies["session"] not in kept
    assert all(len(value) == 64 for value in kept)


async def test_signing_in_makes_the_person_known_to_the_chat(browser):
    await browser.sign_in()
    await browser.sign_in()
    identity = await Identity.get(channel="web", external_id=str(browser.world.operator.id))
    assert identity.user_id == browser.world.operator.id


async def test_signing_in_again_rotates_the_session(browser):
    await browser.sign_in()
    old = browser.cookies["session"]
    await browser.sign_in()
    assert browser.cookies["session"] != old
    browser.cookies["session"] = old
    assert (await browser.get("/chat")).headers["Location"] == "/login"


async def test_a_session_ends_after_two_idle_hours(browser, clock):
    await browser.sign_in()
    clock.advance(hours=1, minutes=59)
    assert (await browser.get("/chat")).status == 200
    clock.advance(hours=1, minutes=59)
    assert (await browser.get("/chat")).status == 200
    clock.advance(hours=2)
    assert (await browser.get("/chat")).status == 303


async def test_a_session_ends_after_twelve_hours_however_busy(browser, clock):
    await browser.sign_in()
    for _ in range(11):
        clock.advance(hours=1)
        assert (await browser.get("/chat")).status == 200
    clock.advance(hours=1)
    assert (await browser.get("/chat")).status == 303


async def test_the_cookie_is_for_this_site_and_this_browsing_alone(browser):
    await browser.sign_in()
    (line,) = browser.set_cookies
    attributes = {part.strip().split("=")[0].lower() for part in line.split(";")[1:]}
    assert line.startswith("session=")
    assert attributes == {"httponly", "path", "samesite"}
    assert "SameSite=Strict" in line


async def test_signing_out_ends_the_session_on_the_server(browser):
    await browser.sign_in()
    token = browser.cookies["session"]
    response = await browser.submit("/logout", "/settings")
    assert response.status == 303
    assert browser.cookies == {}
    browser.cookies["session"] = token
    assert (await browser.get("/chat")).headers["Location"] == "/login"


async def test_the_password_signs_in(browser):
    await set_password(browser)
    browser.cookies.clear()
    response = await browser.submit("/login", "/login", password=PASSWORD)
    assert response.headers["Location"] == "/chat"
    assert (await browser.get("/chat")).status == 200


async def test_the_stored_password_is_argon2id_as_the_library_recommends(library_hashes, browser):
    await set_password(browser)
    stored = (await User.get(id=browser.world.operator.id)).password_hash
    assert stored.startswith("$argon2id$v=19$m=65536,t=3,p=4$")


async def test_an_outdated_hash_is_renewed_at_the_next_sign_in(library_hashes, browser):
    weak = PasswordHasher(time_cost=1, memory_cost=8192, parallelism=1).hash(PASSWORD)
    async with transaction(Step.ADMIN):
        await User.filter(id=browser.world.operator.id).update(password_hash=weak)
    assert (await browser.submit("/login", "/login", password=PASSWORD)).status == 303
    assert "m=65536,t=3,p=4" in (await User.get(id=browser.world.operator.id)).password_hash


async def test_a_password_is_the_same_however_its_letters_are_composed(browser):
    await set_password(browser, "schöne Grüße überall")
    browser.cookies.clear()
    decomposed = "scho\u0308ne Gru\u0308ße u\u0308berall"
    assert (await browser.submit("/login", "/login", password=decomposed)).status == 303


@pytest.mark.parametrize(("password", "sentence"), [("a" * 11, "at least 12"), ("a" * 1025, "at most 1024")])
async def test_a_password_has_a_sensible_length(browser, password, sentence):
    await browser.sign_in()
    response = await browser.submit("/settings/password", "/settings", password=password)
    assert response.status == 400
    assert sentence in await response.text()


async def test_a_wrong_password_and_an_unset_one_are_answered_alike(browser):
    unset = await browser.submit("/login", "/login", password="not the password")
    await set_password(browser)
    browser.cookies.clear()
    wrong = await browser.submit("/login", "/login", password="not the password")
    assert unset.status == wrong.status == 403
    hide = __import__("re").compile(r'value="\d+\.[0-9a-f]{64}"')
    assert hide.sub("", await unset.text()) == hide.sub("", await wrong.text())


async def test_ten_wrong_passwords_lock_for_fifteen_minutes(browser, clock):
    await set_password(browser)
    browser.cookies.clear()
    for _ in range(10):
        assert (await browser.submit("/login", "/login", password="not the password")).status == 403
    locked = await browser.submit("/login", "/login", password=PASSWORD)
    assert locked.status == 429
    assert locked.headers["Retry-After"] == "900"
    assert "in 15 minutes" in await locked.text()
    clock.advance(minutes=14, seconds=59)
    assert (await browser.submit("/login", "/login", password=PASSWORD)).status == 429
    clock.advance(seconds=1)
    assert (await browser.submit("/login", "/login", password=PASSWORD)).status == 303


async def test_the_lock_outlives_a_restart(world, http):
    from tests.web.world import Browser

    async with world.served():
        browser = Browser(world, http)
        for _ in range(10):
            await browser.submit("/login", "/login", password="not the password")
    async with world.served():
        browser = Browser(world, http)
        assert (await browser.submit("/login", "/login", password="not the password")).status == 429


async def test_tries_side_by_side_are_counted_before_they_are_checked(browser):
    token = await browser.form_token("/login")
    tries = [browser.post("/login", {"form_token": token, "password": f"guess number {n}"}) for n in range(16)]
    statuses = sorted([response.status for response in await asyncio.gather(*tries)])
    assert statuses == [403] * 10 + [429] * 6


async def test_a_right_password_forgets_the_wrong_ones(browser):
    await set_password(browser)
    browser.cookies.clear()
    for _ in range(9):
        await browser.submit("/login", "/login", password="not the password")
    assert (await browser.submit("/login", "/login", password=PASSWORD)).status == 303
    browser.cookies.clear()
    for _ in range(9):
        assert (await browser.submit("/login", "/login", password="not the password")).status == 403


async def test_a_link_still_works_while_the_password_is_locked(browser):
    for _ in range(11):
        await browser.submit("/login", "/login", password="not the password")
    assert (await browser.sign_in()).status == 303


async def test_more_sign_ins_than_can_wait_are_sent_away(browser, monkeypatch):
    monkeypatch.setattr("bot.web.sessions.TRIES", 1_000)
    await set_password(browser)
    browser.cookies.clear()
    token = await browser.form_token("/login")
    verify, may_check = PasswordHasher.verify, threading.Event()
    monkeypatch.setattr(PasswordHasher, "verify", lambda *args: may_check.wait(PATIENCE) and verify(*args))
    tries = [
        asyncio.ensure_future(browser.post("/login", {"form_token": token, "password": f"guess number {n}"}))
        for n in range(40)
    ]
    busy = [await response for response in islice(asyncio.as_completed(tries), 18)]
    assert {(response.status, response.headers["Retry-After"]) for response in busy} == {(503, "5")}
    may_check.set()
    assert Counter(response.status for response in await asyncio.gather(*tries)) == {503: 18, 403: 22}


async def test_a_new_password_signs_every_other_browser_out(browser, http):
    from tests.web.world import Browser

    await browser.sign_in()
    other = Browser(browser.world, http)
    await other.sign_in()
    await other.submit("/settings/password", "/settings", password=PASSWORD)
    assert (await other.get("/chat")).status == 200
    assert (await browser.get("/chat")).status == 303


async def test_changing_the_password_takes_the_current_one(browser):
    await set_password(browser)
    wrong = await browser.submit("/settings/password", "/settings", password="another good one", current="nope")
    assert wrong.status == 403
    assert "nothing was changed" in await wrong.text()
    right = await browser.submit("/settings/password", "/settings", password="another good one", current=PASSWORD)
    assert right.status == 200


async def test_a_link_stands_in_for_a_forgotten_password(browser, clock):
    await set_password(browser)
    browser.cookies.clear()
    welcome = (await browser.sign_in()).headers["Location"]
    proof = welcome.split("proof=")[1]
    clock.advance(minutes=16)
    late = await browser.submit("/settings/password", "/settings", password="another good one", proof=proof)
    assert late.status == 403
    welcome = (await browser.sign_in()).headers["Location"]
    proof = welcome.split("proof=")[1]
    done = await browser.submit("/settings/password", welcome, password="another good one", proof=proof)
    assert done.headers["Location"] == "/chat"


async def test_proof_of_a_link_counts_for_its_own_session_alone(browser, http):
    from tests.web.world import Browser

    await set_password(browser)
    proof = (await browser.sign_in()).headers["Location"].split("proof=")[1]
    other = Browser(browser.world, http)
    await other.sign_in()
    response = await other.submit("/settings/password", "/settings", password="another good one", proof=proof)
    assert response.status == 403


async def test_only_the_operator_has_a_password(stranger):
    assert "password" not in (await (await stranger.get("/settings")).text()).lower()
    response = await stranger.submit("/settings/password", "/settings", password=PASSWORD)
    assert response.status == 403


async def test_sign_ins_are_written_to_the_audit(browser):
    await set_password(browser)
    events = await AuditEvent.all().order_by("id").values_list("action", "outcome", "surface")
    assert events == [("web.sign_in", "link", "web"), ("web.set_password", "done", "web")]


async def test_spent_links_and_dead_sessions_are_swept(browser, clock):
    await browser.sign_in()
    clock.advance(hours=13)
    await browser.sign_in()
    assert await Session.all().count() == 1
    assert await LoginLink.all().count() == 1


async def test_a_link_is_made_in_the_transaction_that_asks_for_it(browser):
    async def make_and_fail():
        async with transaction(Step.ADMIN):
            me, clock = browser.world.operator.id, browser.world.clock
            await make_login_link(me, "http://127.0.0.1", clock=clock, hmac=lambda purpose, value: "0" * 64)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await make_and_fail()
    assert await LoginLink.all().count() == 0
