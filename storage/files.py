"""Keeps files sealed on disk, under names that are ids and nothing else; what they are called stands sealed in a row.

The bytes are durable before the row is committed, so a row never lacks its bytes; bytes without a row are what a crash
left, and `sweep` removes them.
"""

import asyncio
import os
from collections.abc import Iterable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from storage.clock import Clock
from storage.faults import Step
from storage.ids import new_id
from storage.keyring import sync_folder
from storage.sealing import Owner, Sealer
from storage.tables import StoredFile
from storage.transactions import to_the_end, transaction

ORPHAN_AGE = timedelta(hours=1)

_CONTENT = "files.content"
_NAME = "files.name"
_AT_ONCE = 500


class FileStore:
    """The folder of sealed files and the table `files`."""

    def __init__(self, folder: Path, sealer: Sealer, clock: Clock) -> None:
        self._folder = folder
        self._sealer = sealer
        self._clock = clock

    async def put(
        self, owner: Owner, name: str, media_type: str, data: bytes, *, conversation_id: UUID | None = None
    ) -> StoredFile:
        """Keep `data` under the owner's key, durably, and return its row."""
        file_id = new_id()
        key = await self._sealer.key(owner)
        row = StoredFile(
            id=file_id,
            owner_kind=owner.kind,
            owner_id=owner.id,
            conversation_id=conversation_id,
            name=key.seal(_NAME, file_id, name),
            media_type=media_type[:100],
            size=len(data),
            created_at=self._clock.now(),
        )
        path = self._path(file_id)
        await to_the_end(asyncio.to_thread(lambda: _write(path, key.seal_bytes(_CONTENT, file_id, data))))
        async with transaction(Step.FILE_STORE):
            await row.save(force_create=True)
        return row

    async def get(self, file_id: UUID) -> tuple[StoredFile, str, bytes]:
        """Return the row, the name and the bytes.

        Raises:
            FileNotFoundError: there is no such file, or no longer.
            UnsealError: what is kept was changed, or its key is destroyed.
        """
        row = await StoredFile.get_or_none(id=file_id)
        if row is None:
            raise FileNotFoundError(f"file {file_id}")
        blob = await asyncio.to_thread(self._path(file_id).read_bytes)
        name = await self._sealer.unseal(_NAME, file_id, row.name)
        return row, name, await self._sealer.unseal_bytes(_CONTENT, file_id, blob)

    def remove(self, file_ids: Iterable[UUID]) -> None:
        """Remove the bytes of files whose rows are gone; what can't be removed now, `sweep` removes."""
        for file_id in file_ids:
            with suppress(OSError):
                self._path(file_id).unlink(missing_ok=True)

    async def sweep(self) -> int:
        """Remove what lies on disk for an hour without a row; return how many."""
        before = (self._clock.now() - ORPHAN_AGE).timestamp()
        old = await asyncio.to_thread(_older, self._folder, before)
        orphans: list[Path] = []
        for start in range(0, len(old), _AT_ONCE):
            some = old[start : start + _AT_ONCE]
            named = [file_id for _, file_id in some if file_id is not None]
            kept = {row.id for row in await StoredFile.filter(id__in=named).only("id")}
            orphans += [path for path, file_id in some if file_id not in kept]
        for path in orphans:
            await asyncio.to_thread(path.unlink, missing_ok=True)
        return len(orphans)

    def _path(self, file_id: UUID) -> Path:
        return self._folder / f"{file_id.int & 0xFF:02x}" / str(file_id)


def _write(path: Path, blob: bytes) -> None:
    if not path.parent.is_dir():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        sync_folder(path.parent.parent)
    unfinished = path.with_name(f"{path.name}.unfinished")
    handle = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(blob)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)
    sync_folder(path.parent)


def _older(folder: Path, before: float) -> list[tuple[Path, UUID | None]]:
    """Return the files last written before a time (seconds since the epoch), each with the id it is named by."""
    found: list[tuple[Path, UUID | None]] = []
    for path in folder.glob("??/*"):
        if path.stat().st_mtime >= before:
            continue
        try:
            found.append((path, UUID(path.name)))
        except ValueError:
            found.append((path, None))
    return found
