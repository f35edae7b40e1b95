"""`prowex backup` and `prowex restore`: what was said is there again elsewhere, with the right keys alone."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bot.commands import chat
from bot.compose import open_foundation
from bot.settings import Settings
from bot.stop import Stop
from channels.console import ACCOUNT
from core.transcript import Transcripts
from storage.clock import SystemClock
from storage.database import open_database
from storage.faults import Step
from storage.keyring import KeyRing
from storage.tables import InboundState, InboxEntry, Part, PartState, Reply, ReplyState, StoredFile, User
from storage.transactions import transaction

SAID = "My cat is called Hodge"


@pytest.fixture
def elsewhere(bare_home: Path, tmp_path: Path, empty_database_url: str) -> Settings:
    """The settings of another, empty installation."""
    return Settings.model_validate({"data_dir": tmp_path / "elsewhere", "database_url": empty_database_url})


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "safe"


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    return tmp_path / "vault" / "keys"


async def talk(settings: Settings, *lines: str) -> None:
    for line in lines:
        assert await chat.main(argparse.Namespace(text=line.split(" ")), settings) == 0


async def said(settings: Settings) -> list[str]:
    """Return what the console's chat shows of what the person wrote."""
    async with open_foundation(settings, SystemClock()) as foundation:
        lines = await Transcripts(foundation.sealer).lines(ACCOUNT, str(foundation.installation.operator_id))
        return [line.text for line in lines if line.by_person]


@contextmanager
def refused(match: str) -> Iterator[None]:
    with pytest.raises(Stop, match=match):
        yield


@pytest.fixture
async def saved(prowex, used: Settings, place: Path, keys: Path) -> Settings:
    """The settings of an installation that was saved to `place` and `keys`."""
    assert await prowex("backup", "--to", str(place), "--keys", str(keys), settings=used) == 0
    return used


async def test_a_conversation_is_read_and_goes_on_elsewhere(prowex, saved, elsewhere, place, keys, capsys):
    assert await prowex("restore", str(place), "--keys", str(keys), "--yes", settings=elsewhere) == 0
    out = capsys.readouterr().out
    assert f"into {elsewhere.data_dir}" in out
    assert "data keys: 2" in out
    assert "can't be read" not in out
    assert await said(elsewhere) == [SAID]
    await talk(elsewhere, "What can you do?")
    assert await said(elsewhere) == [SAID, "What can you do?"]
    assert await said(saved) == [SAID]


async def test_files_come_back_sealed_and_whole(prowex, used, elsewhere, place, keys, tmp_path, monkeypatch, capsys):
    (tmp_path / "note.txt").write_text("Hodge likes oysters")
    async with open_foundation(used, SystemClock()) as foundation:
        owner = foundation.installation.house
        row = await foundation.files.put(owner, "note.txt", "text/plain", (tmp_path / "note.txt").read_bytes())
    await prowex("backup", "--to", str(place), "--keys", str(keys), settings=used)
    assert "(1 file, " in capsys.readouterr().out
    await prowex("restore", str(place), "--keys", str(keys), "--yes", settings=elsewhere)
    async with open_foundation(elsewhere, SystemClock()) as foundation:
        stored, name, data = await foundation.files.get(row.id)
        assert (name, data, stored.media_type) == ("note.txt", b"Hodge likes oysters", "text/plain")
        assert await StoredFile.all().count() == 1


async def test_the_backup_alone_holds_no_word_and_no_key(saved, place, keys):
    names = sorted(path.name.split("-")[1] for path in place.iterdir())
    assert names == ["database", "files"]
    ring = saved.key_ring.read_bytes()
    for path in [*place.iterdir(), keys]:
        assert b"Hodge" not in path.read_bytes()
        assert path.stat().st_mode & 0o777 == 0o600
    assert all(ring.split(b'"')[7] not in path.read_bytes() for path in place.iterdir())
    assert ring.split(b'"')[7] in keys.read_bytes()


async def test_it_says_where_everything_is_and_that_the_keys_belong_apart(prowex, used, place, keys, capsys):
    capsys.readouterr()
    await prowex("backup", "--to", str(place), "--keys", str(keys), settings=used)
    out = capsys.readouterr().out
    assert all(str(path) in out for path in [*place.iterdir(), keys])
    assert "KEEP THE KEYS APART" in out


async def test_without_a_place_it_goes_beside_the_data_folder(prowex, used, tmp_path):
    assert await prowex("backup", settings=used) == 0
    assert len(list((tmp_path / "prowex-backups").iterdir())) == 2
    assert [path.name for path in (tmp_path / "prowex-keys").iterdir()] == ["prowex-keys.jsonl"]


async def test_the_keys_may_not_lie_with_the_backup(prowex, used, place):
    for keys in (place, place / "keys", place / "deep" / "keys"):
        with refused("name another place"):
            await prowex("backup", "--to", str(place), "--keys", str(keys), settings=used)
    assert not place.exists()


async def test_the_latest_backup_in_a_folder_counts_and_an_older_one_can_be_named(
    prowex, saved, elsewhere, place, keys, tmp_path
):
    (first,) = place.glob("*.zip")
    older = first.rename(first.with_name("prowex-database-20200101T000000Z.zip"))
    await talk(saved, "And a dog, Max")
    await prowex("backup", "--to", str(place), "--keys", str(keys), settings=saved)
    await prowex("restore", str(place), "--keys", str(keys), "--yes", settings=elsewhere)
    assert await said(elsewhere) == [SAID, "And a dog, Max"]
    third = Settings(data_dir=tmp_path / "third")
    await prowex("restore", str(older), "--keys", str(keys), "--yes", settings=third)
    assert await said(third) == [SAID]


@pytest.mark.postgres
async def test_a_backup_of_postgresql_goes_into_sqlite(prowex, saved, place, keys, tmp_path):
    small = Settings(data_dir=tmp_path / "small")
    await prowex("restore", str(place), "--keys", str(keys), "--yes", settings=small)
    assert await said(small) == [SAID]


async def test_keys_of_another_installation_are_refused_and_nothing_is_left(
    prowex, saved, elsewhere, place, keys, tmp_path
):
    other = Settings(data_dir=tmp_path / "other")
    await talk(other, "Hello")
    theirs = tmp_path / "theirs" / "keys"
    await prowex("backup", "--to", str(tmp_path / "b"), "--keys", str(theirs), settings=other)
    with refused("keys"):
        await prowex("restore", str(place), "--keys", str(theirs), "--yes", settings=elsewhere)
    assert not elsewhere.key_ring.exists()
    async with open_database(elsewhere.database):
        assert not await User.exists()
    await prowex("restore", str(place), "--keys", str(keys), "--yes", settings=elsewhere)
    assert await said(elsewhere) == [SAID]


async def test_another_key_ring_in_the_place_is_refused_and_kept(prowex, saved, elsewhere, place, keys):
    KeyRing.open(elsewhere.key_ring, create=True)
    ring = elsewhere.key_ring.read_bytes()
    with refused("another key ring"):
        await prowex("restore", str(place), "--keys", str(keys), "--yes", settings=elsewhere)
    assert elsewhere.key_ring.read_bytes() == ring


async def test_an_installation_in_use_is_refused_and_untouched(prowex, saved, place, keys, tmp_path):
    with refused("is not empty"):
        await prowex("restore", str(place), "--keys", str(keys), "--yes", settings=saved)
    assert await said(saved) == [SAID]
    files = tmp_path / "with-files" / "files" / "ab"
    files.mkdir(parents=True)
    (files / "kept").touch()
    with refused("it holds files"):
        await prowex("restore", str(place), "--keys", str(keys), "--yes", settings=Settings(data_dir=files.parents[1]))
    assert (files / "kept").exists()


async def test_a_damaged_backup_is_refused_and_leaves_nothing(prowex, saved, elsewhere, place, keys):
    (database,) = place.glob("*.zip")
    content = bytearray(database.read_bytes())
    for at in range(200, 1200, 40):
        content[at] ^= 0xFF
    database.write_bytes(content)
    with refused("damaged"):
        await prowex("restore", str(place), "--keys", str(keys), "--yes", settings=elsewhere)
    assert not elsewhere.key_ring.exists()
    assert not (elsewhere.data_dir / "files").exists()


async def test_what_may_have_been_sent_is_frozen_and_told(prowex, used, elsewhere, place, keys, capsys):
    async with open_database(used.database), transaction(Step.ADMIN):
        await InboxEntry.all().update(state=InboundState.NEW)
        await Reply.all().update(state=ReplyState.FINAL)
        await Part.all().update(state=PartState.SENDING)
    await prowex("backup", "--to", str(place), "--keys", str(keys), settings=used)
    await prowex("restore", str(place), "--keys", str(keys), "--yes", settings=elsewhere)
    out = capsys.readouterr().out
    assert "waited for an answer and get none: 1" in out
    assert "not delivered and are not sent: 1" in out
    assert "may have been sent before: 1" in out
    async with open_database(elsewhere.database):
        assert await Part.all().values_list("state", flat=True) == [PartState.MAYBE_SENT]
    await talk(elsewhere, "Hello again")
    assert "Hodge" not in capsys.readouterr().out


async def test_files_that_are_not_beside_the_backup_are_told(prowex, saved, elsewhere, place, keys, capsys):
    for path in place.glob("*.tar"):
        path.unlink()
    assert await prowex("restore", str(place), "--keys", str(keys), "--yes", settings=elsewhere) == 0
    assert "pictures and documents are missing" in capsys.readouterr().out


async def test_nobody_to_ask_means_no(prowex, saved, elsewhere, place, keys, monkeypatch):
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    with refused("--yes"):
        await prowex("restore", str(place), "--keys", str(keys), settings=elsewhere)
    assert not elsewhere.data_dir.exists()


@pytest.mark.parametrize(("answer", "restored"), [("y", True), ("", False), ("no", False)])
async def test_a_person_is_asked(prowex, saved, elsewhere, place, keys, monkeypatch, answer, restored):
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda prompt: answer)
    if restored:
        assert await prowex("restore", str(place), "--keys", str(keys), settings=elsewhere) == 0
    else:
        with refused("Nothing was restored"):
            await prowex("restore", str(place), "--keys", str(keys), settings=elsewhere)
    assert elsewhere.key_ring.exists() == restored


async def test_a_data_folder_that_can_not_be_one_is_told(prowex, saved, elsewhere, place, keys, tmp_path):
    (tmp_path / "taken").write_text("a file")
    settings = elsewhere.model_copy(update={"data_dir": tmp_path / "taken", "key_ring": tmp_path / "taken" / "keys"})
    with refused("can't be read or written"):
        await prowex("restore", str(place), "--keys", str(keys), "--yes", settings=settings)


async def test_what_is_not_there_is_told(prowex, saved, elsewhere, place, keys, tmp_path):
    with refused("There is no file"):
        await prowex("restore", str(place), "--keys", str(tmp_path / "nope"), "--yes", settings=elsewhere)
    with refused("is the key ring alone"):
        await prowex("restore", str(place), "--keys", str(saved.key_ring), "--yes", settings=elsewhere)
    with refused("There is no backup"):
        await prowex("restore", str(tmp_path), "--keys", str(keys), "--yes", settings=elsewhere)
    with refused("There is no backup"):
        await prowex("restore", str(tmp_path / "nope"), "--keys", str(keys), "--yes", settings=elsewhere)


@pytest.mark.sqlite
async def test_nothing_to_save_is_told_and_nothing_is_made(prowex, elsewhere, place):
    with refused("nothing to save"):
        await prowex("backup", "--to", str(place), settings=elsewhere)
    assert not elsewhere.data_dir.exists()
    assert not place.exists()
