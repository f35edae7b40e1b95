"""The walk over the operations: what a person does on a surface, beside the same call made directly."""

import html
import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from core.access import Standing
from core.callers import call_of
from core.conversations import ref_of
from core.directory import Person, is_welcome, known_chat
from core.envelopes import Choice
from core.open_forms import OpenForms, fresh
from core.operations import approvals
from core.operations.as_tools import Question
from core.operations.card import Card
from core.operations.form import asking as asking_of
from core.operations.gateway import invoke
from core.operations.registry import OPERATIONS, Call, Effect, NotPossible, Operation, Services
from core.operations.typed import command_in
from storage.faults import Step
from storage.ids import new_id
from storage.sealing import Owner
from storage.tables import Chat, Conversation, Identity, Reply, Turn
from storage.transactions import transaction
from tests.core.operations.tables import TABLES, Rows, put_back, rows_of, writes
from tests.surfaces.recipes import ALONE, LINE, OPERATOR, RECIPES, Recipe

_KEPT_RUNNING = {"leases", "lanes", "sessions", "counters", "login_links"}
RESTORED = frozenset(TABLES) - (_KEPT_RUNNING - {"login_links"})
_TRAFFIC = {"inbox", "turns", "steps", "replies", "parts", "usage", "audit_events", "data_keys", *_KEPT_RUNNING}
COMPARED = (frozenset(TABLES) - _TRAFFIC) | {"login_links"}
_NOT_COMPARED = {"quiet_until", "noticed_at", "expires_at", "model"}
_CODE = re.compile(r"\b[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}\b")
_CHANGING = re.compile(r"\b\d{1,2}:\d\d\b|/open/\S+|\b[0-9a-f]{12}\b")


@dataclass(frozen=True)
class Shown:
    """What a person sees in answer.

    Args:
        labels: of the buttons; `commands`: what each of them sends.
        tables: they are in the text.
    """

    text: str
    labels: tuple[str, ...] = ()
    commands: Mapping[str, str] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    tables: bool = True


@dataclass(frozen=True)
class Came:
    """What a direct call came to: its words, its buttons and files, and what it changed."""

    text: str
    labels: tuple[str, ...]
    files: tuple[str, ...]
    changed: tuple[str, ...]
    refused: bool = False
    quiet: bool = False
    untabled: str = ""


def words_of(text: str) -> "Counter[str]":
    """Return the words of a text, without its formatting and what differs from call to call."""
    unfenced = re.sub(r"```\w+", "", text.replace("\\", ""))
    plain = _CHANGING.sub(" ", _CODE.sub(" ", html.unescape(unfenced)))
    found = re.findall(r"\w+", plain.casefold().replace("_", " "))
    return Counter(word for word in found if word != "prowex")


def holds(text: str, wanted: str) -> bool:
    """Tell whether a text has the wanted words, one after the other."""

    def line(words: str) -> str:
        return " ".join(re.findall(r"\w+", words.casefold().replace("_", " ")))

    return f" {line(wanted)} " in f" {line(text)} "


class Surface(ABC):
    """A place where operations are used; its town runs while the module's tests do."""

    name: str
    channel: str
    has_buttons = has_files = True
    services: Services
    seed: Rows
    things: dict[str, str]

    # what each surface has of its own

    @abstractmethod
    async def ways(self, recipe: Recipe) -> Sequence[str]:
        """Return the ways in which the surface can give what the recipe has."""

    @abstractmethod
    async def use(self, way: str, operation: Operation, recipe: Recipe, fields: Mapping[str, str], who: str) -> Shown:
        """Use an operation as a person does; return what they are shown."""

    @abstractmethod
    async def say(self, who: str, text: str, *, in_group: bool = False) -> Shown:
        """Type a command; return what is shown."""

    @abstractmethod
    async def press(self, who: str, label: str) -> Shown:
        """Press the newest button with a label; return what is shown."""

    @abstractmethod
    async def call(self, who: str, *, in_group: bool = False) -> Call:
        """Return the call that the person's own would be."""

    async def call_by(self, way: str, who: str, *, in_group: bool) -> Call:
        """Return the call that the person's own is when it is made in this way."""
        return await self.call(who, in_group=in_group)

    def refusal_of(self, operation: Operation, text: str) -> str:
        """Return how a refusal is worded here."""
        return text

    # what is the same everywhere

    async def call_in(self, account: str, chat: str, channel: str, external_id: str, name: str) -> Call:
        """Return the call of somebody in a chat."""
        identity = await Identity.get(channel=channel, external_id=external_id)
        row = await Chat.get(account=account, external_id=chat)
        person = Person(identity.id, identity.user_id, await is_welcome(account, external_id))
        return await call_of(
            self.services,
            person=person,
            chat=await known_chat(row),
            channel=channel,
            external_id=external_id,
            name=name,
        )

    async def directly(self, call: Call, operation: Operation, fields: Mapping[str, str], before: Rows) -> Came:
        """Make a call without any surface, and take back what it did."""
        result: Card | NotPossible
        changed: tuple[str, ...] = ()
        try:
            if operation.effect is Effect.EXTERNAL:
                result = await self._result(call, operation, fields)
                changed = await self.changes(before, await rows_of(COMPARED))
                await self.restore(before)
            else:
                async with transaction(Step.ADMIN):
                    untouched = await writes()
                    result = await self._result(call, operation, fields)
                    if await writes() != untouched:
                        changed = await self.changes(before, await rows_of(COMPARED))
                    raise _UndoIt
        except _UndoIt:
            self.forget()
        if isinstance(result, NotPossible):
            told = self.refusal_of(operation, str(result))
            return Came(told, tuple(button.label for button in result.buttons), (), changed, refused=True)
        labels = tuple(button.label for row in result.buttons for button in row)
        files = tuple(file.name for file in result.files)
        body = result.body()
        untabled = replace(body, table=None).markdown()
        return Came(body.markdown(), labels, files, changed, quiet=result.quiet, untabled=untabled)

    async def _result(self, call: Call, operation: Operation, fields: Mapping[str, str]) -> Card | NotPossible:
        try:
            return await invoke(call, operation, fields)
        except NotPossible as refusal:
            return refusal

    async def changes(self, before: Rows, after: Rows) -> tuple[str, ...]:
        """Return what is new, gone or different in the tables that count, readable and without ids and times."""
        known = {key for rows in before.values() for key in rows}
        told = []
        for table in sorted(COMPARED):
            for key in after[table].keys() | before[table].keys():
                was, now = before[table].get(key), after[table].get(key)
                if was == now:
                    continue
                how = "new" if was is None else "gone" if now is None else "changed"
                row = now or was or {}
                columns = row if was is None or now is None else [name for name in row if was[name] != now[name]]
                cells = [f"{name}={await self._cell(table, key, name, row[name], known)}" for name in sorted(columns)
                         if name not in _NOT_COMPARED or table == "agent_versions"]  # fmt: skip
                if cells:
                    told.append(f"{table}: {how} {', '.join(cells)}")
        return tuple(sorted(told))

    async def _cell(self, table: str, key: Any, name: str, value: Any, known: set[Any]) -> str:
        if name.endswith("_hash"):
            return "secret"
        if isinstance(value, bytes) and name in TABLES[table].held.sealed:  # type: ignore[attr-defined]
            return (
                "sealed" if table == "open_forms" else await self.services.sealer.unseal(f"{table}.{name}", key, value)
            )
        if isinstance(value, datetime):
            return "then"
        if isinstance(value, UUID):
            return str(value) if value in known else "new"
        return repr(value)

    async def restore(self, before: Rows) -> None:
        """Make the tables what they were, and have the service forget what it remembers of them."""
        await put_back(before)
        self.forget()

    def forget(self) -> None:
        """Have the service read people, chats and agents anew."""
        self.services.directory.forget()
        self.services.agents._kept.clear()

    # before some operations

    async def prepare(self, what: str, who: str) -> None:
        """Have happen what an operation is about."""
        call = await self.call(who)
        if what == "invite":
            async with transaction(Step.ADMIN):
                card = await invoke(await self.operator(), OPERATIONS["people.invite"], {})
            self.things["code"] = dict(card.data)["code"]
            return
        if call.chat is None or call.person is None:
            return
        if what == "compact":
            card = await invoke(call, OPERATIONS["conversations.compact"], {})
            self.things["summary"] = ref_of(UUID(dict(card.data)["summary"]))
        elif what == "ask":
            turn = await Turn.filter(lane_id=call.chat.lane_id).order_by("-id").first()
            assert turn is not None
            question = Question(new_id(), OPERATIONS["agents.here"], {})
            key, now = await self.services.sealer.key(call.person.owner), self.services.clock.now()
            async with transaction(Step.ADMIN):
                await approvals.ask(key, [question], turn.id, call.person.identity_id, now)
            self.things["question"] = str(question.id)
        elif what == "begin":
            key = await self.services.sealer.key(call.person.owner)
            async with transaction(Step.ADMIN):
                forms = OpenForms(self.services.sealer, self.services.clock)
                await forms.keep_open(key, call.chat.id, call.person, fresh("agents.create", {"name": "Half"}))

    async def operator(self) -> Call:
        """Return the call of the operator's command line."""
        await self.services.sealer.key(Owner("team", self.services.team_id))
        return Call(self.services, "cli", Standing.OPERATOR, teams=(self.services.team_id,))

    async def furnish(self, who: str) -> None:
        """Have somebody make agents, and talk."""
        for name, team in (("Writer", ""), ("Helper", "team")):
            await self.run(
                who, "agents.create", name=name, instructions="You write.", **({"team": team} if team else {})
            )
        await self.run(who, "agents.edit", agent="writer", description="Writes texts.")
        await self.say(who, "plums, please")
        await self.say(who, "/new")
        for number in (1, 2, 3):
            await self.say(who, f"letter {number}")
        call = await self.call(who)
        assert call.chat is not None
        reply = await Reply.filter(lane_id=call.chat.lane_id, turn_id__isnull=False).order_by("-id").first()
        older = await Conversation.filter(chat_id=call.chat.id).order_by("id").first()
        assert reply is not None
        assert older is not None
        self.things |= {"reply": str(reply.id), "older": ref_of(older.id)}

    async def run(self, who: str, operation: str, **fields: str) -> None:
        """Make a call for good."""
        call = await self.call(who)
        async with transaction(Step.ADMIN):
            await invoke(call, OPERATIONS[operation], fields)

    def fields_of(self, given: Mapping[str, str]) -> dict[str, str]:
        """Return a recipe's fields with the things that they name."""
        return {name: self.things.get(value[1:], "0") if value[:1] == "@" else value for name, value in given.items()}

    def way_of_typing(self, operation: Operation, fields: Mapping[str, str]) -> str:
        """Return a command as a person types it whole."""
        form = operation.form
        order = list(form.positional if form.positional is not None else form.model_fields)
        in_order = []
        for name in order:
            if name not in fields:
                break
            in_order.append(name)
        named = [f'{name}="{value}"' if " " in value else f"{name}={value}"
                 for name, value in fields.items() if name not in in_order]  # fmt: skip
        quoted = [fields[name] if name == order[-1] or " " not in fields[name] else f'"{fields[name]}"'
                  for name in in_order]  # fmt: skip
        return " ".join([operation.command, *named, *quoted])

    async def label_of(self, call: Call, operation: Operation, name: str, value: str) -> str:
        """Return what a value is called where it can be picked; empty where it must be written."""
        choices: tuple[Choice, ...] = await operation.form.choices(call, name)
        return next((choice.label for choice in choices if choice.value == value), "")

    async def answer_questions(
        self, operation: Operation, recipe: Recipe, fields: Mapping[str, str], who: str
    ) -> Shown:
        """Give only what is not asked for, then answer the questions one after the other."""
        answers = {**fields, **recipe.answers}
        given = {name: value for name, value in fields.items() if name not in recipe.asks}
        shown = await self.say(who, self.way_of_typing(operation, given))
        asked: list[str] = []
        call = await self.call(who)
        while len(asked) < 9:
            name = next(
                (
                    name
                    for name, info in operation.form.model_fields.items()
                    if (label := asking_of(info).label) and holds(shown.text, f"{label} {info.description}")
                ),
                "",
            )
            if not name:
                break
            asked.append(name)
            label = await self.label_of(call, operation, name, answers[name])
            shown = await (self.press(who, label) if label in shown.labels else self.answer(who, answers[name]))
        assert tuple(asked) == recipe.asks, f"asked for {asked}, then {shown}"
        return shown

    async def wrongly(self, operation: Operation, fields: Mapping[str, str], who: str) -> Shown:
        """Give fields that name what isn't there; return what is shown."""
        return await self.say(who, self.way_of_typing(operation, fields))

    async def answer(self, who: str, text: str) -> Shown:
        """Write the answer to a question."""
        return await self.say(who, text)

    async def use_button(self, who: str, before: str, label: str, operation: Operation) -> tuple[Shown, dict[str, str]]:
        """Press a button that another operation's card has; return what is shown, and the fields that it carried."""
        found = await self.say(who, before)
        assert label in found.labels, f"no button {label!r} under {found}"
        command = command_in(found.commands[label])
        assert command is not None
        assert command.operation is operation, found.commands[label]
        return await self.press(who, label), command.values()


class _UndoIt(Exception):
    """The transaction is to leave nothing behind."""


async def walk(surface: Surface, name: str) -> None:
    """Use an operation in every way that a surface has, and see that each comes to what the call itself does."""
    operation, recipe = OPERATIONS[name], RECIPES[name]
    try:
        for way in await surface.ways(recipe):
            await _compare(surface, operation, recipe, way)
        if recipe.refusal and surface.name not in ALONE:
            await _refused(surface, operation, recipe)
        if recipe.wrong is not None:
            await _wrong(surface, operation, recipe, *recipe.wrong)
    finally:
        await surface.restore(surface.seed)


async def _wrong(surface: Surface, operation: Operation, recipe: Recipe, given: Mapping[str, str], told: str) -> None:
    """See that what isn't there is said not to be."""
    shown = await surface.wrongly(operation, given, _caller(surface, recipe))
    otherwise = recipe.otherwise.get(surface.name, told)
    expected = {otherwise, told} if surface.name == LINE else {otherwise}  # there either is refused first
    assert any(holds(shown.text, each) for each in expected), f"{operation.name} with {given}: {shown}"


def _caller(surface: Surface, recipe: Recipe) -> str:
    return recipe.caller if surface.name not in ALONE else OPERATOR


async def _compare(surface: Surface, operation: Operation, recipe: Recipe, way: str) -> None:
    who = _caller(surface, recipe)
    before = surface.seed
    if recipe.before:
        await surface.prepare(recipe.before, who)
        before = await rows_of(RESTORED)
    fields = surface.fields_of(recipe.fields)
    if way == "button":
        assert recipe.press is not None
        shown, fields = await surface.use_button(who, *recipe.press, operation)
    else:
        shown = await surface.use(way, operation, recipe, fields, who)
    changed = await surface.changes(before, await rows_of(COMPARED))
    await surface.restore(before)
    came = await surface.directly(await surface.call_by(way, who, in_group=recipe.in_group), operation, fields, before)
    where = f"{operation.name} by {way}"
    otherwise = recipe.otherwise.get(surface.name)
    if way not in ("button", "mention"):
        assert came.refused == bool(otherwise), f"{where}: {came}"
        if not came.quiet:
            assert holds(came.text, otherwise or recipe.says), f"{where}: {came.text}"
        assert bool(came.changed) == (recipe.writes and not otherwise), f"{where} changes {came.changed}"
    if not (way == "mention" and _told_in_passing(shown, came)):
        _same(where, shown, _as_seen(surface, came, shown), counts=recipe.counts)
    assert changed == came.changed, f"{where}: {changed} instead of {came.changed}"
    if came.quiet and way != "mention":
        assert holds(shown.text, recipe.says), f"{where}: {shown.text}"
    if recipe.before:
        await surface.restore(surface.seed)


async def _refused(surface: Surface, operation: Operation, recipe: Recipe) -> None:
    """See that somebody who may not is told the same as by the call itself, and nothing is changed."""
    fields = surface.fields_of(recipe.fields)
    shown = await surface.say(recipe.lowly, surface.way_of_typing(operation, fields), in_group=recipe.in_group)
    assert await surface.changes(surface.seed, await rows_of(COMPARED)) == ()
    call = await surface.call(recipe.lowly, in_group=recipe.in_group)
    came = await surface.directly(call, operation, fields, surface.seed)
    assert came.refused
    assert holds(came.text, recipe.refusal), came.text
    _same(f"{operation.name}, refused", shown, _as_seen(surface, came, shown))


def _as_seen(surface: Surface, came: Came, shown: Shown) -> Came:
    """Return what a call came to without what a surface does not show."""
    text = came.text if shown.tables or came.refused else came.untabled
    labels = came.labels if surface.has_buttons else ()
    return replace(came, text=text, labels=labels, files=came.files if surface.has_files else ())


def _told_in_passing(shown: Shown, came: Came) -> bool:
    """Tell whether a form is offered that says what a call says about its fields."""
    told = came.text.partition(": ")[2].partition(" Write it like this")[0]
    return bool(told) and "Open the form" in shown.labels and holds(shown.text, told)


def _same(where: str, shown: Shown, came: Came, *, counts: bool = False) -> None:
    """Compare words, buttons and files; where it `counts` what is done, each use makes more, so no numbers."""
    if came.quiet:
        return
    is_told, ought = words_of(shown.text), words_of(came.text)
    if counts:
        is_told, ought = (Counter({w: n for w, n in one.items() if not w.isdigit()}) for one in (is_told, ought))
    assert is_told == ought, f"{where}: more {is_told - ought}, less {ought - is_told}:\n{shown.text}\n---\n{came.text}"
    assert sorted(shown.labels) == sorted(came.labels), f"{where}: {shown.labels} instead of {came.labels}"
    assert sorted(shown.files) == sorted(came.files), f"{where}: {shown.files} instead of {came.files}"
