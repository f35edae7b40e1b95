"""What new and changed agents may be: names, models, settings, and whose."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any
from uuid import UUID

from core.agent_settings import as_lines, fit, read_lines, shown
from core.agents import Plan, clean_name, handle_of
from core.envelopes import Choice
from core.operations.agents_found import may_change, own_team, reserved, whose
from core.operations.registry import Call, NotPossible
from storage.tables import Agent

OWN_FIELDS = ("temperature", "max_output_tokens")
"""Settings that have a field of their own."""

_FIRST_MODELS = 4


class Whose(StrEnum):
    """Whose agent it is to be."""

    YOURS = "yours"
    TEAM = "team"


async def model_choices(call: Call) -> tuple[Choice, ...]:
    """Return the default and the usable providers' models, the first ones of each provider before the others."""
    models = await call.services.catalogue.models()
    first = [f"{provider}:{name}" for provider, names in models.items() for name in names[:_FIRST_MODELS]]
    rest = [f"{provider}:{name}" for provider, names in models.items() for name in names[_FIRST_MODELS:]]
    default = Choice("", f"The default ({call.services.catalogue.default})")
    return (default, *(Choice(model, model) for model in (*first, *rest)))


def team_choices(call: Call) -> tuple[Choice, ...]:
    """Return whose an agent that the caller makes may be."""
    choices = [Choice(Whose.YOURS.value, "Yours")] if own_team(call) is not None else []
    if may_change(call, call.services.team_id):
        choices.append(Choice(Whose.TEAM.value, "The team's"))
    return tuple(choices)


def team_for(call: Call, wanted: str | None) -> UUID:
    """Return the team that a new agent is to be of: the caller's own unless they want the other.

    Raises:
        NotPossible: they may not make agents for it here.
    """
    mine, team = own_team(call), call.services.team_id
    if mine is not None and wanted != Whose.TEAM:
        return mine
    if may_change(call, team):
        return team
    if mine is not None:
        raise NotPossible("Only admins of the team make agents for it. Make it yours instead.")
    raise NotPossible(
        "In a group there are only the team's agents, and its admins make those. "
        "Write to me in a direct message to make one of your own."
    )


async def name_problem(call: Call, team: UUID, name: str, but: Agent | None = None) -> str:
    """Return why an agent of a team can't be called `name`, as a sentence; empty if it can.

    Args:
        but: the agent that is renamed.
    """
    handle = handle_of(clean_name(name))
    if not handle:
        return "Use at least one letter or digit in the name, so that it can be typed."
    if reserved(handle):
        return f"“{handle}” is a word of the commands. Take another name."
    taken = await Agent.get_or_none(team_id=team, handle=handle)
    if taken is None or (but is not None and taken.id == but.id):
        return ""
    owner = "You have" if whose(call, team) == "yours" else "The team has"
    return f"{owner} an agent called “{handle}” already. Take another name."


def read_settings(call: Call, model: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings in the fields of a form, as the model's provider takes them.

    Raises:
        Unfit: it takes none such.
    """
    raw: dict[str, Any] = dict(read_lines(given.get("settings") or ""))
    raw |= {name: given[name] for name in OWN_FIELDS if given.get(name) is not None}
    return {name: fit(call.services.catalogue, model, name, value) for name, value in raw.items()}


def as_fields(plan: Plan) -> dict[str, str]:
    """Return what a plan holds as a form's fields."""
    fields = {
        "name": plan.name,
        "description": plan.description,
        "instructions": plan.instructions,
        "model": plan.model,
        "settings": as_lines({name: value for name, value in plan.settings.items() if name not in OWN_FIELDS}),
        "fallbacks": ", ".join(plan.fallbacks),
        "other_providers": "yes" if plan.other_providers else "no",
    }
    return fields | {name: shown(plan.settings[name]) if name in plan.settings else "" for name in OWN_FIELDS}
