"""The forms that make and change agents: what each field takes, and what a person is told who wrote something else."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field, StringConstraints, field_validator, model_validator

from core.agent_settings import (
    Unfit,
    fallbacks_problem,
    model_problem,
    read_fallbacks,
)
from core.agent_templates import TEMPLATES
from core.agents import MOST_DESCRIPTION, MOST_INSTRUCTIONS, MOST_NAME, Plan, clean_name
from core.envelopes import Choice
from core.operations.agents_checks import (
    OWN_FIELDS,
    Whose,
    as_fields,
    model_choices,
    name_problem,
    read_settings,
    team_choices,
    team_for,
)
from core.operations.agents_found import (
    AboutAgent,
    changeable,
    find,
    present_plan,
)
from core.operations.form import Form, asked
from core.operations.gateway import MISSING
from core.operations.registry import Call, NotPossible

Name = Annotated[str, StringConstraints(max_length=MOST_NAME)]
Description = Annotated[str, StringConstraints(max_length=MOST_DESCRIPTION)]
Instructions = Annotated[str, StringConstraints(max_length=MOST_INSTRUCTIONS)]
Number = Annotated[float, Field(allow_inf_nan=False)]

_NAME: dict[str, Any] = {
    "label": "Name",
    "hint": f"What it is called, up to {MOST_NAME} characters.",
    "most": MOST_NAME,
    "needed": True,
}
_INSTRUCTIONS: dict[str, Any] = {
    "label": "Instructions",
    "hint": "What it is to do and how: it reads this before every answer.",
    "long": True,
    "most": MOST_INSTRUCTIONS,
    "needed": True,
}


class PlanFields(Form):
    """What an agent is like."""

    name: Name | None = asked(None, **_NAME)
    description: Description | None = asked(
        None, label="Description", hint="What it is for, in a sentence.", most=MOST_DESCRIPTION
    )
    instructions: Instructions | None = asked(None, **_INSTRUCTIONS)
    model: str | None = asked(
        None, label="Model", hint="Which model answers, as provider:name; none for the installation's default."
    )
    temperature: Number | None = asked(
        None, label="Temperature", hint="How freely it writes: 0 is the most predictable."
    )
    max_output_tokens: int | None = asked(
        None, label="Longest answer", hint="In tokens; a token is about three quarters of a word."
    )
    settings: str | None = asked(
        None, label="More settings", hint="What else the model takes, one in each line as name = value.", long=True
    )
    other_providers: bool | None = asked(
        None,
        label="Other providers",
        hint="May the fallbacks be other providers' models? They would see what people write.",
    )
    fallbacks: str | None = asked(
        None, label="Fallbacks", hint="Models that answer when the first one can't, in order, with commas between."
    )

    @field_validator("name")
    @classmethod
    def _one_line(cls, name: str | None) -> str | None:
        if name is not None and not (name := clean_name(name)):
            raise ValueError(MISSING)
        return name

    @classmethod
    async def choices(cls, call: Call, name: str) -> tuple[Choice, ...]:
        """Return the models that can be used here, and whose an agent may be."""
        if name == "model":
            return await model_choices(call)
        return await super().choices(call, name)

    @classmethod
    async def problem_with(cls, call: Call, name: str, value: str, values: Mapping[str, str]) -> str:
        """Say what the model's provider does not take."""
        catalogue = call.services.catalogue
        if name == "model" and value:
            return model_problem(catalogue, value)
        if not value or name not in (*OWN_FIELDS, "settings", "fallbacks"):
            return ""
        now = await cls._plan_now(call, values)
        model = values.get("model", now.model if now else "")
        if name == "fallbacks":
            given = values.get("other_providers")
            others = now is not None and now.other_providers if given is None else given.strip().lower() in _YES
            return fallbacks_problem(catalogue, model, read_fallbacks(value), others=others)
        try:
            read_settings(call, model, {"settings": value} if name == "settings" else {name: value})
        except Unfit as unfit:
            return str(unfit)
        return ""

    @classmethod
    async def _plan_now(cls, call: Call, values: Mapping[str, str]) -> Plan | None:
        """Return the plan that is changed."""
        return None


_YES = ("yes", "true", "on", "1", "y", "t")


class CreateForm(PlanFields):
    """A new agent."""

    positional = ("name", "instructions")
    name: Name = asked(**_NAME)
    instructions: Instructions = asked(**_INSTRUCTIONS)
    team: Whose | None = asked(None, label="Whose", hint="Yours, or the team's, for everybody in it.")
    template: str | None = asked(None, label="Template", hint="What to begin with; what you fill in counts instead.")

    @model_validator(mode="before")
    @classmethod
    def _from_template(cls, values: Any) -> Any:
        """Take from the template what was not filled in."""
        template = TEMPLATES.get(str(values.get("template", "")).strip().lower()) if isinstance(values, dict) else None
        if template is None:
            return values
        filled = {name: value for name, value in values.items() if value or name not in _OF_TEMPLATE}
        return {**{name: getattr(template, name) for name in _OF_TEMPLATE}, **filled}

    @classmethod
    async def choices(cls, call: Call, name: str) -> tuple[Choice, ...]:
        """Return the templates, and else what `PlanFields` has."""
        if name == "template":
            return tuple(Choice(template.key, template.name) for template in TEMPLATES.values())
        return team_choices(call) if name == "team" else await super().choices(call, name)

    @classmethod
    async def present(cls, call: Call, values: Mapping[str, str]) -> dict[str, str]:
        """Return what the template has."""
        team_for(call, values.get("team", ""))
        template = TEMPLATES.get(values.get("template", "").lower())
        return {name: getattr(template, name) for name in _OF_TEMPLATE} if template is not None else {}

    @classmethod
    async def problem_with(cls, call: Call, name: str, value: str, values: Mapping[str, str]) -> str:
        """Say that a name is taken, or the team's agents are not the caller's to make."""
        if name == "template" and value and value.lower() not in TEMPLATES:
            return f"There is no such template; there are {', '.join(TEMPLATES)}."
        if name not in ("name", "team"):
            return await super().problem_with(call, name, value, values)
        try:
            team = team_for(call, values.get("team", ""))
        except NotPossible as refusal:
            return str(refusal) if name == "team" else ""
        return await name_problem(call, team, value) if name == "name" else ""

    @classmethod
    def questions(cls, values: Mapping[str, str]) -> tuple[str, ...]:
        """Ask for name, instructions and model; of a template only for the name."""
        return ("name",) if values.get("template") else ("name", "instructions", "model")

    @classmethod
    def enough(cls, values: Mapping[str, str]) -> bool:
        """Ask before a template becomes an agent."""
        return bool(values.get("name"))


_OF_TEMPLATE = ("name", "description", "instructions")


class What(StrEnum):
    """What of an agent is changed, in the order in which it is offered."""

    NAME = "name"
    INSTRUCTIONS = "instructions"
    DESCRIPTION = "description"
    MODEL = "model"
    TEMPERATURE = "temperature"
    LONGEST = "max_output_tokens"
    SETTINGS = "settings"
    FALLBACKS = "fallbacks"


_ASKED_FOR = {What.FALLBACKS: ("other_providers", "fallbacks")}
EDITED = (*(each.value for each in What), "other_providers")
"""The fields that change an agent."""


class EditForm(PlanFields, AboutAgent):
    """What to change about an agent; what is left out stays, and an empty text takes away what there is.

    Args:
        to: the new value of `what`, for commands: `/agents edit writer instructions You write.`
        version: what the fields were filled with: a change by somebody else since then is not overwritten.
    """

    positional = ("agent", "what", "to")
    changes = True
    what: What | None = asked(None, label="What to change", hint="One thing at a time.", only_question=True)
    to: str | None = asked(None, label="New value", hint="What that is to be.", only_question=True)
    version: int | None = Field(None, description="The version that you saw; leave it as it is.")

    @model_validator(mode="before")
    @classmethod
    def _change_what(cls, values: Any) -> Any:
        """Take the new value of `what` for that field."""
        what, to = (values.get("what"), values.get("to")) if isinstance(values, dict) else (None, None)
        return {what: to, **values} if to is not None and what in set(What) else values

    @field_validator("name", "instructions")
    @classmethod
    def _is_needed(cls, text: str | None) -> str:
        if not text:
            raise ValueError("An agent can't be without it.")
        return text

    @classmethod
    async def choices(cls, call: Call, name: str) -> tuple[Choice, ...]:
        """Return what can be changed, by the fields' labels."""
        if name == "what":
            return tuple(Choice(each.value, _label(each.value)) for each in What)
        return await super().choices(call, name)

    @classmethod
    async def present(cls, call: Call, values: Mapping[str, str]) -> dict[str, str]:
        """Return what the agent is like now."""
        if "agent" not in values:
            return {}
        agent = await changeable(call, values["agent"])
        plan = (await present_plan(call, agent)).plan
        return as_fields(plan) | {"version": str(agent.version)}

    @classmethod
    async def problem_with(cls, call: Call, name: str, value: str, values: Mapping[str, str]) -> str:
        """Say that the agent isn't there, or its new name is taken."""
        if name == "agent":
            return await AboutAgent.problem_with(call, name, value, values)
        if name == "to":
            what = values.get("what", "")
            known = what in set(What) and what not in values
            return await cls.problem_with(call, what, value, {**values, what: value}) if known else ""
        if name == "name" and value:
            agent = await find(call, values.get("agent", ""))
            return await name_problem(call, agent.team_id, value, but=agent) if agent is not None else ""
        return await super().problem_with(call, name, value, values)

    @classmethod
    def questions(cls, values: Mapping[str, str]) -> tuple[str, ...]:
        """Ask what to change, then for that."""
        what = values.get("what", "")
        if "to" in values:
            return ("agent", "what")
        return ("agent", "what", *(_ASKED_FOR.get(What(what), (what,)) if what in set(What) else ()))

    @classmethod
    def enough(cls, values: Mapping[str, str]) -> bool:
        """Ask unless something to change is given."""
        return any(name in values for name in (*EDITED, "to"))

    @classmethod
    async def _plan_now(cls, call: Call, values: Mapping[str, str]) -> Plan | None:
        agent = await find(call, values.get("agent", ""))
        return (await present_plan(call, agent)).plan if agent is not None else None


def _label(name: str) -> str:
    extra = EditForm.model_fields[name].json_schema_extra
    assert isinstance(extra, dict)
    return str(getattr(extra["asking"], "label", name))
