"""Operations on who answers in a chat, and with which model."""

from collections.abc import Mapping
from dataclasses import replace

from core import agents
from core.access import Standing
from core.agent_settings import model_problem, settle
from core.agents import Answering, Seat
from core.envelopes import Button, Choice
from core.operations.agents_cards import Row, may_seat, model_of
from core.operations.agents_checks import model_choices
from core.operations.agents_found import (
    button_name,
    escaped,
    find,
    found,
    in_group,
    may_change,
    only_admins,
    own_team,
    present_plan,
    reference,
    short_id,
    unknown,
    visible,
)
from core.operations.agents_saved import save
from core.operations.card import Card
from core.operations.form import Form, asked
from core.operations.registry import Call, Effect, NotPossible, operation
from storage.tables import Agent, Chat

_USUAL = ("default", "usual")
_OFFERED = 6


class HereForm(Form):
    """Who is to answer here."""

    agent: str | None = asked(
        None, label="Agent", hint="Who is to answer here; `default` takes back what was set; empty to see who does."
    )

    @classmethod
    async def problem_with(cls, call: Call, name: str, value: str, values: Mapping[str, str]) -> str:
        """Say that an agent isn't there, or does not answer in groups."""
        if not value or value.lower() in _USUAL or await find(call, value) is not None:
            return ""
        if in_group(call) and await call.services.agents.by_handle(agents.handle_of(value), call.teams) is not None:
            return "In a group only the team's agents answer."
        return unknown(value)


@operation("agents.here", "Who answers here", standing=Standing.GUEST, effect=Effect.WRITE, submit="Save")
async def here(call: Call, form: HereForm) -> Card:
    """Show who answers in this chat and why, or have another agent answer from now on."""
    chat = await Chat.get(id=call.in_chat().id)
    if not form.agent:
        return await _who(call, chat)
    if form.agent.lower() in _USUAL:
        return await _take_back(call, chat)
    agent = await found(call, form.agent)
    _allow(call)
    answering = await present_plan(call, agent)
    if chat.agent_id == agent.id:
        text = f"{escaped(answering.name)} answers here already."
        return Card(text=text, data=(("agent", str(agent.id)), ("why", Seat.CHAT.value)))
    await agents.answer_in(chat, agent.id, agent.id, call.services.clock)
    text = f"From now on **{escaped(answering.name)}** answers {_place(call, chat)}, with {model_of(call, answering)}."
    buttons: Row = (Button("Take it back", "/agents here default"),)
    if call.standing >= Standing.MEMBER:
        buttons = (*buttons, Button("Show", f"/agents show {await reference(call, agent)}"))
    return Card(text=f"{text} {_ANEW}", buttons=(buttons,), data=(("agent", str(agent.id)), ("why", Seat.CHAT.value)))


_ANEW = "It begins a new conversation; the one before is kept."


def _allow(call: Call) -> None:
    """Make sure that the caller may say who answers in the chat.

    Raises:
        NotPossible: they may not.
    """
    if in_group(call) and call.standing < Standing.ADMIN:
        raise NotPossible("In a group only admins of the team say who answers.")
    if call.standing < Standing.MEMBER:
        raise NotPossible("Only members of the team can choose who answers.")


def _place(call: Call, chat: Chat) -> str:
    part = "/" in chat.external_id
    return f"in this {('topic' if call.channel == 'telegram' else 'thread') if part else _whole(call)}"


def _whole(call: Call) -> str:
    if not in_group(call):
        return "chat"
    return "channel" if call.channel == "slack" else "group"


async def _take_back(call: Call, chat: Chat) -> Card:
    _allow(call)
    before = await call.services.agents.of_chat(chat)
    if chat.agent_id is None:
        text = f"Nothing was set here. {escaped(before.name)} answers."
        return Card(text=text, data=(("agent", str(before.agent_id)),))
    chat.agent_id = None
    answering, why = await call.services.agents.seat(chat)
    await agents.answer_in(chat, None, answering.agent_id, call.services.clock)
    text = f"**{escaped(answering.name)}** answers here again. {_ANEW}"
    return Card(text=text, data=(("agent", str(answering.agent_id)), ("why", why.value)))


async def _who(call: Call, chat: Chat) -> Card:
    answering, why = await call.services.agents.seat(chat)
    reasons = {
        Seat.CHAT: f"it was chosen {_place(call, chat).replace('in this', 'for this')}",
        Seat.WHOLE: f"it was chosen for the whole {_whole(call)}",
        Seat.DEFAULT: "nobody else was chosen",
    }
    fields = (("Because", reasons[why]), ("Model", model_of(call, answering)))
    buttons: list[Row] = []
    if call.standing >= (Standing.ADMIN if in_group(call) else Standing.MEMBER):
        others = [(agent, hidden) for agent, hidden in await visible(call) if agent.id != answering.agent_id]
        offered = [
            Button(agent.name, f"/agents here {short_id(agent.id) if hidden else button_name(agent)}")
            for agent, hidden in others[:_OFFERED]
            if may_seat(call, agent)
        ]
        buttons = [tuple(offered[at : at + 2]) for at in range(0, len(offered), 2)]
        if why is Seat.CHAT:
            buttons.append((Button("Take it back", "/agents here default"),))
    text = f"**{escaped(answering.name)}** answers {_place(call, chat)}."
    data = (("agent", str(answering.agent_id)), ("handle", answering.handle), ("why", why.value))
    return Card(title="Who answers here", text=text, fields=fields, buttons=tuple(buttons), data=data)


class ModelForm(Form):
    """Which model is to answer here."""

    positional = ("model",)
    model: str | None = asked(
        None, label="Model", hint="Which model answers here, as provider:name; none for the default.", ask=True
    )

    @classmethod
    async def choices(cls, call: Call, name: str) -> tuple[Choice, ...]:
        """Return the models that can be used here."""
        return await model_choices(call)

    @classmethod
    async def present(cls, call: Call, values: Mapping[str, str]) -> dict[str, str]:
        """Return the model that answers here.

        Raises:
            NotPossible: the caller may not change the agent; the text says which model it has.
        """
        answering = await _answering(call)
        await _allow_change(call, answering)
        return {"model": answering.plan.model}

    @classmethod
    async def problem_with(cls, call: Call, name: str, value: str, values: Mapping[str, str]) -> str:
        """Say that there is no such model."""
        return model_problem(call.services.catalogue, value) if value else ""

    @classmethod
    def enough(cls, values: Mapping[str, str]) -> bool:
        """Offer the models unless one is named."""
        return "model" in values


@operation("agents.model", "Which model answers here", standing=Standing.GUEST, effect=Effect.WRITE, alias="model",
           submit="Save")  # fmt: skip
async def model(call: Call, form: ModelForm) -> Card:
    """Have the agent that answers here use another model, if the caller may change it."""
    answering = await _answering(call)
    if "model" not in form.model_fields_set:
        return await _which(call, answering)
    await _allow_change(call, answering)
    agent = await Agent.filter(id=answering.agent_id).select_for_update().get()
    before = (await present_plan(call, agent)).plan
    after, remarks = settle(call.services.catalogue, replace(before, model=form.model or ""))
    done = f"**{escaped(before.name)}** is answered by `{after.model or call.services.catalogue.default}` now."
    return await save(call, agent, before, after, remarks, done=done)


async def _answering(call: Call) -> Answering:
    services = call.services
    if call.chat is None:
        return await services.agents.default()
    return await services.agents.of_chat(await Chat.get(id=call.chat.id))


async def _which(call: Call, answering: Answering) -> Card:
    usable = ", ".join(call.services.catalogue.usable)
    text = f"**{escaped(answering.name)}** answers here with {model_of(call, answering)}."
    data = (("agent", str(answering.agent_id)), ("model", answering.plan.model or call.services.catalogue.default))
    return Card(text=f"{text} Providers that can be used: {usable}.", data=data)


async def _allow_change(call: Call, answering: Answering) -> None:
    if may_change(call, answering.team_id):
        return
    text = f"{escaped(answering.name)} answers here with {model_of(call, answering)}. {only_admins(answering.name)}"
    copy = []
    if own_team(call) is not None and call.standing >= Standing.MEMBER:
        copy = [Button("Copy it", f"/agents copy {await reference(call, await Agent.get(id=answering.agent_id))}")]
    raise NotPossible(text, *copy)
