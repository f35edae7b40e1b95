"""All tables at once: what they hold, what has changed in them, and putting that back."""

from collections.abc import Hashable, Iterator
from typing import Any

from tortoise.connection import get_connections
from tortoise.models import Model

import storage.tables
from storage.faults import Step
from storage.transactions import transaction

Row = dict[str, Any]
Rows = dict[str, dict[Any, Row]]
"""Rows by their table's name and their key."""


def _in_order() -> list[type[Model]]:
    """Return the tables, each after those that it refers to."""
    left = [one for one in vars(storage.tables).values() if isinstance(one, type) and issubclass(one, Model)]
    ordered: list[type[Model]] = []
    while left:
        ready = [one for one in left if _refers_to(one) <= {done.__name__ for done in ordered}]
        assert ready, "tables that refer to each other"
        ordered += ready
        left = [one for one in left if one not in ready]
    return ordered


def _refers_to(model: type[Model]) -> set[str]:
    fields = (model._meta.fields_map[name] for name in model._meta.fk_fields)
    return {field.model_name.rpartition(".")[2] for field in fields} - {model.__name__}  # type: ignore[attr-defined]


TABLES = {model._meta.db_table: model for model in _in_order()}


async def raw(*, but: frozenset[str] = frozenset()) -> dict[str, list[str]]:
    """Return every table's rows as the database has them, to tell whether anything at all has changed."""
    client = get_connections().get("default")
    held = {}
    for name in TABLES:
        if name not in but:
            rows = await client.execute_query_dict(f'SELECT * FROM "{name}"')
            held[name] = sorted(repr(sorted(row.items())) for row in rows)
    return held


async def writes() -> object:
    """Return what differs, within a transaction, before and after something was written; quick."""
    client = get_connections().get("default")
    sqlite = client.capabilities.dialect == "sqlite"
    query = "SELECT total_changes() AS n" if sqlite else "SELECT pg_current_xact_id_if_assigned()::text AS n"
    return (await client.execute_query_dict(query))[0]["n"]


async def in_no_hurry() -> None:
    """Have SQLite not wait for the disk: what these tests write need not outlive them."""
    client = get_connections().get("default")
    if client.capabilities.dialect == "sqlite":
        await client.execute_query("PRAGMA synchronous = OFF")


async def rows_of(names: frozenset[str] = frozenset(TABLES)) -> Rows:
    """Return the rows of some tables, as Python has them."""
    held: Rows = {}
    for name, model in TABLES.items():
        if name in names:
            held[name] = {row[model._meta.pk_attr]: row for row in await model.all().values()}
    return held


async def put_back(before: Rows) -> None:
    """Make the tables in `before` what they were then; the others must not have new rows that refer to theirs."""
    async with transaction(Step.ADMIN):
        now = await rows_of(frozenset(before))
        gone = {key for name, rows in before.items() for key in rows.keys() - now[name].keys()}
        changed = list(_changed(before, now))
        for name, key, cells in changed:  # first of all, so that nothing goes with a new row that it refers to
            if present := {column: value for column, value in cells.items() if not _is_one_of(value, gone)}:
                await TABLES[name].filter(pk=key).update(**present)
        for name, model in reversed(TABLES.items()):
            if name in before and (new := now[name].keys() - before[name].keys()):
                await model.filter(pk__in=list(new)).delete()
        for name, model in TABLES.items():
            for key in before.get(name, {}).keys() & gone:
                await model(**before[name][key]).save(force_create=True)
        for name, key, cells in changed:
            if absent := {column: value for column, value in cells.items() if _is_one_of(value, gone)}:
                await TABLES[name].filter(pk=key).update(**absent)


def _changed(before: Rows, now: Rows) -> Iterator[tuple[str, Any, Row]]:
    """Yield the table, the key and the former cells of each row that is there still, but has changed."""
    for name, rows in before.items():
        for key in rows.keys() & now[name].keys():
            cells = {column: value for column, value in rows[key].items() if value != now[name][key][column]}
            if cells:
                yield name, key, cells


def _is_one_of(value: Any, keys: set[Any]) -> bool:
    return isinstance(value, Hashable) and value in keys
