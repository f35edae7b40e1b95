"""The lanes' worker: takes what waits in a lane, in order, until nothing is left, then gives the lane back."""

from datetime import datetime

from core import replies
from core.commands import Commands
from core.envelopes import Body
from core.lanes import Held, Lanes
from core.open_forms import OpenForms
from core.outbox import Outbox, target_of
from core.rates import Rates
from core.replies import Pending
from core.turns import LONG_ANSWER, Turns
from core.waiting import Choice, choose, wait_in_turn, waiting_in
from storage.clock import Clock
from storage.faults import Step
from storage.sealing import Owner, Sealer
from storage.tables import Chat, InboundState, InboxEntry, Lane, Part, Reply, ReplyMode, ReplyState


class Worker:
    """Works one lane at a time; many run side by side.

    Args:
        house: the team under whose key our own words are sealed.
    """

    def __init__(
        self,
        *,
        lanes: Lanes,
        commands: Commands,
        turns: Turns,
        outbox: Outbox,
        rates: Rates,
        forms: OpenForms,
        house: Owner,
        sealer: Sealer,
        clock: Clock,
    ) -> None:
        self._lanes = lanes
        self._commands = commands
        self._turns = turns
        self._outbox = outbox
        self._rates = rates
        self._forms = forms
        self._house = house
        self._sealer = sealer
        self._clock = clock
        self._began = clock.now()

    async def work(self, held: Held) -> None:
        """Work the lane until nothing is due in it, then give it back."""
        chat = await Chat.get(id=held.chat_id)
        self._mind_pause(held, chat)
        if held.dirty:
            await self._turns.take_over(held, chat, then=self._release_if_idle)
            chat = await Chat.get(id=held.chat_id)
        outstanding = held.dirty
        while not held.released and not self._lanes.draining:
            outstanding = await self._go_on(held, chat, outstanding=outstanding)
            if not held.released:  # who answers here may have been changed meanwhile, from the urgent lane or elsewhere
                chat = await Chat.get(id=held.chat_id)
        if held.released:
            return
        if outstanding:
            await self._lanes.let_go(held)
        else:
            await self._release(held, self._clock.now())

    async def _go_on(self, held: Held, chat: Chat, *, outstanding: bool) -> bool:
        """Do what comes next in the lane; return whether finished replies may be left that were not shown yet."""
        if outstanding:
            return await self._deliver_outstanding(held, chat)
        waiting = await waiting_in(held, self._sealer)
        answering = await self._forms.people(held.chat_id) if waiting else set()
        choice = choose(held, waiting, self._rates, self._clock, answering, self._began)
        if choice.limited is not None and self._rates.notice(choice.limited.entry.identity_id):
            await self._tell_limited(held, chat, choice)
        elif not choice.batch:
            await self._release(held, choice.later)
            return not held.released
        elif choice.asked:
            await self._commands.run(held, chat, choice.batch, then=self._release_if_idle)
        elif held.urgent:
            await self._wait_in_turn(held, choice)
        else:
            run = await self._turns.begin(held, chat, choice.batch)
            await self._turns.run(held, run, then=self._release_if_idle)
            return not held.released  # what was summarised is shown before anything else is answered
        return False

    async def _wait_in_turn(self, held: Held, choice: Choice) -> None:
        """Put what is no answer to a form after all, since that was closed meanwhile, among what waits its turn."""
        async with held.commit(Step.LANE_RELEASE):
            main_id = await wait_in_turn([w.entry for w in choice.batch], held.chat_id, self._clock)
        self._lanes.wake([main_id])

    def _mind_pause(self, held: Held, chat: Chat) -> None:
        if chat.quiet_until is not None and (left := (chat.quiet_until - self._clock.now()).total_seconds()) > 0:
            self._outbox.remember_pause(target_of(held, chat, ""), left)

    async def _release(self, held: Held, later: datetime | None) -> None:
        """Give the lane back, due again at `later`; keep it if nothing is due later but something is now."""
        async with held.commit(Step.LANE_RELEASE):
            if later is None:
                await self._release_if_idle(held)
            else:
                await self._give_back(held, later)
        if later is not None:
            self._lanes.wake_at(held.id, later)

    async def _release_if_idle(self, held: Held) -> None:
        """Give the lane back in the caller's transaction, unless something waits in it."""
        if await InboxEntry.filter(lane_id=held.id, state=InboundState.NEW).exists():
            return
        if await Reply.filter(lane_id=held.id, state=ReplyState.FINAL).exists():
            return
        await self._give_back(held, None)

    async def _give_back(self, held: Held, due_at: datetime | None) -> None:
        await Lane.filter(id=held.id).update(due_at=due_at, holder=None, lease_until=None, failures=0)
        held.released = True

    async def _tell_limited(self, held: Held, chat: Chat, choice: Choice) -> None:
        """Say, once a minute, that a person writes faster than they are answered."""
        assert choice.limited is not None
        entry, now = choice.limited.entry, self._clock.now()
        seconds = max(1, round(((choice.later or now) - now).total_seconds()))
        body = Body(
            f"That is more than {self._rates.per_minute} messages in a minute, so I take a breath. "
            f"What you wrote is kept; I go on in about {seconds} s."
        )
        key = await self._sealer.key(self._house)
        async with held.commit(Step.COMMAND):
            pending = await replies.create_once(key, held.id, body, now, answers=entry.message_id)
        target = target_of(held, chat, entry.message_id)
        await self._outbox.deliver(held, target, pending, body, key, then=self._release_if_idle)

    async def _deliver_outstanding(self, held: Held, chat: Chat) -> bool:
        """Show the oldest finished reply of the lane that was not shown yet; return whether there was one."""
        row = await Reply.filter(lane_id=held.id, state=ReplyState.FINAL).order_by("id").first()
        if row is None:
            return False
        pending = Pending(row, await Part.filter(reply_id=row.id).order_by("id"))
        body = await replies.body_of(self._sealer, row)
        key = await self._sealer.key(self._house)
        now = self._clock.now()
        if row.mode is ReplyMode.FILLED and (now - row.created_at).total_seconds() > LONG_ANSWER:
            async with held.commit(Step.TURN_RESUME):
                await replies.set_aside(pending, now)
        target = target_of(held, chat, row.answers, row.only_for)
        await self._outbox.deliver(held, target, pending, body, key, then=self._release_if_idle)
        return True
