"""The web chat: the platform is our own database plus the browser, so nothing shown is ever lost or unsure.

What is posted, edited or deleted goes to a hub in memory, from which open pages are fed. A page that is opened later,
or that hangs on another process, reads the chat from the database.
"""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from core.channel import Budget, Budgets, FormStyle, Refused, Surroundings
from core.envelopes import Attachment, Body, Piece, Target
from core.wire import body_from_json, body_to_json
from storage.clock import Clock

NAME = "web"
ACCOUNT = "web"

_GROWING: dict[str, object] = {"growing": True}
_WHOLE = "body"
_PLACEHOLDER = "…"
_STORED = "stored:"
_MOST_EVENTS = 200
_MOST_GROWING = 1_000


def fingerprint(person: str, form_id: str = "") -> str:
    """Return the fingerprint of what a person sends.

    Args:
        form_id: the message whose form it is; what was sent with a form is found by this fingerprint.
    """
    return hashlib.sha256(f"{person} {form_id}".rstrip().encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Shown:
    """A message is there, or reads differently now."""

    id: str
    body: Body
    growing: bool
    at: datetime


@dataclass(frozen=True, slots=True)
class Removed:
    """A message is not there any more."""

    id: str


@dataclass(frozen=True, slots=True)
class Typing:
    """An answer is on its way."""

    id: str = "typing"


@dataclass(frozen=True, slots=True)
class Changed:
    """Something else about the chat changed: read it from the database."""

    id: str = "changed"


Event = Shown | Removed | Typing | Changed


class Subscription:
    """One page's events. Of each message only the newest is kept, so a slow page costs nothing but its own time."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[str, Event] = OrderedDict()
        self._ready = asyncio.Event()
        self._closed = False

    def offer(self, event: Event) -> None:
        """Add an event; when too many messages are waiting, the page is told to read the chat anew instead."""
        self._waiting[event.id] = event
        if len(self._waiting) > _MOST_EVENTS:
            self._waiting.clear()
            self._waiting[Changed().id] = Changed()
        self._ready.set()

    def close(self) -> None:
        """End the iteration."""
        self._closed = True
        self._ready.set()

    def __aiter__(self) -> "Subscription":
        return self

    async def __anext__(self) -> Event:
        """Return the next event. Cancelling it loses none."""
        await self._ready.wait()
        if self._closed:
            raise StopAsyncIteration
        _, event = self._waiting.popitem(last=False)
        if not self._waiting:
            self._ready.clear()
        return event


class Hub:
    """Carries what is shown in a chat to the pages that this process serves."""

    def __init__(self) -> None:
        self._pages: dict[str, set[Subscription]] = {}
        self._growing: OrderedDict[tuple[str, str], Shown] = OrderedDict()
        self._closed = False

    @asynccontextmanager
    async def subscribe(self, chat: str) -> AsyncIterator[Subscription]:
        """Yield the chat's events from now on."""
        subscription = Subscription()
        if self._closed:
            subscription.close()
        self._pages.setdefault(chat, set()).add(subscription)
        try:
            yield subscription
        finally:
            self._pages[chat].discard(subscription)
            if not self._pages[chat]:
                del self._pages[chat]

    def publish(self, chat: str, event: Event) -> None:
        """Offer an event to the chat's pages."""
        key = (chat, event.id)
        if isinstance(event, Shown) and event.growing:
            self._growing[key] = event
            self._growing.move_to_end(key)
            if len(self._growing) > _MOST_GROWING:
                self._growing.popitem(last=False)
        else:
            self._growing.pop(key, None)
        for page in self._pages.get(chat, ()):
            page.offer(event)

    def growing(self, chat: str, message_id: str) -> Shown | None:
        """Return how a message that still grows reads, if it was published here."""
        return self._growing.get((chat, message_id))

    def pages(self, chat: str) -> int:
        """Return how many pages follow the chat here."""
        return len(self._pages.get(chat, ()))

    def close(self) -> None:
        """End every page's events, now and from now on."""
        self._closed = True
        for pages in self._pages.values():
            for page in pages:
                page.close()


class WebChannel:
    """Implements `core.channel.Channel` over a `Hub`.

    Args:
        read_file: returns a stored file's bytes; a `LookupError` or `FileNotFoundError` says that it is gone.
    """

    name = NAME
    form_style = FormStyle.SHOWN
    budgets = Budgets(
        private=Budget(rate=10, burst=20),
        group=Budget(rate=10, burst=20),
        whole=Budget(rate=1_000, burst=2_000),
        interval=0.1,
    )

    def __init__(self, hub: Hub, clock: Clock, read_file: Callable[[str], Awaitable[bytes]]) -> None:
        self._hub = hub
        self._clock = clock
        self._read_file = read_file

    def render(self, body: Body, *, growing: bool = False) -> tuple[Piece, ...]:
        """Return everything as one piece, however long: a message here may have any number of files."""
        if growing:
            return (Piece(body.markdown(), (_GROWING,)),)
        plain = body == Body(body.text, body.buttons)
        return (Piece(body.markdown(), () if plain else ({_WHOLE: body_to_json(body)},), body.buttons),)

    async def post(self, target: Target, piece: Piece, key: str) -> str:
        """Show a new message; its id is `key`, so showing it again changes nothing."""
        self._show(target, key, piece)
        return key

    async def edit(self, target: Target, message_id: str, piece: Piece) -> None:
        """Show a message's new text."""
        self._show(target, message_id, piece)

    def _show(self, target: Target, message_id: str, piece: Piece) -> None:
        growing = _GROWING in piece.format or piece.text == _PLACEHOLDER
        whole = next((extra[_WHOLE] for extra in piece.format if _WHOLE in extra), None)
        body = body_from_json(str(whole)) if whole is not None else Body(piece.text, piece.buttons)
        self._hub.publish(target.chat, Shown(message_id, body, growing, self._clock.now()))

    async def delete(self, target: Target, message_id: str) -> None:
        """Take a message away."""
        self._hub.publish(target.chat, Removed(message_id))

    async def find(self, target: Target, key: str) -> str | None:
        """Return `key`: what was posted with it has it as its id."""
        return key

    async def typing(self, target: Target) -> None:
        """Show that an answer is on its way."""
        self._hub.publish(target.chat, Typing())

    async def surroundings(
        self, target: Target, *, people: Sequence[str], texts: Sequence[str], known: Collection[str]
    ) -> Surroundings:
        """Return nothing: an inbound here carries all there is to know."""
        return Surroundings()

    async def fetch(self, attachment: Attachment) -> bytes:
        """Return a stored attachment's bytes."""
        if not attachment.reference.startswith(_STORED):
            raise Refused("The file was not kept, so it can't be read.")
        try:
            return await self._read_file(attachment.reference.removeprefix(_STORED))
        except (LookupError, FileNotFoundError) as error:
            raise Refused("The file is not kept any more. Please send it again.") from error
