"""The list of operations, and the decorator that puts one there."""

import difflib
import re
import shlex
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from core.access import Mode, Standing
from core.agents import Agents
from core.directory import Directory, KnownChat, Person
from core.lanes import Lanes
from core.operations.card import Card
from core.providers.catalogue import Catalogue
from storage.clock import Clock
from storage.sealing import Sealer


class Effect(StrEnum):
    """How an operation runs: a read, a write in the transaction that finishes the inbound, or a call outside."""

    READ = "read"
    WRITE = "write"
    EXTERNAL = "external"


class Form(BaseModel):
    """The fields of an operation. Each has a description: the question a person is asked."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class NoFields(Form):
    """Nothing to fill in."""


class NotPossible(Exception):
    """The operation can't be done; the text is a sentence that a person can act on."""


@dataclass(frozen=True, slots=True)
class Services:
    """What operations work with."""

    clock: Clock
    sealer: Sealer
    secret_hash: Callable[[str, str], str]
    directory: Directory
    lanes: Lanes
    agents: Agents
    catalogue: Catalogue
    mode: Mode
    team_id: UUID
    public_url: str
    telegram_username: Callable[[], str]


@dataclass(slots=True)
class Call:
    """One caller's call.

    Args:
        surface: `chat`, `web`, `cli` …
        chat: where the call was made, if it was made in a chat.
        external_id: the caller's id on the channel; `name` is what they call themselves there.
        after_commit: what to do once the transaction holds; it must not fail.
    """

    services: Services
    surface: str
    standing: Standing
    person: Person | None = None
    chat: KnownChat | None = None
    channel: str = ""
    external_id: str = ""
    name: str = ""
    after_commit: list[Callable[[], None]] = field(default_factory=list)

    def in_chat(self) -> KnownChat:
        """Return the chat of the call.

        Raises:
            NotPossible: it was not made in a chat.
        """
        if self.chat is None:
            raise NotPossible("That works only inside a chat.")
        return self.chat


Run = Callable[[Call, Any], Awaitable[Card]]


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing the platform can do for a caller.

    Args:
        name: `<noun>.<verb>`.
        alias: the short chat command, without its slash; empty if it has none.
        title: what it does, in the imperative, for menus and help.
        standing: the least a caller must be.
        urgent: works while a turn runs.
        hidden: not in menus; buttons and the command line use it.
        surfaces: where it is offered; empty for everywhere.
    """

    name: str
    title: str
    run: Run
    form: type[Form]
    standing: Standing
    effect: Effect
    alias: str = ""
    urgent: bool = False
    hidden: bool = False
    surfaces: frozenset[str] = frozenset()

    def usage(self) -> str:
        """Return the command as a person would type it."""
        words = [f"/{self.alias}"] if self.alias else [f"/{self.name}"]
        for name, info in self.form.model_fields.items():
            words.append(f"<{name}>" if info.is_required() else f"[{name}]")
        return " ".join(words)


OPERATIONS: dict[str, Operation] = {}


def operation(
    name: str,
    title: str,
    *,
    standing: Standing,
    effect: Effect,
    alias: str = "",
    urgent: bool = False,
    hidden: bool = False,
    surfaces: frozenset[str] = frozenset(),
) -> Callable[[Callable[[Call, Any], Awaitable[Card]]], Run]:
    """Put the decorated `async def run(call, form) -> Card` on the list; the form is its second argument's type."""

    def register(run: Run) -> Run:
        form = run.__annotations__["form"]
        if name in OPERATIONS:
            raise ValueError(f"two operations are called {name}")
        OPERATIONS[name] = Operation(name, title, run, form, standing, effect, alias, urgent, hidden, surfaces)
        return run

    return register


_COMMAND = re.compile(r"/([A-Za-z][A-Za-z0-9_.]*)(?:@(\w+))?(?:\s+(.*))?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Command:
    """A command as it was typed: its word, and what follows."""

    word: str
    rest: str

    @property
    def operation(self) -> Operation | None:
        """Return the operation that the word names, by alias or by full name."""
        for candidate in OPERATIONS.values():
            if self.word in (candidate.alias, candidate.name):
                return candidate
        return None

    def nearest(self) -> str | None:
        """Return the command whose word is most like this one."""
        words = [o.alias for o in OPERATIONS.values() if o.alias and not o.hidden]
        close = difflib.get_close_matches(self.word, words, n=1, cutoff=0.5)
        return close[0] if close else None

    def values(self, form: type[Form]) -> dict[str, str]:
        """Return what follows as the form's fields: `name=value` pairs, the rest in the fields' order."""
        names = list(form.model_fields)
        if not names:
            return {}
        if len(names) == 1 and not self.rest.startswith(f"{names[0]}="):
            return {names[0]: self.rest.strip()} if self.rest.strip() else {}
        try:
            words = shlex.split(self.rest)
        except ValueError:
            words = self.rest.split()
        values: dict[str, str] = {}
        for word in words:
            name, equals, value = word.partition("=")
            if equals and name in names:
                values[name] = value
                continue
            free = [n for n in names if n not in values]
            if free:
                values[free[0]] = word
            else:
                values[names[-1]] += f" {word}"
        return values


def command_in(text: str) -> Command | None:
    """Return the command that a text is, None if it is none."""
    match = _COMMAND.fullmatch(text.strip())
    return Command(match.group(1).lower(), match.group(3) or "") if match is not None else None


def is_urgent(text: str) -> bool:
    """Tell whether a text is a command that works while a turn runs."""
    command = command_in(text)
    return command is not None and command.operation is not None and command.operation.urgent
