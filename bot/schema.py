"""How far the open database is behind this program. Says, and changes nothing; `storage.migrations` does the rest."""

from importlib.resources import files
from pathlib import Path
from typing import Any

from storage.database import DatabaseError, current_dialect
from storage.migrations import APP, known

HISTORY = Path(str(files("migrations").joinpath("models")))
"""The program's own migrations."""

_TABLE = {
    "sqlite": "SELECT 1 FROM sqlite_master WHERE name = 'aerich'",
    "postgres": "SELECT 1 FROM pg_tables WHERE schemaname = ANY (current_schemas(false)) AND tablename = 'aerich'",
}


async def applied(client: Any) -> list[str]:
    """Return the names of the migrations that the open database has had, in their order."""
    if not await client.execute_query_dict(_TABLE[current_dialect()]):
        return []
    rows = await client.execute_query_dict(f"SELECT version FROM aerich WHERE app = '{APP}' ORDER BY id")  # noqa: S608
    return [str(row["version"]) for row in rows]


async def lacking(client: Any, history: Path = HISTORY) -> list[str]:
    """Return the names of the migrations that the open database still needs, in their order.

    Raises:
        DatabaseError: it is newer than this program.
    """
    had, names = await applied(client), known(history)
    if foreign := [name for name in had if name not in names]:
        raise DatabaseError(
            f"The database was made by another version of Prowex (it has {foreign[-1]}). Install that version or a "
            "newer one, or bring back a backup of this one."
        )
    return [name for name in names if name not in had]


async def holds_anything(client: Any) -> bool:
    """Say whether somebody has used the open database: the first start makes the operator's account."""
    if not await applied(client):
        return False
    return bool(await client.execute_query_dict("SELECT 1 FROM users LIMIT 1"))
