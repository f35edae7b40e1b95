"""The data map says of every column of every table what it is, exactly once, and says it truly."""

from collections import Counter

import pytest
from tortoise import fields
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.models import Model

from storage import tables
from storage.data_map import Category, Held, Retention

TABLES: list[type[Model]] = [
    table for table in vars(tables).values() if isinstance(table, type) and issubclass(table, Model)
]


def columns(table: type[Model]) -> dict[str, fields.Field]:
    return {
        (field.source_field or name): field
        for name, field in table._meta.fields_map.items()
        if name in table._meta.db_fields
    }


def held(table: type[Model]) -> Held:
    declared = table.__dict__.get("held")
    assert isinstance(declared, Held), f"{table.__name__} does not say what it holds"
    return declared


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.__name__)
def test_every_column_is_declared_exactly_once(table: type[Model], database: BaseDBAsyncClient) -> None:
    said = held(table)
    declared = Counter((*said.sealed, *said.personal, *said.technical))
    assert set(declared) == set(columns(table))
    assert [name for name, times in declared.items() if times != 1] == []
    assert isinstance(said.category, Category)
    assert isinstance(said.retention, Retention)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.__name__)
def test_sealed_columns_are_blobs_and_no_other_column_of_words_is_free_text(
    table: type[Model], database: BaseDBAsyncClient
) -> None:
    said = held(table)
    for name, field in columns(table).items():
        if name in said.sealed:
            assert isinstance(field, fields.BinaryField), f"{name} is called sealed and is {type(field).__name__}"
        elif isinstance(field, fields.BinaryField):
            assert (table.__name__, name) == ("DataKey", "wrapped"), f"{name} is a blob that is not called sealed"
        assert not isinstance(field, fields.TextField), f"{name} is free text: seal it"


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.__name__)
def test_whose_a_row_is_can_be_followed(table: type[Model], database: BaseDBAsyncClient) -> None:
    """Each step of the path is a relation or a column; only rows about nobody and the heads of a path have none."""
    path = held(table).subject
    if path in ("", "self", "members"):
        return
    here: type[Model] = table
    for step in path.split("."):
        relation = here._meta.fields_map.get(step)
        assert relation is not None or step in columns(here), f"{here.__name__} has no {step}"
        here = getattr(relation, "related_model", here)


def test_every_table_of_the_database_is_in_the_map(database: BaseDBAsyncClient) -> None:
    from tortoise.context import require_context

    apps = require_context().apps
    assert apps is not None
    assert set(apps["models"].values()) == set(TABLES)
    assert len({table._meta.db_table for table in TABLES}) == len(TABLES)
