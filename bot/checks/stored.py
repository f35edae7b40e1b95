"""What is looked at of what is kept: the key ring, the database, and whether one fits the other."""

from datetime import UTC, datetime
from typing import Any

from bot import schema
from bot.checks import Finding, State, ok, problem, warning
from bot.checks.machine import size
from bot.settings import Settings
from storage.clock import Clock, SystemClock
from storage.database import DatabaseError, SqliteAddress, address_of, integrity, open_database
from storage.keyring import KeyRing, KeyRingError
from storage.tables import DataKey, User

FARTHEST_SECONDS = 30.0
"""How far a clock may be from ours: leases last as long."""

OWNERS = 5
"""Of how many owners the newest data key is opened."""

_LOOKED_THROUGH = 500


async def stored(settings: Settings, clock: Clock | None = None) -> list[Finding]:
    """Look at the key ring and the database."""
    try:
        address = address_of(settings.database)
        if isinstance(address, SqliteAddress) and not address.path.exists():
            return [_ring(settings, in_use=False)[1], _no_database(settings, address)]
        async with open_database(settings.database) as client:
            if isinstance(address, SqliteAddress):
                found = await _file(address, client)
            else:
                found = await _server(client, clock or SystemClock())
            if any(finding.state is State.PROBLEM for finding in found):
                return [_ring(settings, in_use=False)[1], *found]
            return await _contents(settings, client, found)
    except DatabaseError as error:
        return [_ring(settings, in_use=False)[1], problem("database", str(error))]


def _ring(settings: Settings, *, in_use: bool) -> tuple[KeyRing | None, Finding]:
    """Look at the key ring's file. `in_use`: something is sealed with it already."""
    path = settings.key_ring
    if not path.exists() and not in_use:
        return None, ok("key ring", f"{path} is not there yet; the first start makes it.")
    try:
        ring = KeyRing.open(path)
    except KeyRingError as error:
        return None, problem("key ring", str(error))
    return ring, ok("key ring", f"{path} is whole, and readable by you alone. Keep a copy of it in another place.")


def _no_database(settings: Settings, address: SqliteAddress) -> Finding:
    if settings.key_ring.exists():
        text = f"There is a key ring but no database at {address.path}: is PROWEX_DATA_DIR or DATABASE_URL right?"
        return warning("database", f"{text} If so, the next start makes a new, empty one.")
    return ok("database", f"{address.path} is not there yet; the first start makes it.")


async def _file(address: SqliteAddress, client: Any) -> list[Finding]:
    version = (await client.execute_query_dict("SELECT sqlite_version() AS version"))[0]["version"]
    damage = await integrity()
    if damage:
        text = f"{address.path} is damaged ({damage[0]}). Stop Prowex, keep a copy of the file, bring back a backup."
        return [problem("database", text)]
    text = f"SQLite {version} at {address.path}, {size(address.path.stat().st_size)}, is whole."
    return [ok("database", text)]


async def _server(client: Any, clock: Clock) -> list[Finding]:
    began = clock.now()
    row = (
        await client.execute_query_dict("SELECT current_setting('server_version') AS version, clock_timestamp() AS now")
    )[0]
    found = [ok("database", f"PostgreSQL {str(row['version']).split()[0]} answers.")]
    seconds = abs((_aware(row["now"]) - (began + (clock.now() - began) / 2)).total_seconds())
    if seconds > FARTHEST_SECONDS:
        text = f"PostgreSQL's clock and ours are {seconds:.0f} s apart: let both machines set theirs by NTP."
        return [*found, warning("database clock", text)]
    return [*found, ok("database clock", "PostgreSQL's clock agrees with ours.")]


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


async def _contents(settings: Settings, client: Any, found: list[Finding]) -> list[Finding]:
    had = await schema.applied(client)
    missing = await schema.lacking(client)
    if missing:
        count = "1 step" if len(missing) == 1 else f"{len(missing)} steps"
        text = (
            f"The tables are {count} behind this version: `prowex migrate`, or the next start, brings them up to date."
        )
        state = warning("schema", text) if had else ok("schema", "It is empty; the first start makes the tables.")
        return [_ring(settings, in_use=bool(had))[1], *found, state]
    used = await User.exists()
    ring, finding = _ring(settings, in_use=used)
    found = [finding, *found, ok("schema", "The tables are up to date.")]
    return [*found, await _data_keys(ring)] if used and ring is not None else found


async def _data_keys(ring: KeyRing) -> Finding:
    """Open the newest data key of a few owners, and one of each ring key that is in use."""
    newest = await DataKey.all().order_by("-created_at", "-id").limit(_LOOKED_THROUGH)
    if not newest:
        text = "The database holds no data keys, so nothing in it can be read: restore it together with its keys file."
        return problem("data keys", text)
    by_owner = {(key.owner_kind, key.owner_id): key for key in reversed(newest)}
    tried = list(by_owner.values())[-OWNERS:]
    tried += {key.ring_key: key for key in newest if key.ring_key not in {each.ring_key for each in tried}}.values()
    try:
        for key in tried:
            ring.unwrap(key.ring_key, key.id, key.wrapped)
    except KeyRingError as error:
        return problem("data keys", str(error))
    return ok("data keys", f"The key ring opens them ({len(tried)} tried).")
