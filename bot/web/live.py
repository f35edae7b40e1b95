"""What an open page is told: first everything, then each change, from the hub and from the database."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from bot.web.ports import Entry, State, Transcript
from bot.web.views import Views
from channels.web import ACCOUNT, Changed, Event, Hub, Removed, Shown, Subscription, Typing
from storage.clock import Clock

WINDOW = 50
"""So many of the last messages are kept in step; earlier ones are fetched when the person asks for them."""
READ_WHILE_WAITING = 2.0
READ_WHILE_QUIET = 15.0
CHECK_SESSION = 5.0
_WRITE_SECONDS = 30.0
_UNFINISHED = ("waiting", "growing")

Write = Callable[[bytes], Awaitable[None]]


class Feed:
    """One page's stream of events.

    The database tells what there is, the hub how a message that still grows reads. What is whole never grows again:
    the hub's older news about it is dropped.

    Args:
        alive: whether the page's session still stands.
    """

    def __init__(
        self,
        chat: str,
        *,
        views: Views,
        transcript: Transcript,
        hub: Hub,
        clock: Clock,
        write: Write,
        alive: Callable[[], Awaitable[bool]],
    ) -> None:
        self._chat = chat
        self._views = views
        self._transcript = transcript
        self._hub = hub
        self._clock = clock
        self._write = write
        self._alive = alive
        self._told: dict[str, Entry] = {}
        self._stored: dict[str, Entry] = {}

    async def run(self, subscription: Subscription) -> None:
        """Tell everything, then every change, until the session or the process ends."""
        await self._tell_all()
        checked = read = self._clock.monotonic()
        while True:
            event = await self._next(subscription)
            if isinstance(event, StopAsyncIteration):
                return
            now = self._clock.monotonic()
            if event is None or now - checked >= CHECK_SESSION:
                checked = now
                if not await self._alive():
                    await self._send("ended", {})
                    return
            if self._is_time_to_read(event, now - read):
                read = now
                await self._tell_changes()
            if event is None:
                await self._put(b": still here\n\n")
            else:
                await self._pass_on(event)

    @property
    def _unfinished(self) -> bool:
        return any(entry.state in _UNFINISHED for entry in self._told.values())

    def _is_time_to_read(self, event: Event | None, since: float) -> bool:
        """Return whether to look into the database: another process may have worked the chat, or a message is new here.

        The database tells where a new message stands, and that what it answers has been taken up.
        """
        if isinstance(event, Shown) and event.id not in self._told:
            return True
        if self._unfinished:
            return event is None or isinstance(event, Changed) or since >= READ_WHILE_WAITING
        return isinstance(event, Changed) or since >= READ_WHILE_QUIET

    async def _next(self, subscription: Subscription) -> Event | StopAsyncIteration | None:
        """Return the next event, None when it is time to look by ourselves, the end as a value."""
        try:
            async with asyncio.timeout(READ_WHILE_WAITING if self._unfinished else CHECK_SESSION):
                return await anext(subscription)
        except TimeoutError:
            return None
        except StopAsyncIteration as end:
            return end

    async def _read(self) -> list[Entry]:
        entries = await self._transcript.entries(ACCOUNT, self._chat, limit=WINDOW)
        self._stored = {entry.id: entry for entry in entries}
        return [self._as_it_grows(entry) for entry in entries]

    def _as_it_grows(self, entry: Entry) -> Entry:
        if entry.state != "growing":
            return entry
        growing = self._hub.growing(self._chat, entry.id)
        known = self._told.get(entry.id)
        if growing is not None:
            return replace(entry, body=growing.body)
        return replace(entry, body=known.body) if known is not None and not entry.body.text else entry

    async def _tell_all(self) -> None:
        entries = await self._read()
        self._told = {entry.id: entry for entry in entries}
        messages = [{"id": entry.id, "html": self._views.message(entry)} for entry in entries]
        await self._send("sync", {"messages": messages, "full": len(entries) >= WINDOW})

    async def _tell_changes(self) -> None:
        """Read the chat and tell what differs from what the page was told."""
        before = self._stored
        entries = await self._read()
        if before.keys() - self._stored.keys():
            gone_since = entries[0].at if len(entries) >= WINDOW else None
            for gone in before.keys() - self._stored.keys():
                self._told.pop(gone, None)
                if gone_since is None or before[gone].at >= gone_since:
                    await self._send("remove", {"id": gone})
        previous = None
        for entry in entries:
            known = self._told.get(entry.id)
            if not _looks_alike(known, entry) and not _regrows(known, entry):
                await self._tell(entry, previous)
            previous = entry.id

    async def _pass_on(self, event: Event) -> None:
        if isinstance(event, Shown):
            known = self._told.get(event.id)
            state: State = "growing" if event.growing else "final"
            entry = Entry(event.id, "agent", event.body, state, event.at, known.sent if known else None)
            if not _looks_alike(known, entry) and not _regrows(known, entry):
                await self._tell(replace(entry, at=known.at) if known else entry, None)
        elif isinstance(event, Removed):
            self._told.pop(event.id, None)
            self._stored.pop(event.id, None)
            await self._send("remove", {"id": event.id})
        elif isinstance(event, Typing):
            await self._send("typing", {})

    async def _tell(self, entry: Entry, previous: str | None) -> None:
        self._told[entry.id] = entry
        await self._send("show", {"id": entry.id, "html": self._views.message(entry), "after": previous})

    async def _send(self, name: str, data: dict[str, Any]) -> None:
        await self._put(f"event: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n".encode())

    async def _put(self, data: bytes) -> None:
        async with asyncio.timeout(_WRITE_SECONDS):
            await self._write(data)


def _looks_alike(known: Entry | None, entry: Entry) -> bool:
    return known is not None and replace(known, at=entry.at) == entry


def _regrows(known: Entry | None, entry: Entry) -> bool:
    """Return whether `entry` is older news about a message that is whole already."""
    return known is not None and known.state not in _UNFINISHED and entry.state == "growing"
