"""How much there is of what, for operators."""

import logging
from typing import Any

from tortoise.functions import Count
from tortoise.models import Model

from storage.errors import surviving
from storage.tables import InboxEntry, Lease, Part

log = logging.getLogger("prowex.figures")


async def database_answers() -> bool:
    """Tell whether the database can be read."""
    answered = False
    with surviving(log, "the database does not answer"):
        answered = await Lease.filter(name="installation").exists()
    return answered


async def inbounds_by_state() -> dict[str, int]:
    """Return how many inbounds are in each state."""
    return await _by_state(InboxEntry)


async def parts_by_state() -> dict[str, int]:
    """Return how many platform messages are in each state."""
    return await _by_state(Part)


async def _by_state(table: type[Model]) -> dict[str, int]:
    rows: list[Any] = await table.all().annotate(n=Count("id")).group_by("state").values_list("state", "n")
    return {str(state): count for state, count in rows}
