"""A house for the rights: an installation whose people each have an agent, conversations, an approval and a form."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from bot.compose import Core, Foundation, open_core, open_foundation
from bot.settings import Settings
from channels.console import ConsoleChannel
from core import compaction, history, invitations
from core.access import Mode, Standing
from core.callers import call_of
from core.conversations import ref_of
from core.directory import Person
from core.envelopes import Inbound, Origin, Place
from core.open_forms import OpenForms, fresh
from core.operations import approvals
from core.operations.as_tools import Question
from core.operations.card import Card
from core.operations.gateway import invoke
from core.operations.registry import OPERATIONS, Call, Effect
from storage.faults import Step
from storage.ids import new_id
from storage.sealing import Owner
from storage.tables import Agent, Chat, Conversation, Identity, InboxEntry, Reply, Role, Summary, Turn, User
from storage.transactions import transaction
from tests.clock import PATIENCE, FakeClock
from tests.core.operations.tables import in_no_hurry

ACCOUNT = "telegram:1"
GROUP = "-100"
WORKSPACE, ELSEWHERE = "T1", "T2"
PEOPLE = ("operator", "owner", "admin", "member", "other", "guest", "stranger", "restricted")
LEAST_TURNS = 1
"""Exchanges that a summary leaves as they are; the product's own number would have everybody write for long."""
LINE = "line"
"""The operator's command line, where there is no chat."""
_ROLES = {
    "owner": Role.OWNER,
    "admin": Role.ADMIN,
    "member": Role.MEMBER,
    "other": Role.MEMBER,
    "restricted": Role.MEMBER,
}
_WITH_AGENTS = ("operator", *_ROLES)


@dataclass
class House:
    """The running core, and what everybody has: by person, then by name."""

    foundation: Foundation
    core: Core
    clock: FakeClock
    things: dict[str, dict[str, str]] = field(default_factory=dict)
    _numbers: Any = field(default_factory=lambda: itertools.count(1))

    @classmethod
    @asynccontextmanager
    async def opened(cls, settings: Settings) -> AsyncIterator["House"]:
        """Open an installation, and have its people talk, make agents and leave things half done."""
        clock = FakeClock(datetime.now(UTC))
        async with open_foundation(settings, clock) as foundation:  # type: ignore[arg-type]
            channel = ConsoleChannel(lambda _: None, foundation.read_file, styled=False)
            async with open_core(foundation, {"telegram": channel}) as core:
                house = cls(foundation, core, clock)
                await in_no_hurry()
                with pytest.MonkeyPatch.context() as patch:
                    for module in (compaction, history):
                        patch.setattr(module, "LEAST_TURNS", LEAST_TURNS)
                    async with asyncio.TaskGroup() as group:
                        running = group.create_task(core.run())
                        await house._all_move_in()
                        running.cancel()
                    yield house

    async def _all_move_in(self) -> None:
        for name in PEOPLE:
            await self._move_in(name)
        await self._furnish_team()
        await self._say("member", GROUP, "Does anybody like plums?", "I do.")
        self.things["group"] = {"conversation": await _present(GROUP)}
        async with asyncio.TaskGroup() as group:
            for name in PEOPLE:
                group.create_task(self._furnish(name))
        async with transaction(Step.ADMIN):
            restricted = await self._identity("restricted")
            await User.filter(id=restricted.user_id).update(restricted_at=self.clock.now())

    # who calls

    async def call(self, name: str, place: str = "private") -> Call:
        """Return the call of a person in one of their chats, or of the operator's command line."""
        services = self.core.services
        if name == LINE:
            key = Owner("team", services.team_id)
            await services.sealer.key(key)
            return Call(services, surface="cli", standing=Standing.OPERATOR, teams=(services.team_id,))
        services = replace(services, mode=Mode.OPEN if name == "guest" else Mode.PAIRING)
        identity = await self._identity(name)
        chat = await self.core.services.directory.chat(_origin(name, place))
        external_id = identity.external_id
        if place in ("workspace", "shared channel"):
            external_id = f"{WORKSPACE if place == 'workspace' else ELSEWHERE}:{name}"
        return await call_of(
            services,
            person=Person(identity.id, identity.user_id),
            chat=chat,
            channel="telegram",
            external_id=external_id,
            name=name.capitalize(),
        )

    async def _identity(self, name: str) -> Identity:
        return await Identity.get(channel="telegram", external_id=name)

    # moving in

    async def _move_in(self, name: str) -> None:
        services = self.core.services
        await services.directory.person(_origin(name, "private"))
        for place in ("private", "group", "workspace", "shared channel", "own agent's"):
            await services.directory.chat(_origin(name, place))
        if name not in _WITH_AGENTS:
            return
        async with transaction(Step.ADMIN):
            await invitations.make_member(
                await self._identity(name),
                name.capitalize(),
                services.team_id,
                _ROLES.get(name, Role.OWNER),
                clock=self.clock,
                sealer=services.sealer,
                user_id=self.foundation.installation.operator_id if name == "operator" else None,
            )
            await Chat.filter(external_id=GROUP).update(permitted=True)
        services.directory.forget()

    async def _furnish_team(self) -> None:
        await self.run("admin", "agents.create", name="Helper", instructions="Help.", team="team")
        await self.run("admin", "agents.edit", agent="helper", description="It helps.")
        self.things["team"] = {"agent": "helper", "agent_id": (await Agent.get(handle="helper")).id.hex[-12:]}

    async def _furnish(self, name: str) -> None:
        things = self.things[name] = {}
        if name in _WITH_AGENTS:
            await self.run(name, "agents.create", name=f"Pen of {name}", instructions=f"Secret of {name}.")
            await self.run(name, "agents.edit", agent=f"pen-of-{name}", description=f"Diary of {name}.")
            agent = await Agent.get(handle=f"pen-of-{name}")
            things |= {"agent": agent.handle, "agent_id": agent.id.hex[-12:]}
            exported = await self.run(name, "agents.export", agent=agent.handle)
            things["file"] = dict(exported.data)["toml"].replace(f"Pen of {name}", "Brush")
            async with transaction(Step.ADMIN):
                await Chat.filter(external_id=f"{name}/7").update(agent_id=agent.id)
        await self._say(name, name, f"Diary of {name}")
        things["older"] = await _present(name)
        await self.run(name, "chat.new")
        await self._say(name, name, *(f"Letter {number} of {name}" for number in range(LEAST_TURNS + 1)))
        things["conversation"] = await _present(name)
        turn = await Turn.filter(lane__chat__external_id=name).order_by("-id").first()
        assert turn is not None
        reply = await Reply.get(turn_id=turn.id)
        things |= {"turn": str(turn.id), "reply": str(reply.id)}
        await self.run(name, "conversations.compact")
        summary = await Summary.get(conversation_id=turn.conversation_id)
        things["summary"] = ref_of(summary.id)
        await self._leave_half_done(name, turn.id)

    async def _leave_half_done(self, name: str, turn_id: UUID) -> None:
        """Have forms open and questions waiting for a yes, one of them in the group."""
        services = self.core.services
        identity = await self._identity(name)
        person = Person(identity.id, identity.user_id)
        key = await services.sealer.key(person.owner)
        questions = [
            Question(new_id(), OPERATIONS["agents.here"], {}),
            Question(new_id(), OPERATIONS["agents.create"], {"name": "Proposed", "instructions": "Be."}),
            Question(new_id(), OPERATIONS["agents.here"], {}),
        ]
        in_group = await Turn.filter(lane__chat__external_id=GROUP).order_by("-id").first()
        assert in_group is not None
        forms = OpenForms(services.sealer, self.clock)  # type: ignore[arg-type]
        async with transaction(Step.ADMIN):
            await approvals.ask(key, questions[:2], turn_id, identity.id, self.clock.now())
            await approvals.ask(key, questions[2:], in_group.id, identity.id, self.clock.now())
            for place in ("private", "group"):
                chat = await services.directory.chat(_origin(name, place))
                form = fresh("agents.create", {"name": f"Pencil of {name}"})
                await forms.keep_open(key, chat.id, person, form)
        self.things[name] |= {
            "question": str(questions[0].id),
            "new_agent_question": str(questions[1].id),
            "group_question": str(questions[2].id),
            "form": form.tag,
        }

    async def run(self, name: str, operation: str, place: str = "private", /, **values: str) -> Card:
        """Run an operation for somebody, for good, with everybody let in."""
        call = await self.call(name, place)
        call.services = replace(call.services, mode=Mode.OPEN)
        call.standing = max(call.standing, Standing.GUEST)
        found = OPERATIONS[operation]
        if found.effect is Effect.EXTERNAL:
            return await invoke(call, found, values)
        async with transaction(Step.ADMIN):
            card = await invoke(call, found, values)
        for action in call.after_commit:
            action()
        return card

    async def _say(self, name: str, chat: str, *texts: str) -> None:
        """Write messages, each once the one before is answered."""
        for text in texts:
            number = next(self._numbers)
            place = Place.GROUP if chat == GROUP else Place.PRIVATE
            inbound = Inbound(
                origin=Origin("telegram", ACCOUNT, chat, place, name, name.capitalize()),
                event_id=str(number),
                fingerprint=str(number),
                position=number,
                received_at=self.clock.now(),
                text=text,
                message_id=str(number),
            )
            self.clock.advance(1)
            await self.core.inbox.accept([inbound])
            async with asyncio.timeout(PATIENCE):
                while await _is_busy(chat):  # noqa: ASYNC110 - the rows decide, and they tell nobody
                    await asyncio.sleep(0.01)
        entry = await InboxEntry.filter(event_id=str(number)).get()
        assert entry.turn_id is not None, f"{name} was not answered"


async def _is_busy(chat: str) -> bool:
    here = {"lane__chat__external_id": chat}
    if await InboxEntry.filter(state__in=["new", "running"], **here).exists():
        return True
    return await Reply.filter(state__in=["open", "final"], **here).exists()


def _origin(name: str, place: str) -> Origin:
    """Return where a person stands."""
    if place in ("workspace", "shared channel"):
        return Origin("telegram", f"slack:{WORKSPACE}", f"D{name}", Place.PRIVATE, name)
    if place == "group":
        return Origin("telegram", ACCOUNT, GROUP, Place.GROUP, name)
    assert place in ("private", "own agent's"), place
    chat = name if place == "private" else f"{name}/7"
    return Origin("telegram", ACCOUNT, chat, Place.PRIVATE, name)


async def _present(chat: str) -> str:
    """Return how a button names the conversation that goes on in a chat."""
    row = await Chat.get(account=ACCOUNT, external_id=chat)
    conversation = await Conversation.get(id=row.conversation_id)
    return ref_of(conversation.id)
