"""Operations on conversations: list, reopen, rename and delete them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field, StringConstraints

from core import conversations
from core.access import Standing
from core.agents import Answering, begin_conversation
from core.conversations import Listed
from core.envelopes import Button, Choice, Table
from core.lanes import lock_lanes
from core.operations.agents_found import escaped
from core.operations.card import Card
from core.operations.form import Form, asked
from core.operations.registry import Call, Effect, NotPossible, operation
from storage.queries import ids_of
from storage.sealing import Owner
from storage.tables import Agent, Chat, ChatKind, Conversation, Lane, StoredFile

PAGE = 8
_FOUND_NONE = "There is no such conversation here. /conversations lists those there are."
Title = Annotated[str, StringConstraints(min_length=1, max_length=conversations.MOST_TITLE)]


class ListForm(Form):
    """Which part of the list."""

    page: Annotated[int, Field(ge=1, le=1000)] = asked(
        1, label="Page", hint="Which part of the list, 1 for the latest."
    )


@operation("conversations.list", "List the conversations", standing=Standing.GUEST, effect=Effect.READ,
           alias="conversations", restricted=True)  # fmt: skip
async def list_(call: Call, form: ListForm) -> Card:
    """List the conversations of this chat, or all of the caller's direct ones on this channel, the latest first."""
    every = await conversations.listed(call.in_chat())
    start = (form.page - 1) * PAGE
    some = every[start : start + PAGE]
    if not some:
        raise NotPossible("There is no conversation yet: just write to me." if not every else "The list is shorter.")
    rows = []
    titles = await conversations.titles(call.services.sealer, some)
    agents = await _agents(some)
    for number, (one, title) in enumerate(zip(some, titles, strict=True), start + 1):
        named = f"{title} (now)" if one.present else title
        agent = agents.get(one.row.agent_id, "(deleted)")
        rows.append((str(number), named, agent, _when(one.last, call.services.clock.now()), str(one.messages)))
    buttons: list[tuple[Button, ...]] = []
    text = ""
    if _may_manage(call):
        text = "Press a number to go on with one, or to rename or delete it."
        numbered = [Button(str(number), f"/conversations show {one.ref}") for number, one in enumerate(some, start + 1)]
        buttons = [tuple(numbered[at : at + 4]) for at in range(0, len(numbered), 4)]
    turning = [Button("Newer", f"/conversations {form.page - 1}")] if form.page > 1 else []
    if len(every) > start + PAGE:
        turning.append(Button("Older", f"/conversations {form.page + 1}"))
    if turning:
        buttons.append(tuple(turning))
    table = Table(("#", "Title", "Agent", "Last (UTC)", "Messages"), tuple(rows))
    data = tuple((f"conversation_{number}", str(one.row.id)) for number, one in enumerate(some, start + 1))
    return Card(title="Conversations", text=text, table=table, buttons=tuple(buttons), data=data)


async def _agents(some: list[Listed]) -> dict[UUID, str]:
    ids = {one.row.agent_id for one in some if one.row.agent_id is not None}
    return {agent.id: agent.name for agent in await Agent.filter(id__in=list(ids))}


def _when(at: datetime, now: datetime) -> str:
    if at.date() == now.date():
        return f"{at:%H:%M}"
    return f"{at.day} {at:%b}" if at.year == now.year else f"{at.day} {at:%b %Y}"


def _may_manage(call: Call) -> bool:
    return call.in_chat().kind is ChatKind.PRIVATE or call.standing >= Standing.ADMIN


class WhichForm(Form):
    """Which conversation."""

    which: str = asked(label="Conversation", hint="Its number or its title, as /conversations lists it.", subject=True)

    @classmethod
    async def choices(cls, call: Call, name: str) -> tuple[Choice, ...]:
        """Return the latest conversations."""
        if name != "which" or call.chat is None:
            return await super().choices(call, name)
        some = (await conversations.listed(call.chat))[:PAGE]
        titles = await conversations.titles(call.services.sealer, some)
        return tuple(Choice(one.ref, title) for one, title in zip(some, titles, strict=True))

    @classmethod
    async def problem_with(cls, call: Call, name: str, value: str, values: Mapping[str, str]) -> str:
        """Say that there is none such, or more than one."""
        if name != "which" or call.chat is None:
            return ""
        found = await _meant(call, value)
        return "" if len(found) == 1 else _FOUND_NONE if not found else _more_than_one(found)


async def _meant(call: Call, which: str) -> list[Listed]:
    return await conversations.find(call.services.sealer, await conversations.listed(call.in_chat()), which)


def _more_than_one(found: list[Listed]) -> str:
    return f"{len(found)} conversations are called so. Write its number, as /conversations lists it."


async def _found(call: Call, which: str) -> tuple[Listed, str]:
    """Return the conversation that is meant, and what it is called.

    Raises:
        NotPossible: there is none such here, or others decide about it.
    """
    if not _may_manage(call):
        raise NotPossible("In a group only admins of the team can do that with its conversations.")
    found = await _meant(call, which)
    if len(found) != 1:
        raise NotPossible(_more_than_one(found) if found else _FOUND_NONE)
    return found[0], escaped(await conversations.title_of(call.services.sealer, found[0].row))


@operation("conversations.show", "Show a conversation", standing=Standing.GUEST, effect=Effect.READ, hidden=True,
           restricted=True)  # fmt: skip
async def show(call: Call, form: WhichForm) -> Card:
    """Show what a conversation is and what can be done with it."""
    one, title = await _found(call, form.which)
    agents = await _agents([one])
    fields = (
        ("Agent", escaped(agents.get(one.row.agent_id, "(deleted)"))),
        ("Begun", f"{one.row.started_at:%d %B %Y, %H:%M} UTC"),
        ("Last", f"{one.last:%d %B %Y, %H:%M} UTC"),
        ("Messages", str(one.messages)),
    )
    state = "It goes on now." if one.present else "It rests."
    return Card(text=f"**{title}**\n\n{state}", fields=fields, buttons=_buttons(one), data=_data(one))


def _buttons(one: Listed, *, reopen: bool = True) -> tuple[tuple[Button, ...], ...]:
    rename, delete = (
        Button("Rename", f"/conversations rename {one.ref}"),
        Button("Delete", f"/conversations delete {one.ref}"),
    )
    first = (Button("Reopen", f"/conversations reopen {one.ref}"),) if reopen and not one.present else ()
    return ((*first, rename, delete),)


def _data(one: Listed) -> tuple[tuple[str, str], ...]:
    return (("conversation", str(one.row.id)),)


@operation("conversations.reopen", "Go on with an older conversation", standing=Standing.GUEST, effect=Effect.WRITE)
async def reopen(call: Call, form: WhichForm) -> Card:
    """Make a conversation the present one of this chat, answered by the agent that it was with."""
    one, title = await _found(call, form.which)
    here = await Chat.get(id=call.in_chat().id)
    if one.present:
        return Card(text=f"**{title}** goes on already. Just write.", data=_data(one))
    await _lock(one)
    if one.row.chat_id != here.id and await conversations.is_busy(one.row.id):
        raise NotPossible("I am still answering in that conversation. Wait for that, or stop it there with /stop.")
    answering = await call.services.agents.of_chat(here)
    who = await _answers_again(call, here, one, answering)
    await conversations.reopen(here.id, one.row.id, call.services.clock.now())
    messages = "1 message" if one.messages == 1 else f"{one.messages} messages"
    text = f"We go on with **{title}**: I look back at its {messages} again. {who}Just write."
    return Card(text=text, buttons=_buttons(one, reopen=False), data=_data(one))


async def _answers_again(call: Call, here: Chat, one: Listed, answering: Answering) -> str:
    """Have the conversation's own agent answer in the chat, if it is still there for the caller; say who does."""
    if one.row.agent_id is None:
        return f"Its agent was deleted, so **{escaped(answering.name)}** answers. "
    if one.row.agent_id == answering.agent_id:
        return ""
    seen = (call.services.team_id,) if here.kind is ChatKind.GROUP else call.teams
    agent = await Agent.get_or_none(id=one.row.agent_id, team_id__in=list(seen))
    if agent is None:
        return f"**{escaped(answering.name)}** answers. "
    await Chat.filter(id=here.id).update(agent_id=agent.id)
    return f"**{escaped(agent.name)}** answers here again. "


class RenameForm(WhichForm):
    """Which conversation, and its new title."""

    title: Title = asked(
        label="Title",
        hint=f"What to call it, up to {conversations.MOST_TITLE} characters.",
        most=conversations.MOST_TITLE,
    )

    @classmethod
    async def present(cls, call: Call, values: Mapping[str, str]) -> dict[str, str]:
        """Return what it is called now."""
        found = await _meant(call, values.get("which", ""))
        return {"title": await conversations.title_of(call.services.sealer, found[0].row)} if len(found) == 1 else {}


@operation("conversations.rename", "Give a conversation a title", standing=Standing.GUEST, effect=Effect.WRITE,
           submit="Save")  # fmt: skip
async def rename(call: Call, form: RenameForm) -> Card:
    """Give a conversation a title of the caller's choice."""
    one, _ = await _found(call, form.which)
    here = call.in_chat()
    team = Owner("team", call.services.team_id)
    owner = call.person.owner if call.person is not None and here.kind is ChatKind.PRIVATE else team
    await conversations.name(await call.services.sealer.key(owner), one.row.id, " ".join(form.title.split()))
    return Card(text=f"It is called **{escaped(' '.join(form.title.split()))}** now.", data=_data(one))


class DeleteForm(WhichForm):
    """Which conversation, and whether the caller has been asked."""

    positional = ("which",)
    sure: bool = Field(False, description="Yes: it was asked whether to delete it for good.")


@operation("conversations.delete", "Delete a conversation for good", standing=Standing.GUEST, effect=Effect.WRITE,
           restricted=True)  # fmt: skip
async def delete(call: Call, form: DeleteForm) -> Card:
    """Ask whether a conversation is to be deleted; on the second press forget it with its files."""
    one, title = await _found(call, form.which)
    await _lock(one)
    await _refuse_if_busy(one)
    files = await StoredFile.filter(conversation_id=one.row.id).count()
    what = _counted(one.messages, "message") + (f" and {_counted(files, 'file')}" if files else "")
    if not form.sure:
        buttons = (Button("Delete it for good", f"/conversations delete {one.ref} sure=yes"),)
        text = f"Delete **{title}**, with {what}? Nobody can bring it back."
        return Card(text=text, buttons=(buttons,), data=_data(one))
    await _erase(call, one)
    anew = " It was the one that went on here, so a new one begins." if one.present else ""
    text = f"**{title}** is deleted, with {what}.{anew}"
    if call.channel in ("telegram", "slack"):
        text += " What you still see of it here is the app's own copy: delete that in the app."
    return Card(text=text)


async def _erase(call: Call, one: Listed) -> None:
    services, now = call.services, call.services.clock.now()
    if one.present:
        here = await Chat.get(id=call.in_chat().id)
        await begin_conversation(here.id, (await services.agents.of_chat(here)).agent_id, services.clock)
        one.row.ended_at = now
    files = await conversations.erase(one.row, now)
    call.after_commit.append(lambda: services.files.remove(files))


async def _lock(one: Listed) -> None:
    """See to it that no turn of the conversation begins or ends until the caller's transaction does.

    Raises:
        NotPossible: it was deleted, or went on elsewhere, just now.
    """
    await lock_lanes(await ids_of(Lane.filter(chat_id=one.row.chat_id, urgent=False)))
    if not await Conversation.exists(id=one.row.id, chat_id=one.row.chat_id):
        raise NotPossible(_FOUND_NONE)


async def _refuse_if_busy(one: Listed) -> None:
    if await conversations.is_busy(one.row.id):
        raise NotPossible("I am still answering in that conversation. Stop that first, with /stop.")


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
