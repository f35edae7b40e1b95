"""Every table. The models are the entities; each declares what it holds (see `storage.data_map`)."""

from storage.tables.agents import Agent, AgentVersion, Chat, ChatKind, Conversation, Summary
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
    Workspace,
)
from storage.tables.traffic import (
    Approval,
    ApprovalState,
    InboundState,
    InboxEntry,
    Lane,
    OpenForm,
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
    "Agent", "AgentVersion", "Approval", "ApprovalState", "AuditEvent", "Chat", "ChatKind", "Conversation",
    "Counter", "DataKey", "Identity", "InboundState", "InboxEntry", "Invitation", "Lane", "Lease", "LoginLink",
    "Membership", "OpenForm", "Part", "PartState", "Reply", "ReplyMode", "ReplyState", "Role", "Session",
    "StepKind", "StepState", "StoredFile", "Summary", "Team", "Turn", "TurnState", "TurnStep", "Usage", "User",
    "Workspace",
]  # fmt: skip
