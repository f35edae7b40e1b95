"""The pacing of what is shown, held against Telegram's limits in simulated time."""

import asyncio
import heapq
import random
import selectors
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from channels.telegram.channel import budgets
from core.channel import Budget, Budgets
from core.envelopes import Place
from core.pacing import CAUTION_SECONDS, Pacer, Urgency
from tests.servers.telegram_errors import ApiError
from tests.servers.telegram_limits import Flood, Limits

PLENTY = Budget(10_000, 10_000)


class _NoWaiting(selectors.SelectSelector):
    def select(self, timeout: float | None = None) -> Any:
        return super().select(0)


class SimulatedLoop(asyncio.SelectorEventLoop):
    """A loop whose time jumps to the next timer instead of waiting for it."""

    def __init__(self) -> None:
        super().__init__(_NoWaiting())
        self.seconds = 1000.0

    def time(self) -> float:
        return self.seconds

    def _run_once(self) -> None:
        while self._scheduled and self._scheduled[0]._cancelled:  # type: ignore[attr-defined]
            heapq.heappop(self._scheduled)._scheduled = False  # type: ignore[attr-defined]
        if not self._ready and self._scheduled:  # type: ignore[attr-defined]
            self.seconds = max(self.seconds, self._scheduled[0]._when)  # type: ignore[attr-defined]
        super()._run_once()  # type: ignore[misc]


class LoopClock:
    """The clock of the running loop."""

    def now(self) -> datetime:
        return datetime(2026, 11, 24, tzinfo=UTC) + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()


def simulate(scenario: Callable[[], Coroutine[Any, Any, None]]) -> None:
    with asyncio.Runner(loop_factory=SimulatedLoop) as runner:
        runner.run(scenario())


class Sender:
    """Sends through a pacer to a Telegram that holds to its limits, over a network that is now slow, now quick."""

    def __init__(self, given: Budgets, limits: Limits, seed: int) -> None:
        clock = LoopClock()
        self.pacer = Pacer(given, clock)
        self.flood = Flood(clock, limits)
        self.sent: list[tuple[float, str, str]] = []
        self._chance = random.Random(seed)
        self._clock = clock

    async def send(self, chat: str, place: Place, urgency: Urgency, what: str = "") -> None:
        """Send until it is let through, obeying every pause."""
        while True:
            async with self.pacer.slot(chat, place, urgency):
                await asyncio.sleep(self._chance.choice((0.005, 0.03, 0.25)))
                try:
                    self.flood.admit(int(chat.partition("/")[0]), "sendMessage", group=place is Place.GROUP)
                except ApiError as error:
                    self.pacer.pause(chat, place, (error.parameters or {})["retry_after"])
                else:
                    self.sent.append((self._clock.monotonic(), chat, what))
                    await asyncio.sleep(self._chance.choice((0.005, 0.03)))
                    return

    async def stream(self, chat: str, place: Place, edits: int, pause: float) -> None:
        """Do what a turn does: a placeholder, edits as the text grows, the final text."""
        await self.send(chat, place, Urgency.NEW, "placeholder")
        growing = asyncio.create_task(self._grow(chat, place, edits))
        await asyncio.sleep(edits * pause)
        growing.cancel()
        await asyncio.wait({growing})
        await self.send(chat, place, Urgency.FINAL, "final")

    async def _grow(self, chat: str, place: Place, edits: int) -> None:
        for _ in range(edits):
            await asyncio.sleep(0.8)
            await self.send(chat, place, Urgency.GROWING, "growing")


@pytest.mark.parametrize("seed", range(2))
def test_an_hour_of_sixty_busy_chats_causes_no_429(seed: int) -> None:
    async def hour() -> None:
        sender = Sender(budgets(30, 1, 20), Limits(), seed)
        chance = random.Random(seed)

        async def talk(number: int) -> None:
            place = Place.GROUP if number % 6 == 0 else Place.PRIVATE
            while asyncio.get_running_loop().time() < 4600:
                await sender.stream(str(number), place, chance.randrange(12), chance.choice((0.1, 0.5, 1.0)))
                await asyncio.sleep(chance.choice((0.0, 0.5, 5.0, 60.0)))

        async with asyncio.TaskGroup() as group:
            for number in range(1, 61):
                group.create_task(talk(number))
        assert sender.flood.refused == {}
        assert len(sender.sent) > 10_000

    simulate(hour)


@pytest.mark.parametrize("seed", range(2))
def test_a_strict_telegram_is_obeyed(seed: int) -> None:
    async def minutes() -> None:
        sender = Sender(budgets(30, 1, 20), Limits.strict(), seed)
        async with asyncio.TaskGroup() as group:
            for number in range(1, 61):
                group.create_task(sender.stream(str(number), Place.PRIVATE, 20, 0.5))
        assert sender.flood.disobeyed == []
        assert sum(what == "final" for _, _, what in sender.sent) == 60
        assert max(sender.flood.refused.values(), default=0) <= 1

    simulate(minutes)


def test_a_chat_gets_two_at_once_and_then_one_a_second() -> None:
    async def burst() -> None:
        pacer, clock = Pacer(Budgets(Budget(1, 2), PLENTY, PLENTY, 1), LoopClock()), LoopClock()
        began, times = clock.monotonic(), []
        for _ in range(5):
            async with pacer.slot("1", Place.PRIVATE, Urgency.FINAL):
                times.append(round(clock.monotonic() - began))
        assert times == [0, 0, 1, 2, 3]

    simulate(burst)


def test_a_growing_text_leaves_the_final_one_its_place() -> None:
    async def race() -> None:
        pacer, clock = Pacer(Budgets(Budget(1, 2), PLENTY, PLENTY, 1), LoopClock()), LoopClock()
        began = clock.monotonic()
        for _ in range(3):
            async with pacer.slot("1", Place.PRIVATE, Urgency.GROWING):
                pass
        grown = clock.monotonic()
        async with pacer.slot("1", Place.PRIVATE, Urgency.FINAL):
            assert clock.monotonic() - grown < 0.01
        assert grown - began > 1.9

    simulate(race)


def test_the_final_text_overtakes_growing_ones_that_wait() -> None:
    async def race() -> None:
        pacer, order = Pacer(Budgets(Budget(1, 2), PLENTY, PLENTY, 1), LoopClock()), []

        async def show(urgency: Urgency, name: str) -> None:
            async with pacer.slot("1", Place.PRIVATE, urgency):
                order.append(name)

        async with asyncio.TaskGroup() as group:
            group.create_task(show(Urgency.NEW, "placeholder"))
            await asyncio.sleep(0)
            group.create_task(show(Urgency.GROWING, "growing"))
            group.create_task(show(Urgency.GROWING, "growing"))
            await asyncio.sleep(0.1)
            group.create_task(show(Urgency.FINAL, "final"))
        assert order == ["placeholder", "final", "growing", "growing"]

    simulate(race)


def test_whoever_gives_up_waiting_costs_nobody_a_place() -> None:
    async def impatient() -> None:
        pacer, clock = Pacer(Budgets(Budget(1, 1), PLENTY, PLENTY, 1), LoopClock()), LoopClock()

        async def show() -> None:
            async with pacer.slot("1", Place.PRIVATE, Urgency.FINAL):
                pass

        await show()
        began = clock.monotonic()
        waiting = [asyncio.create_task(show()) for _ in range(5)]
        await asyncio.sleep(0.1)
        for task in waiting[:4]:
            task.cancel()
        await waiting[4]
        assert clock.monotonic() - began < 1.1

    simulate(impatient)


def test_topics_of_a_group_share_its_limits_and_other_chats_do_not() -> None:
    async def topics() -> None:
        pacer, clock = Pacer(Budgets(Budget(1, 1), Budget(1, 1), PLENTY, 1), LoopClock()), LoopClock()
        began = clock.monotonic()
        for chat in ("-7/1", "-7/2", "-7"):
            async with pacer.slot(chat, Place.GROUP, Urgency.FINAL):
                pass
        assert 1.9 < clock.monotonic() - began < 2.2
        async with pacer.slot("-8/1", Place.GROUP, Urgency.FINAL):
            assert clock.monotonic() - began < 2.2

    simulate(topics)


def test_a_pause_holds_its_chat_alone_and_longest_counts() -> None:
    async def paused() -> None:
        pacer, clock = Pacer(Budgets(PLENTY, PLENTY, PLENTY, 1), LoopClock()), LoopClock()
        began = clock.monotonic()
        pacer.pause("1", Place.PRIVATE, 30)
        pacer.pause("1", Place.PRIVATE, 5)
        async with pacer.slot("2", Place.PRIVATE, Urgency.FINAL):
            assert clock.monotonic() - began < 0.1
        async with pacer.slot("1", Place.PRIVATE, Urgency.FINAL):
            assert 30 <= clock.monotonic() - began < 30.1

    simulate(paused)


def test_a_pause_that_is_asked_for_while_somebody_waits_holds_them_too() -> None:
    async def paused() -> None:
        pacer, clock = Pacer(Budgets(Budget(1, 1), PLENTY, PLENTY, 1), LoopClock()), LoopClock()
        began = clock.monotonic()
        async with pacer.slot("1", Place.PRIVATE, Urgency.FINAL):
            pass

        async def show() -> float:
            async with pacer.slot("1", Place.PRIVATE, Urgency.FINAL):
                return clock.monotonic() - began

        waiting = asyncio.create_task(show())
        await asyncio.sleep(0.5)
        pacer.pause("1", Place.PRIVATE, 20)
        assert await waiting >= 20

    simulate(paused)


def test_the_whole_bot_keeps_its_rate() -> None:
    async def many() -> None:
        pacer, clock = Pacer(Budgets(PLENTY, PLENTY, Budget(25, 3), 1), LoopClock()), LoopClock()
        began = clock.monotonic()

        async def show(chat: str) -> None:
            async with pacer.slot(chat, Place.PRIVATE, Urgency.FINAL):
                pass

        async with asyncio.TaskGroup() as group:
            for number in range(253):
                group.create_task(show(str(number)))
        assert 9.9 < clock.monotonic() - began < 10.5

    simulate(many)


def test_chats_nobody_uses_are_forgotten_but_never_a_paused_one() -> None:
    async def years() -> None:
        pacer = Pacer(Budgets(PLENTY, PLENTY, PLENTY, 1), LoopClock())
        pacer.pause("paused", Place.PRIVATE, 10 * CAUTION_SECONDS)
        for number in range(10_000):
            async with pacer.slot(str(number), Place.PRIVATE, Urgency.FINAL):
                pass
        await asyncio.sleep(CAUTION_SECONDS + 1)
        async with pacer.slot("new", Place.PRIVATE, Urgency.FINAL):
            pass
        assert len(pacer._chats) == 2

    simulate(years)
