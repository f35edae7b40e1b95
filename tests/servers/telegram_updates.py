"""Updates: kept until they are confirmed, by a later offset or by a webhook's 2xx, whatever the application does.

Waiting for the network is done in the event loop's time, so that it ends under a clock that stands still.
"""

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from storage.clock import Clock
from tests.servers.telegram_errors import ApiError

JSON = dict[str, Any]
NOT_BY_DEFAULT = frozenset({"chat_member", "message_reaction", "message_reaction_count"})
_STOLEN = "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running"
_HOOKED = "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first"
_TAKEN = "Conflict: terminated by setWebhook request"


@dataclass(slots=True, eq=False)
class Pending:
    """An update that is not confirmed yet.

    Args:
        lane: updates of one lane (a chat) reach a webhook one after the other.
        epoch: rises whenever the ids start anew.
        again: its id is not above the last one: it can't be confirmed before it has been delivered.
    """

    id: int
    kind: str
    body: JSON
    lane: int
    at: datetime
    epoch: int
    again: bool
    deliveries: int = 0
    busy: bool = False
    not_before: float = 0.0


@dataclass(slots=True)
class Hook:
    """The webhook as it is set."""

    url: str = ""
    secret: str = ""
    max_connections: int = 40
    last_error_at: datetime | None = None
    last_error: str = ""


@dataclass(slots=True)
class Counts:
    """What happened to updates so far."""

    made: int = 0
    confirmed: int = 0
    unwanted: int = 0
    thrown_away: int = 0
    conflicts: int = 0
    deliveries: int = 0
    redeliveries: int = 0


@dataclass(slots=True)
class Updates:
    """The queue of one bot."""

    clock: Clock
    changed: Callable[[], None]
    check: Callable[[JSON], None] | None = None
    hook: Hook = field(default_factory=Hook)
    allowed: tuple[str, ...] = ()
    counts: Counts = field(default_factory=Counts)
    pending: list[Pending] = field(default_factory=list)
    next_id: int = 1
    _epoch: int = 0
    _poller: int = 0
    _wake: asyncio.Event = field(default_factory=asyncio.Event)

    def add(self, kind: str, body: JSON, lane: int, update_id: int | None = None) -> int | None:
        """Queue an update and return its id; None if the bot doesn't want this kind.

        Args:
            update_id: an id of one's own, even one that was used before (a redelivery).
        """
        if kind not in self.allowed if self.allowed else kind in NOT_BY_DEFAULT:
            self.counts.unwanted += 1
            return None
        number = self.next_id if update_id is None else update_id
        again = number < self.next_id
        self.next_id = max(self.next_id, number + 1)
        wire = {"update_id": number, kind: body}
        if self.check:
            self.check(wire)
        self.pending.append(Pending(number, kind, wire, lane, self.clock.now(), self._epoch, again))
        self.counts.made += 1
        self.wake()
        return number

    def restart_ids(self, first: int) -> None:
        """Let the ids start anew, as Telegram may do after a week without updates."""
        self.next_id = first
        self._epoch += 1

    def wake(self) -> None:
        """Wake the poller, the webhook's sender, and whoever watches."""
        self._wake.set()
        self.changed()

    async def woken(self, timeout: float | None) -> None:
        """Wait for the next `wake`, at most `timeout` seconds."""
        self._wake.clear()
        try:
            async with asyncio.timeout(timeout):
                await self._wake.wait()
        except TimeoutError:
            return

    async def poll(self, offset: int, limit: int, timeout: float, allowed: Sequence[str] | None) -> list[Pending]:
        """Answer getUpdates: confirm what lies below `offset`, then wait for what is next.

        Raises:
            ApiError: 409: somebody else polls now, or a webhook is set.
        """
        if self.hook.url:
            raise self._conflict(_HOOKED)
        if allowed is not None:
            self.allowed = tuple(allowed)
        self._poller += 1
        mine = self._poller
        self.wake()
        self._confirm(offset)
        deadline = asyncio.get_running_loop().time() + timeout
        while not self.pending:
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0:
                break
            await self.woken(left)
            if self.hook.url:
                raise self._conflict(_TAKEN)
            if self._poller != mine:
                raise self._conflict(_STOLEN)
        return self.pending[:limit]

    def delivered(self, batch: Sequence[Pending]) -> None:
        """Note that these went out to somebody who was still there."""
        for update in batch:
            self.counts.deliveries += 1
            self.counts.redeliveries += update.deliveries > 0
            update.deliveries += 1

    def confirm(self, update: Pending) -> None:
        """Forget an update: a webhook took it."""
        if update in self.pending:
            self.pending.remove(update)
            self.counts.confirmed += 1
            self.wake()

    def throw_away(self) -> None:
        """Drop what is pending, as `drop_pending_updates` asks."""
        self.counts.thrown_away += len(self.pending)
        self.pending.clear()

    def set_hook(self, hook: Hook, allowed: Sequence[str] | None) -> None:
        """Set or (with an empty URL) remove the webhook; a poller that waits is sent away."""
        self.hook = hook
        if allowed is not None:
            self.allowed = tuple(allowed)
        self.wake()

    def info(self) -> JSON:
        """Return the Bot API's WebhookInfo."""
        hook = self.hook
        info: JSON = {"url": hook.url, "has_custom_certificate": False, "pending_update_count": len(self.pending)}
        if hook.url:
            info["max_connections"] = hook.max_connections
        if hook.last_error_at:
            info |= {"last_error_date": int(hook.last_error_at.timestamp()), "last_error_message": hook.last_error}
        if self.allowed:
            info["allowed_updates"] = list(self.allowed)
        return info

    def _conflict(self, words: str) -> ApiError:
        self.counts.conflicts += 1
        return ApiError(409, words)

    def _confirm(self, offset: int) -> None:
        if offset < 0:
            gone = set(self.pending[:offset])
        else:
            gone = {update for update in self.pending if self._is_confirmed(update, offset)}
        if gone:
            self.counts.confirmed += len(gone)
            self.pending = [update for update in self.pending if update not in gone]
            self.wake()

    def _is_confirmed(self, update: Pending, offset: int) -> bool:
        """An offset above every id of this epoch is left from an earlier one and says nothing about this one."""
        if update.epoch == self._epoch and offset > self.next_id:
            return False
        if update.epoch < self._epoch:
            return offset > 0 and update.deliveries > 0
        return update.id < offset and (update.deliveries > 0 or not update.again)


class HookSender:
    """Posts updates to the webhook, each until it is answered with 2xx.

    Args:
        parallel: requests at a time. With 1 all updates keep their order, with more those of one chat.
        pauses: seconds before the 2nd, 3rd … try; the last one repeats.
        timeout: seconds that one try may take.
    """

    def __init__(self, updates: Updates, *, parallel: int, pauses: Sequence[float], timeout: float) -> None:
        self.parallel = parallel
        self.pauses = pauses
        self.timeout = timeout
        self._updates = updates

    async def run(self) -> None:
        """Send for ever."""
        from aiohttp import ClientSession, ClientTimeout

        async with (
            ClientSession(timeout=ClientTimeout(total=self.timeout)) as session,
            asyncio.TaskGroup() as tasks,
        ):
            while True:
                while update := self._next():
                    update.busy = True
                    tasks.create_task(self._deliver(session, update))
                await self._updates.woken(self._idle())

    def _next(self) -> Pending | None:
        if not self._updates.hook.url or sum(one.busy for one in self._updates.pending) >= self.parallel:
            return None
        now, taken = asyncio.get_running_loop().time(), set[int]()
        for update in self._updates.pending:
            lane = 0 if self.parallel == 1 else update.lane
            if lane not in taken and not update.busy and update.not_before <= now:
                return update
            taken.add(lane)
        return None

    def _idle(self) -> float | None:
        now = asyncio.get_running_loop().time()
        waits = [one.not_before - now for one in self._updates.pending if not one.busy and one.not_before > now]
        return min(waits) if waits and self._updates.hook.url else None

    async def _deliver(self, session: Any, update: Pending) -> None:
        from aiohttp import ClientError

        hook = self._updates.hook
        headers = {"Content-Type": "application/json"}
        if hook.secret:
            headers["X-Telegram-Bot-Api-Secret-Token"] = hook.secret
        self._updates.delivered([update])
        try:
            async with session.post(hook.url, data=json.dumps(update.body), headers=headers) as answer:
                trouble = "" if 200 <= answer.status < 300 else f"Wrong response from the webhook: {answer.status}"
        except (ClientError, OSError, TimeoutError) as error:
            trouble = str(error) or "Read timeout expired"
        update.busy = False
        if trouble:
            hook.last_error_at, hook.last_error = self._updates.clock.now(), trouble
            pause = self.pauses[min(update.deliveries, len(self.pauses)) - 1]
            update.not_before = asyncio.get_running_loop().time() + pause
            self._updates.wake()
        elif hook.url == self._updates.hook.url:
            self._updates.confirm(update)
        else:
            self._updates.wake()
