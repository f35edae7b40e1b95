"""The one way to an operation: validate, check who may, run, write it down."""

import logging

from pydantic import ValidationError

from core.access import Standing
from core.operations.card import Card
from core.operations.registry import Call, Effect, NotPossible, Operation
from storage.ids import new_id
from storage.tables import AuditEvent

log = logging.getLogger("prowex.operations")

_WHO_MAY = {
    Standing.GUEST: "people who were let in",
    Standing.MEMBER: "members of the team",
    Standing.ADMIN: "admins of the team",
    Standing.OWNER: "the team's owner",
    Standing.OPERATOR: "the operator of this installation",
}


async def invoke(call: Call, operation: Operation, values: dict[str, str]) -> Card:
    """Run `operation` for the caller; a write runs in the transaction that the caller has opened.

    Raises:
        NotPossible: it was refused or can't be done; its text is a sentence for the person.
    """
    if operation.surfaces and call.surface not in operation.surfaces:
        raise NotPossible(f"`{operation.name}` can't be used here.")
    if call.standing < operation.standing:
        await _audit(call, operation, "refused")
        raise NotPossible(f"Only {_WHO_MAY[operation.standing]} can do that.")
    try:
        form = operation.form.model_validate(values)
    except ValidationError as error:
        raise NotPossible(_what_is_wrong(operation, error)) from error
    card = await operation.run(call, form)
    if operation.effect is not Effect.READ:
        await _audit(call, operation, "done")
    return card


def _what_is_wrong(operation: Operation, error: ValidationError) -> str:
    problems = []
    for problem in error.errors(include_url=False, include_input=False, include_context=False):
        field = str(problem["loc"][0]) if problem["loc"] else ""
        message = problem["msg"].removeprefix("Value error, ").rstrip(".")
        problems.append(f"{field}: {message[:1].lower()}{message[1:]}" if field else message)
    return f"{'; '.join(problems)}. Write it like this: `{operation.usage()}`"


async def _audit(call: Call, operation: Operation, outcome: str) -> None:
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
