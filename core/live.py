"""A running turn's answer while it grows: shown by edits, the newest text wins, nothing waits for it."""

import asyncio
import logging
from collections.abc import Sequence

from core.channel import Refused
from core.envelopes import Body, Piece, Target
from core.lanes import Held
from core.outbox import Outbox
from core.pacing import Urgency
from core.replies import Pending

log = logging.getLogger("prowex.outbox")

TYPING_SECONDS = 5.0
FIRST_TYPING_SECONDS = 1.0


class Live:
    """Shows one reply's text as it grows."""

    def __init__(self, outbox: Outbox, held: Held, target: Target, pending: Pending) -> None:
        self._outbox = outbox
        self._held = held
        self._target = target
        self._pending = pending
        self._text = ""
        self._shown: dict[int, Piece] = {}
        self._changed = asyncio.Event()
        self.placed = asyncio.Event()

    def show(self, text: str) -> None:
        """Make `text` what the person sees, soon."""
        self._text = text
        self._changed.set()

    async def run(self) -> None:
        """Reserve the placeholder, then show the text as it grows, until cancelled.

        A cancellation waits for the call that is under way, never for one that is still waiting for its time.

        Raises:
            Refused: the platform does not let us answer here.
            LaneLost: another process answers.
        """
        await self._outbox.place_for(self._held, self._target, self._pending, 0)
        self.placed.set()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._type())
            group.create_task(self._grow())

    async def _type(self) -> None:
        """Show that an answer is on its way, until its text is seen to grow."""
        channel = self._outbox.channel(self._target)
        await asyncio.sleep(FIRST_TYPING_SECONDS)
        while not self._shown:
            await channel.typing(self._target)
            await asyncio.sleep(TYPING_SECONDS)

    async def _grow(self) -> None:
        channel, edits = self._outbox.channel(self._target), 0
        await asyncio.sleep(channel.budgets.interval)
        while True:
            await self._changed.wait()
            self._changed.clear()
            if not self._text.strip():
                continue
            try:
                await self._show_pieces(channel.render(Body(self._text), growing=True))
            except Refused as refused:
                log.info("a growing text was refused", extra={"lane": str(self._held.id), "reason": refused.reason})
                return
            edits += 1
            await asyncio.sleep(channel.budgets.interval * min(4.0, 1 + edits / 4))

    async def _show_pieces(self, pieces: Sequence[Piece]) -> None:
        for number, piece in enumerate(pieces):
            if self._shown.get(number) != piece:
                await self._outbox.fill(self._held, self._target, self._pending, number, piece, Urgency.GROWING)
                self._shown[number] = piece
