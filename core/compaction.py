"""Compaction in the open: the earlier part of a long conversation is summarised, shown, and can be had back.

The agent's own model writes the summary, never another provider's. Where it can't, the oldest messages are left out.
"""

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar
from uuid import UUID

from core import replies
from core.agents import Answering
from core.conversations import ref_of
from core.envelopes import Body, Button
from core.history import (
    CONTEXT_CHARACTERS,
    FULL,
    LEAST_TURNS,
    SUMMARY,
    Past,
    Said,
    newest_summary,
    past_of,
    size_of,
    turns_of,
)
from core.lanes import Held
from core.providers.catalogue import Catalogue
from core.summaries import Draft, NoSummary, Summariser
from storage.clock import Clock
from storage.faults import Step
from storage.ids import new_id
from storage.sealing import DataKeyHandle, Owner, Sealer
from storage.tables import Reply, Summary, Turn, Usage
from storage.transactions import transaction

log = logging.getLogger("prowex.compaction")

WHOLE_TURNS = 10
"""How many of the latest exchanges stay as they are, unless they alone are long."""
AGAIN_AFTER = 10
"""Turns until a summary that failed is tried again."""
_OFFLINE = "offline"
_T = TypeVar("_T")


def body_of(messages: int, text: str, summary_id: UUID) -> Body:
    """Return how a summary is shown to people."""
    quoted = text.replace("\n", "\n> ")
    told = f"I summarised the first {messages} messages so that I can keep up:\n\n> {quoted}"
    return Body(told, ((Button("Undo", f"/conversations undo_summary {ref_of(summary_id)}"),),))


class Compaction:
    """Summarises conversations."""

    def __init__(self, catalogue: Catalogue, sealer: Sealer, clock: Clock) -> None:
        self._catalogue = catalogue
        self._sealer = sealer
        self._clock = clock
        self._summariser = Summariser(catalogue, sealer, clock)
        self._failed: dict[UUID, int] = {}

    async def recall(
        self, held: Held, turn: Turn, answering: Answering, *, group: bool, person_id: UUID | None
    ) -> list[Said]:
        """Return what a model is shown of the past before `turn`, summarised first if that has become too much.

        Call it outside transactions, in the turn's own lane: it may ask the model. A summary and the reply that shows
        it are one transaction; the reply is shown after the turn's answer. `/stop` ends it.

        Raises:
            LaneLost: another process works the lane.
        """
        past = await past_of(self._sealer, turn.conversation_id, before=turn.id, group=group)
        whole = _kept(past.said)
        if not past.more and (size_of(past.said) <= FULL or whole == len(past.said)):
            return past.shown()
        name = self._name(answering)
        if name.partition(":")[0] == _OFFLINE:
            await self._say_that_it_cant(held, turn.conversation_id, answering, past, name)
            return past.shown()
        if not await self._may(turn.conversation_id, turn.id, past):
            return past.shown()
        work = self._summariser.draft(turn.conversation_id, past, name, whole=whole, group=group, person_id=person_id)
        try:
            draft = await _unless_stopped(held.stop, work)
        except NoSummary as none:
            log.warning("a conversation could not be summarised", extra={"model": name, "reason": str(none)})
            await self._rest(turn.conversation_id, turn.id, past)
            return past.shown()
        if draft is None or not await self._keep(held, turn, answering, draft, person_id):
            return past.shown()
        return (await past_of(self._sealer, turn.conversation_id, before=turn.id, group=group)).shown()

    async def on_request(
        self, conversation_id: UUID, answering: Answering, *, group: bool, person_id: UUID | None
    ) -> tuple[Summary, str] | None:
        """Summarise all but the last few exchanges now; return the summary and its text, None if there is too little.

        May be repeated after a crash: then it returns the summary that was made before.

        Raises:
            NoSummary: the model can't.
        """
        past = await past_of(self._sealer, conversation_id, before=new_id(), group=group)
        if len(past.said) <= LEAST_TURNS:
            return (past.summary, past.text) if past.summary is not None else None
        name = self._name(answering)
        if name.partition(":")[0] == _OFFLINE:
            raise NoSummary("the offline model can't")
        draft = await self._summariser.draft(
            conversation_id, past, name, whole=LEAST_TURNS, group=group, person_id=person_id
        )
        key = await self._sealer.key(Owner("team", answering.team_id))
        async with transaction(Step.COMPACT):
            row = await self._write(key, conversation_id, draft)
            if row is not None:
                await self._count(answering, max(past.turns), draft, person_id)
        if row is None:
            raise NoSummary("somebody else summarised it meanwhile")
        return row, draft.text

    # whether

    def _name(self, answering: Answering) -> str:
        return answering.plan.model or self._catalogue.default

    async def _may(self, conversation_id: UUID, before: UUID, past: Past) -> bool:
        """Tell whether to try now: not soon after a failure, nor after an undo until there is as much again."""
        if (failed_at := self._failed.get(conversation_id)) is not None:
            if await self._count_since(conversation_id, before, past) < failed_at + AGAIN_AFTER:
                return False
            del self._failed[conversation_id]
        undone = Summary.filter(conversation_id=conversation_id, undone_at__isnull=False).exclude(
            model__startswith=f"{_OFFLINE}:"
        )
        if past.summary is not None:
            undone = undone.filter(id__gt=past.summary.id)
        last = await undone.order_by("-id").first()
        if last is None:
            return True
        since = await turns_of(conversation_id, before=before, after=last.id).count()  # ids sort by time
        return 2 * since >= last.messages

    async def _count_since(self, conversation_id: UUID, before: UUID, past: Past) -> int:
        after = past.summary.until_turn if past.summary is not None else None
        return await turns_of(conversation_id, before=before, after=after).count()

    async def _rest(self, conversation_id: UUID, before: UUID, past: Past) -> None:
        if len(self._failed) > 10_000:
            self._failed.clear()
        self._failed[conversation_id] = await self._count_since(conversation_id, before, past)

    async def _say_that_it_cant(
        self, held: Held, conversation_id: UUID, answering: Answering, past: Past, name: str
    ) -> None:
        """Say once that the oldest messages are left out; a summary without words, that never counts, remembers it."""
        if not past.more and size_of(past.said) <= CONTEXT_CHARACTERS:
            return
        if await Summary.exists(conversation_id=conversation_id, model=name):
            return
        key, now, row_id = await self._sealer.key(Owner("team", answering.team_id)), self._clock.now(), new_id()
        text = (
            "This conversation has become too long for me to see all of it, and the offline model can't summarise it. "
            "So I leave out its oldest messages. /new starts a new one."
        )
        async with held.commit(Step.COMPACT):
            await Summary.create(
                id=row_id,
                conversation_id=conversation_id,
                until_turn=min(past.turns),
                messages=0,
                text=key.seal(SUMMARY, row_id, ""),
                model=name,
                created_at=now,
                undone_at=now,
            )
            await self._show(key, held, conversation_id, Body(text))

    # writing it down

    async def _keep(
        self, held: Held, turn: Turn, answering: Answering, draft: Draft, person_id: UUID | None
    ) -> Summary | None:
        key = await self._sealer.key(Owner("team", answering.team_id))
        async with held.commit(Step.COMPACT):
            row = await self._write(key, turn.conversation_id, draft)
            if row is not None:
                await self._show(key, held, turn.conversation_id, body_of(draft.messages, draft.text, row.id))
                await self._count(answering, turn.id, draft, person_id)
        return row

    async def _write(self, key: DataKeyHandle, conversation_id: UUID, draft: Draft) -> Summary | None:
        """Write the summary down; not if another has taken the place of the one that it follows."""
        newest = await newest_summary(conversation_id)
        if (newest.id if newest is not None else None) != draft.follows:
            return None
        row_id = new_id()
        return await Summary.create(
            id=row_id,
            conversation_id=conversation_id,
            until_turn=draft.until,
            messages=draft.messages,
            text=key.seal(SUMMARY, row_id, draft.text),
            model=draft.model[:200],
            created_at=self._clock.now(),
        )

    async def _show(self, key: DataKeyHandle, held: Held, conversation_id: UUID, body: Body) -> None:
        """Write down a reply of its own, which belongs to the conversation but is no answer of a turn's."""
        pending = await replies.create_filled(key, held.id, body, self._clock.now())
        await Reply.filter(id=pending.row.id).update(conversation_id=conversation_id)

    async def _count(self, answering: Answering, turn_id: UUID, draft: Draft, person_id: UUID | None) -> None:
        for usage in draft.usage:
            await Usage.create(
                id=new_id(),
                at=self._clock.now(),
                team_id=answering.team_id,
                identity_id=person_id,
                agent_id=answering.agent_id,
                turn_id=turn_id,
                model=draft.model,
                input_tokens=usage.input_tokens,
                cached_tokens=usage.cached_tokens,
                output_tokens=usage.output_tokens,
            )


def _kept(said: Sequence[Said]) -> int:
    """Return how many of the latest exchanges stay whole: `WHOLE_TURNS`, fewer if they alone are long."""
    left, kept = FULL // 2, 0
    for exchange in reversed(said[-WHOLE_TURNS:]):
        left -= len(exchange.person) + len(exchange.agent)
        if left < 0 and kept:
            break
        kept += 1
    return kept


async def _unless_stopped(stop: asyncio.Event, work: Coroutine[Any, Any, _T]) -> _T | None:
    """Return what `work` returns; None, and it is cancelled, once `stop` is set."""
    failed: NoSummary | None = None
    result: _T | None = None

    async def guarded() -> None:
        nonlocal failed, result
        try:
            result = await work
        except NoSummary as none:
            failed = none

    async with asyncio.TaskGroup() as group:
        task, stopped = group.create_task(guarded()), group.create_task(stop.wait())
        await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
        task.cancel()
        stopped.cancel()
    if failed is not None:
        raise failed
    return result
