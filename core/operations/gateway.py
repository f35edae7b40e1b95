"""The one way to an operation: who is calling, may they, validate, run, write it down."""

import logging
from collections.abc import Mapping

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from core.access import Standing
from core.operations.card import Card
from core.operations.form import Form
from core.operations.registry import Call, Effect, NotPossible, Operation
from storage.ids import new_id
from storage.tables import AuditEvent

log = logging.getLogger("prowex.operations")

MISSING = "Please fill this in."
_WHO_MAY = {
    Standing.GUEST: "people who were let in",
    Standing.MEMBER: "members of the team",
    Standing.ADMIN: "admins of the team",
    Standing.OWNER: "the team's owner",
    Standing.OPERATOR: "the operator of this installation",
}
_SENTENCES = {
    "missing": MISSING,
    "string_too_short": MISSING,
    "string_too_long": "Write at most {max_length} characters.",
    "float_parsing": "Write a number, such as 0.5.",
    "finite_number": "Write a number, such as 0.5.",
    "int_parsing": "Write a whole number, such as 500.",
    "int_from_float": "Write a whole number, such as 500.",
    "bool_parsing": "Write yes or no.",
    "greater_than_equal": "Write {ge:g} or more.",
    "greater_than": "Write more than {gt:g}.",
    "less_than_equal": "Write at most {le:g}.",
    "enum": "Write one of {expected}.",
    "literal_error": "Write one of {expected}.",
    "uuid_parsing": "There is nothing with that number.",
    "extra_forbidden": "There is no such field.",
}


class Unfit(NotPossible):
    """Some fields are missing or wrong.

    Args:
        problems: a sentence for each, by field.
        usage: how to write the command.
    """

    def __init__(self, problems: Mapping[str, str], usage: str) -> None:
        self.problems = dict(problems)
        told = "; ".join(f"{name}: {text[:1].lower()}{text[1:].rstrip('.')}" for name, text in problems.items())
        if "…" in problems:
            told = "that is more than it takes"
        super().__init__(f"{told}. Write it like this: `{usage}`")


async def invoke(call: Call, operation: Operation, values: Mapping[str, str]) -> Card:
    """Run `operation` for the caller; a write runs in the transaction that the caller has opened, an external outside.

    Raises:
        NotPossible: it was refused or can't be done; its text is a sentence for the person.
        Unfit: the fields say what is wrong with each.
    """
    await allow(call, operation)
    form = await read(call, operation, values)
    card = await operation.run(call, form)
    if operation.effect is Effect.WRITE:
        await audit(call, operation, "done")
    return card


async def allow(call: Call, operation: Operation) -> None:
    """Make sure that the caller may use the operation here.

    Raises:
        NotPossible: they may not; the text says who may.
    """
    if operation.surfaces and call.surface not in operation.surfaces:
        raise NotPossible(f"`{operation.name}` can't be used here.")
    if call.standing < operation.standing:
        raise NotPossible(f"Only {_WHO_MAY[operation.standing]} can do that.")
    if call.restricted and not operation.restricted:
        raise NotPossible("Your data may only be kept at the moment, as you asked, so I can't do that.")


async def read(call: Call, operation: Operation, values: Mapping[str, str]) -> Form:
    """Return the fields, checked.

    Raises:
        Unfit: some are missing or wrong.
    """
    problems: dict[str, str] = {}
    form = None
    try:
        form = operation.form.model_validate(dict(values))
    except ValidationError as error:
        for problem in error.errors(include_url=False, include_input=False):
            problems.setdefault(str(problem["loc"][0]) if problem["loc"] else "", _sentence(problem))
    for name, value in values.items():
        if name in problems or name not in operation.form.model_fields:
            continue
        if wrong := await operation.form.problem_with(call, name, value.strip(), values):
            is_missing = not value.strip() and operation.form.model_fields[name].is_required()
            problems[name] = MISSING if is_missing else wrong
    if problems or form is None:
        raise Unfit(problems, operation.usage())
    return form


def _sentence(problem: ErrorDetails) -> str:
    template = _SENTENCES.get(problem["type"])
    if template is not None:
        return template.format(**problem.get("ctx", {})).replace("'", "")
    message = problem["msg"].removeprefix("Value error, ").rstrip(".")
    return f"{message[:1].upper()}{message[1:]}."


async def audit(call: Call, operation: Operation, outcome: str) -> None:
    """Write down, in the caller's transaction, who did what."""
    await AuditEvent.create(
        id=new_id(),
        at=call.services.clock.now(),
        user_id=call.person.user_id if call.person else None,
        identity_id=call.person.identity_id if call.person else None,
        surface=call.surface,
        action=operation.name,
        target_id=call.chat.id if call.chat else None,
        outcome=outcome,
    )
