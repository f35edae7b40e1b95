"""`prowex call OPERATION [name=value …]`: any operation, as the operator."""

import argparse
import json
import sys

from bot import operator_operations
from bot.compose import open_core, open_foundation
from bot.settings import Settings
from bot.stop import Stop
from channels.text.terminal import render
from core.access import Standing
from core.operations.gateway import invoke
from core.operations.registry import OPERATIONS, Call, Command, NotPossible
from storage.clock import SystemClock
from storage.faults import Step
from storage.transactions import transaction

REGISTERED = operator_operations


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take an operation and its fields."""
    parser.add_argument("operation", nargs="?", help="the operation's name; without one, all are listed")
    parser.add_argument("fields", nargs="*", metavar="name=value", help="the operation's fields")
    parser.add_argument("--json", action="store_true", help="print the answer as JSON")


async def main(args: argparse.Namespace, settings: Settings) -> int:
    """Run one operation and print its card."""
    if args.operation is None:
        for known in sorted(OPERATIONS.values(), key=lambda o: o.name):
            sys.stdout.write(f"{known.name:24} {known.title}\n")
        return 0
    command = Command(args.operation.removeprefix("/"), " ".join(args.fields))
    operation = command.operation
    if operation is None:
        raise Stop(f"There is no operation {args.operation!r}. `prowex call` lists them all.")
    async with open_foundation(settings, SystemClock()) as foundation, open_core(foundation, {}) as core:
        call = Call(services=core.services, surface="cli", standing=Standing.OPERATOR)
        try:
            async with transaction(Step.ADMIN):
                card = await invoke(call, operation, command.values(operation.form))
        except NotPossible as refusal:
            raise Stop(str(refusal)) from refusal
    if args.json:
        answer = {"title": card.title, "text": card.text, "fields": dict(card.fields), **dict(card.data)}
        sys.stdout.write(json.dumps(answer, ensure_ascii=False) + "\n")
    elif sys.stdout.isatty():
        sys.stdout.write(render(card.body().text, 100) + "\n")
    else:
        sys.stdout.write(card.body().text + "\n")
    return 0
