"""The list of operations, and the decorator that puts one there."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from uuid import UUID

from core.access import Mode, Standing
from core.agents import Agents
from core.compaction import Compaction
from core.directory import Directory, KnownChat, Person
from core.envelopes import Button
from core.lanes import Lanes
from core.operations.card import Card
from core.operations.form import Form, asking
from core.providers.catalogue import Catalogue
from storage.clock import Clock
from storage.files import FileStore
from storage.sealing import Sealer


class Effect(StrEnum):
    """How an operation runs: a read, a write in the transaction that finishes the inbound, or a call outside."""

    READ = "read"
    WRITE = "write"
    EXTERNAL = "external"


class NotPossible(Exception):
    """The operation can't be done; the text is a sentence that a person can act on.

    Args:
        buttons: what they may do instead.
    """

    def __init__(self, text: str, *buttons: Button) -> None:
        super().__init__(text)
        self.buttons = buttons


@dataclass(frozen=True, slots=True)
class Services:
    """What operations work with."""

    clock: Clock
    sealer: Sealer
    files: FileStore
    secret_hash: Callable[[str, str], str]
    directory: Directory
    lanes: Lanes
    agents: Agents
    catalogue: Catalogue
    compaction: Compaction
    mode: Mode
    team_id: UUID
    public_url: Callable[[], str]
    telegram_username: Callable[[], str]


@dataclass(slots=True)
class Call:
    """One caller's call.

    Args:
        surface: `chat`, `web`, `cli` …
        chat: where the call was made, if it was made in a chat.
        teams: those whose agents the caller may see, their own first; the keys of all are at hand.
        restricted: nothing but keeping is done with the caller's data.
        message_id: the platform's id of the message that made the call.
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
    teams: tuple[UUID, ...] = ()
    restricted: bool = False
    message_id: str = ""
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
        agents: agents may use it as a tool, with the caller's rights; a write only after the caller's yes.
        restricted: also for people whose data may only be kept.
        submit: what the button under its form says; empty for the title's first word.
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
    agents: bool = False
    restricted: bool = False
    submit: str = ""

    @property
    def command(self) -> str:
        """Return what a person types, with its slash: the short word, or noun and verb."""
        return f"/{self.alias or self.name.replace('.', ' ')}"

    def usage(self) -> str:
        """Return the command as a person would type it."""
        words = [self.command]
        in_order = self.form.positional
        for name, info in self.form.model_fields.items():
            if asking(info).only_question:
                continue
            shown = f"<{name}>" if in_order is None or name in in_order else f"{name}=<{name}>"
            words.append(shown if info.is_required() else f"[{shown.strip('<>') if shown[0] == '<' else shown}]")
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
    agents: bool = False,
    restricted: bool = False,
    submit: str = "",
) -> Callable[[Callable[[Call, Any], Awaitable[Card]]], Run]:
    """Put the decorated `async def run(call, form) -> Card` on the list; the form is its second argument's type."""

    def register(run: Run) -> Run:
        form = run.__annotations__["form"]
        if name in OPERATIONS:
            raise ValueError(f"two operations are called {name}")
        OPERATIONS[name] = Operation(
            name, title, run, form, standing, effect, alias, urgent, hidden, surfaces, agents, restricted, submit
        )
        return run

    return register
