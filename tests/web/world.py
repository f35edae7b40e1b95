"""The web under test: the real application over a real database, and a scripted assistant behind small ports."""

import asyncio
import hashlib
import hmac
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from http.cookies import SimpleCookie
from typing import Any
from uuid import uuid4

import aiohttp

from bot.web.app import create_app, serve
from bot.web.ports import Asked, Download, Entry, WebDependencies
from bot.web.sessions import make_login_link
from channels.web import ACCOUNT, Hub, WebChannel, fingerprint
from core.envelopes import Body, Inbound, OutgoingFile, Place, Target
from core.inbox import Busy
from storage.faults import Step
from storage.ids import new_id
from storage.tables import User
from storage.transactions import transaction
from tests.clock import PATIENCE


class Chats:
    """Keeps chats as the inbox and the transcript do, in memory; answers are told by the test."""

    def __init__(self, hub: Hub, clock: Any) -> None:
        self.hub = hub
        self.clock = clock
        self.said: dict[str, list[Entry]] = {}
        self.accepted: list[Inbound] = []
        self.deliveries = 0
        self.arrived = asyncio.Condition()
        self.busy = False
        self.channel = WebChannel(hub, clock, self._no_file)

    async def _no_file(self, file_id: str) -> bytes:
        raise LookupError(file_id)

    async def accept(self, inbounds: Sequence[Inbound]) -> None:
        if self.busy:
            raise Busy
        async with self.arrived:
            await self._keep(inbounds)
            self.deliveries += len(inbounds)
            self.arrived.notify_all()

    async def until(self, reached: Callable[[], bool]) -> None:
        """Wait until what arrived makes `reached` true."""
        async with asyncio.timeout(PATIENCE), self.arrived:
            await self.arrived.wait_for(reached)

    async def _keep(self, inbounds: Sequence[Inbound]) -> None:
        for inbound in inbounds:
            if any((i.event_id, i.fingerprint) == (inbound.event_id, inbound.fingerprint) for i in self.accepted):
                continue
            self.accepted.append(inbound)
            if not inbound.button:
                files = tuple(
                    OutgoingFile(a.reference.removeprefix("stored:"), a.name, a.media_type) for a in inbound.attachments
                )
                text = f"{inbound.contexts[0].text}: sent" if inbound.submission else inbound.text
                entry = Entry(inbound.message_id, "person", Body(text, files=files), "waiting", inbound.received_at)
                self.said.setdefault(inbound.origin.chat, []).append(entry)

    async def entries(self, account: str, chat: str, *, limit: int = 100, before: str | None = None) -> list[Entry]:
        assert account == ACCOUNT
        entries = self.said.get(chat, [])
        if before is not None:
            ids = [entry.id for entry in entries]
            entries = entries[: ids.index(before)] if before in ids else []
        sent = {i.fingerprint: i.submission for i in self.accepted if i.submission is not None}
        return [replace(e, sent=sent.get(fingerprint(chat, e.id))) if e.body.form else e for e in entries[-limit:]]

    async def form(self, account: str, chat: str, message_id: str) -> Asked | None:
        assert account == ACCOUNT
        asked = [e.body.form for e in self.said.get(chat, []) if e.id == message_id]
        sent = [i.message_id for i in self.accepted if i.fingerprint == fingerprint(chat, message_id)]
        return Asked(asked[0], sent[0] if sent else "") if asked and asked[0] else None

    async def shows_file(self, account: str, chat: str, file_id: str) -> bool:
        assert account == ACCOUNT
        answers = [entry.body for entry in self.said.get(chat, []) if entry.who == "agent"]
        return any(file.file_id == file_id for body in answers for file in body.files)

    # what the core would do

    def target(self, chat: str) -> Target:
        return Target("web", ACCOUNT, chat, Place.PRIVATE)

    async def begin(self, chat: str) -> str:
        """Reserve an answer: stored, then posted."""
        key = str(new_id())
        self.said.setdefault(chat, []).append(Entry(key, "agent", Body(""), "growing", self.clock.now()))
        self._mark_taken(chat)
        await self.channel.post(self.target(chat), self.channel.render(Body("…"), growing=True)[0], key)
        return key

    async def grow(self, chat: str, key: str, text: str) -> None:
        await self.channel.edit(self.target(chat), key, self.channel.render(Body(text), growing=True)[0])

    async def finish(self, chat: str, key: str, body: Body) -> None:
        self.said[chat] = [
            replace(entry, body=body, state="final") if entry.id == key else entry for entry in self.said[chat]
        ]
        await self.channel.edit(self.target(chat), key, self.channel.render(body)[0])

    async def answer(self, chat: str, body: Body) -> str:
        """Post an answer in one go, as a command's card is."""
        key = str(new_id())
        self.said.setdefault(chat, []).append(Entry(key, "agent", body, "final", self.clock.now()))
        self._mark_taken(chat)
        await self.channel.post(self.target(chat), self.channel.render(body)[0], key)
        return key

    def _mark_taken(self, chat: str) -> None:
        self.said[chat] = [replace(e, state="final") if e.state == "waiting" else e for e in self.said[chat]]


class MemoryFiles:
    """Keeps files by owner."""

    def __init__(self) -> None:
        self.kept: dict[str, tuple[str, Download]] = {}

    async def put(self, owner_user_id: str, name: str, media_type: str, data: bytes) -> str:
        file_id = str(uuid4())
        self.kept[file_id] = (owner_user_id, Download(name, media_type, data))
        return file_id

    async def get(self, file_id: str, user_id: str) -> Download | None:
        owner, download = self.kept.get(file_id, ("", None))
        return download if owner == user_id else None

    async def shown(self, file_id: str) -> Download | None:
        return self.kept[file_id][1] if file_id in self.kept else None


def _hmac(purpose: str, value: str) -> str:
    key = hashlib.sha256(b"a test's pepper " + purpose.encode()).digest()
    return hmac.digest(key, value.encode(), "sha256").hex()


@dataclass
class World:
    """The application, served or not, and everything it was given."""

    clock: Any
    operator: User
    hub: Hub = field(default_factory=Hub)
    files: MemoryFiles = field(default_factory=MemoryFiles)
    problems: dict[str, str] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    port: int = 0

    def __post_init__(self) -> None:
        self.chats = Chats(self.hub, self.clock)

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @asynccontextmanager
    async def served(self, port: int = 0) -> AsyncIterator["World"]:
        """Serve, as a process that starts and stops does: each time with a hub of its own."""
        self.hub = self.chats.hub = Hub()
        self.chats.channel = WebChannel(self.hub, self.clock, self.chats._no_file)
        dependencies = WebDependencies(
            clock=self.clock,
            hmac=_hmac,
            accept=self.chats,
            transcript=self.chats,
            files=self.files,
            hub=self.hub,
            ready=self._ready,
            metrics=self._metrics,
            **self.settings,
        )
        async with serve(create_app(dependencies), "127.0.0.1", port) as self.port:
            yield self

    async def _ready(self) -> Mapping[str, str]:
        return {"database": "", **self.problems}

    async def _metrics(self) -> str:
        return "prowex_up 1\n"

    async def link(self, user: User | None = None, base: str = "") -> str:
        async with transaction(Step.ADMIN):
            person = user or self.operator
            return await make_login_link(person.id, base or self.base, clock=self.clock, hmac=_hmac)


class Browser:
    """A browser's manners without a browser: it keeps the cookie, and sends what Chromium sends with a form."""

    def __init__(self, world: World, http: aiohttp.ClientSession) -> None:
        self.world = world
        self.http = http
        self.cookies: dict[str, str] = {}
        self.set_cookies: list[str] = []
        self.headers: dict[str, str] = {}

    async def get(self, path: str, **headers: str) -> aiohttp.ClientResponse:
        return await self._ask("GET", path, headers)

    async def post(self, path: str, data: Any = None, headers: dict[str, str] | None = None) -> aiohttp.ClientResponse:
        manners = {"Origin": self.world.base, "Sec-Fetch-Site": "same-origin"} if headers is None else headers
        return await self._ask("POST", path, manners, data)

    async def _ask(self, method: str, path: str, headers: dict[str, str], data: Any = None) -> aiohttp.ClientResponse:
        cookie = {"Cookie": "; ".join(f"{k}={v}" for k, v in self.cookies.items())} if self.cookies else {}
        url = path if path.startswith("http") else self.world.base + path
        response = await self.http.request(
            method, url, headers={**cookie, **self.headers, **headers}, data=data, allow_redirects=False
        )
        await response.read()
        for line in response.headers.getall("Set-Cookie", []):
            self.set_cookies.append(line)
            for name, morsel in SimpleCookie(line).items():
                if morsel.value:
                    self.cookies[name] = morsel.value
                else:
                    self.cookies.pop(name, None)
        return response

    async def form_token(self, path: str) -> str:
        """Return the token in the form of the page at `path`."""
        text = await (await self.get(path)).text()
        found = re.findall(r'name="form[_-]token" (?:value|content)="([^"]+)"', text)
        assert found, f"no form token on {path}"
        return found[-1]

    async def sign_in(self, user: User | None = None) -> aiohttp.ClientResponse:
        """Open a one-time link and press its button."""
        link = (await self.world.link(user)).removeprefix(self.world.base)
        token = await self.form_token(link)
        response = await self.post(link, {"form_token": token})
        assert response.status == 303, await response.text()
        return response

    async def submit(self, path: str, page: str, **fields: str) -> aiohttp.ClientResponse:
        """Fill in the form of `page` and send it to `path`."""
        return await self.post(path, {"form_token": await self.form_token(page), **fields})

    async def fill_in(self, form_id: str, values: Mapping[str, str], *, id: str = "", **fields: str) -> Any:
        """Send the form of a message as the chat's script does."""
        named = {f"value:{name}": value for name, value in values.items()}
        return await self.say("", id=id, form=form_id, **named, **fields)

    async def say(self, text: str, *, id: str = "", files: Sequence[tuple[str, str, bytes]] = (), **fields: str) -> Any:
        """Send a message as the chat's script does."""
        form = aiohttp.FormData(default_to_multipart=True)
        form.add_field("id", id or str(uuid4()))
        form.add_field("text", text)
        for name, value in fields.items():
            form.add_field(name, value)
        for name, media_type, data in files:
            form.add_field("file", data, filename=name, content_type=media_type)
        headers = {
            "Origin": self.world.base,
            "Sec-Fetch-Site": "same-origin",
            "X-Form-Token": await self.form_token("/chat"),
            "Accept": "application/json",
        }
        return await self.post("/chat/messages", form, headers)


async def make_user(name: str, clock: Any, *, operator: bool = False) -> User:
    async with transaction(Step.ADMIN):
        return await User.create(name=name, operator=operator, created_at=clock.now())
