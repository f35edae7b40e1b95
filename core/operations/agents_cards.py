"""Agents as cards: one with all that it is told and set to, and what to do next with it."""

from datetime import datetime

from core.access import Standing
from core.agent_changes import Changes, arrow, as_block, fenced
from core.agent_settings import shown
from core.agents import Answering
from core.envelopes import Button
from core.operations.agents_found import escaped, in_group, may_change, reference, shadowed, whose
from core.operations.card import Card
from core.operations.registry import Call
from storage.tables import Agent, AgentVersion, User

_MOST_SHOWN = 3_000
"""Characters of an agent's instructions on its card."""
Row = tuple[Button, ...]


async def full_card(call: Call, agent: Agent, answering: Answering) -> Card:
    """Return an agent with all its settings and instructions."""
    plan = answering.plan
    instructions = plan.instructions
    if len(instructions) > _MOST_SHOWN:
        instructions = f"{instructions[:_MOST_SHOWN].rstrip()} …"
    text = [escaped(plan.description)] if plan.description else []
    text += ["**Instructions**", fenced(instructions)]
    if len(plan.instructions) > _MOST_SHOWN:
        text.append(f"The first {_MOST_SHOWN:,} of {len(plan.instructions):,} characters; an export has all.")
    fields = [("Typed as", f"`{await reference(call, agent)}`"), ("Whose", whose(call, agent.team_id))]
    fields += [("Model", model_of(call, answering))]
    fields += [(_words(name), f"`{shown(value)}`") for name, value in plan.settings.items()]
    if plan.fallbacks:
        fields.append(("Fallbacks", ", ".join(f"`{model}`" for model in plan.fallbacks)))
        fields.append(("Other providers", "yes" if plan.other_providers else "no"))
    version = await AgentVersion.get(id=answering.version_id)
    fields.append(("Version", f"{answering.number}, {when(version.created_at)}{await by(version)}"))
    if await shadowed(call, agent):
        text.append(f"You have an agent of your own called `{agent.handle}`, so write this one's number.")
    data = (*ids(agent), ("instructions", plan.instructions), ("model", plan.model))
    return Card(
        title=plan.name,
        text="\n\n".join(text),
        fields=tuple(fields),
        buttons=await next_steps(call, agent),
        data=data,
    )


def _words(name: str) -> str:
    return name.replace("_", " ").capitalize()


def model_of(call: Call, answering: Answering) -> str:
    """Return an agent's model for a card."""
    catalogue = call.services.catalogue
    model = answering.plan.model
    if not model:
        return f"`{catalogue.default}` (the default)"
    return f"`{model}`" if model.partition(":")[0] in catalogue.usable else f"`{model}` (not set up here)"


def when(at: datetime) -> str:
    """Return a time as a person reads it."""
    return f"{at:%Y-%m-%d %H:%M} UTC"


async def by(version: AgentVersion) -> str:
    """Return who made a version, with `by` before it; empty if nobody knows."""
    user = await User.get_or_none(id=version.author_id) if version.author_id is not None else None
    return f" by {escaped(user.name)}" if user is not None else ""


def ids(agent: Agent) -> tuple[tuple[str, str], ...]:
    """Return what programs know an agent by."""
    return (("agent", str(agent.id)), ("handle", agent.handle), ("version", str(agent.version)))


def may_seat(call: Call, agent: Agent) -> bool:
    """Tell whether the caller may have the agent answer in the chat of the call."""
    if call.chat is None:
        return False
    if in_group(call):
        return call.standing >= Standing.ADMIN and agent.team_id == call.services.team_id
    return call.standing >= Standing.MEMBER


async def next_steps(call: Call, agent: Agent) -> tuple[Row, ...]:
    """Return the buttons under an agent."""
    name = await reference(call, agent)
    mine = may_change(call, agent.team_id)
    rows: list[list[Button]] = [[], [], []]
    if mine:
        rows[0].append(Button("Edit", f"/agents edit {name}"))
    if may_seat(call, agent):
        rows[0].append(Button("Talk here", f"/agents here {name}"))
    rows[1] += [Button("Copy", f"/agents copy {name}"), Button("Versions", f"/agents versions {name}")]
    rows[2].append(Button("Export", f"/agents export {name}"))
    if mine and not agent.default:
        rows[2].append(Button("Delete", f"/agents delete {name}"))
    return tuple(tuple(row) for row in rows if row)


async def made_card(call: Call, agent: Agent, answering: Answering, done: str, remarks: list[str]) -> Card:
    """Return what is told of an agent that was made.

    Args:
        done: what was done, as a sentence.
        remarks: more sentences.
    """
    name = await reference(call, agent)
    owner = "It is the team's" if agent.team_id == call.services.team_id else "It is yours alone"
    text = f"{done} {owner}; {model_of(call, answering)} answers for it."
    first = [Button("Talk here", f"/agents here {name}")] if may_seat(call, agent) else []
    buttons = (*first, Button("Edit", f"/agents edit {name}"), Button("Show", f"/agents show {name}"))
    return Card(text="\n\n".join([text, *remarks]), buttons=(buttons,), data=ids(agent))


async def changed_card(call: Call, agent: Agent, done: str, what: Changes, remarks: list[str]) -> Card:
    """Return what is told of an agent that has changed."""
    name = await reference(call, agent)
    fields, blocks = told(what)
    undo = Button("Undo", f"/agents rollback {name} {agent.version - 1}")
    buttons = [undo, Button("Show", f"/agents show {name}")]
    if may_seat(call, agent):
        buttons.append(Button("Talk here", f"/agents here {name}"))
    data = ids(agent)
    return Card(text="\n\n".join([done, *blocks, *remarks]), fields=fields, buttons=(tuple(buttons),), data=data)


def told(what: Changes) -> tuple[tuple[tuple[str, str], ...], list[str]]:
    """Return changes as a card's fields and blocks of its text."""
    fields = tuple((_words(name), arrow(was, now)) for name, was, now in what.values)
    return fields, [f"**{_words(name)}**\n\n{as_block(lines)}" for name, lines in what.texts]
