"""Brings a backup back, into an empty database of either dialect, and makes sure that nothing is sent a second time.

What the backup had not finished may have been finished, and shown, in the time that was lost. So whatever would be
answered, sent or run again on waking is closed here: people ask again for what they miss.
"""

import asyncio
import base64
import hashlib
import json
import os
import re
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import IO, Any, TypeVar
from uuid import UUID

from tortoise import fields
from tortoise.connection import get_connections
from tortoise.exceptions import BaseORMException
from tortoise.models import Model

from storage.backup import FORMAT, MANIFEST, ROWS_AT_ONCE, all_tables, columns_of
from storage.data_map import Held
from storage.faults import Step
from storage.keyring import KeyRing, sync_folder
from storage.tables import (
    DataKey,
    InboundState,
    InboxEntry,
    Lane,
    Part,
    PartState,
    Reply,
    ReplyState,
    StepState,
    Turn,
    TurnState,
    TurnStep,
)
from storage.transactions import to_the_end, transaction

RESTORED = "restored"
"""The reason that stands in what was closed."""

_Table = TypeVar("_Table", bound=Model)
_NAME = re.compile(r"[0-9a-f]{2}/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class RestoreError(Exception):
    """The backup can't be restored; the message is a sentence, and nothing in the database was changed."""


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore brought back, and what it closed.

    Args:
        keys_missing: data keys that rows were sealed with and that the copy of the keys does not have: they were
            destroyed, or the copy is older than the database. What they sealed can't be read.
        inbounds: messages that were waiting for an answer.
        replies: replies that were not delivered yet.
        maybe_sent: parts of them that may have been sent.
    """

    created_at: datetime
    rows: int
    file_count: int
    data_keys: int
    keys_missing: int
    inbounds: int
    turns: int
    replies: int
    maybe_sent: int


async def restore(database: Path, keys: Path, ring: Path, *, files: Path | None, folder: Path) -> Restored:
    """Restore the backup in `database`, with the keys in `keys`, into the open and empty database.

    Args:
        ring: where the key ring belongs. One that is there must be the same.
        files: the backup of the files; None restores none.
        folder: where files belong.

    Raises:
        RestoreError: the database is not empty, or a backup is damaged, of a newer program, or does not fit.
        KeyRingError: there is another key ring already.
    """
    for table in all_tables():
        if await table.exists():
            raise RestoreError("The database is not empty. Restore into a new data folder or an empty database.")
    manifest = await to_the_end(asyncio.to_thread(_checked, database))
    await _require_known(manifest["schema"])
    data_keys = await to_the_end(asyncio.to_thread(_open_keys, keys, ring))
    count = await to_the_end(asyncio.to_thread(_extract, files, folder)) if files else 0
    created_at, needed = datetime.fromisoformat(manifest["created_at"]), set[UUID]()
    try:
        async with transaction(Step.ADMIN):
            with zipfile.ZipFile(database) as archive:
                for table in all_tables():
                    if table is not DataKey:
                        await _insert_all(table, archive, needed)
            for start in range(0, len(data_keys), ROWS_AT_ONCE):
                await DataKey.bulk_create(list(_models(DataKey, data_keys[start : start + ROWS_AT_ONCE])))
            closed = await _close_what_was_open(created_at)
    except (BaseORMException, ValueError, KeyError) as error:
        kind = type(error).__name__
        raise RestoreError(f"The backup {database} does not fit this version of Prowex ({kind}).") from error
    return Restored(
        created_at=created_at,
        rows=sum(table["rows"] for table in manifest["tables"].values()),
        file_count=count,
        data_keys=len(data_keys),
        keys_missing=len(needed - {UUID(key["id"]) for key in data_keys}),
        **closed,
    )


def _checked(path: Path) -> dict[str, Any]:
    """Return the manifest, once every table's lines are what it says."""
    try:
        with zipfile.ZipFile(path) as archive:
            manifest: dict[str, Any] = json.loads(archive.read(MANIFEST))
            if manifest["format"] != FORMAT:
                raise RestoreError(f"The backup {path} was made by a newer version of Prowex. Install that version.")
            for name, said in manifest["tables"].items():
                if _digest(archive, f"{name}.jsonl") != said["sha256"]:
                    raise RestoreError(f"The backup {path} is damaged (in {name}). Take another one.")
            return manifest
    except FileNotFoundError as error:
        raise RestoreError(f"There is no backup at {path}.") from error
    except (OSError, zipfile.BadZipFile, zlib.error, ValueError, KeyError, TypeError) as error:
        raise RestoreError(f"The backup {path} is damaged. Take another one.") from error


def _digest(archive: zipfile.ZipFile, name: str) -> str:
    digest = hashlib.sha256()
    with archive.open(name) as member:
        while some := member.read(1 << 20):
            digest.update(some)
    return digest.hexdigest()


async def _require_known(schema: list[str]) -> None:
    client = get_connections().get("default")
    known = {row["version"] for row in await client.execute_query_dict("SELECT version FROM aerich")}
    if foreign := [name for name in schema if name not in known]:
        raise RestoreError(
            f"The backup was made by another version of Prowex (it has {foreign[-1]}). Install that version or a "
            "newer one, then restore again."
        )


def _open_keys(path: Path, ring: Path) -> list[dict[str, Any]]:
    """Put the key ring back where it belongs and return the data keys, all proven to be of that ring."""
    try:
        with path.open() as file:
            head = json.loads(next(file))
            keys = [json.loads(line) for line in file]
        found = [(key["ring_key"], UUID(key["id"]), base64.b64decode(key["wrapped"])) for key in keys]
        text = json.dumps(head["key_ring"])
    except FileNotFoundError as error:
        raise RestoreError(f"There is no copy of the keys at {path}. Nothing can be read without it.") from error
    except (OSError, StopIteration, ValueError, KeyError, TypeError):
        raise RestoreError(f"The copy of the keys {path} is damaged.") from None
    restored = KeyRing.put_back(ring, text)
    for ring_key, key_id, wrapped in found:
        restored.unwrap(ring_key, key_id, wrapped)
    return keys


def _extract(path: Path, folder: Path) -> int:
    """Put the sealed files back; whatever else an archive may hold is refused."""
    count = 0
    try:
        with tarfile.open(path) as archive:
            for entry in archive:
                content = archive.extractfile(entry) if entry.isreg() and _NAME.fullmatch(entry.name) else None
                if content is None:
                    raise RestoreError(f"The backup {path} holds something else than sealed files.")
                _put(folder / entry.name, content)
                count += 1
    except FileNotFoundError as error:
        raise RestoreError(f"There is no backup at {path}.") from error
    except (OSError, tarfile.TarError) as error:
        raise RestoreError(f"The files of {path} could not be put into {folder} ({error}).") from error
    for each in (*folder.glob("??"), folder):
        sync_folder(each)
    return count


def _put(path: Path, content: IO[bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    unfinished = path.with_name(f"{path.name}.unfinished")
    unfinished.unlink(missing_ok=True)
    handle = os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as file:
        shutil.copyfileobj(content, file)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)


async def _insert_all(table: type[Model], archive: zipfile.ZipFile, needed: set[UUID]) -> None:
    """Insert a table's rows, and note which data keys its sealed columns need."""
    held: Held = table.held  # type: ignore[attr-defined]
    with archive.open(f"{table._meta.db_table}.jsonl") as member:
        rows = (json.loads(line) for line in member)
        while batch := list(islice(rows, ROWS_AT_ONCE)):
            models = list(_models(table, batch))
            needed.update(
                UUID(bytes=blob[1:17])
                for model in models
                for column in held.sealed
                if (blob := getattr(model, column)) is not None
            )
            await table.bulk_create(models)


def _models(table: type[_Table], rows: list[dict[str, Any]]) -> Iterator[_Table]:
    columns, named = columns_of(table), table._meta.fields_db_projection_reverse
    for row in rows:
        yield table(**{named[column]: _value(columns[column], value) for column, value in row.items()})


def _value(field: fields.Field[Any], value: Any) -> Any:
    if value is None or isinstance(field, fields.JSONField):
        return value
    if isinstance(field, fields.BinaryField):
        return base64.b64decode(value)
    return field.to_python_value(value)


async def _close_what_was_open(moment: datetime) -> dict[str, int]:
    """Close in the caller's transaction what would be answered, sent or run again; return how much of each."""
    maybe = (PartState.PENDING, PartState.SENDING, PartState.RESERVED)
    await TurnStep.filter(state=StepState.INTENDED).update(state=StepState.MAYBE_RAN)
    await Part.filter(state__in=(PartState.RESERVING, PartState.DELETING)).update(state=PartState.ORPHANED)
    await Lane.all().update(due_at=None, holder=None, lease_until=None)
    return {
        "inbounds": await InboxEntry.filter(state__in=(InboundState.NEW, InboundState.RUNNING)).update(
            state=InboundState.DEAD, reason=RESTORED
        ),
        "turns": await Turn.filter(state=TurnState.RUNNING).update(
            state=TurnState.FAILED, failure=RESTORED, ended_at=moment
        ),
        "replies": await Reply.filter(state__in=(ReplyState.OPEN, ReplyState.FINAL)).update(
            state=ReplyState.DEAD, reason=RESTORED
        ),
        "maybe_sent": await Part.filter(state__in=maybe).update(state=PartState.MAYBE_SENT),
    }
