"""Counting tries."""

import asyncio
from datetime import timedelta

import pytest

from core import counters
from storage.faults import Step
from storage.transactions import transaction
from tests.clock import FakeClock

pytestmark = pytest.mark.usefixtures("database")
WINDOW = timedelta(minutes=15)


async def count(clock: FakeClock) -> int:
    async with transaction(Step.ADMIN):
        return await counters.count("door", WINDOW, clock)


async def test_those_who_count_for_the_first_time_at_once_all_count(clock: FakeClock) -> None:
    assert sorted(await asyncio.gather(*(count(clock) for _ in range(6)))) == [1, 2, 3, 4, 5, 6]


async def test_a_window_that_is_over_starts_anew(clock: FakeClock) -> None:
    assert [await count(clock), await count(clock)] == [1, 2]
    clock.advance(WINDOW.total_seconds() - 1)
    assert await count(clock) == 3
    clock.advance(1)
    assert await count(clock) == 1
