"""The web chat over the whole core and a real database: forms, cards and files."""

import asyncio
from contextlib import AsyncExitStack
from types import SimpleNamespace
from uuid import UUID, uuid4

import pytest

from bot.compose import open_core, open_foundation
from bot.settings import Settings
from bot.web.app import create_app, serve
from bot.web.ports import Entry, WebDependencies
from bot.web.sessions import make_login_link
from bot.web_ports import WebFiles, WebTranscript
from channels.web import ACCOUNT, Hub, WebChannel, fingerprint
from core import replies
from core.access import Standing
from core.envelopes import Body, OutgoingFile
from core.operations.card import Card
from core.operations.form import Form, asked
from core.operations.registry import OPERATIONS, Call, Effect, NotPossible, Operation
from storage.clock import SystemClock
from storage.faults import Step
from storage.sealing import Owner
from storage.tables import InboundState, InboxEntry, Lane, Part, PartState, User
from storage.transactions import transaction
from tests.web.cards import everything, png
from tests.web.test_web_chat import listening
from tests.web.world import Browser


class NoteForm(Form):
    """A note to keep."""

    title: str = asked(label="Title", hint="What it is about.", most=40)
    text: str = asked("", label="Text", hint="The note itself.", long=True)

    @classmethod
    async def problem_with(cls, call, name, value, values):
        return "There is a note of that title already." if value == "Taken" else ""


async def keep_note(call: Call, form: NoteForm) -> Card:
    if form.title == "Refused":
        raise NotPossible("Not today.")
    return Card(title=form.title, text=form.text, fields=(("Kept for", call.name or "nobody"),))


class Whole:
    """One process: the core at work, and its web served."""

    def __init__(self, foundation, core, hub, channel):
        self.foundation, self.core, self.hub, self.channel = foundation, core, hub, channel
        self.clock = foundation.clock
        self.operator = SimpleNamespace(id=foundation.installation.operator_id)
        self.me = str(self.operator.id)
        self.files = WebFiles(foundation.files)
        self.transcript = WebTranscript(core.transcripts)
        self.port = 0

    @property
    def base(self):
        return f"http://127.0.0.1:{self.port}"

    async def link(self, user=None, base=""):
        async with transaction(Step.ADMIN):
            person = user or self.operator
            return await make_login_link(person.id, self.base, clock=self.clock, hmac=self.foundation.ring.hmac)

    def app(self):
        async def ready():
            return {}

        async def metrics():
            return ""

        return create_app(
            WebDependencies(
                clock=self.clock,
                hmac=self.foundation.ring.hmac,
                accept=self.core.inbox,
                transcript=self.transcript,
                files=self.files,
                hub=self.hub,
                ready=ready,
                metrics=metrics,
            )
        )

    async def entries(self) -> list[Entry]:
        return await self.transcript.entries(ACCOUNT, self.me)

    async def lane(self):
        return (await Lane.filter(chat__account=ACCOUNT, chat__external_id=self.me, urgent=False).first()).id

    async def answer(self, body, *, state=PartState.SENT):
        """Show an answer that nobody asked for, as a schedule's would be; return the message's id."""
        key = await self.foundation.sealer.key(self.foundation.installation.house)
        async with transaction(Step.ADMIN):
            pending = await replies.create_once(key, await self.lane(), body, self.clock.now())
            part = pending.parts[0]
            await Part.filter(id=part.id).update(state=state, message_id=str(part.id))
        return str(part.id)


@pytest.fixture
async def whole(data_dir, database_url, monkeypatch):
    operation = Operation("notes.keep", "Keep a note", keep_note, NoteForm, Standing.MEMBER, Effect.WRITE)
    monkeypatch.setitem(OPERATIONS, operation.name, operation)
    settings = Settings.model_validate({"data_dir": data_dir, "database_url": database_url})
    async with AsyncExitStack() as stack:
        foundation = await stack.enter_async_context(open_foundation(settings, SystemClock()))
        hub = Hub()
        channel = WebChannel(hub, foundation.clock, foundation.read_file)
        core = await stack.enter_async_context(open_core(foundation, {"web": channel}))
        group = await stack.enter_async_context(asyncio.TaskGroup())
        running = group.create_task(core.run())
        stack.callback(running.cancel)
        place = Whole(foundation, core, hub, channel)
        place.port = await stack.enter_async_context(serve(place.app(), "127.0.0.1", 0))
        yield place


@pytest.fixture
async def browser(whole, http):
    browser = Browser(whole, http)
    await browser.sign_in()
    return browser


def the_form(page):
    """Return the ids of the messages whose forms are open."""
    return [key for key, html in page.items() if "<form" in html]


async def test_a_form_is_asked_for_corrected_and_answered(browser, whole):
    async with listening(browser) as stream:
        await stream.next()
        await browser.say("/notes keep")
        await stream.until("<form")
        (first,) = the_form(stream.page)
        assert (await browser.fill_in(first, {"title": "Taken", "text": "Buy *milk*"})).status == 202
        await stream.until("There is a note of that title already.")
        while len(the_form(stream.page)) != 1:
            await stream.next()
        (second,) = the_form(stream.page)
        assert second != first
        assert "Buy *milk*" in stream.page[second]
        assert (await browser.fill_in(second, {"title": "Milk", "text": "Buy *milk*"})).status == 202
        await stream.until("<em>milk</em>")
        while the_form(stream.page):
            await stream.next()
    kinds = [(entry.who, entry.body.title or entry.body.text) for entry in await whole.entries()]
    assert kinds == [
        ("person", "/notes keep"),
        ("agent", "Keep a note"),
        ("person", "Keep a note: sent"),
        ("agent", "Keep a note"),
        ("person", "Keep a note: sent"),
        ("agent", "Milk"),
    ]
    page = await (await browser.get("/chat")).text()
    assert page.count('class="sent"') == 2
    assert "<form class" not in page
    late = await browser.fill_in(first, {"title": "Again"})
    assert late.status == 409


async def test_what_is_told_live_is_what_a_reload_shows(browser, whole):
    async with listening(browser) as stream:
        await stream.next()
        await browser.say("/status")
        await stream.until('class="title">Status')
        await browser.say("/notes keep")
        await stream.until("<form")
        await browser.fill_in(the_form(stream.page)[0], {"title": "Refused"})
        await stream.until("Not today.")
        while any('data-state="waiting"' in html for html in stream.page.values()) or the_form(stream.page):
            await stream.next()
    page = await (await browser.get("/chat")).text()
    for key, html in stream.page.items():
        version = html.partition('data-version="')[2].partition('"')[0]
        assert f'data-version="{version}"' in page, key


async def test_the_hub_and_the_database_give_the_same_body(browser, whole):
    await browser.say("/status")
    body = everything(str(uuid4()), str(uuid4()))
    async with whole.hub.subscribe(whole.me) as events:
        key = await whole.answer(body)
        target = SimpleNamespace(chat=whole.me)
        await whole.channel.post(target, whole.channel.render(body)[0], key)
        while (event := await anext(events)).id != key:
            pass
    stored = next(entry for entry in await whole.entries() if entry.id == key)
    assert event.body == stored.body == body


async def test_a_form_whose_sending_came_to_nothing_can_be_sent_again(browser, whole):
    async with listening(browser) as stream:
        await stream.next()
        await browser.say("/notes keep")
        await stream.until("<form")
        (form,) = the_form(stream.page)
        await browser.fill_in(form, {"title": "Milk"})
        await stream.until("Kept for")
    assert (await whole.transcript.form(ACCOUNT, whole.me, form)).sent_as
    sent = InboxEntry.filter(fingerprint=fingerprint(whole.me, form))
    async with transaction(Step.ADMIN):
        assert await sent.update(state=InboundState.DEAD) == 1
    assert (await whole.transcript.form(ACCOUNT, whole.me, form)).sent_as == ""
    assert (await browser.fill_in(form, {"title": "Milk"})).status == 202


async def test_a_form_that_was_taken_away_cannot_be_sent(browser, whole):
    async with listening(browser) as stream:
        await stream.next()
        await browser.say("/notes keep")
        await stream.until("<form")
        (form,) = the_form(stream.page)
    async with transaction(Step.ADMIN):
        await Part.filter(message_id=form).update(state=PartState.DELETED)
    assert (await browser.fill_in(form, {"title": "Milk"})).status == 400


async def test_a_file_of_the_team_is_for_those_whom_an_answer_shows_it(browser, whole, http):
    async with transaction(Step.ADMIN):
        sam = await User.create(name="Sam", created_at=whole.clock.now())
    stranger = Browser(whole, http)
    await stranger.sign_in(sam)
    await browser.say("/status")
    await stranger.say("/status")
    house = Owner("team", whole.foundation.installation.team_id)
    stored = await whole.foundation.files.put(house, "week.png", "image/png", png())
    file = OutgoingFile(str(stored.id), "week.png", "image/png")
    path = f"/files/{stored.id}"
    assert (await browser.get(path)).status == 404
    await whole.answer(Body(f"I can't show {stored.id}"))
    assert (await browser.get(path)).status == 404
    message = await whole.answer(Body("This week", files=(file,)))
    response = await browser.get(path)
    assert (response.status, response.headers["Content-Type"]) == (200, "image/png")
    assert await response.read() == png()
    assert (await stranger.get(path)).status == 404
    async with transaction(Step.ADMIN):
        await Part.filter(id=UUID(message)).update(state=PartState.DELETED)
    assert (await browser.get(path)).status == 404


async def test_a_persons_own_file_is_nobody_elses(browser, whole, http):
    async with transaction(Step.ADMIN):
        sam = await User.create(name="Sam", created_at=whole.clock.now())
    stranger = Browser(whole, http)
    await stranger.sign_in(sam)
    file_id = await whole.files.put(whole.me, "a.txt", "text/plain", b"mine")
    assert (await browser.get(f"/files/{file_id}")).status == 200
    for path in (f"/files/{file_id}", f"/files/{uuid4()}"):
        assert (await stranger.get(path)).status == 404
