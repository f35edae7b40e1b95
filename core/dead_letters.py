"""A lane that keeps failing moves its head message aside, says so in the chat, and goes on."""

import logging
from datetime import datetime, timedelta

from core import replies
from core.envelopes import Body, Button
from core.lanes import Held
from storage.clock import Clock
from storage.errors import is_from_outside, is_refused
from storage.faults import Step
from storage.sealing import DataKeyHandle, Owner, Sealer
from storage.tables import InboundState, InboxEntry, Lane, Reply, ReplyMode, ReplyState, Turn, TurnState

log = logging.getLogger("prowex.lanes")

ATTEMPTS = 5
LONGEST_PAUSE = 300.0


class DeadLetters:
    """Writes down failures.

    Args:
        house: the team under whose key our own words are sealed.
    """

    def __init__(self, house: Owner, sealer: Sealer, clock: Clock) -> None:
        self._house = house
        self._sealer = sealer
        self._clock = clock

    async def failed(self, held: Held, error: Exception) -> None:
        """Write down that working the lane failed: it is tried again later, and in the end goes on without its head.

        Only a message's own failures count; when the database or the network is away, everybody waits.
        """
        now = self._clock.now()
        key = await self._sealer.key(self._house)
        async with held.commit(Step.LANE_FAIL):
            lane = await Lane.get(id=held.id)
            if is_refused(error) or not is_from_outside(error):
                await self._count_attempt(held, key, now)
            pause = min(LONGEST_PAUSE, 2.0 ** min(lane.failures, 20))
            await Lane.filter(id=held.id).update(
                failures=lane.failures + 1, due_at=now + timedelta(seconds=pause), lease_until=now
            )

    async def _count_attempt(self, held: Held, key: DataKeyHandle, now: datetime) -> None:
        turn = await Turn.filter(lane_id=held.id, state=TurnState.RUNNING).first()
        heads = InboxEntry.filter(lane_id=held.id, state=InboundState.RUNNING)
        if turn is None:
            heads = InboxEntry.filter(lane_id=held.id, state=InboundState.NEW).order_by("position", "id").limit(1)
        entries = await heads
        for entry in entries:
            entry.attempts += 1
            await InboxEntry.filter(id=entry.id).update(attempts=entry.attempts)
        if not entries or max(entry.attempts for entry in entries) < ATTEMPTS:
            return
        log.error("a message was set aside", extra={"lane": str(held.id), "inbound": str(entries[0].id)})
        await InboxEntry.filter(id__in=[e.id for e in entries]).update(state=InboundState.DEAD, reason="failed")
        text = (
            "I could not work on your message: something in me failed, five times. I have set it aside so that we can "
            "go on. The operator finds the reason in the log; you can also try again."
        )
        if turn is None:
            await replies.create_once(key, held.id, Body(text), now, answers=entries[0].message_id)
            return
        await Turn.filter(id=turn.id).update(state=TurnState.FAILED, failure="crashed", ended_at=now)
        row = await Reply.get(turn_id=turn.id)
        body = Body(text, ((Button("Retry", f"/retry {turn.id}"),),))
        await Reply.filter(id=row.id).update(
            state=ReplyState.FINAL, mode=ReplyMode.FILLED, body=replies.seal_body(key, row.id, body), final_at=now
        )
