"""Lanes: a chat's messages are worked one at a time, in order, by one process, under a lease and a fence.

Whatever wakes a lane only saves time: a sweep finds every lane that is due, so losing a wake-up loses nothing.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.expressions import Q

from storage.clock import Clock
from storage.errors import surviving
from storage.faults import Step
from storage.liveness import Liveness
from storage.queries import ids_of
from storage.tables import Lane, Lease, Turn
from storage.transactions import transaction

log = logging.getLogger("prowex.lanes")

LEASE_SECONDS = 30.0
RENEW_SECONDS = 10.0
SWEEP_SECONDS = 1.0
STOP_POLL_SECONDS = 0.5
MOST_LANES = 2_000


class LaneLost(Exception):
    """Another process works this lane now; whatever we were about to do there is not ours to do any more."""


@dataclass(slots=True, eq=False)
class Held:
    """A lane that this process works, as long as its lease lasts.

    Args:
        fence: the number of this claim; every commit checks that it is still the lane's.
        dirty: whoever held the lane before did not finish.
        turn_id: the turn that runs in it now.
        stop: set when somebody asked the running turn to stop.
        released: the lane was given back; nothing more is done in it.
    """

    id: UUID
    chat_id: UUID
    urgent: bool
    channel: str
    holder: UUID
    fence: int
    dirty: bool
    clock: Clock
    deadline: float
    turn_id: UUID | None = None
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    released: bool = False

    @asynccontextmanager
    async def commit(self, step: Step) -> AsyncIterator[BaseDBAsyncClient]:
        """Open a transaction that holds only while the lane is ours.

        Raises:
            LaneLost: it is not; nothing was written.
        """
        self.check()
        async with transaction(step) as db:
            # not `values_list`: it drops the lock, and with it the fence, on PostgreSQL
            lane = await Lane.filter(id=self.id).select_for_update().only("fence", "holder").first()
            if lane is None or lane.fence != self.fence or lane.holder != self.holder:
                raise LaneLost(str(self.id))
            yield db

    def check(self) -> None:
        """Make sure, right before acting outside, that the lease still lasts.

        Raises:
            LaneLost: it does not.
        """
        if self.clock.monotonic() >= self.deadline:
            raise LaneLost(str(self.id))


async def lock_lanes(lane_ids: Iterable[UUID]) -> None:
    """Lock several lanes in the caller's transaction, the urgent ones first, as a chat's own work does.

    Two transactions that take them in different orders would wait for each other until the database ends one.
    """
    await Lane.filter(id__in=list(lane_ids)).order_by("-urgent", "id").select_for_update().only("id")


Worker = Callable[[Held], Awaitable[None]]
Failed = Callable[[Held, Exception], Awaitable[None]]


class Lanes:
    """Claims due lanes of this process's channels and works each in a task of its own."""

    def __init__(self, holder: UUID, channels: Iterable[str], clock: Clock, liveness: Liveness) -> None:
        self.holder = holder
        self._liveness = liveness
        self._channels = list(channels)
        self._clock = clock
        self._active: dict[UUID, Held | None] = {}
        self._tasks: dict[UUID, asyncio.Task[None]] = {}
        self._again: set[UUID] = set()
        self._group: asyncio.TaskGroup | None = None
        self._worker: Worker | None = None
        self._failed: Failed | None = None
        self._accepting = True
        self._idle = asyncio.Event()
        self._idle.set()
        self.last_sweep = clock.monotonic()

    async def run(self, worker: Worker, failed: Failed) -> None:
        """Work lanes until cancelled; then what still runs is cancelled too and its leases are left to expire."""
        self._worker, self._failed = worker, failed
        async with asyncio.TaskGroup() as group:
            self._group = group
            group.create_task(self._sweep_forever())
            group.create_task(self._renew_forever())
            group.create_task(self._poll_stops_forever())

    def wake(self, lane_ids: Iterable[UUID]) -> None:
        """Say that there may be something to do in these lanes."""
        for lane_id in lane_ids:
            if lane_id in self._active:
                self._again.add(lane_id)
            elif self._accepting and self._group is not None and len(self._active) < MOST_LANES:
                self._start(lane_id)

    def wake_at(self, lane_id: UUID, when: datetime) -> None:
        """Wake the lane at `when`."""
        seconds = max(0.0, (when - self._clock.now()).total_seconds())
        asyncio.get_running_loop().call_later(seconds + 0.001, self.wake, [lane_id])

    def request_stop(self, turn_id: UUID) -> None:
        """End a turn that runs in this process; elsewhere the process that runs it sees the row."""
        for held in self._active.values():
            if held is not None and held.turn_id == turn_id:
                held.stop.set()

    @property
    def active(self) -> int:
        """How many lanes are being worked."""
        return len(self._active)

    async def drain(self, seconds: float) -> bool:
        """Take no new work, let what runs finish for at most `seconds`; return whether all of it did."""
        self._accepting = False
        try:
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        except TimeoutError:
            pass
        finished = not self._active
        for task in list(self._tasks.values()):
            task.cancel()
        if self._tasks:
            await asyncio.wait(list(self._tasks.values()), timeout=5)
        return finished

    @property
    def draining(self) -> bool:
        """Whether the process is about to stop: a lane then takes nothing new."""
        return not self._accepting

    def _start(self, lane_id: UUID) -> None:
        assert self._group is not None
        self._active[lane_id] = None
        self._idle.clear()
        self._tasks[lane_id] = self._group.create_task(self._work(lane_id))

    async def _work(self, lane_id: UUID) -> None:
        assert self._worker is not None
        assert self._failed is not None
        held: Held | None = None
        try:
            held = await self.claim(lane_id)
            if held is not None:
                self._active[lane_id] = held
                await self._worker(held)
        except LaneLost:
            log.warning("lane lost to another process", extra={"lane": str(lane_id)})
        except asyncio.CancelledError:
            if held is not None:
                await self.let_go(held)
            raise
        except Exception as error:
            log.exception("a lane failed", extra={"lane": str(lane_id)})
            await self._record_failure(held, error)
        finally:
            self._active.pop(lane_id, None)
            self._tasks.pop(lane_id, None)
            if not self._active:
                self._idle.set()
        if lane_id in self._again:
            self._again.discard(lane_id)
            self.wake([lane_id])

    async def _record_failure(self, held: Held | None, error: Exception) -> None:
        if held is None or self._failed is None:
            return
        try:
            await self._failed(held, error)
        except LaneLost:
            pass
        except Exception:
            log.exception("a lane's failure could not be recorded", extra={"lane": str(held.id)})

    async def let_go(self, held: Held) -> None:
        """Give the lease back on a stop: whoever takes the lane need not wait, and sees first to what is undone."""
        with suppress(LaneLost), surviving(log, "a lease was left to expire"):
            async with held.commit(Step.LANE_RELEASE):
                await Lane.filter(id=held.id).update(lease_until=self._clock.now())

    async def claim(self, lane_id: UUID) -> Held | None:
        """Take the lane if nobody holds it, else return None."""
        now, started = self._clock.now(), self._clock.monotonic()
        async with transaction(Step.LANE_CLAIM):
            lane = await Lane.filter(id=lane_id).select_for_update().first()
            if lane is None or lane.due_at is None:
                return None
            if lane.lease_until is not None and lane.lease_until > now:
                return None
            dirty = lane.holder is not None
            await Lane.filter(id=lane_id).update(
                holder=self.holder, lease_until=now + timedelta(seconds=LEASE_SECONDS), fence=lane.fence + 1
            )
        return Held(
            id=lane_id,
            chat_id=lane.chat_id,
            urgent=lane.urgent,
            channel=lane.channel,
            holder=self.holder,
            fence=lane.fence + 1,
            dirty=dirty,
            clock=self._clock,
            deadline=started + LEASE_SECONDS,
        )

    async def _sweep_forever(self) -> None:
        while True:
            if self._accepting:
                with surviving(log, "the sweep could not read the database"):
                    await self._free_what_the_dead_held()
                    self.wake(await self._due())
                    self.last_sweep = self._clock.monotonic()
            await asyncio.sleep(SWEEP_SECONDS)

    async def _free_what_the_dead_held(self) -> None:
        """Let go, for processes of this data folder that were killed, of what they held."""
        dead = self._liveness.dead()
        if not dead:
            return
        now = self._clock.now()
        async with transaction(Step.LANE_FREE):
            await Lane.filter(holder__in=dead, lease_until__gt=now).update(lease_until=now)
            await Lease.filter(holder__in=dead, until__gt=now).update(until=now)
        for holder in dead:
            self._liveness.bury(holder)

    async def _due(self) -> list[UUID]:
        now = self._clock.now()
        free = Q(lease_until__isnull=True) | Q(lease_until__lte=now)
        due = Lane.filter(free, due_at__lte=now, channel__in=self._channels).order_by("due_at").limit(MOST_LANES)
        return [lane_id for lane_id in await ids_of(due) if lane_id not in self._active]

    async def _renew_forever(self) -> None:
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            with surviving(log, "leases could not be renewed"):
                await self._renew()

    async def _renew(self) -> None:
        helds = {held.id: held for held in self._active.values() if held is not None}
        if not helds:
            return
        started = self._clock.monotonic()
        async with transaction(Step.LANE_RENEW):
            await lock_lanes(helds)
            until = self._clock.now() + timedelta(seconds=LEASE_SECONDS)
            ours = Lane.filter(id__in=list(helds), holder=self.holder)
            await ours.update(lease_until=until)
            fences = dict(await ours.values_list("id", "fence"))
        for held in helds.values():
            if fences.get(held.id) == held.fence:
                held.deadline = started + LEASE_SECONDS
            elif held.id in self._tasks and self._active.get(held.id) is held:
                held.deadline = started
                self._tasks[held.id].cancel()

    async def _poll_stops_forever(self) -> None:
        while True:
            await asyncio.sleep(STOP_POLL_SECONDS)
            running = [held.turn_id for held in self._active.values() if held is not None and held.turn_id is not None]
            if not running:
                continue
            with surviving(log, "stop requests could not be read"):
                for turn_id in await ids_of(Turn.filter(id__in=running, stop_requested_at__isnull=False)):
                    self.request_stop(turn_id)
