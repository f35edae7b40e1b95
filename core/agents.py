"""Who answers in a chat, and in which conversation."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from storage.clock import Clock
from storage.ids import new_id
from storage.sealing import Sealer
from storage.tables import Agent, AgentVersion, Chat, Conversation


@dataclass(frozen=True, slots=True)
class Answering:
    """An agent as it is now.

    Args:
        model: `provider:name`, empty for the installation's default.
    """

    agent_id: UUID
    team_id: UUID
    version_id: UUID
    name: str
    instructions: str
    model: str
    settings: dict[str, Any]


class Agents:
    """Finds the agent of a chat; what was read is trusted for a second."""

    def __init__(self, default_agent: UUID, clock: Clock, sealer: Sealer) -> None:
        self._default = default_agent
        self._clock = clock
        self._sealer = sealer
        self._kept: dict[UUID, tuple[float, Answering]] = {}

    async def default(self) -> Answering:
        """Return the assistant that is there from the start."""
        return await self.get(self._default)

    async def of_chat(self, chat: Chat) -> Answering:
        """Return who answers in `chat`."""
        return await self.get(chat.agent_id or self._default)

    async def get(self, agent_id: UUID) -> Answering:
        """Return an agent in its newest version."""
        kept = self._kept.get(agent_id)
        if kept is not None and self._clock.monotonic() - kept[0] < 1.0:
            return kept[1]
        agent = await Agent.get(id=agent_id)
        version = await AgentVersion.get(agent_id=agent_id, number=agent.version)
        answering = await self._read(agent, version)
        self._kept[agent_id] = (self._clock.monotonic(), answering)
        return answering

    async def of_version(self, version_id: UUID) -> Answering:
        """Return an agent as a turn started it."""
        for _, kept in self._kept.values():
            if kept.version_id == version_id:
                return kept
        version = await AgentVersion.get(id=version_id)
        return await self._read(await Agent.get(id=version.agent_id), version)

    async def _read(self, agent: Agent, version: AgentVersion) -> Answering:
        where = "agent_versions.instructions"
        return Answering(
            agent_id=agent.id,
            team_id=agent.team_id,
            version_id=version.id,
            name=agent.name,
            instructions=await self._sealer.unseal(where, version.id, version.instructions),
            model=version.model,
            settings=version.settings,
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
