"""Operations on agents: list, show, make, change, copy and delete them."""

import json
from collections.abc import Mapping
from dataclasses import replace
from uuid import UUID

from pydantic import Field

from core import agents
from core.access import Standing
from core.agent_settings import read_fallbacks, settle
from core.agent_templates import TEMPLATES
from core.agents import MOST_NAME, Plan, clean_name
from core.envelopes import Button, Choice, Table
from core.operations.agents_cards import full_card, made_card
from core.operations.agents_checks import Whose, name_problem, read_settings, team_choices, team_for
from core.operations.agents_forms import CreateForm, EditForm, Name
from core.operations.agents_found import (
    AboutAgent,
    button_name,
    changeable,
    escaped,
    find,
    found,
    in_group,
    locked,
    may_change,
    own_team,
    present_plan,
    reference,
    short_id,
    unknown,
    visible,
    whose,
)
from core.operations.agents_saved import MOST_AGENTS, changed, put, refuse_stale, save
from core.operations.card import Card
from core.operations.form import Form, NoFields, asked
from core.operations.registry import Call, Effect, NotPossible, operation
from storage.tables import Agent, AgentVersion, Chat

_ON_A_PAGE = 20
_WITH_BUTTON = 6


class ListForm(Form):
    """Which part of the list, or the one agent to show instead."""

    positional = ("agent",)
    agent: str | None = asked(None, label="Agent", hint="Show this one, not the list.")
    page: int = Field(1, description="Which page of the list.")

    @classmethod
    async def problem_with(cls, call: Call, name: str, value: str, values: Mapping[str, str]) -> str:
        """Say that an agent isn't there."""
        return unknown(value) if name == "agent" and value and await find(call, value) is None else ""


@operation("agents.list", "List the agents", standing=Standing.MEMBER, effect=Effect.READ, alias="agents", agents=True)
async def list_(call: Call, form: ListForm) -> Card:
    """List the agents that the caller sees, their own first."""
    if form.agent:
        return await _show(call, form.agent)
    every = await visible(call)
    start = max(0, form.page - 1) * _ON_A_PAGE
    page = every[start : start + _ON_A_PAGE]
    if not page:
        raise NotPossible("There are no more agents.", Button("Agents", "/agents"))
    rows = AgentVersion.filter(agent_id__in=[agent.id for agent, _ in page])
    models = {row[:2]: row[2] for row in await rows.values_list("agent_id", "number", "model")}
    named = [(short_id(agent.id) if hidden else agent.handle, agent) for agent, hidden in page]
    table = Table(
        ("typed as", "name", "whose", "model", "version"),
        tuple(
            (
                typed,
                agent.name,
                whose(call, agent.team_id),
                models[agent.id, agent.version] or "default",
                str(agent.version),
            )
            for typed, agent in named
        ),
    )
    first = [
        Button(agent.name, f"/agents show {short_id(agent.id) if hidden else button_name(agent)}")
        for agent, hidden in page[:_WITH_BUTTON]
    ]
    buttons = [tuple(first[at : at + 2]) for at in range(0, len(first), 2)]
    if may_change(call, own_team(call) or call.services.team_id):
        buttons.append((Button("Create an agent", "/agents create"), Button("Templates", "/agents templates")))
    if start + _ON_A_PAGE < len(every):
        buttons.append((Button("More", f"/agents list page={form.page + 1}"),))
    text = "In a group you see the team's agents. Your own answer in direct messages." if in_group(call) else ""
    known = [
        {"id": str(agent.id), "handle": agent.handle, "name": agent.name, "team": str(agent.team_id)}
        for agent, _ in page
    ]
    return Card(title="Agents", text=text, table=table, buttons=tuple(buttons), data=(("agents", json.dumps(known)),))


class ShowForm(AboutAgent):
    """Which agent to show."""


@operation("agents.show", "Show an agent", standing=Standing.MEMBER, effect=Effect.READ, agents=True)
async def show(call: Call, form: ShowForm) -> Card:
    """Show an agent with its instructions and settings."""
    return await _show(call, form.agent)


async def _show(call: Call, typed: str) -> Card:
    agent = await found(call, typed)
    return await full_card(call, agent, await present_plan(call, agent))


@operation("agents.templates", "Show agents to start from", standing=Standing.MEMBER, effect=Effect.READ, agents=True)
async def templates(call: Call, form: NoFields) -> Card:
    """List the templates, each with a button that begins the form of a new agent."""
    fields = tuple((template.name, template.description) for template in TEMPLATES.values())
    buttons = [Button(f"Use {t.name}", f"/agents create template={t.key}") for t in TEMPLATES.values()]
    rows = tuple(tuple(buttons[at : at + 2]) for at in range(0, len(buttons), 2))
    text = "Choose one, give it a name, and change it as you like."
    return Card(title="Templates", text=text, fields=fields, buttons=rows, data=(("templates", ", ".join(TEMPLATES)),))


@operation("agents.create", "Create an agent", standing=Standing.MEMBER, effect=Effect.WRITE, agents=True)
async def create(call: Call, form: CreateForm) -> Card:
    """Make an agent of the caller's own, or of the team."""
    team = team_for(call, form.team)
    plan = Plan(
        name=form.name,
        description=form.description or "",
        instructions=form.instructions,
        model=form.model or "",
        settings=read_settings(call, form.model or "", form.model_dump()),
        fallbacks=read_fallbacks(form.fallbacks or ""),
        other_providers=bool(form.other_providers),
    )
    plan, remarks = settle(call.services.catalogue, plan)
    agent, answering = await put(call, team, plan, f"from the template {form.template}" if form.template else "")
    return await made_card(call, agent, answering, f"**{escaped(plan.name)}** is there.", remarks)


@operation("agents.edit", "Change an agent", standing=Standing.MEMBER, effect=Effect.WRITE, agents=True)
async def edit(call: Call, form: EditForm) -> Card:
    """Give an agent a new version with what the form says."""
    agent = await locked(call, form.agent)
    before = (await present_plan(call, agent)).plan
    await refuse_stale(call, agent, before, form.version)
    after, remarks = settle(call.services.catalogue, changed(call, before, form))
    return await save(call, agent, before, after, remarks)


class CopyForm(AboutAgent):
    """What to copy, and under which name."""

    positional = ("agent", "name")
    name: Name | None = asked(None, label="Name", hint="What the copy is called.", most=MOST_NAME)
    team: Whose | None = asked(None, label="Whose", hint="Yours, or the team's, for everybody in it.")

    @classmethod
    async def choices(cls, call: Call, name: str) -> tuple[Choice, ...]:
        """Return the agents to copy, and whose the copy may be."""
        return team_choices(call) if name == "team" else await super().choices(call, name)


@operation("agents.copy", "Copy an agent", standing=Standing.MEMBER, effect=Effect.WRITE, agents=True)
async def copy(call: Call, form: CopyForm) -> Card:
    """Make an agent that is as another one is now, in the caller's own team unless they want the other."""
    agent, team = await found(call, form.agent), team_for(call, form.team)
    plan = (await present_plan(call, agent)).plan
    name = clean_name(form.name or "") or await _free_name(call, team, plan.name)
    made, answering = await put(call, team, replace(plan, name=name), f"a copy of version {agent.version}")
    done = f"**{escaped(name)}** is there, a copy of {escaped(plan.name)}."
    remark = "What you change in the copy changes nothing else."
    return await made_card(call, made, answering, done, [remark])


async def _free_name(call: Call, team: UUID, name: str) -> str:
    """Return `name`, with a number after it if it is taken."""
    for number in range(1, MOST_AGENTS + 2):
        end = f" {number}" if number > 1 else ""
        if not await name_problem(call, team, free := f"{name[: MOST_NAME - len(end)].rstrip()}{end}"):
            return free
    raise NotPossible("There are many agents of that name. Give the copy another one.")


class DeleteForm(AboutAgent):
    """Which agent to delete."""

    changes = True
    confirm: bool = Field(False, description="Really delete it. Without it you are asked first.")


@operation("agents.delete", "Delete an agent", standing=Standing.MEMBER, effect=Effect.WRITE)
async def delete(call: Call, form: DeleteForm) -> Card:
    """Ask whether an agent is to be deleted; on the second press delete it with its versions."""
    agent = await changeable(call, form.agent)
    if agent.default:
        raise NotPossible(f"{escaped(agent.name)} answers wherever nobody else does, so it can't be deleted.")
    if not form.confirm:
        return await _ask_to_delete(call, agent)
    agent_id = agent.id
    await agents.delete(agent_id, call.services.clock)
    usual = (await call.services.agents.default()).name
    text = f"{escaped(agent.name)} is deleted. Where it answered, {escaped(usual)} does now. What was said is kept."
    return Card(text=text, buttons=((Button("Agents", "/agents"),),), data=(("agent", str(agent_id)),))


async def _ask_to_delete(call: Call, agent: Agent) -> Card:
    versions = await AgentVersion.filter(agent_id=agent.id).count()
    chats = await Chat.filter(agent_id=agent.id).count()
    usual = (await call.services.agents.default()).name
    lines = [
        f"Delete **{escaped(agent.name)}** for good? Its instructions and {_many(versions, 'version')} go with it."
    ]
    if chats:
        lines.append(f"It answers in {_many(chats, 'chat')}: {escaped(usual)} does so then, in a new conversation.")
    lines.append("What was said with it is kept. An export lets you bring it back.")
    name = await reference(call, agent)
    buttons = (
        (Button("Delete for good", f"/agents delete {short_id(agent.id)} confirm=yes"),),
        (Button("Export", f"/agents export {name}"), Button("Keep it", f"/agents show {name}")),
    )
    return Card(text="\n\n".join(lines), buttons=buttons, data=(("agent", str(agent.id)), ("name", agent.name)))


def _many(count: int, what: str) -> str:
    return f"its {what}" if count == 1 and what == "version" else f"{count} {what}{'s' if count != 1 else ''}"
