"""A backup brings everything back, on either database, and nothing of it is sent or answered a second time."""

import asyncio
import io
import json
import os
import sys
import tarfile
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from tortoise.backends.base.client import BaseDBAsyncClient

from storage.backup import Saved, all_tables, backup, backup_keys
from storage.database import open_database
from storage.faults import Step
from storage.files import FileStore
from storage.keyring import KeyRing, KeyRingError
from storage.restore import Restored, RestoreError, restore
from storage.sealing import KeyDestroyed, Owner, Sealer
from storage.tables import (
    AgentVersion,
    Counter,
    DataKey,
    InboxEntry,
    Lane,
    Part,
    Reply,
    StoredFile,
    Turn,
    TurnStep,
    User,
)
from storage.transactions import transaction
from tests.clock import FakeClock
from tests.storage.sample import EVERY_TABLE, FILE, NOW, SAID, fill, picture

ROOT = Path(__file__).parents[2]
DIALECT = os.environ.get("PROWEX_TEST_DATABASE", "sqlite")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "backups"


@pytest.fixture
def files(data_dir: Path, sealer: Sealer, clock: FakeClock) -> FileStore:
    return FileStore(data_dir / "files", sealer, clock)


@pytest.fixture
async def new_url(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    """Another fresh, migrated database."""
    if DIALECT == "sqlite":
        path = tmp_path / "new.db"
        path.write_bytes(request.getfixturevalue("sqlite_template").read_bytes())
        yield f"sqlite://{path}"
    else:
        server = request.getfixturevalue("postgres")
        url = await server.fresh()
        yield url
        await server.give_back(url)


def archives(out: Path) -> tuple[Path, Path, Path]:
    (database,), (files,) = out.glob("prowex-database-*.zip"), out.glob("prowex-files-*.tar")
    return database, files, out / "keys.json"


async def restored_into(url: str, out: Path, home: Path) -> tuple[Restored, dict[str, Any]]:
    database, files, keys = archives(out)
    async with open_database(url):
        done = await restore(database, keys, home / "keyring.json", files=files, folder=home / "files")
        return done, await picture()


def closed(before: dict[str, Any]) -> dict[str, Any]:
    """What a picture becomes when everything that was open is closed."""
    becomes = {
        "InboxEntry": {"new": "dead", "running": "dead"},
        "Turn": {"running": "failed"},
        "TurnStep": {"intended": "maybe_ran"},
        "Reply": {"open": "dead", "final": "dead"},
        "Part": {
            "reserving": "orphaned", "deleting": "orphaned", "reserved": "maybe_sent", "pending": "maybe_sent",
            "sending": "maybe_sent",
        },
    }  # fmt: skip
    after = json.loads(json.dumps(before))
    for table, states in becomes.items():
        for row in after[table]:
            if row["state"] in states:
                row["state"] = states[row["state"]]
                row |= {"reason": "restored"} if "reason" in row else {}
                row |= {"failure": "restored", "ended_at": FakeClock().now().isoformat()} if table == "Turn" else {}
    for row in after["Lane"]:
        row |= {"due_at": None, "holder": None, "lease_until": None}
    return after


async def made_by_the_other_dialect(request: pytest.FixtureRequest, tmp_path: Path, out: Path) -> dict[str, Any]:
    home = tmp_path / "elsewhere"
    home.mkdir()
    if DIALECT == "postgres":
        url = f"sqlite://{home / 'prowex.db'}"
    else:
        url = await request.getfixturevalue("postgres").empty()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.storage.sample", url, str(home), str(out)),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0
    return json.loads(said)


@pytest.mark.parametrize("source", ["the same", "the other"])
async def test_everything_comes_back_on_either_dialect(
    request: pytest.FixtureRequest, source: str, database_url: str, key_ring: KeyRing, data_dir: Path, tmp_path: Path,
    out: Path, new_url: str, clock: FakeClock,
) -> None:  # fmt: skip
    if source == "the other":
        before = await made_by_the_other_dialect(request, tmp_path, out)
    else:
        async with open_database(database_url):
            sealer = Sealer(key_ring, clock)
            await fill(sealer, FileStore(data_dir / "files", sealer, clock))
            await backup(out, data_dir / "files", clock)
            await backup_keys(out / "keys.json", key_ring)
            before = await picture()
    assert all(before.values()), "the sample leaves a table empty"
    home = tmp_path / "new home"
    done, after = await restored_into(new_url, out, home)
    assert after == closed(before)
    assert done == Restored(
        created_at=clock.now(), rows=sum(map(len, before.values())) - 2, file_count=1, data_keys=2, keys_missing=0,
        inbounds=2, turns=1, replies=2, maybe_sent=3,
    )  # fmt: skip
    async with open_database(new_url):
        sealer = Sealer(KeyRing.open(home / "keyring.json"), clock)
        entries = await InboxEntry.all().order_by("position")
        said = await sealer.unseal_many("inbox.body", [(entry.id, entry.body or b"") for entry in entries])
        assert said == [f"{SAID}{number}" for number in range(len(entries))]
        (row,) = await StoredFile.all()
        assert (await FileStore(home / "files", sealer, clock).get(row.id))[1:] == ("naïve.pdf", FILE)
        version = await AgentVersion.get()
        assert version.settings == {"temperature": 0.5, "stop": ["a", "ü"], "deep": {"x": None}}
        assert version.created_at == NOW


def test_the_sample_has_every_table(database: BaseDBAsyncClient) -> None:
    assert set(EVERY_TABLE) == set(all_tables())


@pytest.fixture
async def saved(
    files: FileStore, sealer: Sealer, key_ring: KeyRing, data_dir: Path, out: Path, clock: FakeClock
) -> Saved:
    await fill(sealer, files)
    await backup_keys(out / "keys.json", key_ring)
    return await backup(out, data_dir / "files", clock)


def bytes_of(archive: Path) -> bytes:
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive) as members:
            return b"".join(members.read(name) for name in members.namelist())
    return archive.read_bytes()


async def test_a_backup_holds_no_words_and_no_keys_and_only_its_owner_can_read_it(
    saved: Saved, key_ring: KeyRing, out: Path
) -> None:
    content = bytes_of(saved.database) + bytes_of(saved.files)
    assert b"quick brown" not in content
    assert b"PDF sealed" not in content
    assert b"data_keys" not in content
    for key in await DataKey.all():
        assert key.wrapped.hex().encode() not in content
    for secret in (*key_ring._contents.keys.values(), key_ring._contents.pepper):
        assert secret not in content
    assert {path.stat().st_mode & 0o777 for path in listed(out)} == {0o600}
    assert len(listed(out)) == 3


def listed(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def test_the_keys_are_kept_once_so_that_a_destroyed_one_is_gone(
    saved: Saved, sealer: Sealer, key_ring: KeyRing, new_url: str, out: Path, tmp_path: Path, clock: FakeClock
) -> None:
    user = await User.get()
    async with transaction(Step.ADMIN):
        await sealer.destroy(Owner("user", user.id))
    assert await backup_keys(out / "keys.json", key_ring) == 1
    home = tmp_path / "new home"
    # Tortoise serves one database at a time
    done = (await in_another_process(new_url, out, home))["done"]
    assert (done["data_keys"], done["keys_missing"]) == (1, 1)


async def in_another_process(url: str, out: Path, home: Path) -> dict[str, Any]:
    code = (
        "import asyncio, dataclasses, json, sys; from pathlib import Path\n"
        "from tests.storage.test_backup import restored_into\n"
        "done, _ = asyncio.run(restored_into(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])))\n"
        "print(json.dumps({'done': dataclasses.asdict(done)}, default=str))"
    )
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", code, url, str(out), str(home)), cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    assert process.returncode == 0
    return json.loads(said)


async def test_a_restore_needs_an_empty_database(saved: Saved, out: Path, data_dir: Path) -> None:
    before = await picture()
    with pytest.raises(RestoreError, match="not empty"):
        await restore(saved.database, out / "keys.json", data_dir / "keyring.json", files=None, folder=data_dir)
    assert await picture() == before


def tampered(path: Path, member: str, change: Any) -> None:
    with zipfile.ZipFile(path) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    contents[member] = change(contents[member])
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in contents.items():
            archive.writestr(name, content)


def with_manifest(**changes: Any) -> Any:
    return lambda content: json.dumps({**json.loads(content), **changes}).encode()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda out: archives(out)[0].write_bytes(b"words"), "is damaged"),
        (lambda out: archives(out)[0].write_bytes(archives(out)[0].read_bytes()[:-2000]), "is damaged"),
        (lambda out: tampered(archives(out)[0], "users.jsonl", lambda c: c.replace(b"nne", b"nna")), "is damaged"),
        (lambda out: tampered(archives(out)[0], "manifest.json", lambda c: b"{}"), "is damaged"),
        (lambda out: tampered(archives(out)[0], "manifest.json", with_manifest(format=2)), "newer version"),
        (lambda out: tampered(archives(out)[0], "manifest.json", with_manifest(schema=["9_x.py"])), "it has 9_x.py"),
        (lambda out: archives(out)[2].unlink(), "no copy of the keys"),
        (lambda out: archives(out)[2].write_text("{}"), "is damaged"),
        (lambda out: archives(out)[1].write_bytes(b"words" * 1000), "could not be put"),
        (lambda out: evil(archives(out)[1], "../escaped"), "something else than sealed files"),
        (lambda out: evil(archives(out)[1], "/tmp/escaped"), "something else than sealed files"),
        (lambda out: evil(archives(out)[1], f"00/{uuid4()}", tarfile.SYMTYPE), "something else than sealed files"),
    ],
)  # fmt: skip
async def test_a_backup_that_is_damaged_or_strange_changes_nothing(
    files: FileStore, sealer: Sealer, key_ring: KeyRing, data_dir: Path, out: Path, clock: FakeClock,
    tmp_path: Path, damage: Any, said: str,
) -> None:  # fmt: skip
    async with transaction(Step.ADMIN):
        await User.create(name="Änne", created_at=NOW)
    await sealer.key(Owner("team", uuid4()))
    await files.put(Owner("team", uuid4()), "x", "x", FILE)
    await backup(out, data_dir / "files", clock)
    await backup_keys(out / "keys.json", key_ring)
    async with transaction(Step.ADMIN):
        for table in (User, DataKey, StoredFile):
            await table.all().delete()
    damage(out)
    database, archive, keys = archives(out)
    home = tmp_path / "home"
    with pytest.raises(RestoreError, match=said):
        await restore(database, keys, home / "keyring.json", files=archive, folder=home / "files")
    assert not any((await picture()).values())
    assert not (tmp_path / "escaped").exists()


def evil(path: Path, name: str, kind: bytes = tarfile.REGTYPE) -> None:
    with tarfile.open(path, "w") as archive:
        entry = tarfile.TarInfo(name)
        entry.type, entry.linkname = kind, "/etc/passwd"
        archive.addfile(entry, io.BytesIO())


async def test_another_key_ring_is_never_overwritten(
    key_ring: KeyRing, database: BaseDBAsyncClient, data_dir: Path, out: Path, clock: FakeClock, tmp_path: Path
) -> None:
    saved = await backup(out, data_dir / "files", clock)
    await backup_keys(out / "keys.json", key_ring)
    other = KeyRing.open(tmp_path / "other.json", create=True)
    before = other.path.read_bytes()
    with pytest.raises(KeyRingError, match="another key ring"):
        await restore(saved.database, out / "keys.json", other.path, files=None, folder=data_dir)
    assert other.path.read_bytes() == before


async def test_a_backup_is_of_one_moment_and_nobody_waits_for_it(
    database: BaseDBAsyncClient, data_dir: Path, out: Path, clock: FakeClock
) -> None:
    """Two counters are raised together all the while; in the backup they are equal."""
    async with transaction(Step.ADMIN):
        for name in ("a", "b"):
            await Counter.create(name=name, since=NOW, count=0)
        for number in range(3000):
            await User.create(id=UUID(int=number), name=f"user {number}", created_at=NOW)
    raised = 0

    async def raise_both() -> None:
        nonlocal raised
        while True:
            raised += 1
            async with transaction(Step.ADMIN):
                for name in ("a", "b"):
                    await Counter.filter(name=name).update(count=raised)

    task = asyncio.create_task(raise_both())
    try:
        saved = await backup(out, data_dir / "files", clock)
    finally:
        task.cancel()
        await asyncio.wait({task})
    assert raised > 1, "the backup kept others from writing"
    assert saved.rows == 3002
    with zipfile.ZipFile(saved.database) as archive:
        counters = [json.loads(line)["count"] for line in archive.read("counters.jsonl").splitlines()]
    assert counters[0] == counters[1]


def test_the_tables_stand_after_what_they_refer_to(database: BaseDBAsyncClient) -> None:
    order = all_tables()
    for before, after in [(Lane, InboxEntry), (Lane, Turn), (Turn, TurnStep), (Lane, Reply), (Reply, Part)]:
        assert order.index(before) < order.index(after)


async def test_words_under_a_key_that_the_copy_lacks_are_the_only_ones_lost(
    sealer: Sealer, key_ring: KeyRing, out: Path, data_dir: Path, clock: FakeClock, tmp_path: Path
) -> None:
    await backup_keys(out / "keys.json", key_ring)  # older than the database
    owner = Owner("user", uuid4())
    row = uuid4()
    blob = (await sealer.key(owner)).seal("inbox.body", row, SAID)
    async with transaction(Step.ADMIN):
        await InboxEntry.create(
            id=row, account="a", event_id="1", fingerprint="f", position=1, state="done", body=blob, received_at=NOW
        )
    saved = await backup(out, data_dir / "files", clock)
    async with transaction(Step.ADMIN):
        await InboxEntry.all().delete()
        await DataKey.all().delete()
    done = await restore(saved.database, out / "keys.json", key_ring.path, files=None, folder=data_dir)
    assert (done.rows, done.data_keys, done.keys_missing) == (1, 0, 1)
    with pytest.raises(KeyDestroyed):
        await Sealer(key_ring, clock).unseal("inbox.body", row, blob)
