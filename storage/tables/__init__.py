"""Every table. The models are the entities; each declares what it holds (see `storage.data_map`)."""

from storage.tables.agents import Agent, AgentVersion, Chat, ChatKind, Conversation
from storage.tables.people import (
    AuditEvent,
    Counter,
    DataKey,
    Identity,
    Invitation,
    Lease,
    LoginLink,
    Membership,
    Role,
    Session,
    Team,
    User,
)
from storage.tables.traffic import (
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
    StoredFile,
    Turn,
    TurnState,
    TurnStep,
    Usage,
)

__all__ = [
    "Agent", "AgentVersion", "AuditEvent", "Chat", "ChatKind", "Conversation", "Counter", "DataKey", "Identity",
    "InboundState", "InboxEntry", "Invitation", "Lane", "Lease", "LoginLink", "Membership", "Part", "PartState",
    "Reply", "ReplyMode", "ReplyState", "Role", "Session", "StepKind", "StepState", "StoredFile", "Team", "Turn",
    "TurnState", "TurnStep", "Usage", "User",
]  # fmt: skip
