"""The table of rights, and what a call came to."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from core.operations.card import Card
from core.operations.gateway import invoke
from core.operations.registry import OPERATIONS, Call, Effect, NotPossible
from storage.faults import Step
from storage.transactions import transaction
from tests.core.operations.house import LINE, PEOPLE, House
from tests.core.operations.tables import raw, writes

FILE = Path(__file__).with_name("rights.toml")
DONE, ABSENT, NOT_HERE = "done", "absent", "not here"
NOBODYS = {
    "agent": "pen-of-nobody",
    "agent_id": "0123456789ab",
    "older": "0123456789ab",
    "title": "Diary of nobody",
    "summary": "0123456789ab",
    "form": "0123456789ab",
}
"""Things that nobody has; an id where none is named."""


@dataclass(frozen=True)
class Case:
    """One row: an operation with some fields, and what each caller is to get: an outcome, or a reason's name."""

    operation: str
    name: str
    place: str
    fields: Mapping[str, str]
    expected: Mapping[str, str]
    leaves: frozenset[str]

    def __str__(self) -> str:
        return f"{self.operation}, {self.name}"

    @property
    def callers(self) -> tuple[str, ...]:
        """Return who has to stand in the row: everybody, and the command line unless the place is a chat."""
        return (*PEOPLE, LINE) if self.place == "private" else PEOPLE


class BadTable(Exception):
    """The table contradicts itself or leaves something out."""


def load(text: str) -> tuple[list[Case], dict[str, re.Pattern[str]]]:
    """Return the table's rows, and the words of each reason.

    Raises:
        BadTable: somebody stands in a row twice or not at all, or a reason has no words.
    """
    table = tomllib.loads(text)
    reasons = {name: re.compile(words, re.MULTILINE) for name, words in table.pop("reasons").items()}
    cases = [_case(name, row, reasons) for name, rows in table.items() for row in rows]
    seen = [str(case) for case in cases]
    if twice := {name for name in seen if seen.count(name) > 1}:
        raise BadTable(f"twice in the table: {', '.join(sorted(twice))}")
    return cases, reasons


def _case(operation: str, row: dict[str, Any], reasons: Mapping[str, object]) -> Case:
    row = dict(row)
    name, place, fields = row.pop("case"), row.pop("place", "private"), row.pop("with", {})
    leaves = frozenset(row.pop("leaves", ()))
    outcomes = {DONE: row.pop("done", ""), ABSENT: row.pop("absent", ""), NOT_HERE: row.pop("not_here", "")}
    outcomes |= row.pop("refused", {})
    if row:
        raise BadTable(f"{operation}, {name}: what is {', '.join(row)}?")
    if unknown := outcomes.keys() - reasons.keys() - {DONE, ABSENT, NOT_HERE}:
        raise BadTable(f"{operation}, {name}: no words for {', '.join(unknown)}")
    told = [(who, outcome) for outcome, people in outcomes.items() for who in people.split()]
    case = Case(operation, name, place, fields, dict(told), leaves)
    if sorted(who for who, _ in told) != sorted(case.callers):
        raise BadTable(f"{case}: these must stand there once: {' '.join(case.callers)}")
    if ABSENT in case.expected.values() and "@" not in str(fields):
        raise BadTable(f"{case}: absent is somebody's thing")
    return case


def check_whole(cases: list[Case]) -> None:
    """Make sure that every operation has rows, and every row an operation.

    Raises:
        BadTable: it is not so.
    """
    named = {case.operation for case in cases}
    if missing := sorted(OPERATIONS.keys() - named):
        raise BadTable(f"nobody wrote down who may use {', '.join(missing)}")
    if gone := sorted(named - OPERATIONS.keys()):
        raise BadTable(f"there is no operation {', '.join(gone)}")


@dataclass(frozen=True)
class Came:
    """What a call came to: a card, or the words of a refusal with the labels and commands of its buttons."""

    card: Card | None
    words: str
    traces: frozenset[str] = frozenset()

    @property
    def seen(self) -> str:
        """Return all that the caller or their program gets to see."""
        return self.words if self.card is None else repr(self.card)


def fields_for(case: Case, caller: str, house: House, *, of_nobody: bool = False) -> dict[str, str]:
    """Return the fields of a case with the things that they name for a caller.

    Args:
        of_nobody: name things that nobody has.
    """
    own = "operator" if caller == LINE else caller
    owners = {"own": own, "team": "team", "group": "group", "foreign": "other" if caller == "member" else "member"}
    values = dict(case.fields)
    for name, value in case.fields.items():
        if value.startswith("@"):
            whose, _, what = value[1:].partition(".")
            thing = house.things[owners[whose]].get(what)
            values[name] = NOBODYS.get(what) or str(uuid4()) if thing is None or of_nobody else thing
    return values


class _UndoIt(Exception):
    """The transaction is to leave nothing behind."""


async def attempt(
    house: House, case: Case, caller: str, values: Mapping[str, str], untouched: Mapping[str, Any]
) -> Came:
    """Make a call as the product does, and see which tables it changed; what it wrote in a transaction is undone.

    Args:
        untouched: what the tables hold before.
    """
    call = await house.call(caller, case.place)
    operation = OPERATIONS[case.operation]
    came = Came(None, "")
    try:
        if operation.effect is Effect.EXTERNAL:  # what it writes is committed
            came = await _came(call, case, values)
            return _with_traces(came, untouched, await raw())
        async with transaction(Step.ADMIN):
            before = await writes()
            came = await _came(call, case, values)
            if await writes() != before:
                came = _with_traces(came, untouched, await raw())
            raise _UndoIt
    except _UndoIt:
        return came


async def _came(call: Call, case: Case, values: Mapping[str, str]) -> Came:
    try:
        return Came(await invoke(call, OPERATIONS[case.operation], values), "")
    except NotPossible as refusal:
        typed = [value for value in values.values() if len(value) > 8]
        words = "\n".join([str(refusal), *(f"[{button.label}] {button.command}" for button in refusal.buttons)])
        for value in typed:
            words = words.replace(value, "…")
        return Came(None, words)


def _with_traces(came: Came, before: Mapping[str, Any], after: Mapping[str, Any]) -> Came:
    traces = frozenset(name for name in after if after[name] != before[name])
    return Came(came.card, came.words, traces - {"audit_events"})


async def judge(
    house: House, case: Case, caller: str, reasons: Mapping[str, re.Pattern[str]], untouched: Mapping[str, Any]
) -> str:
    """Return how a call went otherwise than the table says, as a sentence; empty if it went so."""
    expected = case.expected[caller]
    came = await attempt(house, case, caller, fields_for(case, caller, house), untouched)
    got = DONE if came.card is not None else repr(came.words)
    if expected == DONE:
        if came.card is None:
            return f"{caller} is to have it done, but is told {got}"
        words = [word for word in strange(caller) if word in came.seen]
        return f"{caller} sees {', '.join(words)}" if words else ""
    if came.card is not None:
        return f"{caller} is to be refused ({expected}), but it is done: {came.card}"
    if came.traces - case.leaves:
        return f"{caller} is refused, and yet something is written: {', '.join(came.traces)}"
    if expected == ABSENT:
        nothing = await attempt(house, case, caller, fields_for(case, caller, house, of_nobody=True), untouched)
        told = f", but where there is none {nothing.words!r}"
        return "" if nothing.card is None and nothing.words == came.words else f"{caller} is told {got}{told}"
    if expected == NOT_HERE:
        words = f"`{case.operation}` can't be used here."
        return "" if came.words == words else f"{caller} is to be told that it isn't offered here, not {got}"
    return "" if reasons[expected].search(came.words) else f"{caller} is to be refused ({expected}), but is told {got}"


def strange(caller: str) -> list[str]:
    """Return the words that only others may see; the operator's agent is the team's."""
    own = "operator" if caller == LINE else caller
    others = [name for name in PEOPLE if name != own]
    hidden = [f"{what} of {name}" for name in others for what in ("Letter", "Pencil")]
    return hidden + [f"{w} of {name}" for name in others if name != "operator" for w in ("Pen", "Secret", "Diary")]
