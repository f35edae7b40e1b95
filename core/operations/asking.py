"""What an operation still needs from a person, as a form to show whole or as the next question."""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from dataclasses import field as default
from datetime import timedelta

from core.envelopes import Button, Choice, FieldKind, FormField, FormView
from core.operations.card import Card
from core.operations.form import Form, asking, is_asked
from core.operations.gateway import MISSING, Unfit, allow, read
from core.operations.registry import Call, NotPossible, Operation
from storage.tables import ChatKind

OPEN_FOR = timedelta(minutes=30)
"""How long a question waits for its answer; after that, what a person writes goes to the agent again."""
_MOST_CHOICES = 12


async def problems(call: Call, operation: Operation, values: Mapping[str, str]) -> dict[str, str] | None:
    """Return what is still wrong or missing, by field; None if the operation can run.

    Nothing at all may be wrong or missing and yet not be enough to go on: then it is empty.

    Raises:
        NotPossible: the caller may not use it at all.
    """
    await allow(call, operation)
    try:
        await read(call, operation, values)
    except Unfit as unfit:
        return unfit.problems
    return None if operation.form.enough(values) else {}


def can_be_asked(operation: Operation, problems: Mapping[str, str]) -> bool:
    """Tell whether a person can mend the problems in a form; buttons and programs give what no form asks for."""
    return all(is_asked(operation.form, name) for name in problems)


async def view(
    call: Call, operation: Operation, values: Mapping[str, str], problems: Mapping[str, str], *, tried: bool
) -> FormView:
    """Return the form to show whole: first what it is about, then, once that is known, all the rest.

    Args:
        tried: the person has filled it in before, so what is missing is a problem too.

    Raises:
        NotPossible: what it is about isn't there.
    """
    form = operation.form
    subjects = [name for name, info in form.model_fields.items() if asking(info).subject and info.is_required()]
    missing = [name for name in subjects if name not in values or name in problems]
    present = {} if missing else await form.present(call, values)
    names = missing or [
        name
        for name, info in form.model_fields.items()
        if name not in subjects and is_asked(form, name) and not asking(info).only_question
    ]
    told = {name: text for name, text in problems.items() if tried or text != MISSING}
    shown = [await _field(call, form, name, {**present, **values}.get(name), told.get(name, "")) for name in names]
    given = {name: value for name, value in values.items() if name in form.model_fields and name not in names}
    fixed = tuple({**_hidden(form, present), **given}.items())
    other = "; ".join(text for name, text in told.items() if name not in names and text != MISSING)
    submit = "Next" if missing else operation.submit or operation.title.split()[0]
    return FormView(operation.name, operation.title, tuple(shown), submit, fixed, other)


def _hidden(form: type[Form], present: Mapping[str, str]) -> dict[str, str]:
    """Return what a form carries along without asking for it, such as the version that it was made from."""
    return {name: value for name, value in present.items() if name in form.model_fields and not is_asked(form, name)}


async def _field(call: Call, form: type[Form], name: str, value: str | None, problem: str) -> FormField:
    info, how = form.model_fields[name], asking(form.model_fields[name])
    choices = await form.choices(call, name)
    kind = FieldKind.CHOICE if choices else FieldKind.LONG if how.long else FieldKind.TEXT
    if value is None:
        default = info.get_default()
        value = "" if info.is_required() or default is None else str(default)
    if choices and value not in {choice.value for choice in choices}:
        known = value in ("", "None") and not info.is_required()
        if known:
            choices = (Choice("", "Not chosen"), *choices)
        elif value and not problem:
            choices = (Choice(value, value), *choices)
        else:
            value = ""
    return FormField(
        name=name,
        label=how.label or name.replace("_", " ").capitalize(),
        kind=kind,
        hint=info.description or "",
        required=info.is_required() or how.needed or how.only_question,
        value=value,
        choices=choices,
        problem=problem,
        most=how.most,
    )


@dataclass(slots=True)
class Questions:
    """A form that is asked for question by question: what was answered, and what is asked now.

    Args:
        step: the number of the question, so that a button of an earlier one is recognised.
        choices: the values behind the buttons.
    """

    operation: str
    values: dict[str, str]
    asking: str = ""
    step: int = 0
    choices: list[str] = default(default_factory=list)

    def to_json(self) -> str:
        """Return the state as it is sealed."""
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> "Questions":
        """Return the state that `to_json` wrote."""
        return cls(**json.loads(text))

    def picked(self, step: int, index: int) -> str | None:
        """Return the value of a pressed button; None if it was a former question's."""
        return self.choices[index] if step == self.step and 0 <= index < len(self.choices) else None


def refuse_if_gone(operation: Operation, wrong: Mapping[str, str], asked: str = "") -> None:
    """Make sure that what the form is about is still there; a wrong answer to what it is about is asked again.

    Args:
        asked: the field that was asked for.

    Raises:
        NotPossible: it is gone; what was answered so far is of no use.
    """
    infos = operation.form.model_fields
    for name, text in wrong.items():
        if name != asked and name in infos and asking(infos[name]).subject:
            raise NotPossible(text)


async def next_question(
    call: Call, operation: Operation, so_far: Questions, problems: Mapping[str, str], form_id: str
) -> Card | None:
    """Take the next question into `so_far` and return it as a card; None if nothing is left to ask.

    Args:
        form_id: twelve characters that the buttons carry, to tell this form from others.

    Raises:
        NotPossible: what the form is about isn't there.
    """
    form = operation.form
    for name in problems:
        so_far.values.pop(name, None)
    wrong = next((name for name, text in problems.items() if text != MISSING and name in form.model_fields), None)
    open_ones = [name for name in form.questions(so_far.values) if name not in so_far.values]
    asked = wrong or next(iter(open_ones), None)
    if asked is None:
        return None
    so_far.asking, so_far.step = asked, so_far.step + 1
    problem = problems.get(asked, "")
    present = await form.present(call, so_far.values)
    so_far.values = {**_hidden(form, present), **so_far.values}
    field = await _field(call, form, asked, present.get(asked), "" if problem == MISSING else problem)
    in_group = call.chat is not None and call.chat.kind is ChatKind.GROUP
    return _question(operation, so_far, field, form_id, in_group=in_group)


def as_code(text: str) -> str:
    """Return a text that is shown as it stands, whatever is in it."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    if "\n" not in text and len(text) < 200 and not longest:
        return f"`{text}`"
    fence = "`" * max(3, longest + 1)
    return f"\n{fence}\n{text}\n{fence}"


def _question(operation: Operation, so_far: Questions, asked: FormField, form_id: str, *, in_group: bool) -> Card:
    lines = [f"⚠️ {asked.problem}"] if asked.problem else []
    lines.append(f"**{asked.label}** – {asked.hint}" if asked.hint else f"**{asked.label}?**")
    picks = [choice for choice in asked.choices if choice.value][:_MOST_CHOICES]
    labels = {choice.value: choice.label for choice in asked.choices}
    if asked.value:
        now = labels.get(asked.value, asked.value)
        lines.append(f"Now: {as_code(now)}")
    if picks and len(asked.choices) > len(picks) + 1:
        lines.append("There are more: write the one you want.")
    if in_group:
        lines.append("Answer by replying to this message.")
    options = [(choice.value, choice.label) for choice in picks]
    if not asked.required:
        options.append(("", "Leave it empty" if asked.value else "Skip"))
    so_far.choices = [value for value, _ in options]
    buttons = [Button(label, f"/answer {form_id} {so_far.step} {n}") for n, (_, label) in enumerate(options)]
    wide = any(len(button.label) > 18 for button in buttons)
    width = 1 if wide else 2
    rows = [tuple(buttons[start : start + width]) for start in range(0, len(buttons), width)]
    rows.append((Button("Cancel", "/cancel"),))
    first = so_far.step == 1
    return Card(title=operation.title if first else "", text="\n\n".join(lines), buttons=tuple(rows))
