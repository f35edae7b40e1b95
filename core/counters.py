"""How often something was tried in a window of time: wrong codes, wrong passwords."""

from datetime import timedelta

from storage.clock import Clock
from storage.tables import Counter


async def present(name: str, window: timedelta, clock: Clock) -> Counter:
    """Return the counter of the present window, locked in the caller's transaction; a window that is over starts anew.

    Who changes it stores `since` and `count`. Two that count for the first time at once both get the one row.
    """
    now = clock.now()
    await Counter.bulk_create([Counter(name=name, since=now, count=0)], ignore_conflicts=True)
    counter = await Counter.filter(name=name).select_for_update().get()
    if now - counter.since >= window:
        counter.since, counter.count = now, 0
    return counter


async def count(name: str, window: timedelta, clock: Clock) -> int:
    """Count one more `name` in the caller's transaction and return how many there were in the present window."""
    counter = await present(name, window, clock)
    counter.count += 1
    await counter.save(update_fields=["since", "count"])
    return counter.count
