"""Deliveries to the app: each is tried again, as Slack does, until it is acknowledged or given up.

Waiting for the network is done in the event loop's time, so that it ends under a clock that stands still.
"""

import asyncio
import itertools
import uuid
from collections import Counter, deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

JSON = dict[str, Any]
Kind = Literal["events_api", "slash_commands", "interactive"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one try. `answer` is the acknowledgement's payload, `reason` Slack's word for a failure.

    Args:
        final: Slack won't try again, because the app said so.
    """

    acknowledged: bool
    answer: Any = None
    reason: str = ""
    final: bool = False


@dataclass(slots=True, eq=False)
class Delivery:
    """Something that happened and the app is told of.

    Args:
        tries: how often it went out; `reasons`: why each but the last one failed.
        done: the outcome; of the last try, if all failed.
        unheard: set when an acknowledgement got lost, so that nobody need wait until the time for it is over.
    """

    kind: Kind
    payload: JSON
    done: "asyncio.Future[Outcome]"
    number: int
    envelopes: set[str] = field(default_factory=set)
    tries: int = 0
    reasons: list[str] = field(default_factory=list)
    unheard: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def event_type(self) -> str:
        """Return the type of its event, or of its payload."""
        return str(self.payload.get("event", self.payload).get("type", self.kind))

    def new_envelope(self) -> str:
        """Return a fresh id for a try over a socket."""
        envelope = str(uuid.uuid4())
        self.envelopes.add(envelope)
        return envelope

    def wire(self) -> JSON:
        """Return it as JSON values."""
        return {"kind": self.kind, "payload": self.payload, "tries": self.tries, "reasons": self.reasons}


class Transport(Protocol):
    """A way to the app."""

    async def send(self, delivery: Delivery) -> Outcome:
        """Try once, for as long as the app has time to acknowledge."""


class Deliveries:
    """All that is on its way to the app.

    Args:
        pauses: seconds before the 2nd, 3rd … try of an event; after the last one it is lost, as with Slack.
        transport: chosen anew for each try.
        wanted: the events that the app subscribed to (None: all), by their type.
    """

    def __init__(
        self, changed: Callable[[], None], transport: Callable[[], Transport], pauses: Sequence[float]
    ) -> None:
        self.pauses = tuple(pauses)
        self.wanted: Collection[str] | None = None
        self.pending: dict[int, Delivery] = {}
        self.lost: list[Delivery] = []
        self.counts: Counter[str] = Counter()
        self.log: deque[Delivery] = deque(maxlen=100_000)
        self._numbers = itertools.count(1)
        self._queue: deque[Delivery] = deque()
        self._wake = asyncio.Event()
        self._changed = changed
        self._transport = transport

    def add(self, kind: Kind, payload: JSON) -> Delivery:
        """Queue something and return it."""
        done = asyncio.get_running_loop().create_future()
        delivery = Delivery(kind, payload, done, next(self._numbers))
        if kind == "events_api" and self.wanted is not None and payload["event"]["type"] not in self.wanted:
            self.counts["unwanted"] += 1
            done.set_result(Outcome(False, reason="unwanted"))
            return delivery
        self.counts["made"] += 1
        self.pending[delivery.number] = delivery
        self.log.append(delivery)
        self._queue.append(delivery)
        self._wake.set()
        return delivery

    def acknowledge(self, delivery: Delivery, answer: Any = None) -> None:
        """Take an acknowledgement, even a late one."""
        if not delivery.done.done():
            delivery.done.set_result(Outcome(True, answer))

    async def run(self) -> None:
        """Deliver for ever."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                while self._queue:
                    tasks.create_task(self._deliver(self._queue.popleft()))
                self._wake.clear()
                await self._wake.wait()

    async def _deliver(self, delivery: Delivery) -> None:
        pauses = self.pauses if delivery.kind == "events_api" else ()
        outcome = await self._try(delivery)
        for pause in pauses:
            if outcome.acknowledged or outcome.final:
                break
            await asyncio.wait([delivery.done], timeout=pause)
            if delivery.done.done():
                break
            self.counts["repeated"] += 1
            outcome = await self._try(delivery)
        if not delivery.done.done():
            delivery.done.set_result(outcome)
        if delivery.done.result().acknowledged:
            self.counts["acknowledged"] += 1
        else:
            self.counts["lost"] += 1
            self.lost.append(delivery)
        self.pending.pop(delivery.number, None)
        self._changed()

    async def _try(self, delivery: Delivery) -> Outcome:
        delivery.tries += 1
        self.counts["tries"] += 1
        outcome = await self._transport().send(delivery)
        if outcome.acknowledged:
            self.acknowledge(delivery, outcome.answer)
        else:
            delivery.reasons.append(outcome.reason)
        self._changed()
        return outcome
