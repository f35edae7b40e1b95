"""`prowex call OPERATION [name=value …]`: any operation, as the operator."""

import argparse
import contextlib
import difflib
import json
import re
import sys
from collections.abc import Sequence
from enum import Enum
from typing import Any

from pydantic.fields import FieldInfo

from bot.compose import open_core, open_foundation
from bot.settings import Settings
from bot.stop import Stop
from channels.text.terminal import render
from core.access import Standing
from core.operations.card import Card
from core.operations.gateway import audit, invoke
from core.operations.registry import OPERATIONS, Call, Effect, NotPossible, Operation
from core.operations.typed import Command
from storage.clock import SystemClock
from storage.faults import Step
from storage.transactions import transaction

_NAMED = re.compile(r"([A-Za-z_]\w*)=(.*)", re.DOTALL)


class _Named(argparse.Action):
    """Take the operation's name, and make the help that of the operation."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, value: Any, option: str | None = None
    ) -> None:
        namespace.operation = value
        with contextlib.suppress(Stop):  # told later, unless help is all that is asked for
            operation = operation_named(value or "")
            parser.usage, parser.description = f"{usage_of(operation)} [--json]", f"{operation.title}."
            parser.epilog = about(operation)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take an operation and its fields."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = "`prowex call OPERATION --help` lists an operation's fields."
    parser.add_argument(
        "operation", nargs="?", metavar="OPERATION", action=_Named, help="its name; without one, all are listed"
    )
    parser.add_argument("fields", nargs="*", metavar="name=value", help="the operation's fields")
    parser.add_argument("--json", action="store_true", help='print the answer, or {"error": …}, as JSON')


async def main(args: argparse.Namespace, settings: Settings) -> int:
    """Run one operation and print its card."""
    if not args.json:
        sys.stdout.write(await _answer(args, settings))
        return 0
    try:
        sys.stdout.write(await _answer(args, settings))
    except Stop as stop:
        sys.stdout.write(_json({"error": str(stop)}))
        return stop.code
    return 0


async def _answer(args: argparse.Namespace, settings: Settings) -> str:
    if args.operation is None:
        return _list(as_json=args.json)
    operation = operation_named(args.operation)
    card = await _run(operation, values_of(operation, args.fields), settings)
    if args.json:
        fields = {label: value.strip("`") for label, value in card.fields}
        return _json({"title": card.title, "text": card.text, "fields": fields, **dict(card.data)})
    text = card.body().markdown() or "Done."
    return (render(text, 100) if sys.stdout.isatty() else text) + "\n"


async def _run(operation: Operation, values: dict[str, str], settings: Settings) -> Card:
    async with open_foundation(settings, SystemClock()) as foundation, open_core(foundation, {}) as core:
        house = foundation.installation.house
        await core.services.sealer.key(house)
        call = Call(services=core.services, surface="cli", standing=Standing.OPERATOR, teams=(house.id,))
        try:
            if operation.effect is Effect.EXTERNAL:
                card = await invoke(call, operation, values)
            async with transaction(Step.ADMIN):
                if operation.effect is Effect.EXTERNAL:
                    await audit(call, operation, "done")
                else:
                    card = await invoke(call, operation, values)
        except NotPossible as refusal:
            raise Stop(str(refusal).replace(operation.usage(), usage_of(operation))) from refusal
        for act in call.after_commit:
            act()
        return card


def operation_named(name: str) -> Operation:
    """Return the operation with this full name or chat command.

    Raises:
        Stop: there is none.
    """
    name = name.removeprefix("/")
    if (operation := Command(name, "").operation) is not None:
        return operation
    aliases = {each.alias: each.name for each in OPERATIONS.values() if each.alias}
    near = difflib.get_close_matches(name, [*OPERATIONS, *aliases], 1)
    did_you = f"Did you mean {aliases.get(near[0], near[0])}? " if near else ""
    raise Stop(f"There is no operation {name!r}. {did_you}`prowex call` lists them all.")


def values_of(operation: Operation, words: Sequence[str]) -> dict[str, str]:
    """Return the fields in `words`, which the shell has split: by name, and those without one in the fields' order.

    Raises:
        Stop: a field is unknown or given twice, or there are more words than fields.
    """
    names = list(operation.form.model_fields)
    values: dict[str, str] = {}
    unnamed: list[str] = []
    for word in words:
        named = _NAMED.fullmatch(word)
        if named is None:
            unnamed.append(word)
            continue
        name, value = named.groups()
        if name not in names:
            near = difflib.get_close_matches(name, names, 1)
            did_you = f"Did you mean {near[0]}? " if near else ""
            raise Stop(f"{operation.name} has no field {name!r}. {did_you}Write it like this: `{usage_of(operation)}`")
        if name in values:
            raise Stop(f"The field {name} is given twice; leave one out.")
        values[name] = value
    free = [name for name in names if name not in values]
    if len(unnamed) > len(free):
        raise Stop(f"That is more than {operation.name} takes. Write it like this: `{usage_of(operation)}`")
    return values | dict(zip(free, unnamed, strict=False))


def usage_of(operation: Operation) -> str:
    """Return the operation as a person would type it in a shell."""
    words = [f"prowex call {operation.name}"]
    for name, info in operation.form.model_fields.items():
        words.append(f"{name}=…" if info.is_required() else f"[{name}=…]")
    return " ".join(words)


def about(operation: Operation) -> str:
    """Return which fields the operation takes, a line for each, and what it is called in a chat."""
    lines = [f"In a chat it is /{operation.alias}."] if operation.alias else []
    fields = operation.form.model_fields
    longest = max(map(len, fields), default=0)
    rows = [f"  {name:<{longest}}  {_about(info)}" for name, info in fields.items()]
    return "\n".join(["fields:", *rows, "", *lines] if rows else ["It takes no fields.", *lines])


def _about(info: FieldInfo) -> str:
    words = [info.description or ""]
    if isinstance(info.annotation, type) and issubclass(info.annotation, Enum):
        words.append(f"One of {', '.join(str(each.value) for each in info.annotation)}.")
    if info.is_required():
        words.append("Required.")
    elif info.default is not None:
        words.append(f"Default: {info.default}.")
    return " ".join(words)


def _list(*, as_json: bool) -> str:
    known = sorted(OPERATIONS.values(), key=lambda each: each.name)
    if as_json:
        return _json(
            [{"name": each.name, "title": each.title, "fields": list(each.form.model_fields)} for each in known]
        )
    longest = max(len(each.name) for each in known)
    lines = [f"{each.name:<{longest}}  {each.title}" for each in known]
    return "\n".join([*lines, "", "`prowex call OPERATION --help` lists an operation's fields."]) + "\n"


def _json(answer: object) -> str:
    return json.dumps(answer, ensure_ascii=False) + "\n"
