"""What arrives while something is being stored is stored in one go after it.

Each commit takes its time, and Slack waits three seconds for the last of many people as well.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from core.inbox import Busy

MOST_TOGETHER = 200

Delivery = dict[str, Any]


@dataclass(slots=True, eq=False)
class _Arrived:
    payload: Delivery
    stored: bool = False
    alone: bool = False


class Together:
    """Has deliveries stored, as many at once as have arrived.

    Args:
        store: stores some deliveries in their order, all or none.
    """

    def __init__(self, store: Callable[[Sequence[Delivery]], Awaitable[None]]) -> None:
        self._store = store
        self._waiting: list[_Arrived] = []
        self._turn = asyncio.Lock()

    async def take(self, payload: Delivery) -> None:
        """Return once `payload` is stored; what can't be stored with others is stored, or fails, alone.

        Raises:
            Busy: nothing was stored.
        """
        arrived = _Arrived(payload)
        self._waiting.append(arrived)
        try:
            async with self._turn:
                if not arrived.stored and not arrived.alone:
                    await self._all_that_wait()
                if not arrived.stored:
                    await self._store([payload])
        finally:
            if arrived in self._waiting:
                self._waiting.remove(arrived)

    async def _all_that_wait(self) -> None:
        some = [one for one in self._waiting if not one.alone][:MOST_TOGETHER]
        try:
            await self._store([one.payload for one in some])
        except Busy:
            raise
        except Exception:
            if len(some) == 1:
                raise
            for one in some:
                one.alone = True
            return
        for one in some:
            one.stored = True
            self._waiting.remove(one)
