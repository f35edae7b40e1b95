"""What is held about a person, by the data map, and the privacy policy's text."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, cast
from uuid import UUID

from tortoise.expressions import Q
from tortoise.fields.relational import RelationalField
from tortoise.models import Model
from tortoise.queryset import QuerySet

from core.directory import Person
from storage import tables
from storage.data_map import Category, Held, Retention
from storage.queries import ids_of
from storage.tables import Chat, ChatKind, Identity, Membership

_CALLED = {
    "inbox": ("thing you wrote or pressed", "things you wrote or pressed"),
    "turns": ("time an agent worked for you", "times an agent worked for you"),
    "replies": ("answer", "answers"),
    "parts": ("message that shows one", "messages that show them"),
    "steps": ("step of that work", "steps of that work"),
    "usage": ("token count", "token counts"),
    "summaries": ("summary", "summaries"),
    "lanes": ("queue", "queues"),
    "data_keys": ("key that seals your words", "keys that seal your words"),
    "audit_events": ("record of what you did", "records of what you did"),
    "login_links": ("sign-in link", "sign-in links"),
    "sessions": ("browser signed in", "browsers signed in"),
    "users": ("account", "accounts"),
    "identities": ("account on a channel", "accounts on a channel"),
    "workspaces": ("workspace you let in", "workspaces you let in"),
    "invitations": ("invitation you made", "invitations you made"),
    "approvals": ("question for your yes", "questions for your yes"),
    "open_forms": ("half-filled form", "half-filled forms"),
}
"""What one row and several of a table are called, where its name does not say it."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A person, as the tables know them: by account, by who they are on channels, by their teams and direct chats."""

    user: UUID | None
    identities: tuple[UUID, ...]
    teams: tuple[UUID, ...]
    chats: tuple[UUID, ...]


@dataclass(frozen=True, slots=True)
class Holding:
    """How many rows of a table are about a person; `one` and `several` are what these are called."""

    one: str
    several: str
    category: Category
    retention: Retention
    count: int

    def told(self) -> str:
        """Return the count with what is counted."""
        return f"{self.count} {self.one if self.count == 1 else self.several}"


def every_table() -> list[type[Model]]:
    """Return all tables."""
    return [each for each in vars(tables).values() if isinstance(each, type) and issubclass(each, Model)]


def held_of(table: type[Model]) -> Held:
    """Return what a table declares to hold."""
    held = table.__dict__["held"]
    assert isinstance(held, Held)
    return held


async def subject_of(person: Person, house: UUID) -> Subject:
    """Return who a person is to the tables.

    Args:
        house: the installation's team, which is about nobody alone.
    """
    identities = await Identity.filter(Q(id=person.identity_id) | Q(user_id=person.user_id, user_id__isnull=False))
    memberships = Membership.filter(user_id=person.user_id, team__personal=True).exclude(team_id=house)
    teams = await memberships.values_list("team_id") if person.user_id is not None else []
    chats = await ids_of(Chat.filter(_direct_chats(identities), kind=ChatKind.PRIVATE).distinct())
    return Subject(person.user_id, tuple(one.id for one in identities), tuple(row[0] for row in teams), tuple(chats))


def _direct_chats(identities: Iterable[Identity]) -> Q:
    """Return the condition for direct chats: those that are named after the person, and those that they wrote in."""
    condition = Q(lanes__inbox__identity_id__in=[one.id for one in identities])
    for one in identities:
        named = Q(external_id=one.external_id) | Q(external_id__startswith=f"{one.external_id}/")
        condition |= named & (Q(account=one.channel) | Q(account__startswith=f"{one.channel}:"))
    return condition


def rows_about(table: type[Model], subject: Subject) -> QuerySet[Model] | None:
    """Return the query for the rows of a table that are about a person; None for a table about nobody.

    Raises:
        LookupError: the table's path to its subject ends at something that is not known here.
    """
    path = held_of(table).subject
    if not path:
        return None
    *way, last = path.split(".")
    user = [subject.user] if subject.user is not None else []
    owners = [*user, *subject.identities, *subject.teams]
    whose = {
        "self": user, "user": user, "user_id": user, "made_by": user, "opened_by": user,
        "identity": list(subject.identities), "identity_id": list(subject.identities),
        "team": list(subject.teams), "members": list(subject.teams),
        "chat": list(subject.chats), "account": list(subject.chats),
        "owner_id": owners,
    }  # fmt: skip
    if last not in whose:
        raise LookupError(f"{table.__name__}: nobody is known by {last}")
    here = table
    for step in way:
        here = cast(RelationalField[Model], here._meta.fields_map[step]).related_model
    column = "id" if last in ("self", "members", "account") else f"{last}_id" if last in here._meta.fk_fields else last
    where: dict[str, Any] = {"__".join([*way, column, "in"]): whose[last]}
    condition = Q(**where)
    if table is Identity:  # guests have no account
        condition |= Q(id__in=list(subject.identities))
    elif last == "user_id" and "identity_id" in table._meta.db_fields:
        condition |= Q(identity_id__in=list(subject.identities))
    return table.filter(condition)


async def holdings(subject: Subject) -> list[Holding]:
    """Return what is held about a person, for each table about people; a few dozen counts, so not in a transaction."""
    found = []
    for table in every_table():
        rows = rows_about(table, subject)
        if rows is not None:
            held, name = held_of(table), table._meta.db_table
            plain = name.replace("_", " ")
            one, several = _CALLED.get(name, (plain.removesuffix("s"), plain))
            found.append(Holding(one, several, held.category, held.retention, await rows.count()))
    return found


@cache
def policy() -> str:
    """Return the privacy policy, Markdown."""
    return Path(__file__).with_name("policy.md").read_text(encoding="utf-8")
