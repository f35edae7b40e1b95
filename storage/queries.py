"""Small questions that many ask."""

from typing import Any
from uuid import UUID

from tortoise.queryset import QuerySet


async def ids_of(query: QuerySet[Any]) -> list[UUID]:
    """Return the ids of the rows that `query` finds, in its order."""
    return [row[0] for row in await query.values_list("id")]
