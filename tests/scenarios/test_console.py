"""`prowex chat` and `prowex call`, as they are typed."""

import argparse
import io
import json
import os
import pty
import select
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from bot.commands import call, chat
from bot.settings import Settings
from bot.stop import Stop
from core import turns
from storage.database import open_database
from storage.tables import AuditEvent, InboxEntry, Invitation
from tests.servers.openai import FakeOpenAI

Type = Callable[..., Awaitable[str]]


@pytest.fixture
def settings(data_dir: Path, database_url: str) -> Settings:
    return Settings(data_dir=data_dir, database_url=database_url)


@pytest.fixture
def typed(settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Type:
    """Type lines into `prowex chat` through a pipe; return what it prints after its welcome."""

    async def type_lines(*lines: str, **changes: Any) -> str:
        monkeypatch.setattr(sys, "stdin", io.StringIO("".join(f"{line}\n" for line in lines)))
        assert await chat.main(argparse.Namespace(text=[]), settings.model_copy(update=changes)) == 0
        welcome, _, said = capsys.readouterr().out.partition("\n")
        assert welcome.startswith("You are talking to your agent.")
        return said

    return type_lines


async def test_lines_from_a_pipe_are_answered_in_order(typed: Type) -> None:
    async with FakeOpenAI() as openai:
        said = await typed("one", "two", "", "three", openai_base_url=openai.url)
    assert said.split() == ["echo:", "one", "echo:", "two", "echo:", "three"]


async def test_the_conversation_goes_on_the_next_time(typed: Type) -> None:
    async with FakeOpenAI() as openai:
        await typed("my name is Ann", openai_base_url=openai.url)
        await typed("what is my name?", openai_base_url=openai.url)
        [*_, asked] = openai.journal
    assert "my name is Ann" in str(asked.body["messages"])


async def test_without_a_key_the_handbook_answers(typed: Type) -> None:
    said = await typed("hi", "How do I connect Telegram?")
    assert "offline model" in said
    assert "Handbook:" in said
    assert "BotFather" in said


async def test_what_is_given_on_the_command_line_is_answered_once(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    async with FakeOpenAI() as openai:
        changed = settings.model_copy(update={"openai_base_url": openai.url})
        assert await chat.main(argparse.Namespace(text=["say", "hello"]), changed) == 0
    assert capsys.readouterr().out == "echo: say hello\n"


async def test_a_file_is_read_and_seen(typed: Type, tmp_path: Path) -> None:
    (tmp_path / "my notes.txt").write_text("the cat sat")
    async with FakeOpenAI() as openai:
        for spelling in (f"/file {tmp_path}/my notes.txt", f"/file '{tmp_path}/my notes.txt'"):
            await typed(spelling, openai_base_url=openai.url)
            assert "the cat sat" in str(openai.journal[-1].body["messages"][-1])


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("/file /no/such/file", "/no/such/file can't be read: No such file or directory."),
        ("/file it's here.txt", "it's here.txt can't be read: No such file or directory."),
        ("/file", "Write it like this: /file PATH"),
        ("/file /tmp/a\0b", "/tmp/a\0b can't be read: it is no path."),
        pytest.param(f"/file /{'x' * 8_000}", f"/{'x' * 8_000} can't be read: File name too long.", id="long"),
        ("/file ~nobody-here/x", "~nobody-here/x can't be read: Could not determine home directory."),
        ("/file /dev/zero", "/dev/zero can't be read: it is no file."),
        ("/file /tmp", "/tmp can't be read: it is no file."),
    ],
)
async def test_a_file_that_cannot_be_read_is_told(typed: Type, line: str, answer: str) -> None:
    async with FakeOpenAI() as openai:
        assert await typed(line, openai_base_url=openai.url) == f"{answer}\n"


async def test_a_button_is_pressed_by_its_number(typed: Type) -> None:
    said = await typed("/start", "1")
    assert "[1] What can you do?" in said
    assert "What you can do here" in said


async def test_a_number_is_a_number_where_there_is_no_button(typed: Type) -> None:
    async with FakeOpenAI() as openai:
        assert await typed("7", openai_base_url=openai.url) == "echo: 7\n"


async def test_the_operator_is_the_operator(typed: Type) -> None:
    assert "operator" in await typed("/whoami")


async def test_quit_ends_and_what_follows_is_not_said(typed: Type) -> None:
    async with FakeOpenAI() as openai:
        assert await typed("one", "/quit", "two", openai_base_url=openai.url) == "echo: one\n"


async def test_a_long_answer_is_printed_once_and_whole(typed: Type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "LONG_ANSWER", 0.1)
    async with FakeOpenAI() as openai:
        assert await typed("hm [[first=0.3]]", openai_base_url=openai.url) == "echo: hm\n"


async def test_retry_prints_the_new_answer(typed: Type) -> None:
    async with FakeOpenAI() as openai:
        said = await typed("hi [[empty times=1]]", "1", openai_base_url=openai.url)
    assert said.splitlines() == [
        "I have no answer: the model sent an empty answer. Nothing was lost.",
        "  [1] Retry",
        "echo: hi",
    ]


@pytest.mark.sqlite
def test_on_a_terminal_the_answer_is_styled(tmp_path: Path) -> None:
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ.update(TERM="xterm-256color", PROWEX_DATA_DIR=str(tmp_path / "data"), OPENAI_API_KEY="")
        os.execv(sys.executable, [sys.executable, "-m", "bot", "--env-file", os.devnull, "chat"])
    seen = _until(terminal, b"you>")
    os.write(terminal, b"hi\r")
    seen += _until(terminal, b"know?")
    os.write(terminal, b"/quit\r")
    assert os.waitpid(pid, 0)[1] == 0
    os.close(terminal)
    assert b"\x1b[1moffline model\x1b[0m" in seen


def _until(terminal: int, wanted: bytes, seconds: float = 60) -> bytes:
    """Read what a program writes on a terminal until it holds `wanted`; tell it where the cursor is when it asks."""
    seen, end = b"", time.monotonic() + seconds
    while wanted not in seen and time.monotonic() < end:
        if select.select([terminal], [], [], 0.5)[0]:
            part = os.read(terminal, 65536)
            if b"\x1b[6n" in part:
                os.write(terminal, b"\x1b[1;1R")
            seen += part
    assert wanted in seen, seen
    return seen


async def run(settings: Settings, operation: str | None, *fields: str, as_json: bool = False) -> int:
    return await call.main(argparse.Namespace(operation=operation, fields=list(fields), json=as_json), settings)


async def test_call_lists_what_can_be_called(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert await run(settings, None) == 0
    listed = capsys.readouterr().out
    for name in ("people.invite", "people.operator_code", "web.link", "chat.status"):
        assert name in listed


async def test_call_invites_and_answers_in_json(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert await run(settings, "people.invite", "role=admin", as_json=True) == 0
    answer = json.loads(capsys.readouterr().out)
    assert len(answer["code"].replace("-", "")) == 8
    async with open_database(settings.database):
        [row] = await Invitation.all()
        assert row.role == "admin"


async def test_call_says_when_there_is_no_such_operation(settings: Settings) -> None:
    with pytest.raises(Stop, match=r"no operation 'people\.invitee'"):
        await run(settings, "people.invitee")


async def test_call_refuses_what_makes_sense_in_a_chat_only(settings: Settings) -> None:
    with pytest.raises(Stop, match="only inside a chat"):
        await run(settings, "chat.stop")


async def test_every_write_is_in_the_audit(settings: Settings) -> None:
    await run(settings, "people.invite")
    await run(settings, "web.link")
    with pytest.raises(Stop):
        await run(settings, "people.invite", "role=owner")
    async with open_database(settings.database):
        events = await AuditEvent.all().order_by("id")
    assert [(one.surface, one.action, one.outcome) for one in events] == [
        ("cli", "people.invite", "done"),
        ("cli", "web.link", "done"),
    ]


async def test_the_terminal_leaves_nothing_waiting(typed: Type, settings: Settings) -> None:
    async with FakeOpenAI() as openai:
        await typed("one", "/stop", "/status", "two", openai_base_url=openai.url)
    async with open_database(settings.database):
        assert {row.state for row in await InboxEntry.all()} == {"done"}
    assert os.listdir(settings.data_dir / "processes") == []
