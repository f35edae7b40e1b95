"""A turn: what an agent does about one or more messages, journaled, and ended together with its reply."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from core import replies
from core.access import Standing
from core.agent_loop import AgentLoop, Outcome, Task
from core.agents import Answering, begins_with_a_name, conversation_of
from core.attachments import Attachments
from core.callers import Callers
from core.channel import Refused
from core.envelopes import Body, Button, Place, Target
from core.history import as_read, join_texts
from core.lanes import Held, LaneLost
from core.live import Live
from core.operations import approvals
from core.operations.as_tools import Question, Tools
from core.operations.registry import Call, Services
from core.outbox import Outbox, Then, target_of
from core.rates import Rates
from core.replies import Pending
from core.surroundings import as_read as thread_as_read
from core.surroundings import learn
from core.waiting import Waiting, counted, with_words
from core.wire import kept_to_json
from storage.clock import Clock
from storage.faults import Step
from storage.ids import new_id
from storage.sealing import Owner, Sealer
from storage.tables import (
    Chat,
    ChatKind,
    InboundState,
    InboxEntry,
    Part,
    Reply,
    ReplyState,
    StepKind,
    StepState,
    Turn,
    TurnState,
    TurnStep,
    Usage,
)

log = logging.getLogger("prowex.turns")

LONG_ANSWER = 30.0
"""An answer that took longer than so many seconds is put into a fresh message, because an edit notifies nobody."""

_RESTRICTED = "Your data may only be kept at the moment, as you asked, so I don't answer. /privacy says more."
_NO_LONGER = (
    "This assistant is private again since you wrote, so I don't answer. Ask the person who runs it to let you in."
)
_WHERE = {
    ("slack", False): "a direct Slack conversation",
    ("slack", True): "a Slack channel",
    ("telegram", False): "a private Telegram chat",
    ("telegram", True): "a Telegram group",
    ("web", False): "a web chat",
    ("console", False): "a terminal",
}


@dataclass(slots=True)
class Run:
    """A turn under way.

    Args:
        tools: what the agent may use for the person, and what it wants their yes to; None for people who are let do
            nothing but talk.
        learned: messages of which more is known now than when they came, such as who wrote them.
    """

    turn: Turn
    entries: list[Waiting]
    pending: Pending
    answering: Answering
    target: Target
    caller: Call
    tools: Tools | None = None
    learned: list[Waiting] = field(default_factory=list)


class Turns:
    """Runs the agents' turns."""

    def __init__(
        self,
        *,
        services: Services,
        callers: Callers,
        loop: AgentLoop,
        outbox: Outbox,
        attachments: Attachments,
        rates: Rates,
        sealer: Sealer,
        clock: Clock,
    ) -> None:
        self._services = services
        self._agents = services.agents
        self._callers = callers
        self._loop = loop
        self._outbox = outbox
        self._attachments = attachments
        self._rates = rates
        self._sealer = sealer
        self._clock = clock

    async def begin(self, held: Held, chat: Chat, batch: list[Waiting]) -> Run:
        """Take a batch of messages up: from now on they are this turn's, and a reply is owed."""
        caller = await self._callers.of(held, chat, batch[0])
        answering = await self._who_answers(chat, batch[0].kept.text, caller)
        # a conversation is with the chat's own agent, also if another one is called by name in it
        own = answering if chat.conversation_id is not None else await self._agents.of_chat(chat)
        now, first = self._clock.now(), batch[0].entry
        answers = batch[-1].entry.message_id
        async with held.commit(Step.TURN_TAKE):
            conversation_id = await conversation_of(chat, own.agent_id, self._clock)
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
        chat.conversation_id = conversation_id
        self._rates.count(first.identity_id, held.chat_id, counted(batch))
        return Run(turn, batch, pending, answering, target_of(held, chat, answers), caller)

    async def _who_answers(self, chat: Chat, text: str, caller: Call) -> Answering:
        """Return who answers: the agent that is called by name, for this once, or the chat's own.

        In a group only the installation's agents can be called.
        """
        if begins_with_a_name(text):
            teams = (self._services.team_id,) if chat.kind is ChatKind.GROUP else caller.teams
            if (called := await self._agents.called(text, teams)) is not None:
                return called[0]
        return await self._agents.of_chat(chat)

    async def run(self, held: Held, run: Run, *, then: Then) -> None:
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
            await self._finish(held, run, outcome, fresh=self._clock.monotonic() - began > LONG_ANSWER, then=then)

    async def _answer(self, held: Held, run: Run, live: Live) -> Outcome:
        group = run.target.place is Place.GROUP
        if run.caller.restricted:
            return Outcome(TurnState.DONE, _RESTRICTED)
        if run.caller.standing < Standing.GUEST:
            return Outcome(TurnState.DONE, _NO_LONGER)
        run.tools = Tools(run.caller) if run.caller.standing >= Standing.MEMBER else None
        run.learned, thread = await learn(self._outbox, run.target, run.turn, run.entries, run.caller)
        entries = [(waiting.entry, waiting.kept) for waiting in run.entries]
        files = await self._attachments.for_model(held, run.target, run.turn.conversation_id, entries)
        words = join_texts(as_read(waiting.kept, group=group) for waiting in run.entries)
        if files.unusable and not files.pictures and not files.remarks and not any(w.kept.text for w in run.entries):
            return Outcome(TurnState.DONE, f"{' '.join(files.unusable)} Please send me the words instead.")
        person_id = run.entries[0].entry.identity_id
        past = self._services.compaction.recall(held, run.turn, run.answering, group=group, person_id=person_id)
        said = await past
        await self._attachments.look_back(said)
        remarks = [*thread_as_read(thread), words, *files.remarks, *(f"[{line}]" for line in files.unusable)]
        task = Task(
            answering=run.answering,
            said=said,
            present="\n\n".join(remarks),
            pictures=tuple(files.pictures),
            person_id=person_id,
            where=_WHERE.get((held.channel, group), "a chat"),
            at=run.turn.started_at,
            tools=run.tools,
        )
        return await self._loop.run(task, live.show, held.stop)

    async def _finish(self, held: Held, run: Run, outcome: Outcome, *, fresh: bool, then: Then) -> None:
        """Commit the end of the turn together with its reply, then show it."""
        now = self._clock.now()
        key = await self._sealer.key(Owner("team", run.answering.team_id))
        questions = run.tools.questions if run.tools is not None and outcome.state is TurnState.DONE else []
        body = _body(outcome, run.turn.id, questions)
        learned = await self._resealed(run)
        async with held.commit(Step.TURN_FINISH):
            await self._end_turn(run, outcome.state, outcome.failure, now)
            for entry_id, words in learned:
                await InboxEntry.filter(id=entry_id).update(body=words)
            await approvals.ask(key, questions, run.turn.id, run.entries[0].entry.identity_id, now)
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
                await replies.set_aside(run.pending, now)
        await self._outbox.deliver(held, run.target, run.pending, body, key, then=then)

    async def _resealed(self, run: Run) -> list[tuple[UUID, bytes]]:
        """Return the words of messages of which more was learned, sealed anew."""
        if not run.learned:
            return []
        assert run.caller.person is not None
        key = await self._sealer.key(run.caller.person.owner)
        return [(w.entry.id, key.seal("inbox.body", w.entry.id, kept_to_json(w.kept))) for w in run.learned]

    async def _end_turn(self, run: Run, state: TurnState, failure: str, now: datetime) -> None:
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

    async def _abandon(self, held: Held, run: Run, reason: str) -> None:
        """End a turn whose chat the platform does not let us answer in."""
        now = self._clock.now()
        async with held.commit(Step.TURN_FINISH):
            await self._end_turn(run, TurnState.FAILED, "refused", now)
            await self._outbox.give_up(run.pending, reason)

    async def take_over(self, held: Held, chat: Chat, *, then: Then) -> None:
        """Resume the turn that was running, if any; what was shown of it is taken away first."""
        turn = await Turn.filter(lane_id=held.id, state=TurnState.RUNNING).first()
        now = self._clock.now()
        lost = await self._outbox.look_for_lost(held, chat)
        async with held.commit(Step.TURN_RESUME):
            for part_id, (state, message_id) in lost.items():
                await Part.filter(id=part_id).update(state=state, message_id=message_id)
            if turn is not None:
                turn.holder = held.holder
                await Turn.filter(id=turn.id).update(holder=held.holder)
                reply = await Reply.get(turn_id=turn.id)
                pending = Pending(reply, await Part.filter(reply_id=reply.id).order_by("id"))
                await replies.set_aside(pending, now)
        if turn is None:
            return
        target = target_of(held, chat, reply.answers)
        await self._outbox.take_away_old(held, target, pending)
        entries = await with_words(await InboxEntry.filter(turn_id=turn.id).order_by("position", "id"), self._sealer)
        run = Run(
            turn,
            entries,
            pending,
            await self._agents.of_version(turn.agent_version_id) or await self._agents.of_chat(chat),
            target,
            await self._callers.of(held, chat, entries[0]),
        )
        if turn.stop_requested_at is not None:
            await self._finish(held, run, Outcome(TurnState.STOPPED, "⏹ *Stopped.*"), fresh=False, then=then)
        else:
            await self.run(held, run, then=then)


def _body(outcome: Outcome, turn_id: UUID, questions: Sequence[Question]) -> Body:
    if questions:
        told = "\n\n".join([outcome.text, *(question.told() for question in questions)])
        return Body(told, approvals.buttons(questions))
    return Body(outcome.text, ((Button("Retry", f"/retry {turn_id}"),),) if outcome.retry else ())


def _reason(refusals: BaseExceptionGroup[Refused]) -> str:
    """Return why the platform refused."""
    inner = refusals.exceptions[0]
    return _reason(inner) if isinstance(inner, BaseExceptionGroup) else inner.reason
