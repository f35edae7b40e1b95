"""Reads a database's schema in words that can be compared."""

from typing import Any

from tortoise.context import TortoiseContext
from tortoise.utils import generate_schema_for_client

from storage.database import address_of, config

Schema = dict[str, Any]

_POSTGRES = {
    "columns": """
        SELECT table_name, column_name, udt_name, character_maximum_length, is_nullable, is_identity
        FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, ordinal_position""",
    "indexes": "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1",
    "constraints": """
        SELECT conrelid::regclass::text AS t, contype::text AS kind, pg_get_constraintdef(oid) AS says
        FROM pg_constraint WHERE connamespace = 'public'::regnamespace ORDER BY 1, 2, 3""",
}


async def schema_of(url: str) -> Schema:
    """Return tables, columns, types, nullability, indexes, uniques and foreign keys."""
    async with _tortoise(url) as context:
        client = context.connections.get("default")
        if client.capabilities.dialect == "postgres":
            return {
                what: [tuple(row.values()) for row in await client.execute_query_dict(query)]
                for what, query in _POSTGRES.items()
            }
        tables = await client.execute_query_dict(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY 1"
        )
        return {row["name"]: await _sqlite_table(client, row["name"]) for row in tables}


async def _sqlite_table(client: Any, table: str) -> Schema:
    async def pragma(what: str, of: str) -> list[dict[str, Any]]:
        return await client.execute_query_dict(f'PRAGMA {what}("{of}")')

    columns = [(c["name"], c["type"], c["notnull"], c["pk"]) for c in await pragma("table_xinfo", table)]
    keys = [(k["from"], k["table"], k["to"], k["on_delete"]) for k in await pragma("foreign_key_list", table)]
    indexes = []
    for index in await pragma("index_list", table):
        named = "" if index["origin"] == "u" else index["name"]
        over = tuple(column["name"] for column in await pragma("index_info", index["name"]))
        indexes.append((named, index["unique"], index["origin"], over))
    return {"columns": columns, "keys": sorted(keys), "indexes": sorted(indexes)}


async def make_from_models(url: str, models: str) -> None:
    """Make the tables as the models themselves say, in an empty database."""
    async with _tortoise(url, models) as context:
        await generate_schema_for_client(context.connections.get("default"), safe=False)


class _tortoise:
    def __init__(self, url: str, models: str = "storage.tables") -> None:
        self.config = config(address_of(url), models=(models, "aerich.models"))
        self.context = TortoiseContext()

    async def __aenter__(self) -> TortoiseContext:
        with self.context:
            await self.context.init(self.config)
        self.entered = self.context.__enter__()
        await self.context.connections.get("default").create_connection(with_db=True)
        return self.context

    async def __aexit__(self, *error: object) -> None:
        await self.context.close_connections()
        self.context.__exit__(None, None, None)
