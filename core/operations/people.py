"""Operations on who may talk to us: whoami, invite, redeem a code, let a group in."""

from uuid import UUID

from pydantic import field_validator

from core import invitations
from core.access import Mode, Standing
from core.directory import whole_group
from core.envelopes import Choice
from core.operations.card import Card
from core.operations.conversation import private_only
from core.operations.form import Form, NoFields, asked
from core.operations.registry import Call, Effect, NotPossible, operation
from storage.tables import Role, User

_CHANNELS = {"telegram": "Telegram", "slack": "Slack", "web": "the web", "console": "the console"}


@operation("people.whoami", "Who you are to me", standing=Standing.GUEST, effect=Effect.READ, alias="whoami",
           restricted=True)  # fmt: skip
async def whoami(call: Call, form: NoFields) -> Card:
    """Say what the caller is known as."""
    fields = []
    if call.person is not None and call.person.user_id is not None:
        user = await User.get(id=call.person.user_id)
        fields += [("Account", user.name)]
    else:
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
