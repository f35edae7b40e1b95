"""Deliveries that arrive while others are being stored."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from channels.slack.together import MOST_TOGETHER, Together
from core.inbox import Busy


class Shelf:
    """Where deliveries are put, as many at a time as `put` is given, once `open` is set."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.puts: list[list[Any]] = []
        self.bad: set[Any] = set()
        self.busy = False

    async def put(self, deliveries: Sequence[dict[str, Any]]) -> None:
        await self.open.wait()
        if self.busy:
            raise Busy
        numbers = [one["number"] for one in deliveries]
        if self.bad & {*numbers}:
            raise ValueError("one of them can't be stored")
        self.puts.append(numbers)


async def arrive(shelf: Shelf, together: Together, count: int) -> list[asyncio.Task[None]]:
    """Have `count` deliveries arrive while the first is being stored, then let them be stored."""
    tasks = [asyncio.create_task(together.take({"number": number})) for number in range(count)]
    for _ in range(3):
        await asyncio.sleep(0)
    shelf.open.set()
    await asyncio.wait(tasks)
    return tasks


async def test_what_arrives_meanwhile_is_stored_in_one_go_and_in_order() -> None:
    shelf = Shelf()
    await arrive(shelf, Together(shelf.put), MOST_TOGETHER + 10)
    most = MOST_TOGETHER + 1
    assert shelf.puts == [[0], [*range(1, most)], [*range(most, MOST_TOGETHER + 10)]]


async def test_what_can_not_be_stored_fails_alone() -> None:
    shelf = Shelf()
    shelf.bad = {3}
    tasks = await arrive(shelf, Together(shelf.put), 6)
    assert sorted(number for put in shelf.puts for number in put) == [0, 1, 2, 4, 5]
    assert [number for number, task in enumerate(tasks) if task.exception() is not None] == [3]


async def test_too_much_is_said_to_each() -> None:
    shelf = Shelf()
    shelf.busy = True
    tasks = await arrive(shelf, Together(shelf.put), 3)
    assert [type(task.exception()) for task in tasks] == [Busy, Busy, Busy]


async def test_one_that_is_given_up_takes_nobody_with_it() -> None:
    shelf = Shelf()
    together = Together(shelf.put)
    tasks = [asyncio.create_task(together.take({"number": number})) for number in range(4)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    tasks[2].cancel()
    with pytest.raises(asyncio.CancelledError):
        await tasks[0]
    shelf.open.set()
    await asyncio.wait(tasks)
    assert {number for put in shelf.puts for number in put} >= {1, 3}
    assert [task.cancelled() for task in tasks] == [True, False, True, False]
    await together.take({"number": 9})
    assert shelf.puts[-1] == [9]
