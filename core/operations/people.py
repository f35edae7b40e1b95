"""Operations on who may talk to us: whoami, invite, redeem a code, let a group or a whole workspace in."""

from enum import StrEnum
from uuid import UUID

from pydantic import field_validator

from core import invitations
from core.access import Mode, Standing
from core.directory import whole_group
from core.envelopes import Button, Choice
from core.operations.card import Card
from core.operations.conversation import private_only, workspace_of
from core.operations.form import Form, NoFields, asked
from core.operations.registry import Call, Effect, NotPossible, operation
from storage.tables import Role, User, Workspace

_CHANNELS = {"telegram": "Telegram", "slack": "Slack", "web": "the web", "console": "the console"}


@operation("people.whoami", "Who you are to me", standing=Standing.GUEST, effect=Effect.READ, alias="whoami",
           restricted=True)  # fmt: skip
async def whoami(call: Call, form: NoFields) -> Card:
    """Say what the caller is known as."""
    fields = []
    if call.person is not None and call.person.user_id is not None:
        user = await User.get(id=call.person.user_id)
        fields += [("Account", user.name)]
    elif call.person is not None:
        fields += [("Account", "none: you are a guest")]
    if call.channel:
        fields.append(("Here", f"{_CHANNELS.get(call.channel, call.channel)}, id `{call.external_id}`"))
    fields.append(("You are", call.standing.name.lower()))
    return Card(title="Who you are to me", fields=tuple(fields))


class InviteForm(Form):
    """Whom to let in."""

    role: Role = asked(Role.MEMBER, label="Role", hint="What the new person may do: member or admin.")

    @classmethod
    async def choices(cls, call: Call, name: str) -> tuple[Choice, ...]:
        """Return the roles that somebody can be given."""
        return tuple(Choice(role.value, role.value) for role in (Role.MEMBER, Role.ADMIN))

    @field_validator("role")
    @classmethod
    def _not_owner(cls, role: Role) -> Role:
        if role is Role.OWNER:
            raise ValueError("Somebody can be invited as member or admin, not as owner.")
        return role


@operation("people.invite", "Invite somebody", standing=Standing.ADMIN, effect=Effect.WRITE, alias="invite")
async def invite(call: Call, form: InviteForm) -> Card:
    """Make an invitation code for one person."""
    private_only(call, "/invite")
    if call.services.mode is Mode.CLOSED:
        raise NotPossible("This installation takes in nobody new: its operator has set PROWEX_ACCESS to closed.")
    if form.role is Role.ADMIN and call.standing < Standing.OWNER:
        raise NotPossible("Only the team's owner can invite an admin. Use `/invite member`.")
    return await make_card(call, form.role, binds_user=None, text=f"This code lets one person in as {form.role}.")


async def make_card(call: Call, role: Role, *, binds_user: UUID | None, text: str) -> Card:
    """Make an invitation in the caller's transaction and show its code."""
    services = call.services
    code = await invitations.make(
        team_id=services.team_id,
        role=role,
        made_by=call.person.user_id if call.person else None,
        binds_user=binds_user,
        clock=services.clock,
        secret_hash=services.secret_hash,
    )
    fields = [("Code", f"`{code}`")]
    data = [("code", code)]
    if username := services.telegram_username():
        link = f"https://t.me/{username}?start={code}"
        fields.append(("On Telegram", link))
        data.append(("telegram_link", link))
    fields.append(("Valid", f"once, for {invitations.VALID_FOR.days} days"))
    how = "They send it to me in a direct message."
    return Card(title="Invitation", text=f"{text} {how}", fields=tuple(fields), data=tuple(data))


class RedeemForm(Form):
    """The invitation to use."""

    code: str = asked(label="Code", hint="The invitation's code, such as ABCD-EFGH.")


@operation("people.redeem", "Use an invitation", standing=Standing.STRANGER, effect=Effect.WRITE, alias="join",
           hidden=True)  # fmt: skip
async def redeem(call: Call, form: RedeemForm) -> Card:
    """Let the caller in by an invitation's code."""
    services = call.services
    if call.person is None:
        raise NotPossible("An invitation is used in a chat: send me the code there.")
    if call.person.user_id is not None:
        raise NotPossible("You are in already: no invitation is needed. Just write to me.")
    if services.mode is Mode.CLOSED:
        raise NotPossible("This assistant takes in nobody new.")
    try:
        await invitations.redeem(
            form.code,
            call.person,
            call.name,
            clock=services.clock,
            sealer=services.sealer,
            secret_hash=services.secret_hash,
        )
    except invitations.WrongCode as wrong:
        raise NotPossible(str(wrong)) from wrong
    call.after_commit.append(services.directory.forget)
    text = "Welcome, you are in! Just write to me. /start tells who I am and what is kept, /help what you can do."
    return Card(text=text)


@operation("chat.permit", "Let this group talk to me", standing=Standing.ADMIN, effect=Effect.WRITE, alias="permit")
async def permit(call: Call, form: NoFields) -> Card:
    """Let the members of this group whom I know talk to me here."""
    chat = call.in_chat()
    if chat.kind == "private":
        raise NotPossible("Write /permit in the group that you want to let in.")
    await whole_group(chat.account, chat.external_id).update(permitted=True, noticed_at=None)
    call.after_commit.append(call.services.directory.forget)
    return Card(text="I answer in this group from now on, when I am mentioned or replied to, to people I know.")


class Who(StrEnum):
    """Who of a workspace may talk to us."""

    EVERYBODY = "everybody"
    INVITED = "invited"


class AccessForm(Form):
    """Who of the workspace may talk to us."""

    who: Who | None = asked(
        None, label="Who may talk to me", hint="Everybody in this workspace, or only people who were invited."
    )


@operation("people.access", "Let a whole workspace in", standing=Standing.ADMIN, effect=Effect.WRITE, alias="access",
           submit="Save")  # fmt: skip
async def access(call: Call, form: AccessForm) -> Card:
    """Show whether everybody in the chat's workspace is let in, or switch it."""
    if not workspace_of(call):
        raise NotPossible(
            "There is no workspace here that could be let in as a whole. /invite lets one person in, and PROWEX_ACCESS "
            "says whether invitations are needed at all."
        )
    account = call.in_chat().account
    is_open = await Workspace.exists(account=account)
    if form.who is None or is_open == (form.who is Who.EVERYBODY):
        return _access_card(is_open=is_open, switched=False)
    if form.who is Who.INVITED:
        await Workspace.filter(account=account).delete()
    elif call.services.mode is Mode.CLOSED:
        raise NotPossible("This installation takes in nobody new: its operator has set PROWEX_ACCESS to closed.")
    else:
        by = call.person.user_id if call.person is not None else None
        await Workspace.create(account=account, opened_by=by, opened_at=call.services.clock.now())
    call.after_commit.append(call.services.directory.forget)
    return _access_card(is_open=not is_open, switched=True)


def _access_card(*, is_open: bool, switched: bool) -> Card:
    if is_open:
        text = (
            "Everybody in this workspace may talk to me, without an invitation, and make agents of their own. People "
            "of other workspaces, in shared channels too, may not."
        )
        button = Button("Only who is invited", "/access invited")
    else:
        text = "Only people who were invited may talk to me here. /invite lets one in."
        if switched:
            text += " Who has talked to me already keeps their account."
        button = Button("Let everybody in", "/access everybody")
    state = "everybody" if is_open else "invited"
    return Card(text=f"Done. {text}" if switched else text, buttons=((button,),), data=(("who", state),))
