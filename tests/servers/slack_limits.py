"""Slack's rate limits, and the record of who ran into them.

Source: https://docs.slack.dev/apis/web-api/rate-limits: tiers per method and workspace and minute; posting about one
message per second and channel, short bursts tolerated.
"""

import math
from collections import Counter
from dataclasses import dataclass

from storage.clock import Clock
from tests.servers.slack_errors import ApiError

POSTS = frozenset({"chat.postMessage", "files.completeUploadExternal"})
_TIERS = {
    1: ("apps.connections.open",),
    2: ("chat.startStream", "chat.stopStream", "conversations.list", "users.list"),
    3: (
        *("bots.info", "chat.delete", "chat.update", "conversations.history", "conversations.info"),
        *("conversations.open", "conversations.replies", "reactions.add", "reactions.remove", "team.info"),
    ),
    4: (
        *("assistant.threads.setStatus", "assistant.threads.setSuggestedPrompts", "assistant.threads.setTitle"),
        *("chat.appendStream", "chat.postEphemeral", "conversations.members", "files.completeUploadExternal"),
        *("files.getUploadURLExternal", "files.info", "users.info", "views.open", "views.publish", "views.push"),
        *("views.update",),
    ),
}
TIER_OF = {method: tier for tier, methods in _TIERS.items() for method in methods}


@dataclass(slots=True)
class Limits:
    """What is allowed. Everything may be changed while the server runs.

    Args:
        enabled: off, only pauses asked for by a fault are held.
        post_rate: messages per second in one channel, `post_burst` of them at once (1 is the strict reading).
        tier1, tier2, tier3, tier4: calls per minute of one method of that tier, all at once if need be.
        distributed: a distributed app outside the Marketplace: history and replies once a minute, 15 messages at most.
        tolerance: seconds by which a request may come early, for the way through the network.
    """

    enabled: bool = True
    post_rate: float = 1.0
    post_burst: float = 4.0
    tier1: int = 10
    tier2: int = 20
    tier3: int = 50
    tier4: int = 100
    distributed: bool = False
    tolerance: float = 0.1

    @classmethod
    def strict(cls) -> "Limits":
        """Return the strictest reading: one post per second in a channel, without any burst."""
        return cls(post_burst=1.0)

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


@dataclass(frozen=True, slots=True)
class Violation:
    """A request that came `early` seconds before the `Retry-After` had passed."""

    method: str
    channel: str
    at: float
    early: float


class Flood:
    """Lets calls through at the allowed pace, answers 429 to the rest, and remembers both."""

    def __init__(self, clock: Clock, limits: Limits) -> None:
        self.limits = limits
        self.disobeyed: list[Violation] = []
        self.refused: Counter[str] = Counter()
        self._clock = clock
        self._buckets: dict[tuple[str, str], _Bucket] = {}
        self._paused: dict[tuple[str, str], float] = {}

    def hold(self, method: str, channel: str, seconds: float) -> None:
        """Hold the caller to a pause that was just asked for."""
        key = (method, channel if method in POSTS else "")
        self._paused[key] = max(self._paused.get(key, 0.0), self._clock.monotonic() + seconds)

    def admit(self, method: str, channel: str) -> None:
        """Let one call through.

        Raises:
            ApiError: 429 `ratelimited`, whole seconds.
        """
        now, limits = self._clock.monotonic(), self.limits
        keys = [(method, "")] + ([(method, channel)] if method in POSTS else [])
        left = max(self._paused.get(key, now) - now for key in keys)
        if left > limits.tolerance:
            self.disobeyed.append(Violation(method, channel, now, left))
            raise self._refusal(method, left)
        for key in keys:
            self._paused.pop(key, None)
        if not limits.enabled:
            return
        for key in keys:
            rate, burst = self._rule(*key)
            bucket = self._buckets.setdefault(key, _Bucket(burst, now)) if rate else None
            if bucket and (wait := bucket.wait(now, rate, burst, limits.tolerance)):
                raise self._refusal(method, wait)
        for key in keys:
            if key in self._buckets:
                self._buckets[key].tokens -= 1

    def _rule(self, method: str, channel: str) -> tuple[float, float]:
        """Return the calls per second and at once; 0 for any number."""
        if channel:
            return self.limits.post_rate, self.limits.post_burst
        if self.limits.distributed and method in ("conversations.history", "conversations.replies"):
            return 1 / 60, 1
        per_minute = getattr(self.limits, f"tier{TIER_OF[method]}") if method in TIER_OF else 0
        return per_minute / 60, per_minute

    def _refusal(self, method: str, wait: float) -> ApiError:
        seconds = max(1, math.ceil(wait))
        self.refused[method] += 1
        return ApiError("ratelimited", status=429, retry_after=seconds)
