"""Agents, their versions, and the chats and conversations they take part in."""

from enum import StrEnum
from typing import Any

from tortoise import fields
from tortoise.models import Model

from storage.data_map import Category, Held, Retention
from storage.ids import new_id
from storage.tables.people import Team, User


class Agent(Model):
    """A named assistant of a team; what it is like stands in its versions.

    `handle` is its name as it is typed: lower case, digits and hyphens, one of its kind in the team.
    """

    id = fields.UUIDField(primary_key=True, default=new_id)
    team: fields.ForeignKeyRelation[Team] = fields.ForeignKeyField("models.Team", related_name="agents", db_index=True)
    name = fields.CharField(max_length=100)
    handle = fields.CharField(max_length=100)
    version = fields.IntField(default=1)
    default = fields.BooleanField(default=False)
    created_at = fields.DatetimeField()

    team_id: Any
    held = Held(
        Category.AGENT,
        subject="team",
        retention=Retention.UNTIL_DELETED,
        personal=("name", "handle"),
        technical=("id", "team_id", "version", "default", "created_at"),
    )

    class Meta:
        table = "agents"
        unique_together = (("team", "handle"),)


class AgentVersion(Model):
    """What an agent was told and how it was set at one time.

    `fallbacks`: models to ask when `model` can't answer, in order; `other_providers`: they may be other providers'.
    """

    id = fields.UUIDField(primary_key=True, default=new_id)
    agent: fields.ForeignKeyRelation[Agent] = fields.ForeignKeyField("models.Agent", related_name="versions")
    number = fields.IntField()
    name = fields.CharField(max_length=100)
    description = fields.BinaryField()
    instructions = fields.BinaryField()
    model = fields.CharField(max_length=200, default="")
    settings = fields.JSONField[dict[str, Any]](default=dict)
    fallbacks = fields.JSONField[list[str]](default=list)
    other_providers = fields.BooleanField(default=False)
    note = fields.CharField(max_length=100, default="")
    author: fields.ForeignKeyNullableRelation[User] = fields.ForeignKeyField(
        "models.User", related_name="agent_versions", null=True
    )
    created_at = fields.DatetimeField()

    agent_id: Any
    author_id: Any
    held = Held(
        Category.AGENT,
        subject="agent.team",
        retention=Retention.UNTIL_DELETED,
        sealed=("description", "instructions"),
        personal=("name",),
        technical=(
            "id", "agent_id", "number", "model", "settings", "fallbacks", "other_providers", "note", "author_id",
            "created_at",
        ),
    )  # fmt: skip

    class Meta:
        table = "agent_versions"
        unique_together = (("agent", "number"),)


class ChatKind(StrEnum):
    """What sort of place a chat is."""

    PRIVATE = "private"
    GROUP = "group"


class Chat(Model):
    """One place on a channel: a direct chat, a group, a topic."""

    id = fields.UUIDField(primary_key=True, default=new_id)
    account = fields.CharField(max_length=100)
    external_id = fields.CharField(max_length=200)
    kind = fields.CharEnumField(ChatKind, max_length=10)
    permitted = fields.BooleanField(default=False)
    noticed_at = fields.DatetimeField(null=True)
    quiet_until = fields.DatetimeField(null=True)
    agent: fields.ForeignKeyNullableRelation[Agent] = fields.ForeignKeyField(
        "models.Agent", related_name="chats", null=True, on_delete=fields.OnDelete.SET_NULL
    )
    conversation_id = fields.UUIDField(null=True)
    created_at = fields.DatetimeField()

    agent_id: Any
    held = Held(
        Category.CHANNEL,
        subject="account",
        retention=Retention.ACCOUNT,
        personal=("external_id",),
        technical=(
            "id", "account", "kind", "permitted", "noticed_at", "quiet_until", "agent_id", "conversation_id",
            "created_at",
        ),
    )  # fmt: skip

    class Meta:
        table = "chats"
        unique_together = (("account", "external_id"),)


class Conversation(Model):
    """A chat's exchange with one agent, until `/new`. Its agent may be deleted before it."""

    id = fields.UUIDField(primary_key=True, default=new_id)
    chat: fields.ForeignKeyRelation[Chat] = fields.ForeignKeyField(
        "models.Chat", related_name="conversations", db_index=True
    )
    agent: fields.ForeignKeyNullableRelation[Agent] = fields.ForeignKeyField(
        "models.Agent", related_name="conversations", null=True, on_delete=fields.OnDelete.SET_NULL
    )
    title = fields.BinaryField(null=True)
    started_at = fields.DatetimeField()
    ended_at = fields.DatetimeField(null=True)

    chat_id: Any
    agent_id: Any
    held = Held(
        Category.CONVERSATION,
        subject="chat",
        retention=Retention.DAYS_90,
        sealed=("title",),
        technical=("id", "chat_id", "agent_id", "started_at", "ended_at"),
    )

    class Meta:
        table = "conversations"


class Summary(Model):
    """What stands for the earlier part of a conversation, up to and with one turn, until it is undone."""

    id = fields.UUIDField(primary_key=True, default=new_id)
    conversation: fields.ForeignKeyRelation[Conversation] = fields.ForeignKeyField(
        "models.Conversation", related_name="summaries", db_index=True
    )
    until_turn = fields.UUIDField()
    messages = fields.IntField()
    text = fields.BinaryField()
    model = fields.CharField(max_length=200)
    created_at = fields.DatetimeField()
    undone_at = fields.DatetimeField(null=True)

    conversation_id: Any
    held = Held(
        Category.CONVERSATION,
        subject="conversation.chat",
        retention=Retention.DAYS_90,
        sealed=("text",),
        technical=("id", "conversation_id", "until_turn", "messages", "model", "created_at", "undone_at"),
    )

    class Meta:
        table = "summaries"
