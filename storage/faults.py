"""Named places where a test may kill, delay or fail the process: one before and one after each step that matters.

A step is anything that commits or calls out. `transaction(step)` and `calling(step)` are the only ways to do either,
so no step is without its two points: `<step>.before` and `<step>.after`.

Set `PROWEX_FAULT` to `point#hit[:action[=seconds]][,...]`: `inbox.accept.after#2` kills the process at the second
time it passes the point after the accepting commit. Actions: `kill` (SIGKILL, the default), `stop` (SIGSTOP),
`raise`, `delay=SECONDS`.
"""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum


class Step(StrEnum):
    """Every step of the product that commits or calls out."""

    # commits
    INBOX_MEET = "inbox.meet"
    INBOX_ACCEPT = "inbox.accept"
    LANE_CLAIM = "lane.claim"
    LANE_RELEASE = "lane.release"
    LANE_FREE = "lane.free"
    LANE_RENEW = "lane.renew"
    LANE_FAIL = "lane.fail"
    TURN_TAKE = "turn.take"
    TURN_RESUME = "turn.resume"
    TURN_FINISH = "turn.finish"
    COMPACT = "turn.compact"
    COMMAND = "turn.command"
    ADMIT = "turn.admit"
    PART_RESERVE = "part.reserve"
    PART_RESERVED = "part.reserved"
    PART_SENDING = "part.sending"
    PART_SENT = "part.sent"
    REPLY_DELIVERED = "reply.delivered"
    CHAT_QUIET = "chat.quiet"
    PART_DELETED = "part.deleted"
    FILE_KEPT = "file.kept"
    FILE_STORE = "file.store"
    POLLER_LEASE = "poller.lease"
    ADMIN = "admin.write"
    KEY_CREATE = "key.create"
    SESSION = "web.session"
    # outside calls
    CALL_POLL = "call.poll"
    CALL_POST = "call.post"
    CALL_EDIT = "call.edit"
    CALL_DELETE = "call.delete"
    CALL_FETCH = "call.fetch"
    CALL_SURROUNDINGS = "call.surroundings"
    CALL_MODEL = "call.model"


class Injected(Exception):
    """Raised at a fault point whose action is `raise`; never outside tests."""


@dataclass(frozen=True, slots=True)
class _Fault:
    hit: int
    action: str
    seconds: float


def _parse(spec: str) -> dict[str, list[_Fault]]:
    faults: dict[str, list[_Fault]] = {}
    for item in filter(None, (part.strip() for part in spec.split(","))):
        where, _, action = item.partition(":")
        name, _, hit = where.partition("#")
        action, _, seconds = action.partition("=")
        faults.setdefault(name, []).append(_Fault(int(hit or 1), action or "kill", float(seconds or 0)))
    return faults


class _Switchboard:
    """Counts how often each point was passed and acts where a fault is set."""

    def __init__(self, spec: str) -> None:
        self.faults = _parse(spec)
        self.hits: Counter[str] = Counter()

    async def pass_(self, name: str) -> None:
        self.hits[name] += 1
        for fault in self.faults.get(name, ()):
            if fault.hit != self.hits[name]:
                continue
            if fault.action == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            elif fault.action == "stop":
                os.kill(os.getpid(), signal.SIGSTOP)
            elif fault.action == "raise":
                raise Injected(name)
            elif fault.action == "delay":
                await asyncio.sleep(fault.seconds)


_board = _Switchboard(os.environ.get("PROWEX_FAULT", ""))


def arm(spec: str) -> None:
    """Set the faults anew (see the module) and forget what was counted."""
    global _board
    _board = _Switchboard(spec)


def hits() -> Counter[str]:
    """Return how often each point was passed since the start or the last `arm`."""
    return _board.hits


async def point(name: str) -> None:
    """Pass the point `name`: nothing happens unless a fault is set there."""
    if _board.faults:
        await _board.pass_(name)


@asynccontextmanager
async def calling(step: Step) -> AsyncIterator[None]:
    """Surround one call to the outside world with its two points. The second is passed only when the call returned."""
    await point(f"{step}.before")
    yield
    await point(f"{step}.after")
