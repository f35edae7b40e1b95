"""Operations as an agent's tools: those that say so, with the rights of the person who asks.

What only reads runs at once. What changes something is put before the person as a question; it runs when they say yes.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, get_args
from uuid import UUID

from core.operations import asking
from core.operations.form import asking as asking_of
from core.operations.form import is_asked
from core.operations.gateway import invoke
from core.operations.registry import OPERATIONS, Call, Effect, NotPossible, Operation
from core.providers.port import ToolCall, ToolDefinition
from storage.ids import new_id

MOST_QUESTIONS = 3
_MOST_RESULT = 16_000
_BREAKS = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")
_HIDDEN = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufdd0-\ufdef\ufeff\ufff9-\ufffb\ufffe\uffff\U000e0000-\U000e0fff]"
)
"""Letters that nobody sees, that no channel shows, and that turn around what stands beside them."""
_ASKED = (
    "The person is asked for a yes now, with a button; it happens only when they press it. Say in one sentence what "
    "you propose, and don't claim that it is done."
)


@dataclass(frozen=True, slots=True)
class Question:
    """A call that waits for the person's yes."""

    id: UUID
    operation: Operation
    values: Mapping[str, str]

    def told(self) -> str:
        """Return exactly what will be done, as Markdown that no value can pretend to be part of."""
        infos = self.operation.form.model_fields
        lines = [
            f"{asking_of(infos[name]).label or name}: {asking.as_code(_seen(value))}"
            for name, value in self.values.items()
        ]
        return "\n\n".join([f"**{self.operation.title}?**", *lines])


@dataclass(slots=True)
class Tools:
    """What one turn's agent may use.

    Args:
        call: the person's, who asks.
        questions: what waits for a yes at the turn's end.
    """

    call: Call
    questions: list[Question] = field(default_factory=list)

    def definitions(self) -> tuple[ToolDefinition, ...]:
        """Return the tools as a model reads them."""
        return tuple(
            ToolDefinition(
                o.name, f"{o.title}. {'' if o.effect is Effect.READ else 'Needs a yes.'}".strip(), _schema(o)
            )
            for o in OPERATIONS.values()
            if self._may(o)
        )

    def _may(self, operation: Operation) -> bool:
        call = self.call
        here = not operation.surfaces or call.surface in operation.surfaces
        return operation.agents and here and operation.standing <= call.standing and not call.restricted

    def begin(self) -> None:
        """Forget what a former attempt at the answer wanted a yes to."""
        self.questions.clear()

    async def use(self, asked: ToolCall) -> str:
        """Do what the model asks for, or put it before the person; return what the model reads."""
        operation = OPERATIONS.get(asked.name)
        if operation is None or not self._may(operation):
            return f"There is no tool {asked.name}."
        try:
            values = _values(asked.arguments)
            problems = await asking.problems(self.call, operation, values)
            if problems is not None:
                told = "; ".join(f"{name}: {text}" for name, text in problems.items())
                return f"That can't be done: {told or 'too little is given.'}"
            if operation.effect is Effect.READ:
                card = await invoke(self.call, operation, values)
                return "\n".join([card.body().markdown(), *(f"{n}: {v}" for n, v in card.data)])[:_MOST_RESULT]
            if len(self.questions) >= MOST_QUESTIONS:
                return "The person is asked enough at once. Wait for what they say."
            self.questions.append(Question(new_id(), operation, values))
            return _ASKED
        except NotPossible as refusal:
            return f"That can't be done: {refusal}"


def _values(arguments: str) -> dict[str, str]:
    """Return a tool call's arguments as a form takes them.

    Raises:
        NotPossible: they are no JSON object.
    """
    try:
        given = json.loads(arguments or "{}")
        if isinstance(given, dict):
            return {str(name): _text(value) for name, value in given.items() if value is not None}
    except (ValueError, RecursionError):
        pass
    raise NotPossible("the arguments are no JSON object.")


def _seen(value: str) -> str:
    """Return a value so that a person sees all that is in it."""
    return _HIDDEN.sub("�", _BREAKS.sub("\n", value))


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return value if isinstance(value, str) else json.dumps(value)


def _schema(operation: Operation) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    required = []
    for name, info in operation.form.model_fields.items():
        if not is_asked(operation.form, name) or asking_of(info).only_question:
            continue
        properties[name] = {"type": "string", "description": info.description or ""}
        kinds = [k for k in (info.annotation, *get_args(info.annotation)) if isinstance(k, type)]
        if enums := [k for k in kinds if issubclass(k, StrEnum)]:
            properties[name]["enum"] = [each.value for each in enums[0]]
        if info.is_required():
            required.append(name)
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
