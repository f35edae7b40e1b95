"""Keeping a platform's rate limits: every message shown in a chat takes its turn here, and edits count.

A growing text waits so that the final one always has its place; a pause the platform asked for is kept by all.
"""

import asyncio
import heapq
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import IntEnum

from core.channel import Budget, Budgets
from core.envelopes import Place
from storage.clock import Clock

GROWING_PER_SECOND = 40.0
"""Most edits of growing texts per second and process, so that many streams at once leave time for everything else."""
CAUTION_SECONDS = 600.0
"""How long a chat that was flooded gets no bursts."""


class Urgency(IntEnum):
    """Who goes first: what must be shown before what a newer text may supersede."""

    FINAL = 0
    NEW = 1
    GROWING = 2


class Bucket:
    """A token bucket whose waiters are served by urgency, then in order of arrival."""

    def __init__(self, budget: Budget, clock: Clock) -> None:
        self._rate = budget.rate
        self._burst = max(1.0, budget.burst)
        self._clock = clock
        self._tokens = self._burst
        self._at = clock.monotonic()
        self._paused_until = 0.0
        self._waiting: list[tuple[int, int, float, asyncio.Future[None]]] = []
        self._order = itertools.count()
        self._timer: asyncio.TimerHandle | None = None

    async def take(self, urgency: Urgency) -> None:
        """Wait for a token. `GROWING` leaves one in the bucket for the final text where it can hold two."""
        needed = min(2.0, self._burst) if urgency is Urgency.GROWING else 1.0
        future = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (urgency, next(self._order), needed, future))
        self._serve()
        await future

    def settle(self) -> None:
        """Count the last token as spent now: what was sent late must not be followed too soon."""
        self._refill()
        self._tokens = min(self._tokens, self._burst - 1.0)

    def pause(self, seconds: float) -> None:
        """Serve nobody for `seconds`."""
        self._paused_until = max(self._paused_until, self._clock.monotonic() + seconds)

    def be_careful(self) -> None:
        """Allow no bursts from now on."""
        self._burst = 1.0

    def idle_for(self) -> float:
        """Return seconds since somebody last looked, 0 while somebody waits or it is paused."""
        now = self._clock.monotonic()
        return 0.0 if self._waiting or now < self._paused_until else now - self._at

    def _refill(self) -> None:
        now = self._clock.monotonic()
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now

    def _serve(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._refill()
        pause = self._paused_until - self._at
        while self._waiting:
            _, _, needed, future = self._waiting[0]
            if future.done():
                heapq.heappop(self._waiting)
                continue
            needed = min(needed, self._burst)
            wait = max(pause, (needed - self._tokens) / self._rate)
            if wait > 1e-9:
                self._timer = asyncio.get_running_loop().call_later(wait + 0.001, self._serve)
                return
            heapq.heappop(self._waiting)
            self._tokens -= 1.0
            future.set_result(None)


class Pacer:
    """The one sender's clock of a channel account: who may show something in which chat, and when."""

    def __init__(self, budgets: Budgets, clock: Clock) -> None:
        self._budgets = budgets
        self._clock = clock
        self._whole = Bucket(budgets.whole, clock)
        growing = min(GROWING_PER_SECOND, budgets.whole.rate)
        self._growing = Bucket(budgets.growing or Budget(growing, growing / 4), clock)
        self._chats: dict[str, list[Bucket]] = {}

    @asynccontextmanager
    async def slot(self, chat: str, place: Place, urgency: Urgency) -> AsyncIterator[None]:
        """Wait until one message may be shown in `chat`, and hold the slot while it is being sent."""
        buckets = self._of(chat, place)
        for bucket in buckets:
            await bucket.take(urgency)
        if urgency is Urgency.GROWING:
            await self._growing.take(urgency)
        await self._whole.take(urgency)
        for bucket in buckets:
            bucket.settle()
        try:
            yield
        finally:
            for bucket in buckets:
                bucket.settle()

    def pause(self, chat: str, place: Place, seconds: float) -> None:
        """Send nothing to `chat` for `seconds`, as the platform asked; and be careful there for a while."""
        for bucket in self._of(chat, place):
            bucket.pause(seconds)
            bucket.be_careful()

    def _of(self, chat: str, place: Place) -> list[Bucket]:
        """Return the chat's buckets; topics of one group share the group's."""
        key = chat.partition("/")[0]
        buckets = self._chats.get(key)
        if buckets is None:
            if len(self._chats) > 10_000:
                self._forget_idle()
            buckets = [Bucket(self._budgets.private, self._clock)]
            if place is Place.GROUP:
                buckets.append(Bucket(self._budgets.group, self._clock))
            self._chats[key] = buckets
        return buckets

    def _forget_idle(self) -> None:
        idle = [key for key, buckets in self._chats.items() if min(b.idle_for() for b in buckets) > CAUTION_SECONDS]
        for key in idle:
            del self._chats[key]
