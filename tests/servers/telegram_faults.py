"""What goes wrong on purpose, and the journal of every request."""

import random
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from tests.servers.telegram_errors import ApiError

Kind = Literal["drop", "fail", "before", "after"]


@dataclass(slots=True)
class Fault:
    """A fault that waits for its request: `skip` matching requests pass first, `count` are hit (None: all)."""

    kind: Kind
    method: str
    chat_id: int | None
    skip: int
    count: int | None
    probability: float
    error: ApiError | None = None
    seconds: float = 0.0
    hits: int = 0


class Faults:
    """The faults of one server. `method` is a Bot API name, or `*` for any; `chat_id` narrows it to one chat."""

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
        chat_id: int | None = None,
    ) -> Fault:
        """Obey, but close the connection without an answer, from the `nth` request on, `count` times (None: always)."""
        return self._add(Fault("drop", method, chat_id, nth - 1, count, probability))

    def fail(
        self,
        method: str,
        status: int,
        description: str,
        parameters: dict[str, Any] | None = None,
        *,
        count: int | None = 1,
        nth: int = 1,
        chat_id: int | None = None,
    ) -> Fault:
        """Answer with an error and do nothing. A 429 with `retry_after` is also held against the chat."""
        error = ApiError(status, description, parameters)
        return self._add(Fault("fail", method, chat_id, nth - 1, count, 1.0, error))

    def delay(
        self,
        method: str,
        seconds: float,
        *,
        count: int | None = None,
        nth: int = 1,
        chat_id: int | None = None,
        obeyed: bool = False,
    ) -> Fault:
        """Wait before the request is obeyed, or with `obeyed` between obeying and answering."""
        kind: Kind = "after" if obeyed else "before"
        return self._add(Fault(kind, method, chat_id, nth - 1, count, 1.0, None, seconds))

    def remove(self, fault: Fault) -> None:
        """End a fault."""
        if fault in self._waiting:
            self._waiting.remove(fault)

    def clear(self) -> None:
        """End all faults."""
        self._waiting.clear()

    def take(self, kind: Kind, method: str, chat_id: int | None) -> Fault | None:
        """Return the first fault of this kind that hits this request."""
        for fault in self._waiting:
            if fault.kind != kind or fault.method not in ("*", method) or fault.chat_id not in (None, chat_id):
                continue
            if fault.skip > 0:
                fault.skip -= 1
            elif fault.probability >= 1 or self._chance.random() < fault.probability:
                return self._hit(fault)
        return None

    def _hit(self, fault: Fault) -> Fault:
        fault.hits += 1
        if fault.count is not None and fault.hits >= fault.count:
            self._waiting.remove(fault)
        return fault

    def _add(self, fault: Fault) -> Fault:
        self._waiting.append(fault)
        return fault


@dataclass(slots=True)
class Call:
    """One request. `status` 0: still running.

    Args:
        at: seconds on the server's monotonic clock.
        dropped: the answer was withheld on purpose.
        lost: the caller had gone before the answer.
    """

    number: int
    method: str
    params: dict[str, Any]
    chat_id: int | None
    at: float
    when: datetime
    status: int = 0
    description: str = ""
    seconds: float = 0.0
    dropped: bool = False
    lost: bool = False

    def wire(self) -> dict[str, Any]:
        """Return it as JSON values."""
        names = ("number", "method", "params", "chat_id", "at", "status", "description", "seconds", "dropped", "lost")
        return {**{name: getattr(self, name) for name in names}, "when": self.when.isoformat()}


class Journal:
    """Every request in order of arrival, the newest `limit` of them; the counts are of all."""

    def __init__(self, limit: int = 100_000) -> None:
        self.calls: deque[Call] = deque(maxlen=limit)
        self.by_method: Counter[str] = Counter()
        self.by_status: Counter[int] = Counter()
        self._number = 0

    def begin(self, method: str, params: dict[str, Any], chat_id: int | None, at: float, when: datetime) -> Call:
        """Write down a request that has just arrived."""
        self._number += 1
        self.by_method[method] += 1
        call = Call(self._number, method, params, chat_id, at, when)
        self.calls.append(call)
        return call

    def finish(self, call: Call, status: int, description: str, seconds: float) -> None:
        """Write down how it was answered."""
        call.status, call.description, call.seconds = status, description, seconds
        self.by_status[status] += 1

    def of(self, *methods: str, chat_id: int | None = None, since: int = 0) -> list[Call]:
        """Return the requests for these methods (none named: all), after number `since`."""
        calls: Iterable[Call] = self.calls
        return [
            call
            for call in calls
            if call.number > since
            and (not methods or call.method in methods)
            and (chat_id is None or call.chat_id == chat_id)
        ]
