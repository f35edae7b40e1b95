"""How many messages a person, and a chat, may have answered in a minute. What is above waits; nothing is lost."""

from collections import deque
from datetime import datetime, timedelta
from uuid import UUID

from storage.clock import Clock

WINDOW = timedelta(seconds=60)
CHAT_FACTOR = 3
"""A group may have so many times one person's messages."""


class Rates:
    """Sliding windows over the last minute, kept in memory: a restart forgives."""

    def __init__(self, per_minute: int, clock: Clock) -> None:
        self.per_minute = per_minute
        self._clock = clock
        self._taken: dict[UUID, deque[datetime]] = {}
        self._noticed: dict[UUID, datetime] = {}

    def allowance(self, person: UUID, chat: UUID) -> int:
        """Return how many messages may be taken now."""
        mine = self.per_minute - len(self._recent(person))
        return max(0, min(mine, self.per_minute * CHAT_FACTOR - len(self._recent(chat))))

    def ready_at(self, person: UUID, chat: UUID) -> datetime:
        """Return when the next message may be taken, given that none may now."""
        full = [
            recent[0] + WINDOW
            for recent, most in (
                (self._recent(person), self.per_minute),
                (self._recent(chat), self.per_minute * CHAT_FACTOR),
            )
            if len(recent) >= most
        ]
        return max(full, default=self._clock.now())

    def count(self, person: UUID, chat: UUID, messages: int = 1) -> None:
        """Count messages that are taken now."""
        now = self._clock.now()
        for key in (person, chat):
            self._taken.setdefault(key, deque()).extend([now] * messages)
        if len(self._taken) > 10_000:
            self._taken = {key: taken for key, taken in self._taken.items() if taken and now - taken[-1] < WINDOW}

    def notice(self, person: UUID) -> bool:
        """Return whether the person should be told now that they wait: once in a window."""
        now = self._clock.now()
        told = self._noticed.get(person)
        if told is not None and now - told < WINDOW:
            return False
        self._noticed = {key: at for key, at in self._noticed.items() if now - at < WINDOW}
        self._noticed[person] = now
        return True

    def _recent(self, key: UUID) -> deque[datetime]:
        taken = self._taken.get(key)
        if taken is None:
            return deque()
        now = self._clock.now()
        while taken and now - taken[0] >= WINDOW:
            taken.popleft()
        return taken
