"""The outbox: a reply is shown once, whatever crashes.

*Filled* replies reserve, then fill: a placeholder is posted and its id stored; everything the person reads is an edit
of that id, and an edit can be repeated. The worst a crash can leave is an orphaned placeholder. Replies that go out in
one go (a command's card) pass pending → sending → sent; where the platform can't tell whether it arrived, the part is
`maybe_sent`, is not sent again, and the chat is told so with a button.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import TypeVar
from uuid import UUID

from core import replies
from core.channel import Channel, Gone, Refused, TryLater, Unsure
from core.envelopes import Body, Button, Piece, Place, Target
from core.lanes import Held
from core.pacing import Pacer, Urgency
from core.replies import Pending
from storage.clock import Clock
from storage.faults import Step, calling
from storage.sealing import DataKeyHandle
from storage.tables import Chat, ChatKind, Part, PartState, Reply, ReplyMode, ReplyState
from storage.transactions import to_the_end

log = logging.getLogger("prowex.outbox")

PLACEHOLDER = Piece("…")
READY = Piece("Your answer is ready:")
NOT_TAKEN = Piece("I have an answer, but it is not accepted here. Please ask me again, in other words perhaps.")
LONGEST_BACKOFF = 30.0
MOST_PATIENCE = 3
REMEMBERED_PAUSE = 3.0
"""A pause the platform asked for that is longer than this many seconds is remembered across a restart."""

_T = TypeVar("_T")
Then = Callable[[Held], Awaitable[None]]


def target_of(held: Held, chat: Chat, answers: str, only_for: str = "") -> Target:
    """Return where a reply in the lane goes."""
    place = Place.GROUP if chat.kind is ChatKind.GROUP else Place.PRIVATE
    return Target(held.channel, chat.account, chat.external_id, place, answers, only_for)


class Outbox:
    """Shows replies through the channels, within their budgets.

    Args:
        chance: a number in [0, 1), for the jitter.
    """

    def __init__(
        self, channels: Mapping[str, Channel], clock: Clock, chance: Callable[[], float] = random.random
    ) -> None:
        self._channels = channels
        self._chance = chance
        self._clock = clock
        self._pacers = {name: Pacer(channel.budgets, clock) for name, channel in channels.items()}

    def channel(self, target: Target) -> Channel:
        """Return the channel that shows things at `target`."""
        return self._channels[target.channel]

    def remember_pause(self, target: Target, seconds: float) -> None:
        """Keep a pause that the platform asked for before the process was restarted."""
        self._pacers[target.channel].pause(target.chat, target.place, seconds)

    # one call, as often as it takes

    async def _act(self, held: Held, target: Target, urgency: Urgency, act: Callable[[Channel], Awaitable[_T]]) -> _T:
        """Act in the chat's own time, again after every `TryLater`, as long as the lane is ours.

        What has begun is finished even when we are cancelled: a request that was cut off could take effect later.
        """
        channel, pacer = self._channels[target.channel], self._pacers[target.channel]
        attempt = 0
        while True:
            try:
                async with pacer.slot(target.chat, target.place, urgency):
                    held.check()
                    return await to_the_end(act(channel))
            except TryLater as later:
                attempt += 1
                await self._wait(held, target, later, attempt)

    async def _wait(self, held: Held, target: Target, later: TryLater, attempt: int) -> None:
        if later.flood:
            # Another process may show things in the same chat: without some chance in it, two that are asked for pauses
            # in turn could go on extending each other's for ever.
            seconds = later.retry_after * (1 + min(attempt - 1, MOST_PATIENCE) * self._chance())
            self._pacers[target.channel].pause(target.chat, target.place, seconds)
            log.info("the platform asked for a pause", extra={"lane": str(held.id), "seconds": round(seconds, 1)})
            if seconds > REMEMBERED_PAUSE:
                await self._remember(held, seconds)
        else:
            await asyncio.sleep(min(LONGEST_BACKOFF, max(later.retry_after, 0.2 * 2**attempt)))

    async def _remember(self, held: Held, seconds: float) -> None:
        async with held.commit(Step.CHAT_QUIET):
            until = self._clock.now() + timedelta(seconds=seconds)
            await Chat.filter(id=held.chat_id).update(quiet_until=until)

    # placeholders

    async def reserve(
        self, held: Held, target: Target, pending: Pending, part: Part, piece: Piece | None = None
    ) -> Part:
        """Post a placeholder for `part`, or `piece`, and store its id; return the part, or the one that took its place.

        Raises:
            Refused, LaneLost.
        """
        ready = pending.row.state is ReplyState.FINAL and any(p.state is PartState.DELETING for p in pending.parts)
        piece = piece or (READY if ready and part.number == 0 else PLACEHOLDER)
        lost = set[UUID]()
        while not part.message_id:
            post = partial(self._post, held=held, target=target, pending=pending, part=part, piece=piece, lost=lost)
            part = await self._act(held, target, Urgency.NEW, post)
        return part

    async def _post(
        self, channel: Channel, held: Held, target: Target, pending: Pending, part: Part, piece: Piece, lost: set[UUID]
    ) -> Part:
        """Post a placeholder and store its id; where nobody can know whether it arrived, take another part.

        Args:
            lost: the parts that may have arrived: the platform is asked for them before they are posted again.
        """
        message_id: str | None = None
        if part.id not in lost:
            try:
                async with calling(Step.CALL_POST):
                    message_id = await channel.post(target, piece, str(part.id))
            except Unsure:
                lost.add(part.id)
        if part.id in lost:
            try:
                message_id = await channel.find(target, str(part.id))
            except Unsure:
                log.warning("a placeholder may be orphaned", extra={"part": str(part.id)})
                return await self._replace(held, pending, part, PartState.ORPHANED)
            lost.remove(part.id)
        if message_id is not None:
            async with held.commit(Step.PART_RESERVED):
                await Part.filter(id=part.id).update(message_id=message_id, state=PartState.RESERVED)
            part.message_id, part.state = message_id, PartState.RESERVED
        return part

    async def look_for_lost(self, held: Held, chat: Chat) -> dict[UUID, tuple[PartState, str]]:
        """Return what is to be written of the placeholders that were being posted when a process ended.

        Where the platform can be asked, one that arrived is to be deleted; elsewhere it may be orphaned.
        """
        found: dict[UUID, tuple[PartState, str]] = {}
        for part in await Part.filter(reply__lane_id=held.id, state=PartState.RESERVING).prefetch_related("reply"):
            target = target_of(held, chat, part.reply.answers, part.reply.only_for)
            find = partial(_find, target=target, part=part)
            try:
                message_id = await self._act(held, target, Urgency.NEW, find)
            except Unsure:
                found[part.id] = (PartState.ORPHANED, "")
            else:
                state = PartState.DELETED if message_id is None else PartState.DELETING
                found[part.id] = (state, message_id or "")
        return found

    async def _replace(self, held: Held, pending: Pending, part: Part, state: PartState) -> Part:
        return await to_the_end(self._add_place(held, pending, part.number, part, state))

    async def _add_place(
        self, held: Held, pending: Pending, number: int, old: Part | None = None, state: PartState | None = None
    ) -> Part:
        """Add part `number`, in place of `old` if given. Let it run to its end: rows and memory must not differ."""
        async with held.commit(Step.PART_RESERVE):
            if old is not None and state is not None:
                await Part.filter(id=old.id).update(state=state)
            fresh = await replies.add_part(pending.row, number, PartState.RESERVING, self._clock.now())
        if old is not None and state is not None:
            old.state = state
        pending.parts.append(fresh)
        return fresh

    async def place_for(self, held: Held, target: Target, pending: Pending, number: int) -> Part:
        """Return the reserved part `number` of a filled reply, reserving it if it is not there yet."""
        for part in pending.parts:
            if part.number == number and part.state is PartState.RESERVED:
                return part
        for part in pending.parts:
            if part.number == number and part.state is PartState.RESERVING:
                return await self.reserve(held, target, pending, part)
        part = await to_the_end(self._add_place(held, pending, number))
        return await self.reserve(held, target, pending, part)

    async def fill(
        self, held: Held, target: Target, pending: Pending, number: int, piece: Piece, urgency: Urgency
    ) -> None:
        """Make part `number` show `piece`; a placeholder that somebody deleted is reserved anew.

        Where what was posted just now is gone too, nothing can be edited: the piece is posted instead.

        Raises:
            Refused: `piece` is still growing, and nothing can be edited.
            LaneLost.
        """
        for tried in (False, True):
            part = await self.place_for(held, target, pending, number)
            try:
                return await self._edit(held, target, urgency, part, piece)
            except Gone as gone:
                if tried and urgency is Urgency.GROWING:
                    raise Refused("messages can't be edited here") from gone
                part = await self._replace(held, pending, part, PartState.DELETED)
        await self.reserve(held, target, pending, part, piece)

    async def _edit(self, held: Held, target: Target, urgency: Urgency, part: Part, piece: Piece) -> None:
        async def edit(channel: Channel) -> None:
            async with calling(Step.CALL_EDIT):
                await channel.edit(target, part.message_id, piece)

        await self._act(held, target, urgency, edit)

    async def take_away_old(self, held: Held, target: Target, pending: Pending) -> None:
        """Delete what was set aside: what an earlier life of the turn had shown, or what a fresh message replaces."""
        await self._take_away(held, target, [p for p in pending.parts if p.state is PartState.DELETING])

    async def _take_away(self, held: Held, target: Target, parts: list[Part]) -> None:
        """Delete platform messages; what the platform won't delete is emptied to the placeholder instead."""
        if not parts:
            return
        for part in parts:
            try:
                await self._delete(held, target, part)
            except Refused:
                log.info("a message could not be deleted", extra={"part": str(part.id)})
                try:
                    await self._edit(held, target, Urgency.FINAL, part, PLACEHOLDER)
                except (Gone, Refused):
                    continue
        async with held.commit(Step.PART_DELETED):
            await Part.filter(id__in=[part.id for part in parts]).update(state=PartState.DELETED)
        for part in parts:
            part.state = PartState.DELETED

    async def _delete(self, held: Held, target: Target, part: Part) -> None:
        channel, attempt = self.channel(target), 0
        while True:
            held.check()
            try:
                async with calling(Step.CALL_DELETE):
                    await channel.delete(target, part.message_id)
                return
            except TryLater as later:
                attempt += 1
                await self._wait(held, target, later, attempt)
                if later.flood:
                    await asyncio.sleep(later.retry_after)

    # whole replies

    async def deliver(
        self, held: Held, target: Target, pending: Pending, body: Body, key: DataKeyHandle, *, then: Then
    ) -> None:
        """Show a finished reply, and write down that it was shown or why it never will be.

        Args:
            then: runs in the transaction that writes it down.

        Raises:
            LaneLost: another process shows it.
        """
        try:
            if pending.row.mode is ReplyMode.FILLED:
                await self._deliver_filled(held, target, pending, body, then)
            else:
                await self._deliver_once(held, target, pending, body, key, then)
        except Refused as refused:
            async with held.commit(Step.REPLY_DELIVERED):
                await self.give_up(pending, refused.reason)

    async def give_up(self, pending: Pending, reason: str) -> None:
        """Write down, in the caller's transaction, that the platform will never accept the reply."""
        log.warning("a reply was refused", extra={"reply": str(pending.row.id), "reason": reason})
        await Reply.filter(id=pending.row.id).update(state=ReplyState.DEAD, reason=reason[:200])
        await Part.filter(reply_id=pending.row.id, state__not_in=_SETTLED).update(state=PartState.DEAD)
        pending.row.state = ReplyState.DEAD

    async def _deliver_filled(self, held: Held, target: Target, pending: Pending, body: Body, then: Then) -> None:
        pieces = self.channel(target).render(body)
        await self.place_for(held, target, pending, 0)
        await self.take_away_old(held, target, pending)
        for number, piece in enumerate(pieces):
            try:
                await self.fill(held, target, pending, number, piece, Urgency.FINAL)
            except Refused:
                await self._excuse(held, target, pending, number)
                raise
        surplus = [p for p in pending.parts if p.state is PartState.RESERVED and p.number >= len(pieces)]
        await self._take_away(held, target, surplus)
        unused = any(part.state is PartState.RESERVING for part in pending.parts)
        async with held.commit(Step.REPLY_DELIVERED):
            await Part.filter(reply_id=pending.row.id, state=PartState.RESERVED).update(state=PartState.SENT)
            if unused:
                await Part.filter(reply_id=pending.row.id, state=PartState.RESERVING).update(state=PartState.DELETED)
            await Reply.filter(id=pending.row.id).update(state=ReplyState.DELIVERED)
            await then(held)
        pending.row.state = ReplyState.DELIVERED

    async def _excuse(self, held: Held, target: Target, pending: Pending, number: int) -> None:
        """Let no placeholder stand for what the platform refused, if it accepts at least a word about that."""
        for part in pending.parts:
            if part.number == number and part.state is PartState.RESERVED:
                with suppress(Gone, Refused):
                    await self._edit(held, target, Urgency.FINAL, part, NOT_TAKEN)

    async def _deliver_once(
        self, held: Held, target: Target, pending: Pending, body: Body, key: DataKeyHandle, then: Then
    ) -> None:
        certain = True
        for number, piece in enumerate(self.channel(target).render(body)):
            part = next((p for p in pending.parts if p.number == number), None)
            if part is None or part.state in (PartState.PENDING, PartState.SENDING):
                certain &= await self._show_once(held, target, pending, part, number, piece)
            else:
                certain &= part.state is not PartState.MAYBE_SENT
        async with held.commit(Step.REPLY_DELIVERED):
            await Reply.filter(id=pending.row.id).update(state=ReplyState.DELIVERED)
            if not certain:
                await self._say_uncertain(held, pending.row, key)
            await then(held)
        pending.row.state = ReplyState.DELIVERED

    async def _say_uncertain(self, held: Held, row: Reply, key: DataKeyHandle) -> None:
        """Write down, in the caller's transaction, that the chat is told that a reply may not have arrived.

        What only one person sees can't be edited, so the line is sent in one go as well; if that is uncertain too, no
        more is said.
        """
        body, now = _may_have_missed(row), self._clock.now()
        if not row.only_for:
            await replies.create_filled(key, held.id, body, now, answers=row.answers)
        elif row.reason != _UNCERTAIN:
            said = await replies.create_once(key, held.id, body, now, answers=row.answers, only_for=row.only_for)
            await Reply.filter(id=said.row.id).update(reason=_UNCERTAIN)

    async def _show_once(
        self, held: Held, target: Target, pending: Pending, part: Part | None, number: int, piece: Piece
    ) -> bool:
        """Post a piece that can't be repeated; return whether it is known to have arrived."""
        lost = part is not None and part.state is PartState.SENDING
        if part is None or part.state is PartState.PENDING:
            async with held.commit(Step.PART_SENDING):
                if part is None:
                    part = await replies.add_part(pending.row, number, PartState.SENDING, self._clock.now())
                else:
                    await Part.filter(id=part.id).update(state=PartState.SENDING)
            part.state = PartState.SENDING
        sending = part

        async def post(channel: Channel) -> bool | None:
            nonlocal lost
            if not lost:
                try:
                    async with calling(Step.CALL_POST):
                        message_id = await channel.post(target, piece, str(sending.id))
                except Unsure:
                    lost = True
                else:
                    return await self._sent(held, sending, message_id, PartState.SENT)
            settled = await self._settle(held, channel, target, sending)
            lost = False
            return settled

        while True:
            arrived = await self._act(held, target, Urgency.FINAL, post)
            if arrived is not None:
                return arrived

    async def _settle(self, held: Held, channel: Channel, target: Target, part: Part) -> bool | None:
        """Find out whether a piece arrived: True, False where nobody can know, None if it certainly did not."""
        try:
            message_id = await channel.find(target, str(part.id))
        except Unsure:
            return await self._sent(held, part, "", PartState.MAYBE_SENT)
        return None if message_id is None else await self._sent(held, part, message_id, PartState.SENT)

    async def _sent(self, held: Held, part: Part, message_id: str, state: PartState) -> bool:
        async with held.commit(Step.PART_SENT):
            await Part.filter(id=part.id).update(message_id=message_id, state=state)
        part.message_id, part.state = message_id, state
        return state is PartState.SENT


async def _find(channel: Channel, target: Target, part: Part) -> str | None:
    return await channel.find(target, str(part.id))


_UNCERTAIN = "says that another may not have arrived"
_SETTLED = (
    PartState.SENT, PartState.MAYBE_SENT, PartState.ORPHANED, PartState.DELETED, PartState.DEAD,
)  # fmt: skip


def _may_have_missed(row: Reply) -> Body:
    return Body(
        "I can't tell whether my last message reached you: the connection was cut, or I restarted, while I sent it.",
        ((Button("Show it again", f"/show {row.id}"),),),
    )
