"""The queue before SQLite's one connection: what is urgent goes first."""

import asyncio
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal

_urgent: ContextVar[bool] = ContextVar("urgent", default=False)


@contextmanager
def urgently() -> Iterator[None]:
    """Let the block's statements go before everybody else's. Start no task in it: that would be urgent for ever."""
    token = _urgent.set(True)
    try:
        yield
    finally:
        _urgent.reset(token)


class UrgentFirst(asyncio.Lock):
    """A lock that those get first who ask for it `urgently`, then the others, each in the order of asking."""

    def __init__(self) -> None:
        super().__init__()
        self._is_held = False
        self._hurried: deque[asyncio.Future[None]] = deque()
        self._others: deque[asyncio.Future[None]] = deque()

    def locked(self) -> bool:
        """Tell whether somebody has the lock."""
        return self._is_held

    async def acquire(self) -> Literal[True]:
        """Wait for the lock and take it."""
        if not self._is_held:
            self._is_held = True
            return True
        queue = self._hurried if _urgent.get() else self._others
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # it was ours already
                self.release()
            raise
        return True

    def release(self) -> None:
        """Hand the lock to whoever is next.

        Raises:
            RuntimeError: nobody has it.
        """
        if not self._is_held:
            raise RuntimeError("the lock is not held")
        for queue in (self._hurried, self._others):
            while queue:
                turn = queue.popleft()
                if not turn.done():
                    turn.set_result(None)
                    return
        self._is_held = False
