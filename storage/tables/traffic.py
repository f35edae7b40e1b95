"""A message's way: lane, inbox, turn, steps, reply and its parts, files, usage."""

from enum import StrEnum
from typing import Any

from tortoise import fields
from tortoise.models import Model

from storage.data_map import Category, Held, Retention
from storage.ids import new_id
from storage.tables.agents import AgentVersion, Chat, Conversation
from storage.tables.people import Identity


class Lane(Model):
    """The order in which a chat's messages are worked, by one process at a time.

    A chat has two: the main one, and an urgent one for what must work while a turn runs (`/stop`, `/status`).
    `due_at` is set while there may be something to do. Each claim raises `fence`, and every commit checks it.
    """

    id = fields.UUIDField(primary_key=True, default=new_id)
    chat: fields.ForeignKeyRelation[Chat] = fields.ForeignKeyField("models.Chat", related_name="lanes")
    urgent = fields.BooleanField(default=False)
    channel = fields.CharField(max_length=20)
    due_at = fields.DatetimeField(null=True)
    holder = fields.UUIDField(null=True)
    lease_until = fields.DatetimeField(null=True)
    fence = fields.BigIntField(default=0)
    failures = fields.IntField(default=0)

    chat_id: Any
    held = Held(
        Category.TECHNICAL,
        subject="chat",
        retention=Retention.ACCOUNT,
        technical=(
            "id", "chat_id", "urgent", "channel", "due_at", "holder", "lease_until", "fence", "failures",
        ),
    )  # fmt: skip

    class Meta:
        table = "lanes"
        unique_together = (("chat", "urgent"),)
        indexes = (("due_at",),)


class InboundState(StrEnum):
    """Where an inbound stands. The last four are final."""

    NEW = "new"
    RUNNING = "running"
    DONE = "done"
    DEAD = "dead"
    REFUSED = "refused"
    IGNORED = "ignored"


class InboxEntry(Model):
    """One thing a person did in a chat, stored before anybody is told that it arrived.

    From people who are not let in, and for group talk that is not addressed to us, only ids and the verdict are kept.
    """

    id = fields.UUIDField(primary_key=True, default=new_id)
    account = fields.CharField(max_length=100)
    event_id = fields.CharField(max_length=200)
    fingerprint = fields.CharField(max_length=64)
    lane: fields.ForeignKeyNullableRelation[Lane] = fields.ForeignKeyField(
        "models.Lane", related_name="inbox", null=True
    )
    identity: fields.ForeignKeyNullableRelation[Identity] = fields.ForeignKeyField(
        "models.Identity", related_name="inbox", null=True
    )
    position = fields.BigIntField()
    message_id = fields.CharField(max_length=100, default="")
    state = fields.CharEnumField(InboundState, max_length=10)
    reason = fields.CharField(max_length=40, default="")
    body = fields.BinaryField(null=True)
    turn_id = fields.UUIDField(null=True)
    conversation_id = fields.UUIDField(null=True)
    attempts = fields.IntField(default=0)
    received_at = fields.DatetimeField()

    lane_id: Any
    identity_id: Any
    held = Held(
        Category.CONVERSATION,
        subject="identity",
        retention=Retention.DAYS_90,
        sealed=("body",),
        personal=("message_id",),
        technical=(
            "id", "account", "event_id", "fingerprint", "lane_id", "identity_id", "position", "state", "reason",
            "turn_id", "conversation_id", "attempts", "received_at",
        ),
    )  # fmt: skip

    class Meta:
        table = "inbox"
        unique_together = (("account", "event_id", "fingerprint"),)
        indexes = (("lane_id", "state"), ("conversation_id",), ("turn_id",))


class TurnState(StrEnum):
    """Where a turn stands. All but the first are final."""

    RUNNING = "running"
    DONE = "done"
    STOPPED = "stopped"
    FAILED = "failed"


class Turn(Model):
    """What one agent does about one or more inbounds."""

    id = fields.UUIDField(primary_key=True, default=new_id)
    lane: fields.ForeignKeyRelation[Lane] = fields.ForeignKeyField("models.Lane", related_name="turns")
    conversation: fields.ForeignKeyRelation[Conversation] = fields.ForeignKeyField(
        "models.Conversation", related_name="turns", db_index=True
    )
    agent_version: fields.ForeignKeyNullableRelation[AgentVersion] = fields.ForeignKeyField(
        "models.AgentVersion", related_name="turns", null=True, on_delete=fields.OnDelete.SET_NULL
    )
    state = fields.CharEnumField(TurnState, max_length=10)
    failure = fields.CharField(max_length=40, default="")
    holder = fields.UUIDField()
    superseded = fields.BooleanField(default=False)
    stop_requested_at = fields.DatetimeField(null=True)
    started_at = fields.DatetimeField()
    ended_at = fields.DatetimeField(null=True)

    lane_id: Any
    conversation_id: Any
    agent_version_id: Any
    held = Held(
        Category.CONVERSATION,
        subject="conversation.chat",
        retention=Retention.DAYS_90,
        technical=(
            "id", "lane_id", "conversation_id", "agent_version_id", "state", "failure", "holder", "superseded",
            "stop_requested_at", "started_at", "ended_at",
        ),
    )  # fmt: skip

    class Meta:
        table = "turns"
        indexes = (("lane_id", "state"),)


class StepKind(StrEnum):
    """What a step of a turn is."""

    PLAN = "plan"
    MODEL = "model"
    TOOL = "tool"
    FETCH = "fetch"


class StepState(StrEnum):
    """Where a step stands. `maybe_ran`: it was intended, and nobody knows whether it happened."""

    INTENDED = "intended"
    DONE = "done"
    FAILED = "failed"
    MAYBE_RAN = "maybe_ran"


class TurnStep(Model):
    """One journaled act of a turn. A finished one is reused when the turn resumes, never repeated."""

    id = fields.UUIDField(primary_key=True, default=new_id)
    turn: fields.ForeignKeyRelation[Turn] = fields.ForeignKeyField("models.Turn", related_name="steps")
    number = fields.IntField()
    kind = fields.CharEnumField(StepKind, max_length=10)
    state = fields.CharEnumField(StepState, max_length=10)
    input = fields.BinaryField(null=True)
    output = fields.BinaryField(null=True)
    started_at = fields.DatetimeField()
    ended_at = fields.DatetimeField(null=True)

    turn_id: Any
    held = Held(
        Category.CONVERSATION,
        subject="turn.conversation.chat",
        retention=Retention.DAYS_90,
        sealed=("input", "output"),
        technical=("id", "turn_id", "number", "kind", "state", "started_at", "ended_at"),
    )

    class Meta:
        table = "steps"
        unique_together = (("turn", "number"),)


class ReplyState(StrEnum):
    """Where a reply stands: `open` while its turn runs, `final` when its text is committed, then shown or given up."""

    OPEN = "open"
    FINAL = "final"
    DELIVERED = "delivered"
    DEAD = "dead"


class ReplyMode(StrEnum):
    """How a reply reaches the person: `filled` into a reserved placeholder by edits, or posted `once`."""

    FILLED = "filled"
    ONCE = "once"


class Reply(Model):
    """What a person sees in answer. Its body is sealed under the team's key."""

    id = fields.UUIDField(primary_key=True, default=new_id)
    lane: fields.ForeignKeyRelation[Lane] = fields.ForeignKeyField("models.Lane", related_name="replies")
    turn_id = fields.UUIDField(null=True)
    conversation_id = fields.UUIDField(null=True)
    answers = fields.CharField(max_length=100, default="")
    only_for = fields.CharField(max_length=200, default="")
    mode = fields.CharEnumField(ReplyMode, max_length=10)
    state = fields.CharEnumField(ReplyState, max_length=10)
    reason = fields.CharField(max_length=200, default="")
    body = fields.BinaryField(null=True)
    created_at = fields.DatetimeField()
    final_at = fields.DatetimeField(null=True)

    lane_id: Any
    held = Held(
        Category.CONVERSATION,
        subject="lane.chat",
        retention=Retention.DAYS_90,
        sealed=("body",),
        personal=("answers", "only_for"),
        technical=(
            "id", "lane_id", "turn_id", "conversation_id", "mode", "state", "reason", "created_at", "final_at",
        ),
    )  # fmt: skip

    class Meta:
        table = "replies"
        indexes = (("lane_id", "state"), ("conversation_id",), ("turn_id",))


class PartState(StrEnum):
    """Where one platform message of a reply stands.

    filled: reserving → reserved → sent, or orphaned (posted perhaps, id unknown), or deleting → deleted.
    once: pending → sending → sent, or maybe_sent (nobody can know), or dead.
    """

    RESERVING = "reserving"
    RESERVED = "reserved"
    PENDING = "pending"
    SENDING = "sending"
    SENT = "sent"
    MAYBE_SENT = "maybe_sent"
    ORPHANED = "orphaned"
    DELETING = "deleting"
    DELETED = "deleted"
    DEAD = "dead"


class Part(Model):
    """One platform message of a reply."""

    id = fields.UUIDField(primary_key=True, default=new_id)
    reply: fields.ForeignKeyRelation[Reply] = fields.ForeignKeyField(
        "models.Reply", related_name="parts", db_index=True
    )
    number = fields.IntField()
    state = fields.CharEnumField(PartState, max_length=10)
    message_id = fields.CharField(max_length=100, default="")
    created_at = fields.DatetimeField()

    reply_id: Any
    held = Held(
        Category.CONVERSATION,
        subject="reply.lane.chat",
        retention=Retention.DAYS_90,
        personal=("message_id",),
        technical=("id", "reply_id", "number", "state", "created_at"),
    )

    class Meta:
        table = "parts"


class StoredFile(Model):
    """A file somebody sent or an agent made. Its bytes lie sealed in the data folder under the row's id."""

    id = fields.UUIDField(primary_key=True, default=new_id)
    owner_kind = fields.CharField(max_length=10)
    owner_id = fields.UUIDField()
    conversation_id = fields.UUIDField(null=True)
    name = fields.BinaryField()
    media_type = fields.CharField(max_length=100)
    size = fields.BigIntField()
    created_at = fields.DatetimeField()

    held = Held(
        Category.CONVERSATION,
        subject="owner_id",
        retention=Retention.DAYS_90,
        sealed=("name",),
        personal=("media_type",),
        technical=("id", "owner_kind", "owner_id", "conversation_id", "size", "created_at"),
    )

    class Meta:
        table = "files"


class Usage(Model):
    """Tokens that one model call used."""

    id = fields.UUIDField(primary_key=True, default=new_id)
    at = fields.DatetimeField(db_index=True)
    team_id = fields.UUIDField()
    identity_id = fields.UUIDField(null=True)
    agent_id = fields.UUIDField()
    turn_id = fields.UUIDField()
    model = fields.CharField(max_length=200)
    input_tokens = fields.IntField(default=0)
    cached_tokens = fields.IntField(default=0)
    output_tokens = fields.IntField(default=0)

    held = Held(
        Category.CONVERSATION,
        subject="identity_id",
        retention=Retention.DAYS_90,
        technical=(
            "id", "at", "team_id", "identity_id", "agent_id", "turn_id", "model", "input_tokens", "cached_tokens",
            "output_tokens",
        ),
    )  # fmt: skip

    class Meta:
        table = "usage"


class OpenForm(Model):
    """A half-filled form: one for each person and chat, asked for question by question. Its state is sealed."""

    id = fields.UUIDField(primary_key=True, default=new_id)
    chat: fields.ForeignKeyRelation[Chat] = fields.ForeignKeyField("models.Chat", related_name="open_forms")
    identity: fields.ForeignKeyRelation[Identity] = fields.ForeignKeyField(
        "models.Identity", related_name="open_forms", db_index=True
    )
    operation = fields.CharField(max_length=60)
    state = fields.BinaryField()
    expires_at = fields.DatetimeField()

    chat_id: Any
    identity_id: Any
    held = Held(
        Category.CONVERSATION,
        subject="identity",
        retention=Retention.WHILE_VALID,
        sealed=("state",),
        technical=("id", "chat_id", "identity_id", "operation", "expires_at"),
    )

    class Meta:
        table = "open_forms"
        unique_together = (("chat", "identity"),)


class ApprovalState(StrEnum):
    """Where a question for a yes stands."""

    ASKED = "asked"
    AGREED = "agreed"
    DECLINED = "declined"


class Approval(Model):
    """A person's yes or no to one exact call that an agent wants to make for them. One answer counts, once."""

    id = fields.UUIDField(primary_key=True, default=new_id)
    turn: fields.ForeignKeyRelation[Turn] = fields.ForeignKeyField("models.Turn", related_name="approvals")
    identity: fields.ForeignKeyRelation[Identity] = fields.ForeignKeyField("models.Identity", related_name="approvals")
    operation = fields.CharField(max_length=60)
    arguments = fields.BinaryField()
    state = fields.CharEnumField(ApprovalState, max_length=10)
    created_at = fields.DatetimeField()
    expires_at = fields.DatetimeField()
    decided_at = fields.DatetimeField(null=True)

    turn_id: Any
    identity_id: Any
    held = Held(
        Category.CONVERSATION,
        subject="identity",
        retention=Retention.DAYS_90,
        sealed=("arguments",),
        technical=("id", "turn_id", "identity_id", "operation", "state", "created_at", "expires_at", "decided_at"),
    )

    class Meta:
        table = "approvals"
        indexes = (("turn_id",),)
