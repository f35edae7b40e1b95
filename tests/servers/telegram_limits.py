"""Telegram's flood limits, and the record of who ran into them.

Sends and edits count alike, per chat (topics of a group together). Source: https://core.telegram.org/bots/faq#my-bot-is-
hitting-limits-how-do-i-avoid-this; that edits count is documented by tdlib/td#2592 and #3034.
"""

import math
from collections import Counter, deque
from dataclasses import dataclass, field

from storage.clock import Clock
from tests.servers.telegram_errors import ApiError


@dataclass(slots=True)
class Limits:
    """What is allowed. Everything may be changed while the server runs.

    Args:
        enabled: off, only pauses asked for by a fault are held.
        chat_rate: messages per second in one chat, `chat_burst` of them at once (1 is the strict reading).
        group_per_minute: in any 60 s in a group, supergroup or channel.
        bot_rate: messages per second of the whole bot, `bot_burst` at once.
        tolerance: seconds by which a request may come early, for the way through the network (at most half a message).
        penalty: seconds that each request during a pause adds to it.
    """

    enabled: bool = True
    chat_rate: float = 1.0
    chat_burst: float = 3.0
    group_per_minute: int = 20
    bot_rate: float = 30.0
    bot_burst: float = 30.0
    tolerance: float = 0.1
    penalty: float = 1.0

    @classmethod
    def strict(cls) -> "Limits":
        """Return the strictest reading: one per second in a chat, without any burst."""
        return cls(chat_burst=1.0)

    @classmethod
    def off(cls) -> "Limits":
        """Return no limits."""
        return cls(enabled=False)


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float

    def wait(self, now: float, rate: float, burst: float, tolerance: float) -> float:
        """Refill, and return the seconds until one token is there; 0 if it is."""
        self.tokens = min(burst, self.tokens + (now - self.at) * rate)
        self.at = now
        missing = 1 - self.tokens
        return missing / rate if missing > min(tolerance * rate, 0.5) else 0.0


@dataclass(slots=True)
class Meter:
    """The highest number of messages that any 1 s and any 60 s saw."""

    most_in_1s: int = 0
    most_in_60s: int = 0
    _second: deque[float] = field(default_factory=deque)
    _minute: deque[float] = field(default_factory=deque)

    def count(self, now: float) -> None:
        """Count one message that was let through."""
        for window, seconds in ((self._second, 1.0), (self._minute, 60.0)):
            window.append(now)
            while window[0] <= now - seconds:
                window.popleft()
        self.most_in_1s = max(self.most_in_1s, len(self._second))
        self.most_in_60s = max(self.most_in_60s, len(self._minute))

    def freed(self, now: float, limit: int, tolerance: float) -> float:
        """Return the seconds until the last 60 s hold fewer than `limit`; 0 if they do."""
        while self._minute and self._minute[0] <= now - 60:
            self._minute.popleft()
        if len(self._minute) < limit:
            return 0.0
        wait = self._minute[-limit] + 60 - now
        return wait if wait > tolerance else 0.0


@dataclass(frozen=True, slots=True)
class Violation:
    """A request that came `early` seconds before the chat's `retry_after` had passed."""

    chat_id: int
    method: str
    at: float
    early: float


class Flood:
    """Lets messages through at the allowed pace, answers 429 to the rest, and remembers both."""

    def __init__(self, clock: Clock, limits: Limits) -> None:
        self.limits = limits
        self.disobeyed: list[Violation] = []
        self.refused: Counter[int] = Counter()
        self.meters: dict[int, Meter] = {}
        self.whole = Meter()
        self._clock = clock
        self._buckets: dict[int, _Bucket] = {}
        self._bot = _Bucket(limits.bot_burst, clock.monotonic())
        self._paused: dict[int, float] = {}

    def pause(self, chat_id: int, seconds: float) -> None:
        """Hold a chat to a pause that a fault has just asked for."""
        self.refused[chat_id] += 1
        self._paused[chat_id] = max(self._paused.get(chat_id, 0.0), self._clock.monotonic() + seconds)

    def admit(self, chat_id: int, method: str, *, group: bool) -> None:
        """Let one message or edit through.

        Raises:
            ApiError: 429 with `retry_after`, whole seconds.
        """
        now, limits = self._clock.monotonic(), self.limits
        left = self._paused.get(chat_id, now) - now
        if left > 0:
            self.disobeyed.append(Violation(chat_id, method, now, left))
            raise self._refusal(chat_id, now, left + limits.penalty)
        self._paused.pop(chat_id, None)
        bucket = self._buckets.setdefault(chat_id, _Bucket(limits.chat_burst, now))
        meter = self.meters.setdefault(chat_id, Meter())
        if limits.enabled:
            wait = max(
                bucket.wait(now, limits.chat_rate, limits.chat_burst, limits.tolerance),
                self._bot.wait(now, limits.bot_rate, limits.bot_burst, limits.tolerance),
                meter.freed(now, limits.group_per_minute, limits.tolerance) if group else 0.0,
            )
            if wait > 0:
                raise self._refusal(chat_id, now, wait)
            bucket.tokens -= 1
            self._bot.tokens -= 1
        meter.count(now)
        self.whole.count(now)

    def _refusal(self, chat_id: int, now: float, wait: float) -> ApiError:
        seconds = max(1, math.ceil(wait))
        self._paused[chat_id] = now + seconds
        self.refused[chat_id] += 1
        return ApiError(429, f"Too Many Requests: retry after {seconds}", {"retry_after": seconds})
