"""What is held about a person is found in every table, and nothing of anybody else's."""

import pytest
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.models import Model

from core import privacy
from core.directory import Person
from core.privacy import Holding, Subject, every_table, held_of, holdings, rows_about, subject_of
from storage.data_map import Category, Held, Retention
from storage.faults import Step
from storage.ids import new_id
from storage.tables import (
    Agent,
    AgentVersion,
    Approval,
    ApprovalState,
    AuditEvent,
    Chat,
    ChatKind,
    Conversation,
    DataKey,
    Identity,
    InboundState,
    InboxEntry,
    Invitation,
    Lane,
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
)  # fmt: skip
from storage.transactions import transaction
from tests.clock import FakeClock

NOW = FakeClock().now()
MARK = b"sealed"
HOUSE = new_id()


async def talk_of(name: str, identity: Identity) -> Chat:
    """Make a row of every table for what a person says in their direct chat."""
    chat = await Chat.create(
        account="telegram:7", external_id=identity.external_id, kind=ChatKind.PRIVATE, created_at=NOW
    )
    talk = await Conversation.create(chat_id=chat.id, started_at=NOW)
    await Summary.create(conversation_id=talk.id, until_turn=new_id(), messages=2, text=MARK, model="m", created_at=NOW)
    lane = await Lane.create(chat_id=chat.id, channel="telegram")
    turn = await Turn.create(
        lane_id=lane.id, conversation_id=talk.id, state=TurnState.DONE, holder=new_id(), started_at=NOW
    )
    await InboxEntry.create(
        account="telegram:7", event_id=name, fingerprint=name, lane_id=lane.id, identity_id=identity.id, position=1,
        state=InboundState.DONE, body=MARK, turn_id=turn.id, conversation_id=talk.id, received_at=NOW,
    )  # fmt: skip
    await TurnStep.create(turn_id=turn.id, number=1, kind=StepKind.MODEL, state=StepState.DONE, started_at=NOW)
    reply = await Reply.create(
        lane_id=lane.id, turn_id=turn.id, mode=ReplyMode.ONCE, state=ReplyState.DELIVERED, created_at=NOW
    )
    await Part.create(reply_id=reply.id, number=0, state=PartState.SENT, created_at=NOW)
    await Usage.create(at=NOW, team_id=new_id(), identity_id=identity.id, agent_id=new_id(), turn_id=turn.id, model="m")
    await OpenForm.create(chat_id=chat.id, identity_id=identity.id, operation="a.b", state=MARK, expires_at=NOW)
    await Approval.create(
        turn_id=turn.id, identity_id=identity.id, operation="a.b", arguments=MARK, state=ApprovalState.ASKED,
        created_at=NOW, expires_at=NOW,
    )  # fmt: skip
    return chat


async def account_of(name: str) -> Person:
    """Make a row of every other table for a person with an account, and return them."""
    user = await User.create(name=name, created_at=NOW)
    team = await Team.create(name=name, personal=True, created_at=NOW)
    await Membership.create(team_id=team.id, user_id=user.id, role=Role.OWNER, created_at=NOW)
    identity = await Identity.create(channel="telegram", external_id=name, user_id=user.id, created_at=NOW)
    await Workspace.create(account=f"slack:{name}", opened_by=user.id, opened_at=NOW)
    await Invitation.create(
        code_hash=name, team_id=team.id, role=Role.MEMBER, made_by_id=user.id, created_at=NOW, expires_at=NOW
    )
    await LoginLink.create(user_id=user.id, token_hash=name, created_at=NOW, expires_at=NOW)
    await Session.create(user_id=user.id, token_hash=name, created_at=NOW, seen_at=NOW, expires_at=NOW)
    await AuditEvent.create(at=NOW, user_id=user.id, surface="chat", action="a.b", outcome="done")
    await DataKey.create(owner_kind="user", owner_id=user.id, ring_key="k", wrapped=MARK, created_at=NOW)
    await StoredFile.create(
        owner_kind="user", owner_id=user.id, name=MARK, media_type="text/plain", size=1, created_at=NOW
    )
    agent = await Agent.create(team_id=team.id, name=name, handle=name, created_at=NOW)
    await AgentVersion.create(
        agent_id=agent.id, number=1, name=name, description=MARK, instructions=MARK, created_at=NOW
    )
    await talk_of(name, identity)
    return Person(identity.id, user.id)


def counts(held: list[Holding]) -> dict[str, int]:
    return {one.several: one.count for one in held}


async def test_a_row_of_every_table_that_is_about_people_is_found_and_no_other_persons(
    database: BaseDBAsyncClient,
) -> None:
    async with transaction(Step.ADMIN):
        ann, _ = await account_of("ann"), await account_of("bob")
    found = counts(await holdings(await subject_of(ann, HOUSE)))
    assert len(found) == len([table for table in every_table() if held_of(table).subject])
    assert {called: count for called, count in found.items() if count != 1} == {}


async def test_a_guest_is_found_by_what_they_did(database: BaseDBAsyncClient) -> None:
    async with transaction(Step.ADMIN):
        await account_of("ann")
        identity = await Identity.create(channel="telegram", external_id="guest", created_at=NOW)
        await talk_of("guest", identity)
        await AuditEvent.create(at=NOW, identity_id=identity.id, surface="chat", action="a.b", outcome="done")
        await DataKey.create(owner_kind="identity", owner_id=identity.id, ring_key="k", wrapped=MARK, created_at=NOW)
    found = counts(await holdings(await subject_of(Person(identity.id, None), HOUSE)))
    assert {called for called, count in found.items() if not count} == {
        "accounts", "teams", "memberships", "workspaces you let in", "invitations you made",
        "sign-in links", "browsers signed in", "agents", "agent versions", "files",
    }  # fmt: skip
    assert max(found.values()) == 1


async def test_everything_a_person_does_on_several_channels_is_theirs(database: BaseDBAsyncClient) -> None:
    async with transaction(Step.ADMIN):
        ann = await account_of("ann")
        other = await Identity.create(channel="web", external_id="w", user_id=ann.user_id, created_at=NOW)
        await talk_of("w", other)
    found = counts(await holdings(await subject_of(ann, HOUSE)))
    assert found["accounts on a channel"] == 2
    assert found["things you wrote or pressed"] == 2
    assert found["chats"] == 2
    assert found["teams"] == 1


async def test_what_is_said_in_a_group_is_the_persons_and_the_group_is_not(database: BaseDBAsyncClient) -> None:
    async with transaction(Step.ADMIN):
        ann = await account_of("ann")
        group = await Chat.create(account="telegram:7", external_id="-1", kind=ChatKind.GROUP, created_at=NOW)
        lane = await Lane.create(chat_id=group.id, channel="telegram")
        await InboxEntry.create(
            account="telegram:7", event_id="g", fingerprint="g", lane_id=lane.id, identity_id=ann.identity_id,
            position=1, state=InboundState.DONE, body=MARK, received_at=NOW,
        )  # fmt: skip
    found = counts(await holdings(await subject_of(ann, HOUSE)))
    assert found["things you wrote or pressed"] == 2
    assert found["chats"] == 1


def test_a_table_whose_subject_is_not_known_is_an_error() -> None:
    class Diary(Model):
        held = Held(Category.ACCOUNT, subject="writer", retention=Retention.ACCOUNT)

    nobody = Subject(None, (), (), ())
    with pytest.raises(LookupError, match="Diary"):
        rows_about(Diary, nobody)


def test_the_policy_is_whole() -> None:
    policy = privacy.policy()
    assert policy.startswith("# Privacy Policy\n")
    assert [f"## {number}. " in policy for number in range(1, 16)] == [True] * 15
    assert f"retained for {Retention.DAYS_90}" in policy


async def test_the_installations_team_is_nobodys_own(database: BaseDBAsyncClient) -> None:
    async with transaction(Step.ADMIN):
        ann = await account_of("ann")
        await Team.create(id=HOUSE, name="Home", personal=True, created_at=NOW)
        await Membership.create(team_id=HOUSE, user_id=ann.user_id, role=Role.MEMBER, created_at=NOW)
        await Agent.create(team_id=HOUSE, name="Prowex", handle="prowex", created_at=NOW)
    found = counts(await holdings(await subject_of(ann, HOUSE)))
    assert found["teams"] == found["agents"] == 1
    assert found["memberships"] == 2
