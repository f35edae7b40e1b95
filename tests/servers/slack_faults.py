"""What goes wrong on purpose, and the journal of every request."""

import random
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from tests.servers.slack_errors import ApiError

Kind = Literal["answer", "request", "fail", "before", "after", "ack"]


@dataclass(slots=True)
class Fault:
    """A fault that waits for its request: `skip` matching requests pass first, `count` are hit (None: all)."""

    kind: Kind
    method: str
    channel: str | None
    skip: int
    count: int | None
    probability: float = 1.0
    error: ApiError | None = None
    seconds: float = 0.0
    hits: int = 0


class Faults:
    """The faults of one server.

    `method` is a Web API method, `upload`, `download`, `response_url`, or `*` for any; `channel` narrows it to one
    conversation's id.
    """

    def __init__(self, seed: int = 0) -> None:
        self._chance = random.Random(seed)
        self._waiting: list[Fault] = []

    def drop_answers(
        self,
        method: str = "*",
        *,
        nth: int = 1,
        count: int | None = 1,
        probability: float = 1.0,
        channel: str | None = None,
    ) -> Fault:
        """Obey, but reset the connection without an answer, from the `nth` request on, `count` times."""
        return self._add(Fault("answer", method, channel, nth - 1, count, probability))

    def drop_requests(
        self,
        method: str = "*",
        *,
        nth: int = 1,
        count: int | None = 1,
        probability: float = 1.0,
        channel: str | None = None,
    ) -> Fault:
        """Reset the connection and do nothing."""
        return self._add(Fault("request", method, channel, nth - 1, count, probability))

    def fail(
        self,
        method: str,
        error: str = "internal_error",
        *,
        status: int = 200,
        retry_after: int | None = None,
        nth: int = 1,
        count: int | None = 1,
        channel: str | None = None,
    ) -> Fault:
        """Answer with an error and do nothing. A 429's `retry_after` is also held against the caller.

        Args:
            status: 500 and above come with a page instead of JSON, as from Slack's proxies.
        """
        problem = ApiError(error, status=status, retry_after=retry_after)
        return self._add(Fault("fail", method, channel, nth - 1, count, error=problem))

    def delay(
        self,
        method: str,
        seconds: float,
        *,
        nth: int = 1,
        count: int | None = None,
        channel: str | None = None,
        obeyed: bool = False,
    ) -> Fault:
        """Wait before the request is obeyed, or with `obeyed` between obeying and answering."""
        kind: Kind = "after" if obeyed else "before"
        return self._add(Fault(kind, method, channel, nth - 1, count, seconds=seconds))

    def lose_acks(self, kind: str = "*", *, nth: int = 1, count: int | None = 1) -> Fault:
        """Lose acknowledgements of envelopes and of HTTP deliveries on their way.

        Args:
            kind: `events_api`, `slash_commands`, `interactive`, or `*`.
        """
        return self._add(Fault("ack", kind, None, nth - 1, count))

    def remove(self, fault: Fault) -> None:
        """End a fault."""
        if fault in self._waiting:
            self._waiting.remove(fault)

    def clear(self) -> None:
        """End all faults."""
        self._waiting.clear()

    def take(self, kind: Kind, method: str, channel: str | None = None) -> Fault | None:
        """Return the first fault of this kind that hits this request."""
        for fault in self._waiting:
            if fault.kind != kind or fault.method not in ("*", method) or fault.channel not in (None, channel):
                continue
            if fault.skip > 0:
                fault.skip -= 1
            elif fault.probability >= 1 or self._chance.random() < fault.probability:
                fault.hits += 1
                if fault.count is not None and fault.hits >= fault.count:
                    self._waiting.remove(fault)
                return fault
        return None

    def _add(self, fault: Fault) -> Fault:
        self._waiting.append(fault)
        return fault


@dataclass(slots=True)
class Call:
    """One request. `status` 0: still running.

    Args:
        channel: the conversation's id, where the request names one.
        error: Slack's word for what was wrong; empty if nothing was.
        at: seconds on the server's monotonic clock.
        dropped: the answer or the whole request was lost on purpose.
        lost: the caller had gone before the answer.
    """

    number: int
    method: str
    params: dict[str, Any]
    channel: str
    at: float
    when: datetime
    status: int = 0
    error: str = ""
    seconds: float = 0.0
    dropped: bool = False
    lost: bool = False

    def wire(self) -> dict[str, Any]:
        """Return it as JSON values."""
        names = ("number", "method", "params", "channel", "at", "status", "error", "seconds", "dropped", "lost")
        return {**{name: getattr(self, name) for name in names}, "when": self.when.isoformat()}


class Journal:
    """Every request in order of arrival, the newest `limit` of them; the counts are of all."""

    def __init__(self, limit: int = 100_000) -> None:
        self.calls: deque[Call] = deque(maxlen=limit)
        self.by_method: Counter[str] = Counter()
        self.by_status: Counter[int] = Counter()
        self.by_error: Counter[str] = Counter()
        self._number = 0

    def begin(self, method: str, params: dict[str, Any], channel: str, at: float, when: datetime) -> Call:
        """Write down a request that has just arrived."""
        self._number += 1
        self.by_method[method] += 1
        call = Call(self._number, method, params, channel, at, when)
        self.calls.append(call)
        return call

    def finish(self, call: Call, status: int, error: str, seconds: float) -> None:
        """Write down how it was answered."""
        call.status, call.error, call.seconds = status, error, seconds
        self.by_status[status] += 1
        if error:
            self.by_error[error] += 1

    def of(self, *methods: str, channel: str | None = None, since: int = 0) -> list[Call]:
        """Return the requests for these methods (none named: all), after number `since`."""
        calls: Iterable[Call] = self.calls
        return [
            call
            for call in calls
            if call.number > since
            and (not methods or call.method in methods)
            and (channel is None or call.channel == channel)
        ]
