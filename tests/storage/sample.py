"""A small world with rows in every table, and a plain picture of it; run as a program it makes one and backs it up."""

import asyncio
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from storage.backup import backup, backup_keys
from storage.database import open_database
from storage.faults import Step
from storage.files import FileStore
from storage.ids import new_id
from storage.keyring import KeyRing
from storage.migrations import upgrade
from storage.sealing import Owner, Sealer
from storage.tables import (
    Agent,
    AgentVersion,
    Approval,
    ApprovalState,
    AuditEvent,
    Chat,
    ChatKind,
    Conversation,
    Counter,
    DataKey,
    Identity,
    InboundState,
    InboxEntry,
    Invitation,
    Lane,
    Lease,
    LoginLink,
    Membership,
    OpenForm,
    Part,
    PartState,
    Reply,
    ReplyMode,
    ReplyState,
    Role,
    Session,
    StepKind,
    StepState,
    StoredFile,
    Summary,
    Team,
    Turn,
    TurnState,
    TurnStep,
    Usage,
    User,
    Workspace,
)
from storage.transactions import transaction
from tests.clock import FakeClock

SAID = "Grüße — the quick brown fox 🦊\x00\n"
FILE = b"%PDF sealed on disk" * 50
NOW = datetime(2026, 11, 24, 23, 59, 59, 123456, tzinfo=UTC)


async def fill(sealer: Sealer, files: FileStore) -> None:
    """One row or more in every table: finished work, and work in every state that a crash could leave."""
    user_id, team_id = new_id(), new_id()
    key = await sealer.key(Owner("user", user_id))
    team_key = await sealer.key(Owner("team", team_id))
    await files.put(Owner("user", user_id), "naïve.pdf", "application/pdf", FILE)
    async with transaction(Step.ADMIN):
        user = await User.create(id=user_id, name="Änne", operator=True, password_hash=None, created_at=NOW)
        team = await Team.create(id=team_id, name="Home", created_at=NOW)
        await Membership.create(team_id=team.id, user_id=user.id, role=Role.OWNER, created_at=NOW)
        identity = await Identity.create(channel="telegram", external_id="42", user_id=user.id, created_at=NOW)
        await Invitation.create(
            code_hash="c" * 64, team_id=team.id, role=Role.MEMBER, made_by_id=user.id, created_at=NOW, expires_at=NOW
        )
        await Counter.create(name="tries", since=NOW, count=3)
        await LoginLink.create(user_id=user.id, token_hash="t" * 64, created_at=NOW, expires_at=NOW)
        await Session.create(user_id=user.id, token_hash="s" * 64, created_at=NOW, seen_at=NOW, expires_at=NOW)
        await AuditEvent.create(at=NOW, user_id=user.id, surface="web", action="x", outcome="done")
        await Lease.create(name="installation", holder=team.id, until=NOW, fence=2**40)
        agent = await Agent.create(team_id=team.id, name="Prowex", handle="prowex", default=True, created_at=NOW)
        version_id = new_id()
        await AgentVersion.create(
            id=version_id, agent_id=agent.id, number=1, name="Prowex", created_at=NOW, author_id=user.id,
            instructions=team_key.seal("agent_versions.instructions", version_id, SAID),
            description=team_key.seal("agent_versions.description", version_id, SAID), fallbacks=["openai:m"],
            settings={"temperature": 0.5, "stop": ["a", "ü"], "deep": {"x": None}},
        )  # fmt: skip
        chat = await Chat.create(
            account="telegram:1", external_id="42", kind=ChatKind.PRIVATE, permitted=True, agent_id=agent.id,
            created_at=NOW,
        )  # fmt: skip
        conversation = await Conversation.create(chat_id=chat.id, agent_id=agent.id, started_at=NOW)
        summary_id, form_id, approval_id, title_id = (new_id() for _ in range(4))
        await Conversation.create(
            id=title_id, chat_id=chat.id, started_at=NOW, title=key.seal("conversations.title", title_id, SAID)
        )
        await Summary.create(
            id=summary_id, conversation_id=conversation.id, until_turn=new_id(), messages=9, model="m",
            text=team_key.seal("summaries.text", summary_id, SAID), created_at=NOW,
        )  # fmt: skip
        await OpenForm.create(
            id=form_id, chat_id=chat.id, identity_id=identity.id, operation="agents.create", expires_at=NOW,
            state=key.seal("open_forms.state", form_id, SAID),
        )  # fmt: skip
        await Workspace.create(account="slack:T1", opened_by=user.id, opened_at=NOW)
        lane = await Lane.create(chat_id=chat.id, channel="telegram", due_at=NOW, holder=team.id, lease_until=NOW)
        for number, state in enumerate(InboundState):
            row_id = new_id()
            await InboxEntry.create(
                id=row_id, account="telegram:1", event_id=str(number), fingerprint="f", lane_id=lane.id, state=state,
                identity_id=identity.id, position=number, received_at=NOW,
                body=key.seal("inbox.body", row_id, f"{SAID}{number}"),
            )  # fmt: skip
        for state in TurnState:
            turn = await Turn.create(
                lane_id=lane.id, conversation_id=conversation.id, agent_version_id=version_id, state=state,
                holder=team.id, started_at=NOW,
            )  # fmt: skip
        await Approval.create(
            id=approval_id, turn_id=turn.id, identity_id=identity.id, operation="agents.create", expires_at=NOW,
            arguments=team_key.seal("approvals.arguments", approval_id, SAID),
            state=ApprovalState.ASKED, created_at=NOW,
        )  # fmt: skip
        for number, step_state in enumerate(StepState):
            row_id = new_id()
            await TurnStep.create(
                id=row_id, turn_id=turn.id, number=number, kind=StepKind.MODEL, state=step_state, started_at=NOW,
                input=team_key.seal("steps.input", row_id, SAID),
            )  # fmt: skip
        for reply_state in ReplyState:
            row_id = new_id()
            reply = await Reply.create(
                id=row_id, lane_id=lane.id, mode=ReplyMode.FILLED, state=reply_state, created_at=NOW,
                body=team_key.seal("replies.body", row_id, SAID),
            )  # fmt: skip
        for number, part_state in enumerate(PartState):
            await Part.create(reply_id=reply.id, number=number, state=part_state, created_at=NOW)
        await Usage.create(at=NOW, team_id=team.id, agent_id=agent.id, turn_id=turn.id, model="m", input_tokens=7)


EVERY_TABLE = (
    Agent, AgentVersion, Approval, AuditEvent, Chat, Conversation, Counter, DataKey, Identity, InboxEntry, Invitation,
    Lane, Lease, LoginLink, Membership, OpenForm, Part, Reply, Session, StoredFile, Summary, Team, Turn, TurnStep,
    Usage, User, Workspace,
)  # fmt: skip


async def picture() -> dict[str, list[dict[str, Any]]]:
    """Return every row as JSON can hold it."""
    return {
        table.__name__: [
            {name: _plain(value) for name, value in row.items()}
            for row in await table.all().order_by(table._meta.pk_attr).values()
        ]
        for table in EVERY_TABLE
    }


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return str(value) if isinstance(value, UUID) else value


async def main(url: str, data_dir: Path, out: Path) -> None:
    """Make a world at `url`, back it up into `out`, and print its picture."""
    clock = FakeClock()
    await upgrade(url, data_dir, clock)
    ring = KeyRing.open(data_dir / "keyring.json", create=True)
    async with open_database(url):
        sealer = Sealer(ring, clock)
        await fill(sealer, FileStore(data_dir / "files", sealer, clock))
        await backup(out, data_dir / "files", clock)
        await backup_keys(out / "keys.json", ring)
        print(json.dumps(await picture()))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])))
