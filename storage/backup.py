"""Saves everything in three things that are kept apart: the database, the files, and the keys.

The database is a zip of JSON lines, one member for each table, that either dialect can be restored from; it holds no
data key. The files are a tar of what lies sealed in the data folder. The keys are one file with the key ring and all
wrapped data keys; only its latest copy is of use, so that a data key that was destroyed is gone everywhere once it is
written anew. With the first two alone nobody can read a word; with the keys as well, anybody can.
"""

import asyncio
import base64
import hashlib
import json
import os
import tarfile
import zipfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import aiosqlite
from tortoise import fields
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.backends.sqlite.client import SqliteClient
from tortoise.connection import get_connections
from tortoise.context import require_context
from tortoise.models import Model

from storage.clock import Clock
from storage.keyring import KeyRing, sync_folder
from storage.tables import DataKey
from storage.transactions import to_the_end

FORMAT = 1
MANIFEST = "manifest.json"
ROWS_AT_ONCE = 500

_UNFINISHED = ".unfinished"
Read = Callable[[str, Sequence[str]], AsyncIterator[list[tuple[Any, ...]]]]


@dataclass(frozen=True, slots=True)
class Saved:
    """What a backup wrote."""

    database: Path
    files: Path
    rows: int
    file_count: int


async def backup(folder: Path, files: Path, clock: Clock) -> Saved:
    """Save the open database and the sealed files below `files` into `folder`, while the program goes on working.

    The database is as it was at one moment; files are read after it, so none that it names is missing but those that
    were deleted meanwhile.
    """
    stamp = f"{clock.now():%Y%m%dT%H%M%SZ}"
    database, archive = folder / f"prowex-database-{stamp}.zip", folder / f"prowex-files-{stamp}.tar"
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True, mode=0o700)
    rows = 0
    async with _written(database) as unfinished, snapshot() as read:
        rows = await _save_tables(unfinished, read, clock)
    async with _written(archive) as unfinished:
        count = await to_the_end(asyncio.to_thread(_save_files, unfinished, files))
    return Saved(database, archive, rows, count)


async def backup_keys(path: Path, ring: KeyRing) -> int:
    """Save the key ring and all data keys at `path`, in place of the copy before; return how many data keys."""
    await asyncio.to_thread(path.parent.mkdir, parents=True, exist_ok=True, mode=0o700)
    columns = columns_of(DataKey)
    count = 0
    async with _written(path) as unfinished, snapshot() as read:
        ring_text = await asyncio.to_thread(ring.path.read_text)
        head = json.dumps({"format": FORMAT, "key_ring": json.loads(ring_text)})
        with unfinished.open("w") as file:
            file.write(f"{head}\n")
            async for batch in read(DataKey._meta.db_table, list(columns)):
                file.write(_lines(batch, columns).decode())
                count += len(batch)
    return count


def all_tables() -> list[type[Model]]:
    """Return every table, each after those that it refers to."""
    apps = require_context().apps
    assert apps is not None
    left = sorted(apps["models"].values(), key=lambda table: table._meta.db_table)
    ordered: list[type[Model]] = []
    while left:
        ready = [table for table in left if not _refers_to(table) & set(left) - {table}]
        ordered += ready
        left = [table for table in left if table not in ready]
    return ordered


def _refers_to(table: type[Model]) -> set[type[Model]]:
    relations = (table._meta.fields_map[name] for name in table._meta.fk_fields | table._meta.o2o_fields)
    return {cast(Any, relation).related_model for relation in relations}


def columns_of(table: type[Model]) -> dict[str, fields.Field[Any]]:
    """Return a table's columns by their names, in the order of the model."""
    meta = table._meta
    return {meta.fields_db_projection[name]: meta.fields_map[name] for name in meta.fields_db_projection}


@asynccontextmanager
async def snapshot() -> AsyncIterator[Read]:
    """Read the open database as it is at one moment, beside everything else that uses it."""
    client: BaseDBAsyncClient = get_connections().get("default")
    if isinstance(client, SqliteClient):
        only_read = f"{Path(client.filename).as_uri()}?mode=ro"
        async with aiosqlite.connect(only_read, uri=True, isolation_level=None) as own:
            await own.execute("BEGIN")
            yield _from_sqlite(own)
    else:
        async with client.acquire_connection() as pooled:
            connection = cast(Any, pooled)
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                yield _from_postgres(connection)


def _from_sqlite(connection: aiosqlite.Connection) -> Read:
    async def read(table: str, columns: Sequence[str]) -> AsyncIterator[list[tuple[Any, ...]]]:
        async with connection.execute(_select(table, columns)) as cursor:
            while batch := list(await cursor.fetchmany(ROWS_AT_ONCE)):
                yield [tuple(row) for row in batch]

    return read


def _from_postgres(connection: Any) -> Read:
    async def read(table: str, columns: Sequence[str]) -> AsyncIterator[list[tuple[Any, ...]]]:
        cursor = await connection.cursor(_select(table, columns))
        while batch := await cursor.fetch(ROWS_AT_ONCE):
            yield [tuple(row) for row in batch]

    return read


def _select(table: str, columns: Sequence[str]) -> str:
    named = ", ".join(f'"{column}"' for column in columns)
    return f'SELECT {named} FROM "{table}" ORDER BY "{columns[0]}"'  # noqa: S608 - names of our own tables


async def _save_tables(path: Path, read: Read, clock: Clock) -> int:
    """Write each table's lines and then the manifest with their counts and checksums; return how many rows."""
    tables: dict[str, dict[str, Any]] = {}
    schema = [str(name) async for batch in read("aerich", ["id", "version"]) for _, name in batch]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for table in all_tables():
            if table is DataKey:
                continue
            name, columns = table._meta.db_table, columns_of(table)
            count, digest = 0, hashlib.sha256()
            with archive.open(f"{name}.jsonl", "w", force_zip64=True) as member:
                async for batch in read(name, list(columns)):
                    lines = _lines(batch, columns)
                    digest.update(lines)
                    count += len(batch)
                    await _in_thread(member.write, lines)
            tables[name] = {"rows": count, "sha256": digest.hexdigest()}
        manifest = {"format": FORMAT, "created_at": clock.now().isoformat(), "schema": schema, "tables": tables}
        archive.writestr(MANIFEST, json.dumps(manifest, indent=2))
    return sum(table["rows"] for table in tables.values())


def _in_thread(work: Callable[[bytes], object], data: bytes) -> Awaitable[object]:
    return to_the_end(asyncio.to_thread(work, data))


def _lines(batch: list[tuple[Any, ...]], columns: dict[str, fields.Field[Any]]) -> bytes:
    kinds = list(columns.items())
    rows = ({name: _plain(field, value) for (name, field), value in zip(kinds, row, strict=True)} for row in batch)
    return b"".join(json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode() + b"\n" for row in rows)


def _plain(field: fields.Field[Any], value: Any) -> Any:
    """Return a column's value, as either dialect keeps it, in the one form that JSON has for it."""
    if value is None:
        return None
    if isinstance(field, fields.BinaryField):
        return base64.b64encode(value).decode()
    if isinstance(field, fields.DatetimeField):
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC).isoformat()
    if isinstance(field, fields.BooleanField):
        return bool(value)
    if isinstance(field, fields.JSONField):
        return json.loads(value) if isinstance(value, str) else value
    return str(value) if isinstance(value, UUID) else value


def _save_files(path: Path, folder: Path) -> int:
    count = 0
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
        for found in sorted(folder.glob("??/*")):
            if found.suffix == _UNFINISHED:
                continue
            try:
                with found.open("rb") as file:
                    entry = tarfile.TarInfo(f"{found.parent.name}/{found.name}")
                    stat = os.fstat(file.fileno())
                    entry.size, entry.mode, entry.mtime = stat.st_size, 0o600, int(stat.st_mtime)
                    archive.addfile(entry, file)
            except FileNotFoundError:
                continue  # deleted a moment ago
            count += 1
    return count


@asynccontextmanager
async def _written(path: Path) -> AsyncIterator[Path]:
    """Yield where to write; when that is done it takes the name `path`, durably and readable by its owner alone."""
    unfinished = path.with_name(f".{path.name}{_UNFINISHED}")
    unfinished.unlink(missing_ok=True)
    os.close(os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    try:
        yield unfinished
        await to_the_end(asyncio.to_thread(_finish, unfinished, path))
    finally:
        unfinished.unlink(missing_ok=True)


def _finish(unfinished: Path, path: Path) -> None:
    with unfinished.open("rb") as file:
        os.fsync(file.fileno())
    unfinished.replace(path)
    sync_folder(path.parent)
