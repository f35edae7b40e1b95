"""Which agents a caller sees, which of them they may change, and how each is named in a command."""

import re
from collections.abc import Mapping
from typing import ClassVar
from uuid import UUID

from core.access import Standing
from core.agents import Answering, handle_of
from core.envelopes import Button, Choice
from core.operations.form import Form, asked
from core.operations.registry import OPERATIONS, Call, NotPossible
from storage.sealing import DataKeyHandle, Owner
from storage.tables import Agent, AgentVersion, ChatKind

_SHORT = 12
_SHORT_ID = re.compile(r"[0-9a-f]{12}")
_MOST_BYTES = 24
"""Of a handle in a button, whose whole command has 64."""
_WORDS = frozenset({"default", "usual", "none", "me", "mine", "team", "all", "help", "new", "agent", "agents"})


def reserved(handle: str) -> bool:
    """Tell whether a handle would be mistaken for a word of the commands."""
    return handle in _WORDS or f"agents.{handle}" in OPERATIONS


def in_group(call: Call) -> bool:
    """Tell whether others read what the caller is answered."""
    return call.chat is not None and call.chat.kind is ChatKind.GROUP


def teams_of(call: Call) -> tuple[UUID, ...]:
    """Return the teams whose agents the caller sees here, their own first; in a group only the installation's."""
    return (call.services.team_id,) if in_group(call) or not call.teams else call.teams


def own_team(call: Call) -> UUID | None:
    """Return the caller's personal team, None in groups and for those who have no other than the installation's."""
    first = teams_of(call)[0]
    return first if first != call.services.team_id else None


def may_change(call: Call, team_id: UUID) -> bool:
    """Tell whether the caller may make and change agents of a team."""
    if team_id == call.services.team_id:
        return call.standing >= Standing.ADMIN
    return team_id == own_team(call)


def whose(call: Call, team_id: UUID) -> str:
    """Return whose the agents of a team are, for the caller."""
    return "the team's" if team_id == call.services.team_id else "yours"


async def find(call: Call, typed: str) -> Agent | None:
    """Return the agent that the caller means by its handle, name or id; None if they see none such."""
    teams = teams_of(call)
    handle = handle_of(typed)
    if handle and (found := await call.services.agents.by_handle(handle, teams)) is not None:
        return found
    short = typed.strip().replace("-", "").lower()[-_SHORT:]
    if _SHORT_ID.fullmatch(short) is None:
        return None
    ids = await Agent.filter(team_id__in=list(teams)).values_list("id", flat=True)
    wanted = next((each for each in ids if str(each).endswith(short)), None)
    return await Agent.get(id=wanted) if wanted is not None else None


def unknown(typed: str) -> str:
    """Return the sentence for an agent that the caller does not see, or that nobody has."""
    if _SHORT_ID.fullmatch(typed):
        return "That agent is no longer there. /agents lists them."
    return f"There is no agent called “{typed[:60]}”. /agents lists them."


async def found(call: Call, typed: str) -> Agent:
    """Return the agent that the caller means.

    Raises:
        NotPossible: they see none such.
    """
    agent = await find(call, typed)
    if agent is None:
        raise NotPossible(unknown(typed), Button("Agents", "/agents"))
    return agent


async def changeable(call: Call, typed: str) -> Agent:
    """Return the agent that the caller means.

    Raises:
        NotPossible: they see none such, or may not change it.
    """
    agent = await found(call, typed)
    if not may_change(call, agent.team_id):
        copy = Button("Copy it", f"/agents copy {await reference(call, agent)}")
        raise NotPossible(only_admins(agent.name), *([copy] if own_team(call) is not None else []))
    return agent


async def locked(call: Call, typed: str) -> Agent:
    """As `changeable`, and nobody else changes the agent until the caller's transaction ends."""
    agent = await changeable(call, typed)
    return await Agent.filter(id=agent.id).select_for_update().get()


def only_admins(name: str) -> str:
    """Return the sentence for those who may not change an agent of the team."""
    return f"{escaped(name)} is the team's agent: only admins of the team change it. A copy of your own you can change."


async def reference(call: Call, agent: Agent) -> str:
    """Return how a button names an agent: by its handle, by its id where that is long or means another one."""
    return short_id(agent.id) if await shadowed(call, agent) else button_name(agent)


async def shadowed(call: Call, agent: Agent) -> bool:
    """Tell whether the caller means another agent, their own, by this one's handle."""
    meant = await call.services.agents.by_handle(agent.handle, teams_of(call))
    return meant is not None and meant.id != agent.id


def button_name(agent: Agent) -> str:
    """Return an agent's handle, or its short id if that is long."""
    return agent.handle if len(agent.handle.encode()) <= _MOST_BYTES else short_id(agent.id)


def short_id(agent_id: UUID) -> str:
    """Return the end of an agent's id, which is enough to find it."""
    return agent_id.hex[-_SHORT:]


async def present_plan(call: Call, agent: Agent) -> Answering:
    """Return the agent as it is now, past what is remembered of it."""
    version = await AgentVersion.get(agent_id=agent.id, number=agent.version)
    return await call.services.agents.read(agent, version)


async def key_of(call: Call, team_id: UUID) -> DataKeyHandle:
    """Return the key that seals what a team's agents are told."""
    return await call.services.sealer.key(Owner("team", team_id))


def author(call: Call) -> UUID | None:
    """Return whose doing it is."""
    return call.person.user_id if call.person is not None else None


def escaped(text: str) -> str:
    """Return `text` so that Markdown shows it as it is."""
    marked = re.sub(r"[\\`*_<>~|]", r"\\\g<0>", text)
    return marked.replace("[", "&#91;")  # a backslash before it would begin a formula


class AboutAgent(Form):
    """Which agent. `changes`: only those that the caller may change are offered."""

    positional: ClassVar[tuple[str, ...] | None] = ("agent",)
    changes: ClassVar[bool] = False
    agent: str = asked(label="Agent", hint="Its name, as /agents lists it.", subject=True)

    @classmethod
    async def choices(cls, call: Call, name: str) -> tuple[Choice, ...]:
        """Return the agents that the caller sees."""
        if name != "agent":
            return await super().choices(call, name)
        return tuple(
            Choice(short_id(agent.id) if hidden else button_name(agent), f"{agent.name} ({whose(call, agent.team_id)})")
            for agent, hidden in await visible(call)
            if not cls.changes or may_change(call, agent.team_id)
        )

    @classmethod
    async def problem_with(cls, call: Call, name: str, value: str, values: Mapping[str, str]) -> str:
        """Say that an agent isn't there."""
        return unknown(value) if name == "agent" and await find(call, value) is None else ""


async def visible(call: Call) -> list[tuple[Agent, bool]]:
    """Return the agents that the caller sees, their own first, and whether another one is meant by the handle."""
    teams = teams_of(call)
    agents = await Agent.filter(team_id__in=list(teams)).order_by("handle")
    agents.sort(key=lambda agent: (teams.index(agent.team_id), not agent.default))
    seen: set[str] = set()
    listed = []
    for agent in agents:
        listed.append((agent, agent.handle in seen))
        seen.add(agent.handle)
    return listed
