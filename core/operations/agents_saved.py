"""New agents and new versions, written down: names that are free, and nobody's change lost without a word."""

from uuid import UUID

from core import agents
from core.agent_changes import changes
from core.agent_settings import Unfit, read_fallbacks
from core.agents import Answering, Plan, handle_of
from core.envelopes import Button
from core.operations.agents_cards import by, changed_card
from core.operations.agents_checks import OWN_FIELDS, name_problem, read_settings
from core.operations.agents_forms import EDITED, EditForm
from core.operations.agents_found import author, escaped, key_of, present_plan, reference
from core.operations.card import Card
from core.operations.registry import Call, NotPossible
from storage.tables import Agent, AgentVersion

MOST_AGENTS = 200
"""Of one team."""


async def put(call: Call, team: UUID, plan: Plan, note: str) -> tuple[Agent, Answering]:
    """Make an agent of a team in the caller's transaction.

    Raises:
        NotPossible: its name is taken, or there are too many.
    """
    if problem := await name_problem(call, team, plan.name):
        raise NotPossible(problem)
    if await Agent.filter(team_id=team).count() >= MOST_AGENTS:
        raise NotPossible(f"There are {MOST_AGENTS} agents already. Delete one first.", Button("Agents", "/agents"))
    key, now = await key_of(call, team), call.services.clock.now()
    agent = await agents.create(key, team, handle_of(plan.name), plan, author(call), now, note=note)
    return agent, await present_plan(call, agent)


async def save(
    call: Call, agent: Agent, before: Plan, after: Plan, remarks: list[str], *, note: str = "", done: str = ""
) -> Card:
    """Make the next version of an agent in the caller's transaction and say what has changed.

    Args:
        note: for the list of versions; what has changed, by name, if empty.
        done: what was done, as a sentence.

    Raises:
        NotPossible: its new name is taken.
    """
    what = changes(before, after)
    if not what:
        name = await reference(call, agent)
        text = f"{escaped(agent.name)} is like that already, so there is no new version."
        buttons = ((Button("Show", f"/agents show {name}"), Button("Edit", f"/agents edit {name}")),)
        return Card(text=text, buttons=buttons, data=(("agent", str(agent.id)), ("version", str(agent.version))))
    if after.name != before.name and (problem := await name_problem(call, agent.team_id, after.name, but=agent)):
        raise NotPossible(problem)
    key, now = await key_of(call, agent.team_id), call.services.clock.now()
    number = await agents.change(key, agent, after, author(call), now, note=note or ", ".join(what.names))
    said = done or f"Saved: **{escaped(after.name)}** is at version {number} now."
    return await changed_card(call, await Agent.get(id=agent.id), said, what, remarks)


def changed(call: Call, plan: Plan, form: EditForm) -> Plan:
    """Return the plan with what the form says.

    Raises:
        NotPossible: the model's provider does not take it.
    """
    given = {name: getattr(form, name) for name in form.model_fields_set if name in EDITED}
    model = given.get("model", plan.model) or ""
    settings = dict(plan.settings)
    if "settings" in given:
        settings = {name: value for name, value in settings.items() if name in OWN_FIELDS}
    for name in OWN_FIELDS:
        if name in given and given[name] is None:
            settings.pop(name, None)
    try:
        settings |= read_settings(call, model, given)
    except Unfit as unfit:
        raise NotPossible(str(unfit)) from unfit
    return Plan(
        name=given.get("name", plan.name),
        description=given.get("description", plan.description) or "",
        instructions=given.get("instructions", plan.instructions),
        model=model,
        settings=settings,
        fallbacks=read_fallbacks(given["fallbacks"] or "") if "fallbacks" in given else plan.fallbacks,
        other_providers=bool(given.get("other_providers", plan.other_providers)),
    )


async def refuse_stale(call: Call, agent: Agent, now: Plan, seen: int | None) -> None:
    """Make sure that nobody changed an agent since its editor looked at it.

    Args:
        seen: the version they looked at; None if they looked at none, as with a command that says all.

    Raises:
        NotPossible: somebody did; the text says what.
    """
    if seen is None or seen == agent.version:
        return
    old = await AgentVersion.get_or_none(agent_id=agent.id, number=seen)
    latest = await AgentVersion.get(agent_id=agent.id, number=agent.version)
    changed = changes((await call.services.agents.read(agent, old)).plan, now).summary() if old is not None else ""
    name = await reference(call, agent)
    raise NotPossible(
        f"{escaped(agent.name)} was changed meanwhile{await by(latest)}: {changed or 'by another version'}. "
        "So nothing of yours is saved yet. Look at it, then change it again.",
        *([Button("What changed", f"/agents diff {name} {seen}")] if old is not None else []),
        Button("Edit", f"/agents edit {name}"),
    )
