"""Agents: what they are like, in versions; who answers in a chat, and in which conversation."""

import re
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from tortoise.exceptions import DoesNotExist

from storage.clock import Clock
from storage.ids import new_id
from storage.queries import ids_of
from storage.sealing import DataKeyHandle, Sealer
from storage.tables import Agent, AgentVersion, Chat, Conversation

MOST_NAME = 60
MOST_DESCRIPTION = 300
MOST_INSTRUCTIONS = 20_000
"""Characters that each may have."""

_INSTRUCTIONS = "agent_versions.instructions"
_DESCRIPTION = "agent_versions.description"
_CALLED = re.compile(r"\s*(?:@([\w-]{1,100})[,:]?\s+|([^\W\d_][\w .'-]{0,99}?)\s*[:,]\s+)(?=\S)")
_MOST_KEPT = 1_000
_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
"""Control characters, and those that turn the direction of the text around them."""


class Seat(StrEnum):
    """Why an agent answers in a chat: it was set for the chat, for the group that it is a part of, or nothing was."""

    CHAT = "chat"
    WHOLE = "whole"
    DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Plan:
    """What an agent is like: what one version of it holds.

    Args:
        model: `provider:name`, empty for the installation's default.
        settings: what the model's provider takes (`Setting`), by name.
        fallbacks: models to ask, in order, when `model` can't answer.
        other_providers: the fallbacks may be other providers' models.
    """

    name: str
    description: str
    instructions: str
    model: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    fallbacks: tuple[str, ...] = ()
    other_providers: bool = False


@dataclass(frozen=True, slots=True)
class Answering:
    """An agent in one of its versions."""

    agent_id: UUID
    team_id: UUID
    handle: str
    version_id: UUID
    number: int
    plan: Plan

    @property
    def name(self) -> str:
        """Return what the agent is called."""
        return self.plan.name


def handle_of(name: str) -> str:
    """Return `name` as it is typed: lower case, letters, digits and hyphens; empty if nothing is left of it."""
    plain = unicodedata.normalize("NFKC", name).lower()
    return re.sub(r"[\W_]+", "-", plain).strip("-")[:100]


def begins_with_a_name(text: str) -> bool:
    """Tell whether a text may call an agent by name (`@handle …`, `Name: …`)."""
    return _CALLED.match(text) is not None


def clean_name(name: str) -> str:
    """Return `name` on one line, without characters that can't be seen."""
    return " ".join(_UNSEEN.sub("", " ".join(name.split())).split())


async def create(
    key: DataKeyHandle, team_id: UUID, handle: str, plan: Plan, author: UUID | None, now: datetime, *, note: str = ""
) -> Agent:
    """Create an agent with its first version, in the caller's transaction.

    Args:
        key: of the team.
    """
    agent = await Agent.create(id=new_id(), team_id=team_id, name=plan.name, handle=handle, version=1, created_at=now)
    await _add_version(key, agent.id, 1, plan, author, now, note)
    return agent


async def change(
    key: DataKeyHandle, agent: Agent, plan: Plan, author: UUID | None, now: datetime, *, note: str = ""
) -> int:
    """Give an agent its next version, in the caller's transaction; return its number."""
    number = agent.version + 1
    await _add_version(key, agent.id, number, plan, author, now, note)
    handle = handle_of(plan.name) or agent.handle
    await Agent.filter(id=agent.id).update(version=number, name=plan.name, handle=handle)
    return number


async def _add_version(
    key: DataKeyHandle, agent_id: UUID, number: int, plan: Plan, author: UUID | None, now: datetime, note: str
) -> None:
    version_id = new_id()
    await AgentVersion.create(
        id=version_id,
        agent_id=agent_id,
        number=number,
        name=plan.name,
        description=key.seal(_DESCRIPTION, version_id, plan.description),
        instructions=key.seal(_INSTRUCTIONS, version_id, plan.instructions),
        model=plan.model,
        settings=plan.settings,
        fallbacks=list(plan.fallbacks),
        other_providers=plan.other_providers,
        note=note[:100],
        author_id=author,
        created_at=now,
    )


class Agents:
    """Finds agents; what a version says never changes, so it is unsealed once."""

    def __init__(self, default_agent: UUID, sealer: Sealer) -> None:
        self._default = default_agent
        self._sealer = sealer
        self._kept: dict[UUID, Answering] = {}

    async def default(self) -> Answering:
        """Return the assistant that is there from the start."""
        return await self.get(self._default)

    async def of_chat(self, chat: Chat) -> Answering:
        """Return who answers in `chat`: its own agent, else that of the group it is a topic or thread of."""
        return (await self.seat(chat))[0]

    async def seat(self, chat: Chat) -> tuple[Answering, Seat]:
        """Return who answers in `chat`, and why."""
        agent_id, why = chat.agent_id, Seat.CHAT
        whole, is_part, _ = chat.external_id.partition("/")
        if agent_id is None and is_part:
            group = await Chat.get_or_none(account=chat.account, external_id=whole)
            agent_id, why = group.agent_id if group is not None else None, Seat.WHOLE
        if agent_id is not None:
            try:
                return await self.get(agent_id), why
            except DoesNotExist:  # deleted since the chat was read
                pass
        return await self.default(), Seat.DEFAULT

    async def called(self, text: str, teams: Collection[UUID]) -> tuple[Answering, str] | None:
        """Return the agent of one of `teams` that `text` begins with by name (`@handle …`, `Name: …`), and the rest."""
        match = _CALLED.match(text)
        if match is None:
            return None
        handle = handle_of(match.group(1) or match.group(2))
        found = await self.by_handle(handle, teams) if handle else None
        return (await self.get(found.id), text[match.end() :]) if found is not None else None

    async def by_handle(self, handle: str, teams: Collection[UUID]) -> Agent | None:
        """Return the agent with this handle of the first of `teams` that has one."""
        found = {agent.team_id: agent for agent in await Agent.filter(handle=handle, team_id__in=list(teams))}
        return next((found[team] for team in teams if team in found), None)

    async def get(self, agent_id: UUID) -> Answering:
        """Return an agent in its newest version.

        Raises:
            DoesNotExist: it was deleted.
        """
        kept = self._kept.get(agent_id)
        newest = AgentVersion.filter(agent_id=agent_id).order_by("-number").first()
        if kept is None or kept.version_id != await newest.values_list("id", flat=True):
            self._kept.pop(agent_id, None)
            agent = await Agent.get(id=agent_id)
            kept = await self.read(agent, await AgentVersion.get(agent_id=agent_id, number=agent.version))
            if len(self._kept) > _MOST_KEPT:
                self._kept.clear()
            self._kept[agent_id] = kept
        return kept

    async def of_version(self, version_id: UUID | None) -> Answering | None:
        """Return an agent as a turn started it; None if it was deleted since."""
        if version_id is None:
            return None
        version = await AgentVersion.get_or_none(id=version_id)
        return await self.read(await Agent.get(id=version.agent_id), version) if version is not None else None

    async def read(self, agent: Agent, version: AgentVersion) -> Answering:
        """Return an agent as it was in `version`."""
        return Answering(
            agent_id=agent.id,
            team_id=agent.team_id,
            handle=agent.handle,
            version_id=version.id,
            number=version.number,
            plan=Plan(
                name=version.name,
                description=await self._sealer.unseal(_DESCRIPTION, version.id, version.description),
                instructions=await self._sealer.unseal(_INSTRUCTIONS, version.id, version.instructions),
                model=version.model,
                settings=version.settings,
                fallbacks=tuple(version.fallbacks),
                other_providers=version.other_providers,
            ),
        )


async def conversation_of(chat: Chat, agent_id: UUID, clock: Clock) -> UUID:
    """Return the chat's present conversation, begun in the caller's transaction if there is none."""
    if chat.conversation_id is not None:
        return chat.conversation_id
    return await begin_conversation(chat.id, agent_id, clock)


async def begin_conversation(chat_id: UUID, agent_id: UUID, clock: Clock) -> UUID:
    """Begin a new conversation in the caller's transaction; the one before is kept."""
    now = clock.now()
    await Conversation.filter(chat_id=chat_id, ended_at__isnull=True).update(ended_at=now)
    conversation = await Conversation.create(id=new_id(), chat_id=chat_id, agent_id=agent_id, started_at=now)
    await Chat.filter(id=chat_id).update(conversation_id=conversation.id)
    return conversation.id


async def answer_in(chat: Chat, agent_id: UUID | None, answering: UUID, clock: Clock) -> None:
    """Have an agent answer in a chat from now on, in a new conversation, in the caller's transaction.

    Topics and threads that follow the chat begin anew too.

    Args:
        agent_id: None takes back what was set.
        answering: who answers then.
    """
    await Chat.filter(id=chat.id).update(agent_id=agent_id)
    await begin_conversation(chat.id, answering, clock)
    parts = Chat.filter(account=chat.account, external_id__startswith=f"{chat.external_id}/", agent_id=None)
    await _end_conversations(await ids_of(parts.filter(conversation_id__isnull=False)), clock)


async def delete(agent_id: UUID, clock: Clock) -> None:
    """Delete an agent with its versions in the caller's transaction; its conversations end and are kept."""
    talks = Conversation.filter(agent_id=agent_id, ended_at__isnull=True)
    chats = [row[0] for row in await talks.values_list("chat_id")] + await ids_of(Chat.filter(agent_id=agent_id))
    await _end_conversations(chats, clock)
    await Agent.filter(id=agent_id).delete()


async def _end_conversations(chats: Collection[UUID], clock: Clock) -> None:
    """End what is talked of in some chats: the next message there begins a new conversation."""
    if chats:
        await Conversation.filter(chat_id__in=chats, ended_at__isnull=True).update(ended_at=clock.now())
        await Chat.filter(id__in=chats).update(conversation_id=None)
