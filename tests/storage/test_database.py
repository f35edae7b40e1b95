"""Opening the database: as it must be set, or a sentence that says what to do."""

import os
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from urllib.parse import quote

import pytest
from tortoise.backends.base.client import BaseDBAsyncClient

from storage.backup import snapshot
from storage.database import (
    DatabaseError,
    PostgresAddress,
    SqliteAddress,
    address_of,
    current_dialect,
    integrity,
    open_database,
)
from storage.faults import Step
from storage.tables import Counter
from storage.transactions import transaction
from tests.ports import free_port


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+asyncpg", "asyncpg"])
def test_every_common_form_of_a_postgresql_address_is_understood(scheme: str) -> None:
    address = address_of(f"{scheme}://anna:p%40ss%2Fw@db.example:6432/prow%20ex?sslmode=require&maxsize=4")
    assert isinstance(address, PostgresAddress)
    assert (address.host, address.port, address.user, address.password) == ("db.example", 6432, "anna", "p@ss/w")
    assert (address.name, address.options, address.pool_size) == ("prow ex", {"ssl": "require"}, 4)
    assert "p@ss" not in repr(address) + address.shown


def test_a_socket_folder_and_defaults() -> None:
    address = address_of("postgres:///prowex?host=/run/postgresql")
    assert isinstance(address, PostgresAddress)
    assert (address.host, address.port, address.user, address.password) == ("/run/postgresql", 5432, "postgres", None)
    assert address_of("sqlite:///tmp/a%20b.db") == SqliteAddress(Path("/tmp/a b.db"))
    assert address_of("sqlite://data/x.db") == SqliteAddress(Path.cwd() / "data/x.db")


@pytest.mark.parametrize(
    "url",
    ["", "prowex.db", "mysql://anna:s3cret@h/x", "sqlite://", "sqlite:///", "sqlite:////", "sqlite://:memory:", "postgres://",
     "postgres://anna:s3cret@h", "postgres://anna:s3cret@/x", "postgres://anna:s3cret@h:port/x",
     "postgres://anna:s3cret@h/x?timeout=s3cret", "postgres://anna:s3cret@[h/x", "postgres://a:b@h/x?maxsize=s3cret"],
)  # fmt: skip
async def test_a_wrong_address_is_a_sentence_without_the_password(url: str) -> None:
    with pytest.raises(DatabaseError, match="database address") as caught:
        async with open_database(url):
            pass
    assert "s3cret" not in str(caught.value)


async def test_a_server_that_does_not_answer_is_a_sentence() -> None:
    port = free_port()
    with pytest.raises(DatabaseError, match=rf"does not answer at 127\.0\.0\.1:{port}\. Is it running"):
        async with open_database(f"postgres://anna:s3cret@127.0.0.1:{port}/x"):
            pass


@pytest.mark.sqlite
@pytest.mark.parametrize("slashes", ["", "/", "//"])
async def test_sqlites_file_may_lie_anywhere_and_be_read_beside_others(tmp_path: Path, slashes: str) -> None:
    folder = tmp_path / "100% a#b?c%20d"
    folder.mkdir()
    async with open_database(f"sqlite://{slashes}{quote(str(folder / 'x.db'))}") as database:
        await database.execute_query("PRAGMA user_version = 7")
        async with snapshot():
            pass
    assert [path.name for path in folder.iterdir()] == ["x.db"]


@pytest.mark.sqlite
async def test_what_is_no_database_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "words.db").write_text("words " * 1000)
    with pytest.raises(DatabaseError, match=r"words\.db is not a database"):
        async with open_database(f"sqlite://{tmp_path / 'words.db'}"):
            pass
    with pytest.raises(DatabaseError, match="Let Prowex write to that file and its folder"):
        async with open_database(f"sqlite://{tmp_path / 'missing' / 'x.db'}"):
            pass


@pytest.mark.postgres
async def test_a_missing_database_is_a_sentence(database_url: str) -> None:
    with pytest.raises(DatabaseError, match=r"has no database nothing\. Make it: createdb nothing"):
        async with open_database(database_url.rpartition("/")[0] + "/nothing"):
            pass


@pytest.mark.sqlite
async def test_sqlite_is_set_so_that_nothing_is_lost_or_left(database: BaseDBAsyncClient) -> None:
    expected = {
        "journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "secure_delete": 1, "busy_timeout": 10_000,
    }  # fmt: skip
    for pragma, value in expected.items():
        (row,) = await database.execute_query_dict(f"PRAGMA {pragma}")
        assert list(row.values()) == [value], pragma
    assert await integrity() == []


@pytest.mark.sqlite
async def test_closing_leaves_one_whole_file(database_url: str, data_dir: Path) -> None:
    async with open_database(database_url):
        assert current_dialect() == "sqlite"
        async with transaction(Step.ADMIN):
            await Counter.create(name="kept", since=datetime.now(UTC), count=1)
    assert os.listdir(data_dir) == ["prowex.db"]
    with closing(sqlite3.connect(data_dir / "prowex.db")) as connection:
        assert connection.execute("SELECT name FROM counters").fetchall() == [("kept",)]


async def test_it_can_be_opened_again_and_times_come_back_in_utc(database_url: str) -> None:
    moment = datetime(2026, 11, 24, 23, 30, tzinfo=timezone(timedelta(hours=-5)))
    async with open_database(database_url), transaction(Step.ADMIN):
        await Counter.create(name="kept", since=moment, count=1)
    async with open_database(database_url):
        found = await Counter.get(name="kept")
    assert found.since == moment
    assert found.since.utcoffset() == timedelta(0)


@pytest.mark.sqlite
def test_a_network_file_system_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from storage import database

    mounts = f"/dev/sda1 / ext4 rw 0 0\nhost:/x {tmp_path} nfs4 rw 0 0\n"
    read = Path.read_text
    monkeypatch.setattr(Path, "read_text", lambda self: mounts if str(self) == "/proc/self/mounts" else read(self))
    with pytest.raises(DatabaseError, match=r"network file system \(nfs4\)"):
        database.refuse_far(tmp_path / "sub" / "prowex.db")
    database.refuse_far(tmp_path.parent / "prowex.db")
