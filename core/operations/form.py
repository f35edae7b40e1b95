"""The fields of an operation, and what a surface must know to ask a person for them."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.fields import FieldInfo

from core.envelopes import Choice

if TYPE_CHECKING:
    from core.operations.registry import Call


class Form(BaseModel):
    """The fields of an operation, made with `asked`: a surface asks a person for those that are missing.

    `positional` names the fields that are taken in order from a command without their names, the last of them all the
    rest; None for all fields.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)
    positional: ClassVar[tuple[str, ...] | None] = None

    @model_validator(mode="before")
    @classmethod
    def _empty_is_nothing(cls, values: Any) -> Any:
        """Take an empty text as no value, where a field may have none."""
        if not isinstance(values, dict):
            return values
        infos = cls.model_fields
        return {
            name: None if value == "" and name in infos and type(None) in get_args(infos[name].annotation) else value
            for name, value in values.items()
        }

    @classmethod
    async def choices(cls, call: "Call", name: str) -> tuple[Choice, ...]:
        """Return the values that a field may have, if there are few; may ask the network, never in a transaction."""
        annotation = cls.model_fields[name].annotation
        for kind in (annotation, *get_args(annotation)):
            if isinstance(kind, type) and issubclass(kind, StrEnum):
                return tuple(Choice(each.value, each.value.replace("_", " ")) for each in kind)
            if kind is bool:
                return (Choice("yes", "Yes"), Choice("no", "No"))
        return ()

    @classmethod
    async def present(cls, call: "Call", values: Mapping[str, str]) -> dict[str, str]:
        """Return what the fields hold now, for forms that change something; `values` are those already given.

        Raises:
            NotPossible: what the form is about isn't there, or isn't the caller's.
        """
        return {}

    @classmethod
    async def problem_with(cls, call: "Call", name: str, value: str, values: Mapping[str, str]) -> str:
        """Return what is wrong with a value of the right type, as a sentence; empty if nothing is. Quick."""
        return ""

    @classmethod
    def questions(cls, values: Mapping[str, str]) -> tuple[str, ...]:
        """Return the fields that are asked for one after the other, given those that have values."""
        return tuple(name for name, info in cls.model_fields.items() if asking(info).ask or info.is_required())

    @classmethod
    def enough(cls, values: Mapping[str, str]) -> bool:
        """Tell whether there is enough to go on without asking, beyond the required fields."""
        return True


@dataclass(frozen=True, slots=True)
class Asking:
    """How a field is asked for.

    Args:
        label: a few words.
        long: many lines.
        ask: ask for it even where it may be left out, when asking question by question.
        subject: what the form is about: once it is given it is not asked for again.
        only_question: leads the questions; not part of a form that is shown whole.
        needed: it may stay as it is, but not be emptied.
        file: the text of a file that comes with the command is its value.
        most: characters it may have.
    """

    label: str = ""
    long: bool = False
    ask: bool = False
    subject: bool = False
    only_question: bool = False
    needed: bool = False
    file: bool = False
    most: int = 0


def asked(default: Any = ..., *, label: str, hint: str, **how: Any) -> Any:
    """Return a pydantic field that forms ask for: `label` in a few words, `hint` as a sentence; see `Asking`."""
    return Field(default, description=hint, json_schema_extra={"asking": Asking(label, **how)})  # type: ignore[dict-item]


def asking(info: FieldInfo) -> Asking:
    """Return how a field is asked for."""
    extra = info.json_schema_extra
    found = extra.get("asking") if isinstance(extra, dict) else None
    return found if isinstance(found, Asking) else Asking()


def is_asked(form: type[Form], name: str) -> bool:
    """Tell whether people are asked for a field; buttons and programs give the others."""
    return name in form.model_fields and bool(asking(form.model_fields[name]).label)


class NoFields(Form):
    """Nothing to fill in."""
