"""The lock before SQLite's one connection: who is urgent goes first, and a cancelled wait holds nobody up."""

import asyncio

import pytest

from storage.urgency import UrgentFirst, urgently


class Place:
    """Where one at a time may be, with a list of who was there."""

    def __init__(self) -> None:
        self.lock = UrgentFirst()
        self.visitors: list[str] = []

    async def visit(self, name: str) -> None:
        async with self.lock:
            self.visitors.append(name)
            await asyncio.sleep(0)

    async def visit_urgently(self, name: str) -> None:
        with urgently():
            await self.visit(name)


async def test_the_urgent_go_first_and_all_others_in_their_order() -> None:
    place = Place()
    async with asyncio.TaskGroup() as group:
        for visit, name in (
            (place.visit, "a"), (place.visit, "b"), (place.visit_urgently, "A"), (place.visit, "c"),
            (place.visit_urgently, "B"),
        ):  # fmt: skip
            group.create_task(visit(name))
    assert place.visitors == ["a", "A", "B", "b", "c"]
    assert not place.lock.locked()


async def test_what_follows_something_urgent_is_not() -> None:
    place = Place()
    await place.lock.acquire()
    with urgently():
        pass
    waiting = [asyncio.create_task(place.visit("a")), asyncio.create_task(place.visit_urgently("A"))]
    await asyncio.sleep(0)
    place.lock.release()
    await asyncio.gather(*waiting)
    assert place.visitors == ["A", "a"]


@pytest.mark.parametrize("late", [False, True])
async def test_who_is_cancelled_while_waiting_holds_nobody_up(late: bool) -> None:
    place = Place()
    await place.lock.acquire()
    first, second = asyncio.create_task(place.visit("first")), asyncio.create_task(place.visit("second"))
    await asyncio.sleep(0)
    if late:
        place.lock.release()  # it is the first one's turn already
    first.cancel()
    if not late:
        await asyncio.sleep(0)
        place.lock.release()
    with pytest.raises(asyncio.CancelledError):
        await first
    await second
    assert place.visitors == ["second"]
    assert not place.lock.locked()


async def test_a_lock_that_nobody_holds_is_not_released() -> None:
    with pytest.raises(RuntimeError):
        UrgentFirst().release()
