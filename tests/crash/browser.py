"""The operator in a web browser."""

import asyncio
import contextlib
import json
import re
import time
import uuid
from collections.abc import Sequence
from html.parser import HTMLParser

import aiohttp

from tests.crash.app import App
from tests.crash.echo import Echo
from tests.crash.oracle import Seen
from tests.crash.talk import ANSWERED_WITHIN, PICTURE, Talker


class Browser(Talker):
    """The operator in a web browser: signs in by a one-time link, sends until it is kept, and follows the stream."""

    def __init__(self, app: App, echo: Echo) -> None:
        super().__init__("web", echo)
        self._app = app
        self.refusals: list[str] = []
        self.sent: list[str] = []
        self._shown: dict[str, Article] = {}
        self._changed = asyncio.Event()
        self._token = ""
        self._client = aiohttp.ClientSession(
            cookie_jar=aiohttp.CookieJar(unsafe=True), timeout=aiohttp.ClientTimeout(total=20)
        )
        self._following: asyncio.Task[None] | None = None

    async def close(self) -> None:
        """Close the browser."""
        if self._following is not None:
            self._following.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._following
        await self._client.close()

    async def sign_in(self) -> None:
        """Use a one-time link, as often as it takes, and open the chat."""
        while not self._token:
            try:
                link = str((await self._app.call("web.link"))["link"])
                async with self._client.get(link) as page:
                    early = re.search(r'name="form_token" value="([^"]+)"', await page.text())
                origin = {"Origin": self._app.url}
                if early is not None:
                    form = {"form_token": early[1]}
                    async with self._client.post(link, data=form, headers=origin, allow_redirects=False) as answer:
                        await answer.read()
                await self.read_page()
            except (aiohttp.ClientError, TimeoutError, RuntimeError):
                await asyncio.sleep(0.1)
        self._following = asyncio.create_task(self._follow())

    async def read_page(self) -> "list[Article]":
        """Load the chat's page and, as somebody who scrolls up does, all that was before; return the messages."""
        async with self._client.get(f"{self._app.url}/chat", allow_redirects=False) as page:
            text = await page.text()
        if token := re.search(r'name="form-token" content="([^"]+)"', text):
            self._token = token[1]
        found = articles(text)
        while found and not re.search(r'id="earlier"[^>]* hidden', text):
            query = {"before": found[0].id}
            async with self._client.get(f"{self._app.url}/chat/messages", params=query) as answer:
                more = await answer.json()
            found = [*(articles(one["html"])[0] for one in more["messages"]), *found]
            if not more["earlier"]:
                break
        return found

    async def _follow(self) -> None:
        timeout = aiohttp.ClientTimeout(total=None, sock_read=60)
        while True:
            try:
                url = f"{self._app.url}/chat/events"
                async with self._client.get(url, timeout=timeout) as stream:
                    await self._read_events(stream)
            except (aiohttp.ClientError, OSError, TimeoutError):
                pass
            await asyncio.sleep(0.1)

    async def _read_events(self, stream: aiohttp.ClientResponse) -> None:
        name, buffer = "", b""
        async for chunk in stream.content.iter_any():
            *lines, buffer = (buffer + chunk).split(b"\n")
            for line in lines:
                if line.startswith(b"event: "):
                    name = line[7:].decode()
                elif line.startswith(b"data: "):
                    self._take(name, json.loads(line[6:]))

    def _take(self, name: str, data: dict[str, object]) -> None:
        if name == "sync":
            shown = [articles(str(one["html"]))[0] for one in data["messages"]]  # type: ignore[attr-defined]
            first = shown[0].at if data["full"] else ""
            earlier = {key: one for key, one in self._shown.items() if one.at < first}
            self._shown = {**earlier, **{one.id: one for one in shown}}
        elif name == "show":
            article = articles(str(data["html"]))[0]
            self._shown[article.id] = article
        elif name == "remove":
            self._shown.pop(str(data["id"]), None)
        self._changed.set()

    def seen(self) -> list[Seen]:
        """Return the assistant's messages that the open page shows."""
        return as_seen(sorted(self._shown.values(), key=lambda one: one.at))

    def transcript(self) -> str:
        """Return the page as lines."""
        shown = sorted(self._shown.values(), key=lambda one: one.at)
        return "\n".join(f"{one.who} ({one.state}): {one.text}" for one in shown)

    @property
    def articles(self) -> "dict[str, Article]":
        """Return what the open page shows, by id."""
        return self._shown

    async def say(self, text: str) -> None:
        """Write."""
        await self._send(text)

    async def picture(self, text: str, *, count: int = 1) -> None:
        """Send pictures."""
        await self._send(text, files=count)

    async def press(self, label: str) -> bool:
        """Press a button."""
        for one in sorted(self._shown.values(), key=lambda one: one.at, reverse=True):
            if label in one.buttons:
                await self._send(one.buttons[label], button=True)
                return True
        return False

    async def change(self) -> None:
        """Wait for a change of the page, at most half a second."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.5):
                self._changed.clear()
                await self._changed.wait()

    async def _send(self, text: str, files: int = 0, *, button: bool = False) -> None:
        """Post until it is acknowledged, with the same id, as the page does."""
        message_id = str(uuid.uuid4())
        deadline = time.monotonic() + ANSWERED_WITHIN
        headers = {"X-Form-Token": self._token, "Origin": self._app.url}
        while time.monotonic() < deadline:
            form = aiohttp.FormData(default_to_multipart=True)
            form.add_field("id", message_id)
            form.add_field("text", text)
            if button:
                form.add_field("button", "1")
            for number in range(files):
                form.add_field("file", PICTURE, filename=f"p{number}.png", content_type="image/png")
            try:
                url = f"{self._app.url}/chat/messages"
                async with self._client.post(url, data=form, headers=headers) as answer:
                    if answer.status == 202:
                        if not button:
                            self.sent.append(message_id)
                        return
                    if answer.status < 500:
                        self.refusals.append(f"{answer.status} {(await answer.text())[:200]}")
                        return
            except (aiohttp.ClientError, TimeoutError):
                pass
            await asyncio.sleep(0.1)
        self.refusals.append("never acknowledged")


class Article:
    """A message on the web page."""

    def __init__(self, attributes: dict[str, str]) -> None:
        self.id = attributes["data-id"]
        self.who = "person" if "person" in attributes["class"].split() else "agent"
        self.state = attributes["data-state"]
        self.at = attributes["data-at"]
        self.text = ""
        self.buttons: dict[str, str] = {}


class _Articles(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[Article] = []
        self._open = False
        self._depth = 0
        self._button = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        if tag == "article" and "data-id" in attributes:
            self.found.append(Article(attributes))
            self._open = True
        elif self._open and tag == "div" and ("words" in attributes.get("class", "").split() or self._depth):
            self._depth += 1
            self.found[-1].text += "\n"
        elif self._open and tag == "button" and "data-command" in attributes:
            self._button = attributes["data-command"]
        elif self._depth and tag in ("p", "br", "li"):
            self.found[-1].text += "\n"

    def handle_endtag(self, tag: str) -> None:
        if tag == "article":
            self._open, self._depth = False, 0
        elif tag == "div" and self._depth:
            self._depth -= 1
        elif tag == "button":
            self._button = ""

    def handle_data(self, data: str) -> None:
        if self._depth:
            self.found[-1].text += data
        elif self._button and data.strip():
            self.found[-1].buttons[data.strip()] = self._button


def articles(html: str) -> list[Article]:
    """Return the messages in a piece of the page, in order."""
    parser = _Articles()
    parser.feed(html.partition('<template id="draft">')[0])
    return parser.found


def as_seen(shown: Sequence[Article]) -> list[Seen]:
    """Return the assistant's messages; one that is still growing reads as a placeholder if it is empty."""
    mine = [one for one in shown if one.who == "agent"]
    return [Seen(one.id, one.text.strip() or ("…" if one.state == "growing" else ""), 0.0) for one in mine]
