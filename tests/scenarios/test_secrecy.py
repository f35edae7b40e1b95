"""What people write stands nowhere in plain: not in the database and its log, not in files, not in the log."""

import io
import logging
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from bot import log as logs
from tests.scenarios.town import Talk, Town
from tests.servers.openai_script import Plan

WORD = "swordfish"
ANSWER = "the-answer-is-marmalade"
FILE = "contents-of-the-parchment"
CAPTION = "caption-of-the-portrait"
FORWARDED = "rumour-of-the-tower"
REFUSED = "plea-of-the-stranger"
ALL = (WORD, ANSWER, FILE, CAPTION, FORWARDED, REFUSED)
KEY = "sk-key-of-the-tests"


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """Everything that is logged, at DEBUG, in JSON, as the command line sets it up."""
    root, written = logging.getLogger(), io.StringIO()
    before = root.handlers[:], root.level
    logs.configure("debug", "json", stream=written)
    yield written
    root.handlers[:], root.level = before[0], before[1]


async def a_day_of_work(town: Town) -> None:
    """Let something of everything happen."""
    town.openai.rules.append(lambda body: Plan(text=ANSWER) if WORD in str(body["messages"][-1]) else None)
    ann = town.person("Ann")
    await ann.say(WORD)
    await ann.answer()
    await ann.send("document", FILE.encode(), "note.txt", "text/plain", caption=CAPTION)
    await ann.answer()
    await ann.say(FORWARDED, forward_from="Somebody")
    await ann.say(f"{WORD} [[status=401]]")
    await ann.answers()
    await ann.say(f"{WORD} [[tokens=100 hold=9]] and on")
    await ann.sees("…")
    await ann.say("/stop")
    await ann.answers()
    await ann.say("/retry")
    await ann.answers()
    await ann.say(f"/retry {WORD}")
    await ann.answers()
    town.telegram.faults.fail("editMessageText", 400, f"Bad Request: can't parse it: {WORD} is at its start")
    await ann.say(f"**{WORD}**")
    await ann.answers()
    [there, *_] = town.group("Friends", ann, town.person("Bob"))
    await there.say(f"{REFUSED} among people")
    await there.say(f"@prowex_test_bot {WORD}")
    await there.answers()
    await town.restart(access="pairing")
    mallory = town.person("Mallory")
    await mallory.say(REFUSED)
    await mallory.answers()


async def test_no_word_and_no_key_is_in_the_database_its_log_or_the_files(town: Town) -> None:
    await a_day_of_work(town)
    found = await _everything_stored(town)
    assert len(found) > 50_000
    for word in (*ALL, KEY, town.telegram.token):
        for encoding in ("utf-8", "utf-16-le"):
            assert word.encode(encoding) not in found, word
    await town.stop()
    found = await _everything_stored(town)
    for word in ALL:
        assert word.encode() not in found, word


async def test_the_check_finds_what_is_stored_in_plain(town: Town) -> None:
    await town.person("Ann").say("hi")
    await town.settled()
    assert b"telegram:4242" in await _everything_stored(town)


async def test_no_word_and_no_key_is_in_the_log_at_debug(town: Town, logged: io.StringIO) -> None:
    await a_day_of_work(town)
    await town.stop()
    text = logged.getvalue()
    assert "stopping" in text
    for word in (*ALL, KEY, town.telegram.token, "Ann", "Mallory"):
        assert word not in text, word


async def test_a_crash_in_the_middle_of_a_turn_quotes_nobody(
    chat: Talk, town: Town, logged: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    from core import turns

    def broken(kept: object, *, group: bool = False) -> str:
        raise ValueError(f"cannot read {WORD}")

    monkeypatch.setattr(turns, "as_read", broken)
    await chat.say(WORD)
    await town.resting()
    text = logged.getvalue()
    assert "ValueError" in text
    assert WORD not in text
    monkeypatch.undo()


async def _everything_stored(town: Town) -> bytes:
    """Return the bytes of the data folder and, on PostgreSQL, all rows as text and as they are kept."""
    parts = _files_in(town.data_dir)
    if town.database_url.startswith("postgres"):
        parts += await _rows(town.database_url)
    return b"\n".join(parts)


def _files_in(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()]


async def _rows(url: str) -> list[bytes]:
    connection = await asyncpg.connect(url)
    try:
        tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        found = []
        for table in tables:
            rows = await connection.fetch(f'SELECT * FROM "{table["tablename"]}"')
            for row in rows:
                found += [value if isinstance(value, bytes) else str(value).encode() for value in row.values()]
        return found
    finally:
        await connection.close()
