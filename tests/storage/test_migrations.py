"""The database is brought up to date whole or not at all, by one process at a time, and is then as the models say."""

import asyncio
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import closing
from pathlib import Path

import pytest

from storage.database import DatabaseError, open_database
from storage.migrations import known, upgrade
from tests.clock import FakeClock
from tests.storage.schema import make_from_models, schema_of

ROOT = Path(__file__).parents[2]
OWN = ROOT / "migrations" / "models"
DIALECT = os.environ.get("PROWEX_TEST_DATABASE", "sqlite")

SCRIPT = '''
UPGRADE = {{"sqlite": """{sql}""", "postgres": """{sql}"""}}
MODELS_STATE = "eJyrrgUAAXUA+Q=="
'''


@pytest.fixture
async def another_url(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    if DIALECT == "sqlite":
        yield f"sqlite://{tmp_path / 'another.db'}"
    else:
        server = request.getfixturevalue("postgres")
        url = await server.empty()
        yield url
        await server.drop(url)


@pytest.fixture
def history(tmp_path: Path) -> Path:
    """The program's own history, to be added to."""
    folder = tmp_path / "history"
    shutil.copytree(OWN, folder, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.fixture
def upgraded(
    empty_database_url: str, data_dir: Path, clock: FakeClock, history: Path
) -> Callable[[], Awaitable[list[str]]]:
    return lambda: upgrade(empty_database_url, data_dir, clock, history=history)


def add(history: Path, number: int, sql: str) -> str:
    name = f"{number}_20300101000000_test.py"
    (history / name).write_text(SCRIPT.format(sql=sql))
    return name


def generate(history: Path, models: str, *more: str) -> str:
    command = [sys.executable, "-m", "migrations.generate", "--history", str(history), "--models", models, *more]
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout


async def rows(url: str, query: str) -> list[tuple[object, ...]]:
    async with open_database(url) as client:
        return [tuple(row.values()) for row in await client.execute_query_dict(query)]


async def test_an_empty_database_becomes_what_the_models_say(
    empty_database_url: str, another_url: str, data_dir: Path, clock: FakeClock
) -> None:
    """If this fails after a change of the tables: `python -m migrations.generate`."""
    assert await upgrade(empty_database_url, data_dir, clock) == known(OWN)
    assert await upgrade(empty_database_url, data_dir, clock) == []
    await make_from_models(another_url, "storage.tables")
    assert await schema_of(empty_database_url) == await schema_of(another_url)
    assert await rows(empty_database_url, "SELECT version, app FROM aerich") == [
        (name, "models") for name in known(OWN)
    ]


async def test_a_later_version_upgrades_what_an_earlier_one_made(
    empty_database_url: str, another_url: str, data_dir: Path, clock: FakeClock, tmp_path: Path
) -> None:
    folder = tmp_path / "notes"
    folder.mkdir()
    assert "wrote 0_" in generate(folder, "tests.storage.notes_first")
    assert "is as the models are" in generate(folder, "tests.storage.notes_first")
    await upgrade(empty_database_url, data_dir, clock, history=folder)
    await _insert(empty_database_url, "INSERT INTO notes (id, title) VALUES ('{id}', 'kept')")
    await _insert(empty_database_url, "INSERT INTO remarks (id, note_id) VALUES ('{id}', '{id}')")
    assert "wrote 1_" in generate(folder, "tests.storage.notes_later", "--add", "more")
    assert "Nothing to add" in generate(folder, "tests.storage.notes_later", "--add", "again")
    assert await upgrade(empty_database_url, data_dir, clock, history=folder) == known(folder)[1:]
    assert await rows(empty_database_url, "SELECT title, body, pinned_at FROM notes") == [("kept", None, None)]
    assert await rows(empty_database_url, "SELECT count(*) FROM remarks") == [(1,)]
    await make_from_models(another_url, "tests.storage.notes_later")
    assert _without_order(await schema_of(empty_database_url)) == _without_order(await schema_of(another_url))


def _without_order(schema: dict) -> dict:
    return {
        name: {k: sorted(v) for k, v in of.items()} if isinstance(of, dict) else sorted(of, key=str)
        for name, of in schema.items()
    }


async def _insert(url: str, statement: str) -> None:
    statement = statement.format(id="019ab000-0000-7000-8000-000000000001")
    if DIALECT == "sqlite":
        with closing(sqlite3.connect(url.removeprefix("sqlite://"))) as connection, connection:
            connection.execute(statement)
    else:
        import asyncpg

        connection = await asyncpg.connect(url)
        await connection.execute(statement)
        await connection.close()


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE fresh (id INT); INSERT INTO fresh VALUES (1); SELECT nonsense FROM nowhere;",
        "CREATE TABLE fresh (id INT); CREATE TABLE users (id INT);",
        "CREATE TABLE fresh (id INT); this is not sql;",
    ],
)
async def test_a_migration_that_fails_changes_nothing_and_says_so(
    empty_database_url: str, upgraded: Callable[[], Awaitable[list[str]]], history: Path, sql: str
) -> None:
    await upgraded()
    before = await schema_of(empty_database_url)
    add(history, 1, "CREATE TABLE earlier (id INT);")
    name = add(history, 2, sql)
    with pytest.raises(DatabaseError, match=f"{name} failed .*Nothing was changed"):
        await upgraded()
    assert await schema_of(empty_database_url) == before
    add(history, 2, "CREATE TABLE fresh (id INT);")
    assert await upgraded() == known(history)[1:]
    assert await rows(empty_database_url, "SELECT count(*) FROM fresh") == [(0,)]


@pytest.mark.sqlite
async def test_a_full_disk_is_called_by_its_name(upgraded: Callable[[], Awaitable[list[str]]], history: Path) -> None:
    await upgraded()
    add(history, 1, "PRAGMA max_page_count = 1; CREATE TABLE later (id INT); CREATE TABLE fresh (id INT);")
    with pytest.raises(DatabaseError, match=r"disk is full.*Nothing was changed\. Make room on the disk"):
        await upgraded()


async def test_a_database_of_a_newer_program_is_refused(
    empty_database_url: str, upgraded: Callable[[], Awaitable[list[str]]], history: Path
) -> None:
    name = add(history, 1, "CREATE TABLE later (id INT);")
    await upgraded()
    (history / name).unlink()
    with pytest.raises(DatabaseError, match=f"made by another version of Prowex .*{name}") as caught:
        await upgraded()
    assert "unasked" not in str(caught.value)


async def test_processes_that_start_at_once_upgrade_once(empty_database_url: str, data_dir: Path) -> None:
    code = (
        "import asyncio, sys; from pathlib import Path; from storage.clock import SystemClock\n"
        "from storage.migrations import upgrade; from storage.database import open_database\n"
        "async def main():\n"
        "    done = await upgrade(sys.argv[1], Path(sys.argv[2]), SystemClock())\n"
        "    async with open_database(sys.argv[1]) as client:\n"
        "        await client.execute_query_dict('SELECT * FROM users')\n"
        "    print(len(done))\n"
        "print('ready', flush=True); sys.stdin.readline(); asyncio.run(main())"
    )
    starts = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", code, empty_database_url, str(data_dir)),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        for _ in range(4)
    ]  # fmt: skip
    for process in starts:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready\n"
    ended = await asyncio.gather(*(process.communicate(b"\n") for process in starts))
    assert [process.returncode for process in starts] == [0, 0, 0, 0], ended
    assert sorted(int(out) for out, _ in ended) == [0, 0, 0, len(known(OWN))]


def restore_points(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.before-*"))


def modes(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}


@pytest.mark.sqlite
async def test_before_each_change_sqlite_gets_a_restore_point_and_the_last_three_stay(
    empty_database_url: str, upgraded: Callable[[], Awaitable[list[str]]], history: Path, data_dir: Path
) -> None:
    await upgraded()
    assert restore_points(data_dir) == []
    for number in range(1, 6):
        add(history, number, f"CREATE TABLE t{number} (id INT);")
        await upgraded()
    points = restore_points(data_dir)
    assert [point.name for point in points] == [f"empty.db.before-{n}_20300101000000_test" for n in (3, 4, 5)]
    assert {point.stat().st_mode & 0o777 for point in points} == {0o600}
    before = await schema_of(f"sqlite://{points[-1]}")
    assert "t4" in before
    assert "t5" not in before


@pytest.mark.sqlite
async def test_what_a_script_committed_by_itself_is_put_back(
    empty_database_url: str, upgraded: Callable[[], Awaitable[list[str]]], history: Path
) -> None:
    await upgraded()
    before = await schema_of(empty_database_url)
    add(history, 1, "CREATE TABLE escaped (id INT); COMMIT; DROP TABLE users;")
    with pytest.raises(DatabaseError, match="Nothing was changed"):
        await upgraded()
    assert await schema_of(empty_database_url) == before


@pytest.mark.sqlite
async def test_rebuilding_a_table_keeps_what_refers_to_it_and_losing_it_is_noticed(
    empty_database_url: str, upgraded: Callable[[], Awaitable[list[str]]], history: Path
) -> None:
    add(
        history,
        1,
        """
        CREATE TABLE parents (id INT PRIMARY KEY);
        CREATE TABLE children (id INT, parent INT REFERENCES parents (id) ON DELETE CASCADE);
        INSERT INTO parents VALUES (1); INSERT INTO children VALUES (1, 1);""",
    )
    await upgraded()
    rebuild = "CREATE TABLE new (id INT PRIMARY KEY, more INT); INSERT INTO new {what}; DROP TABLE parents;"
    rebuild += "ALTER TABLE new RENAME TO parents;"
    add(history, 2, rebuild.format(what="SELECT id + 1, 7 FROM parents"))
    with pytest.raises(DatabaseError, match="1 rows of children lost what they refer to"):
        await upgraded()
    add(history, 2, rebuild.format(what="SELECT id, 7 FROM parents"))
    await upgraded()
    assert await rows(empty_database_url, "SELECT p.more FROM children c JOIN parents p ON p.id = c.parent") == [(7,)]


@pytest.mark.sqlite
async def test_the_files_of_a_new_database_are_its_owners_alone(
    empty_database_url: str, data_dir: Path, clock: FakeClock
) -> None:
    await upgrade(empty_database_url, data_dir, clock)
    async with open_database(empty_database_url):
        found = modes(data_dir)
    assert set(found.values()) == {0o600}, found
