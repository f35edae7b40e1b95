"""What is done about a message: a command runs its operation, anything else is a turn of the agent, journaled."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from uuid import UUID

from core import replies
from core.access import Verdict, code_in, standing
from core.agent_loop import AgentLoop, Outcome, Task
from core.agents import Agents, Answering, conversation_of
from core.attachments import Attachments
from core.channel import Refused
from core.directory import KnownChat, Person
from core.envelopes import Body, Button, Place, Target
from core.history import as_read, join_texts, recall
from core.lanes import Held, LaneLost, is_from_outside
from core.operations.card import Card
from core.operations.gateway import invoke
from core.operations.registry import Call, Command, NotPossible, Services, command_in
from core.outbox import Live, Outbox
from core.rates import Rates
from core.replies import Pending
from core.wire import Kept
from storage.faults import Step
from storage.ids import new_id
from storage.queries import ids_of
from storage.sealing import DataKeyHandle, Owner
from storage.tables import (
    Chat,
    ChatKind,
    Identity,
    InboundState,
    InboxEntry,
    Lane,
    Part,
    PartState,
    Reply,
    ReplyMode,
    ReplyState,
    StepKind,
    StepState,
    Turn,
    TurnState,
    TurnStep,
    Usage,
)

log = logging.getLogger("prowex.turns")

BURST_SECONDS = 10.0
"""Messages of one person that follow each other within so many seconds are answered together."""
SPLIT_SECONDS = 1.5
"""How long the rest of a split text or an album is waited for."""
MOST_TOGETHER = 20
ATTEMPTS = 5
LONG_ANSWER = 30.0
"""An answer that took longer than so many seconds is put into a fresh message, because an edit notifies nobody."""


@dataclass(slots=True)
class _Waiting:
    """An inbound that waits, with its words."""

    entry: InboxEntry
    kept: Kept


@dataclass(frozen=True, slots=True)
class _Choice:
    """What is done next in a lane.

    Args:
        later: when to look again, if nothing can be done now.
        limited: the first message that waits because its author is over their rate.
    """

    batch: list[_Waiting]
    later: datetime | None
    limited: _Waiting | None


@dataclass(slots=True)
class _Run:
    """A turn under way."""

    turn: Turn
    entries: list[_Waiting]
    pending: Pending
    answering: Answering
    target: Target


class Turns:
    """The lanes' worker: takes what waits in a lane, in order, until nothing is left."""

    def __init__(
        self,
        *,
        services: Services,
        agents: Agents,
        loop: AgentLoop,
        outbox: Outbox,
        attachments: Attachments,
        rates: Rates,
    ) -> None:
        self._services = services
        self._clock = services.clock
        self._sealer = services.sealer
        self._agents = agents
        self._loop = loop
        self._outbox = outbox
        self._attachments = attachments
        self._rates = rates

    # the lane

    async def work(self, held: Held) -> None:
        """Work the lane until nothing is due in it, then give it back."""
        chat = await Chat.get(id=held.chat_id)
        self._mind_pause(held, chat)
        if held.dirty:
            await self._take_over(held, chat)
        outstanding = held.dirty
        while not held.released and not self._services.lanes.draining:
            if outstanding:
                outstanding = await self._deliver_outstanding(held, chat)
                continue
            choice = self._choose(held, await self._waiting(held), chat.kind)
            if choice.limited is not None and self._rates.notice(choice.limited.entry.identity_id):
                await self._tell_limited(held, chat, choice)
            elif not choice.batch:
                await self._release(held, choice.later)
                outstanding = not held.released
            elif (command := _command_in(choice.batch[0])) is not None:
                await self._run_command(held, chat, choice.batch[0], command)
                chat = await Chat.get(id=held.chat_id)
            else:
                await self._run_turn(held, await self._begin(held, chat, choice.batch))
        if not held.released:
            await self._release(held, self._clock.now())

    def _mind_pause(self, held: Held, chat: Chat) -> None:
        if chat.quiet_until is not None and (left := (chat.quiet_until - self._clock.now()).total_seconds()) > 0:
            self._outbox.remember_pause(_target(held, chat, ""), left)

    async def _release(self, held: Held, later: datetime | None) -> None:
        """Give the lane back, due again at `later`; keep it if nothing is due later but something is now."""
        async with held.commit(Step.LANE_RELEASE):
            if later is None:
                await self._release_if_idle(held)
            else:
                await Lane.filter(id=held.id).update(due_at=later, holder=None, lease_until=None, failures=0)
        if later is not None:
            held.released = True
            self._services.lanes.wake_at(held.id, later)

    async def _release_if_idle(self, held: Held) -> None:
        """Give the lane back in the caller's transaction, unless something waits in it."""
        if await InboxEntry.filter(lane_id=held.id, state=InboundState.NEW).exists():
            return
        if await Reply.filter(lane_id=held.id, state=ReplyState.FINAL).exists():
            return
        await Lane.filter(id=held.id).update(due_at=None, holder=None, lease_until=None, failures=0)
        held.released = True

    async def _waiting(self, held: Held) -> list[_Waiting]:
        new = InboxEntry.filter(lane_id=held.id, state=InboundState.NEW)
        return await self._with_words(await new.order_by("position", "id").limit(50))

    async def _with_words(self, entries: list[InboxEntry]) -> list[_Waiting]:
        sealed = [(entry.id, entry.body) for entry in entries if entry.body is not None]
        texts = await self._sealer.unseal_many("inbox.body", sealed)
        return [_Waiting(entry, Kept(text)) for entry, text in zip(entries, texts, strict=True)]

    def _choose(self, held: Held, waiting: Sequence[_Waiting], kind: ChatKind) -> _Choice:
        """Return what is done next: the first message of somebody within their rate, and what belongs to it."""
        passed_over: set[UUID] = set()
        limited, later = None, None
        for index, first in enumerate(waiting):
            person = first.entry.identity_id
            if person in passed_over:
                continue
            allowance = MOST_TOGETHER if held.urgent else self._rates.allowance(person, held.chat_id)
            if allowance == 0:
                passed_over.add(person)
                ready_at = self._rates.ready_at(person, held.chat_id)
                limited, later = limited or first, min(later or ready_at, ready_at)
                continue
            if _command_in(first) is not None:
                return _Choice([first], None, limited)
            batch = _burst(waiting[index:], allowance)
            complete_at = _complete_at(batch[-1])
            if complete_at > self._clock.now():
                return _Choice([], complete_at, limited)
            return _Choice(batch, later, limited)
        return _Choice([], later, limited)

    async def _tell_limited(self, held: Held, chat: Chat, choice: _Choice) -> None:
        """Say, once a minute, that a person writes faster than they are answered."""
        assert choice.limited is not None
        entry, now = choice.limited.entry, self._clock.now()
        seconds = max(1, round(((choice.later or now) - now).total_seconds()))
        body = Body(
            f"That is more than {self._rates.per_minute} messages in a minute, so I take a breath. "
            f"What you wrote is kept; I go on in about {seconds} s."
        )
        key = await self._sealer.key(Owner("team", self._services.team_id))
        async with held.commit(Step.COMMAND):
            pending = await replies.create_once(key, held.id, body, now, answers=entry.message_id)
        target = _target(held, chat, entry.message_id)
        await self._outbox.deliver(held, target, pending, body, key, then=self._release_if_idle)

    # commands

    async def _run_command(self, held: Held, chat: Chat, waiting: _Waiting, command: Command) -> None:
        """Run a command in the transaction that finishes its inbound and writes down its answer."""
        entry = waiting.entry
        self._rates.count(entry.identity_id, held.chat_id, 0 if held.urgent else 1)
        identity = await Identity.get(id=entry.identity_id)
        call = await self._call(held, chat, identity, waiting.kept.name)
        command = _as_invitation(call, command) or command
        key = await self._sealer.key(Owner("team", self._services.team_id))
        async with held.commit(Step.COMMAND):
            card = await self._answer_command(call, command)
            now = self._clock.now()
            pending = None
            if not card.quiet:
                pending = await replies.create_once(key, held.id, card.body(), now, answers=entry.message_id)
            await InboxEntry.filter(id=entry.id).update(state=InboundState.DONE)
        for action in call.after_commit:
            action()
        if pending is not None:
            target = _target(held, chat, entry.message_id)
            await self._outbox.deliver(held, target, pending, card.body(), key, then=self._release_if_idle)

    async def _answer_command(self, call: Call, command: Command) -> Card:
        operation = command.operation
        try:
            if operation is None:
                nearest = command.nearest()
                hint = f" Did you mean /{nearest}?" if nearest else ""
                raise NotPossible(f"I don't know /{command.word}.{hint} /help lists what you can do.")
            return await invoke(call, operation, command.values(operation.form))
        except NotPossible as refusal:
            return Card(text=str(refusal))

    async def _call(self, held: Held, chat: Chat, identity: Identity, name: str) -> Call:
        services = self._services
        stands = await standing(identity.user_id, services.team_id, mode=services.mode)
        lanes = {lane.urgent: lane.id for lane in await Lane.filter(chat_id=chat.id)}
        known = KnownChat(chat.id, chat.account, chat.external_id, chat.kind, chat.permitted, lanes[False], lanes[True])
        return Call(
            services=services,
            surface="web" if held.channel == "web" else "chat",
            standing=stands,
            person=Person(identity.id, identity.user_id),
            chat=known,
            channel=held.channel,
            external_id=identity.external_id,
            name=name,
        )

    # turns

    async def _begin(self, held: Held, chat: Chat, batch: list[_Waiting]) -> _Run:
        answering = await self._agents.of_chat(chat)
        now, first = self._clock.now(), batch[0].entry
        answers = batch[-1].entry.message_id
        async with held.commit(Step.TURN_TAKE):
            conversation_id = await conversation_of(chat, answering.agent_id, self._clock)
            turn = await Turn.create(
                id=new_id(),
                lane_id=held.id,
                conversation_id=conversation_id,
                agent_version_id=answering.version_id,
                state=TurnState.RUNNING,
                holder=held.holder,
                started_at=now,
            )
            await InboxEntry.filter(id__in=[w.entry.id for w in batch]).update(
                state=InboundState.RUNNING, turn_id=turn.id, conversation_id=conversation_id
            )
            pending = await replies.open_for_turn(held.id, turn.id, conversation_id, answers, now)
        self._rates.count(first.identity_id, held.chat_id, _counted(batch))
        return _Run(turn, batch, pending, answering, _target(held, chat, answers))

    async def _run_turn(self, held: Held, run: _Run) -> None:
        """Let the agent answer, showing the answer as it grows, then commit it and show it whole."""
        held.turn_id = run.turn.id
        held.stop.clear()
        live = Live(self._outbox, held, run.target, run.pending)
        began = self._clock.monotonic()
        outcome: Outcome | None = None
        refused = ""
        lost = False
        try:
            async with asyncio.TaskGroup() as group:
                growing = group.create_task(live.run())
                outcome = await self._answer(held, run, live)
                await live.placed.wait()
                growing.cancel()
        except* Refused as refusals:
            refused = _reason(refusals)
        except* LaneLost:
            lost = True
        finally:
            held.turn_id = None
        if lost:
            raise LaneLost(str(held.id))
        if outcome is None or refused:
            await self._abandon(held, run, refused)
        else:
            await self._finish(held, run, outcome, fresh=self._clock.monotonic() - began > LONG_ANSWER)

    async def _answer(self, held: Held, run: _Run, live: Live) -> Outcome:
        entries = [(waiting.entry, waiting.kept) for waiting in run.entries]
        files = await self._attachments.for_model(held, run.target, run.turn.conversation_id, entries)
        group = run.target.place is Place.GROUP
        words = join_texts(as_read(waiting.kept, group=group) for waiting in run.entries)
        unusable = [f"I can't use {what}." for what in files.unusable]
        if unusable and not files.pictures and not files.remarks and not any(w.kept.text for w in run.entries):
            return Outcome(TurnState.DONE, f"{' '.join(unusable)} Send me the words, a picture, a PDF or a text file.")
        task = Task(
            answering=run.answering,
            said=await recall(self._sealer, run.turn.conversation_id, before=run.turn.id),
            present="\n\n".join([words, *files.remarks, *(f"[{sentence}]" for sentence in unusable)]),
            pictures=tuple(files.pictures),
            person_id=run.entries[0].entry.identity_id,
            where=_WHERE.get((held.channel, group), "a chat"),
            at=run.turn.started_at,
        )
        return await self._loop.run(task, live.show, held.stop)

    async def _finish(self, held: Held, run: _Run, outcome: Outcome, *, fresh: bool) -> None:
        """Commit the end of the turn together with its reply, then show it."""
        now = self._clock.now()
        buttons = ((Button("Retry", f"/retry {run.turn.id}"),),) if outcome.retry else ()
        body = Body(outcome.text, buttons)
        key = await self._sealer.key(Owner("team", run.answering.team_id))
        async with held.commit(Step.TURN_FINISH):
            await self._end_turn(run, outcome.state, outcome.failure, now)
            if outcome.usage is not None:
                await Usage.create(
                    id=new_id(),
                    at=now,
                    team_id=run.answering.team_id,
                    identity_id=run.entries[0].entry.identity_id,
                    agent_id=run.answering.agent_id,
                    turn_id=run.turn.id,
                    model=outcome.model,
                    input_tokens=outcome.usage.input_tokens,
                    cached_tokens=outcome.usage.cached_tokens,
                    output_tokens=outcome.usage.output_tokens,
                )
            row = run.pending.row
            row.state = ReplyState.FINAL
            row.body = replies.seal_body(key, row.id, body)
            await Reply.filter(id=row.id).update(state=row.state, body=row.body, final_at=now)
            if fresh:
                await self._set_aside(run.pending, now)
        await self._outbox.deliver(held, run.target, run.pending, body, key, then=self._release_if_idle)

    async def _end_turn(self, run: _Run, state: TurnState, failure: str, now: datetime) -> None:
        await Turn.filter(id=run.turn.id).update(state=state, failure=failure, ended_at=now)
        await InboxEntry.filter(turn_id=run.turn.id).update(state=InboundState.DONE)
        await TurnStep.create(
            id=new_id(),
            turn_id=run.turn.id,
            number=1,
            kind=StepKind.MODEL,
            state=StepState.FAILED if state is TurnState.FAILED else StepState.DONE,
            started_at=run.turn.started_at,
            ended_at=now,
        )

    async def _set_aside(self, pending: Pending, now: datetime) -> None:
        """Mark what is shown so far for deletion, and make room for a fresh message."""
        old = [part for part in pending.parts if part.state is PartState.RESERVED]
        await Part.filter(id__in=[part.id for part in old]).update(state=PartState.DELETING)
        for part in old:
            part.state = PartState.DELETING
        pending.parts.append(await replies.add_part(pending.row, 0, PartState.RESERVING, now))

    async def _abandon(self, held: Held, run: _Run, reason: str) -> None:
        """End a turn whose chat the platform does not let us answer in."""
        now = self._clock.now()
        async with held.commit(Step.TURN_FINISH):
            await self._end_turn(run, TurnState.FAILED, "refused", now)
        await self._outbox.give_up(held, run.pending, reason)

    # what another process, or an earlier life of this one, has left

    async def _take_over(self, held: Held, chat: Chat) -> None:
        """Resume the turn that was running, if any; what was shown of it is taken away first."""
        turn = await Turn.filter(lane_id=held.id, state=TurnState.RUNNING).first()
        now = self._clock.now()
        orphans = Part.filter(reply__lane_id=held.id, state=PartState.RESERVING)
        async with held.commit(Step.TURN_RESUME):
            if lost := await ids_of(orphans):
                await Part.filter(id__in=lost).update(state=PartState.ORPHANED)
            if turn is not None:
                turn.holder = held.holder
                await Turn.filter(id=turn.id).update(holder=held.holder)
                reply = await Reply.get(turn_id=turn.id)
                pending = Pending(reply, await Part.filter(reply_id=reply.id).order_by("id"))
                await self._set_aside(pending, now)
        if turn is None:
            return
        target = _target(held, chat, reply.answers)
        await self._outbox.take_away_old(held, target, pending)
        entries = await self._with_words(await InboxEntry.filter(turn_id=turn.id).order_by("position", "id"))
        run = _Run(
            turn,
            entries,
            pending,
            await self._agents.of_version(turn.agent_version_id),
            target,
        )
        if turn.stop_requested_at is not None:
            await self._finish(held, run, Outcome(TurnState.STOPPED, "⏹ *Stopped.*"), fresh=False)
        else:
            await self._run_turn(held, run)

    async def _deliver_outstanding(self, held: Held, chat: Chat) -> bool:
        """Show the oldest finished reply of the lane that was not shown yet; return whether there was one."""
        row = await Reply.filter(lane_id=held.id, state=ReplyState.FINAL).order_by("id").first()
        if row is None:
            return False
        pending = Pending(row, await Part.filter(reply_id=row.id).order_by("id"))
        body = await replies.body_of(self._sealer, row)
        key = await self._sealer.key(Owner("team", self._services.team_id))
        now = self._clock.now()
        if row.mode is ReplyMode.FILLED and (now - row.created_at).total_seconds() > LONG_ANSWER:
            async with held.commit(Step.TURN_RESUME):
                await self._set_aside(pending, now)
        target = _target(held, chat, row.answers)
        await self._outbox.deliver(held, target, pending, body, key, then=self._release_if_idle)
        return True

    async def failed(self, held: Held, error: Exception) -> None:
        """Write down that working the lane failed: it is tried again later, and in the end goes on without its head.

        Only a message's own failures count; when the database or the network is away, everybody waits.
        """
        now = self._clock.now()
        key = await self._sealer.key(Owner("team", self._services.team_id))
        async with held.commit(Step.LANE_FAIL):
            lane = await Lane.get(id=held.id)
            if not is_from_outside(error):
                await self._count_attempt(held, key, now)
            pause = min(300.0, 2.0**lane.failures)
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


_WHERE = {
    ("telegram", False): "a private Telegram chat",
    ("telegram", True): "a Telegram group",
    ("web", False): "a web chat",
    ("console", False): "a terminal",
}


def _target(held: Held, chat: Chat, answers: str) -> Target:
    place = Place.GROUP if chat.kind is ChatKind.GROUP else Place.PRIVATE
    return Target(held.channel, chat.account, chat.external_id, place, answers)


def _as_invitation(call: Call, command: Command) -> Command | None:
    """Return the redeeming of the code that a guest's `/start CODE` carries."""
    if call.person is None or call.person.user_id is not None or command.word != "start":
        return None
    code = code_in(command.rest)
    return Command("join", code) if code is not None else None


def _reason(refusals: BaseExceptionGroup[Refused]) -> str:
    """Return why the platform refused."""
    inner = refusals.exceptions[0]
    return _reason(inner) if isinstance(inner, BaseExceptionGroup) else inner.reason


def _command_in(waiting: _Waiting) -> Command | None:
    """Return the command that a message is, if it is one; a newcomer's invitation code is one."""
    if waiting.entry.reason == Verdict.CODE:
        return Command("join", code_in(waiting.kept.text) or "")
    return None if waiting.kept.attachments else command_in(waiting.kept.text)


def _burst(waiting: Sequence[_Waiting], allowance: int) -> list[_Waiting]:
    """Return the messages from the first one on that one person wrote in a row, none of them a command."""
    batch = [waiting[0]]
    for following in waiting[1:]:
        gap = (following.entry.received_at - batch[-1].entry.received_at).total_seconds()
        same = following.entry.identity_id == batch[0].entry.identity_id
        if not same or gap > BURST_SECONDS or _command_in(following) is not None:
            break
        if _counted([*batch, following]) > min(allowance, MOST_TOGETHER):
            break
        batch.append(following)
    return batch


def _counted(batch: Sequence[_Waiting]) -> int:
    """Return how many messages a batch counts as: an album, or a text that the client split, is one."""
    count = 1
    for before, after in pairwise(batch):
        album = after.kept.group and after.kept.group == before.kept.group
        if not album and not before.kept.more_follows:
            count += 1
    return count


def _complete_at(last: _Waiting) -> datetime:
    split = last.kept.more_follows or bool(last.kept.group)
    return last.entry.received_at + timedelta(seconds=SPLIT_SECONDS if split else 0)
