"""Files: sealed under ids, durable before they are known, gone when deleted."""

import os
import stat
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from storage import faults
from storage.faults import Injected, Step
from storage.files import FileStore
from storage.sealing import KeyDestroyed, Owner, Sealer, UnsealError
from storage.tables import StoredFile
from storage.transactions import transaction
from tests.clock import FakeClock

OWNER = Owner("user", uuid4())
NAME = "Anna's résumé.pdf"
DATA = b"%PDF the quick brown fox " * 1000


@pytest.fixture
def store(data_dir: Path, sealer: Sealer, clock: FakeClock) -> FileStore:
    return FileStore(data_dir / "files", sealer, clock)


def on_disk(data_dir: Path) -> list[Path]:
    return [path for path in (data_dir / "files").rglob("*") if path.is_file()]


async def test_a_file_comes_back_whole_and_lies_sealed(store: FileStore, data_dir: Path) -> None:
    conversation = uuid4()
    row = await store.put(OWNER, NAME, "application/pdf", DATA, conversation_id=conversation)
    assert await store.get(row.id) == (row, NAME, DATA)
    kept = await StoredFile.get(id=row.id)
    assert (kept.size, kept.media_type, kept.conversation_id) == (len(DATA), "application/pdf", conversation)
    (path,) = on_disk(data_dir)
    assert path.name == str(row.id)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert b"quick" not in path.read_bytes()
    assert NAME.encode() not in kept.name


@pytest.mark.parametrize("data", [b"", b"\0", os.urandom(3_000_000)])
async def test_any_size_is_kept(store: FileStore, data: bytes) -> None:
    row = await store.put(OWNER, "", "x" * 300, data)
    assert (await store.get(row.id))[1:] == ("", data)


async def test_a_deleted_file_is_gone(store: FileStore, data_dir: Path) -> None:
    row = await store.put(OWNER, NAME, "text/plain", DATA)
    async with transaction(Step.ADMIN):
        await row.delete()
    store.remove([row.id, row.id])
    assert on_disk(data_dir) == []
    with pytest.raises(FileNotFoundError):
        await store.get(row.id)


async def test_a_file_put_in_anothers_place_does_not_open(store: FileStore, data_dir: Path) -> None:
    await store.put(OWNER, "one", "text/plain", b"one")
    await store.put(OWNER, "two", "text/plain", b"two")
    one, two = on_disk(data_dir)
    one.write_bytes(two.read_bytes())
    with pytest.raises(UnsealError):
        await store.get(UUID(one.name))


async def test_without_its_key_a_file_is_noise(store: FileStore, sealer: Sealer) -> None:
    row = await store.put(OWNER, NAME, "text/plain", DATA)
    async with transaction(Step.ADMIN):
        await sealer.destroy(OWNER)
    with pytest.raises(KeyDestroyed):
        await store.get(row.id)


async def test_what_a_crash_left_without_a_row_is_swept_after_an_hour(
    store: FileStore, data_dir: Path, clock: FakeClock
) -> None:
    kept = await store.put(OWNER, NAME, "text/plain", DATA)
    faults.arm("file.store.before#1:raise")
    try:
        with pytest.raises(Injected):
            await store.put(OWNER, NAME, "text/plain", DATA)
    finally:
        faults.arm("")
    unfinished = on_disk(data_dir)[0].with_name(f"{uuid4()}.unfinished")
    unfinished.write_bytes(b"half")
    assert len(on_disk(data_dir)) == 3
    written = clock.now().timestamp()
    for path in on_disk(data_dir):
        os.utime(path, (written, written))
    clock.advance(minutes=59)
    assert await store.sweep() == 0
    clock.advance(minutes=2)
    assert await store.sweep() == 2
    assert [path.name for path in on_disk(data_dir)] == [str(kept.id)]
    assert (await store.get(kept.id))[2] == DATA
