"""Brings the database up to date at start: whole or not at all, by one process at a time.

The history is aerich's: files in the package `migrations.models`, applied versions in the table `aerich`. Each file
carries the SQL of both dialects (`UPGRADE`), because aerich's own files serve one. All that is missing is applied in
one transaction, together with the record of it; aerich's own runner commits the record apart and takes no lock.
"""

import asyncio
import base64
import fcntl
import importlib.util
import os
import sqlite3
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from storage.clock import Clock
from storage.database import (
    Address,
    DatabaseError,
    Dialect,
    PostgresAddress,
    SqliteAddress,
    address_of,
    explained,
    refuse_far,
)
from storage.keyring import sync_folder
from storage.transactions import to_the_end

APP = "models"
RESTORE_POINTS = 3
PATIENCE_SECONDS = 60.0

_POSTGRES_LOCK = 0x70726F776578  # "prowex"
_BUSY = (
    "Another process has been changing the database for a minute. Wait until it is done, or stop it; then try again."
)


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the history.

    Args:
        name: its file's name, as aerich records it: `0_20260101000000_initial.py`.
        sql: the script for a dialect.
        state: what the models are after it, as JSON in aerich's form.
    """

    name: str
    sql: str
    state: str


async def upgrade(url: str, folder: Path, clock: Clock, *, history: Path | None = None) -> list[str]:
    """Apply what is missing to the database at `url`, made if it is a missing SQLite file; return the names applied.

    Before it changes a SQLite database that holds something it makes a restore point, `<file>.before-<migration>`; the
    last three are kept. What fails is put back.

    Args:
        folder: where restore points go.
        history: the folder of migrations; None is the program's own.

    Raises:
        DatabaseError: it could not be done, and nothing was changed; or the database is newer than this program.
    """
    address = address_of(url)
    history = history or Path(str(files("migrations").joinpath("models")))
    with explained(address):
        if isinstance(address, PostgresAddress):
            return await _upgrade_postgres(address, history)
        refuse_far(address.path)
        return await to_the_end(asyncio.to_thread(_upgrade_sqlite, address, history, folder, clock))


def known(history: Path) -> list[str]:
    """Return the names of all migrations in the folder, in their order."""
    names = [path.name for path in history.glob("*_*.py") if path.name.partition("_")[0].isdecimal()]
    return sorted(names, key=lambda name: int(name.partition("_")[0]))


def _missing(history: Path, applied: Sequence[str], address: Address) -> list[str]:
    names = known(history)
    if foreign := [name for name in applied if name not in names]:
        where = address.path if isinstance(address, SqliteAddress) else address.shown
        raise DatabaseError(
            f"The database {where} was made by another version of Prowex (it has {foreign[-1]}). Install that version "
            "or a newer one, or put back a backup of this one."
        )
    return [name for name in names if name not in applied]


def _load(history: Path, name: str, dialect: Dialect) -> Migration:
    spec = importlib.util.spec_from_file_location(f"migration_{name.removesuffix('.py')}", history / name)
    assert spec is not None
    assert spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    state = zlib.decompress(base64.b64decode(module.MODELS_STATE)).decode()
    return Migration(name, module.UPGRADE[dialect], state)


def _failed(name: str, error: object) -> DatabaseError:
    full = any(words in str(error) for words in ("is full", "No space left"))
    advice = "Make room on the disk" if full else "Install the version of Prowex that you had before, and report this"
    return DatabaseError(
        f"The database could not be brought up to date: {name} failed ({error}). Nothing was changed. {advice}."
    )


async def _upgrade_postgres(address: PostgresAddress, history: Path) -> list[str]:
    import asyncpg  # type: ignore[import-untyped]

    connection = await asyncpg.connect(**address.credentials)
    try:
        if not _missing(history, await _applied_postgres(connection), address):
            return []
        async with connection.transaction():
            await connection.execute(f"SET LOCAL lock_timeout = '{PATIENCE_SECONDS:.0f}s'")
            try:
                await connection.execute("SELECT pg_advisory_xact_lock($1)", _POSTGRES_LOCK)
            except asyncpg.LockNotAvailableError:
                raise DatabaseError(_BUSY) from None
            names = _missing(history, await _applied_postgres(connection), address)
            for name in names:
                migration = _load(history, name, "postgres")
                try:
                    await connection.execute(migration.sql)
                    await connection.execute(
                        "INSERT INTO aerich (version, app, content) VALUES ($1, $2, $3::jsonb)",
                        *(name, APP, migration.state),
                    )
                except asyncpg.PostgresError as error:
                    raise _failed(name, error) from error
        return names
    finally:
        await to_the_end(connection.close())


async def _applied_postgres(connection: Any) -> list[str]:
    if await connection.fetchval("SELECT to_regclass('aerich')") is None:
        return []
    rows = await connection.fetch("SELECT version FROM aerich WHERE app = $1 ORDER BY id", APP)
    return [row["version"] for row in rows]


def _upgrade_sqlite(address: SqliteAddress, history: Path, folder: Path, clock: Clock) -> list[str]:
    path = address.path
    if path.exists():
        with closing(_connect(path)) as connection:
            if not _missing(history, _applied_sqlite(connection), address):
                return []
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _lock(path.with_name(f"{path.name}.lock"), clock):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        with closing(_connect(path)) as connection:
            applied = _applied_sqlite(connection)
            names = _missing(history, applied, address)
            if not names:
                return []
            connection.execute("PRAGMA journal_mode = WAL")
            point = _restore_point(connection, path, folder, names[0]) if applied else None
            _apply(connection, [_load(history, name, "sqlite") for name in names], point)
        return names


def _connect(path: Path) -> sqlite3.Connection:
    """Open without enforcing foreign keys: with them, rebuilding a table deletes what refers to it (ON DELETE)."""
    connection = sqlite3.connect(path, isolation_level=None, timeout=PATIENCE_SECONDS)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA secure_delete = ON")
    return connection


def _applied_sqlite(connection: sqlite3.Connection) -> list[str]:
    if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'aerich'").fetchone() is None:
        return []
    return [name for (name,) in connection.execute("SELECT version FROM aerich WHERE app = ? ORDER BY id", (APP,))]


def _apply(connection: sqlite3.Connection, migrations: Sequence[Migration], point: Path | None) -> None:
    """Apply all or nothing. What a script committed by itself is undone from the restore point."""
    name = ""
    connection.execute("PRAGMA foreign_keys = OFF")
    connection.execute("BEGIN IMMEDIATE")
    try:
        for migration in migrations:
            name = migration.name
            for statement in _statements(migration.sql):
                connection.execute(statement)
            if not connection.in_transaction:
                raise _failed(name, "it ended the transaction")
            connection.execute(
                "INSERT INTO aerich (version, app, content) VALUES (?, ?, ?)", (name, APP, migration.state)
            )
        if broken := connection.execute("PRAGMA foreign_key_check").fetchall():
            raise _failed(name, f"{len(broken)} rows of {broken[0][0]} lost what they refer to")
        connection.execute("COMMIT")
    except (sqlite3.Error, DatabaseError) as error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        elif point is not None:
            with closing(sqlite3.connect(point)) as before:
                before.backup(connection)
        raise error if isinstance(error, DatabaseError) else _failed(name, error) from error


def _statements(script: str) -> Iterator[str]:
    """Split a script: `executescript` would commit the open transaction before it starts."""
    statement = ""
    for piece in script.split(";"):
        statement += f"{piece};"
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def _restore_point(connection: sqlite3.Connection, path: Path, folder: Path, version: str) -> Path:
    """Copy the database, whole and durable, and drop all but the newest copies."""
    point = folder / f"{path.name}.before-{version.removesuffix('.py')}"
    unfinished = point.with_name(f"{point.name}.unfinished")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    unfinished.unlink(missing_ok=True)
    os.close(os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    with closing(sqlite3.connect(unfinished)) as copy:
        connection.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")
    unfinished.replace(point)
    sync_folder(folder)
    points = [found for found in folder.glob(f"{path.name}.before-*") if found.suffix != ".unfinished"]
    for old in sorted(points, key=lambda found: found.stat().st_mtime_ns)[:-RESTORE_POINTS]:
        old.unlink(missing_ok=True)
    return point


@contextmanager
def _lock(path: Path, clock: Clock) -> Iterator[None]:
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        until = clock.monotonic() + PATIENCE_SECONDS
        while not _taken(handle):
            if clock.monotonic() > until:
                raise DatabaseError(_BUSY)
            time.sleep(0.05)
        yield
    finally:
        os.close(handle)


def _taken(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
