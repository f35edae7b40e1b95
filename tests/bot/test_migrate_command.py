"""`prowex migrate`: says what it did, what there is to do, and where the state before is kept."""

import shutil
import sqlite3
from pathlib import Path

import pytest
from tortoise.exceptions import OperationalError

from bot import schema
from bot.commands import migrate
from bot.settings import Settings
from bot.stop import Stop
from storage.clock import SystemClock
from storage.database import open_database
from tests.ports import free_port

GOOD = {
    "sqlite": "CREATE TABLE later (id INTEGER PRIMARY KEY); INSERT INTO later VALUES (7);",
    "postgres": "CREATE TABLE later (id INTEGER PRIMARY KEY); INSERT INTO later VALUES (7);",
}
BAD = {dialect: f"{script} INSERT INTO nowhere VALUES (1);" for dialect, script in GOOD.items()}


@pytest.fixture
def settings(bare_home: Path, data_dir: Path, empty_database_url: str) -> Settings:
    return Settings.model_validate({"data_dir": data_dir, "database_url": empty_database_url})


@pytest.fixture
def history(tmp_path: Path) -> Path:
    """A copy of the program's migrations, to be added to."""
    return Path(shutil.copytree(schema.HISTORY, tmp_path / "history"))


def add(history: Path, upgrade: dict[str, str]) -> None:
    state = next(line for line in next(history.glob("0_*.py")).read_text().split("\n\n") if "MODELS_STATE" in line)
    (history / "1_20300101000000_later.py").write_text(f"{state}\nUPGRADE = {upgrade!r}\n")


async def later(settings: Settings) -> bool:
    """Say whether the table that the added migration makes is there."""
    async with open_database(settings.database) as client:
        try:
            return bool(await client.execute_query_dict("SELECT id FROM later"))
        except OperationalError:
            return False


async def test_the_check_says_what_is_to_do_and_does_nothing(prowex, settings, capsys):
    assert await prowex("migrate", "--check", settings=settings) == 1
    assert "to do: 0_" in capsys.readouterr().out
    assert await prowex("migrate", settings=settings) == 0
    assert "done: 0_" in capsys.readouterr().out
    assert await prowex("migrate", "--check", settings=settings) == 0
    assert capsys.readouterr().out == "The database is up to date.\n"
    assert await prowex("migrate", settings=settings) == 0
    assert "nothing to do" in capsys.readouterr().out


@pytest.mark.sqlite
async def test_the_check_makes_no_database(prowex, settings, data_dir):
    assert await prowex("migrate", "--check", settings=settings) == 1
    assert list(data_dir.iterdir()) == []


async def test_a_step_that_works_is_named_with_the_copy_from_before(prowex, settings, history, capsys):
    await prowex("migrate", settings=settings)
    add(history, GOOD)
    assert await migrate.look(settings, history) == 1
    assert await migrate.bring_up(settings, SystemClock(), history) == 0
    out = capsys.readouterr().out
    assert "done: 1_20300101000000_later" in out
    assert await later(settings)
    if point := named_in(out, settings.data_dir):
        with sqlite3.connect(point) as before:
            assert before.execute("SELECT count(*) FROM aerich").fetchone() == (1,)
    assert (point is not None) == settings.database.startswith("sqlite")


async def test_a_step_that_fails_changes_nothing_and_the_copy_from_before_is_named(prowex, settings, history, capsys):
    await prowex("migrate", settings=settings)
    add(history, BAD)
    with pytest.raises(Stop, match="Nothing was changed") as stop:
        await migrate.bring_up(settings, SystemClock(), history)
    assert "1_20300101000000_later" in str(stop.value)
    assert not await later(settings)
    assert await migrate.look(settings) == 0
    point = named_in(str(stop.value), settings.data_dir)
    assert (point is not None) == settings.database.startswith("sqlite")
    with pytest.raises(Stop) as again:
        await migrate.bring_up(settings, SystemClock(), history)
    assert named_in(str(again.value), settings.data_dir) == point
    add(history, GOOD)
    assert await migrate.bring_up(settings, SystemClock(), history) == 0
    assert await later(settings)


async def test_a_newer_database_is_refused_with_a_sentence(prowex, settings, history):
    add(history, GOOD)
    await migrate.bring_up(settings, SystemClock(), history)
    for words in ([], ["--check"]):
        with pytest.raises(Stop, match="another version of Prowex"):
            await prowex("migrate", *words, settings=settings)


async def test_a_database_that_does_not_answer_is_told_apart_from_work_to_do(prowex, bare_home, data_dir):
    settings = Settings.model_validate(
        {"data_dir": data_dir, "database_url": f"postgres://me:hunter22@127.0.0.1:{free_port()}/x"}
    )
    with pytest.raises(Stop, match="does not answer at 127") as stop:
        await prowex("migrate", "--check", settings=settings)
    assert stop.value.code == 2
    assert "hunter22" not in str(stop.value)


def named_in(text: str, folder: Path) -> Path | None:
    return next((path for path in folder.glob("*.before-*") if str(path) in text), None)
