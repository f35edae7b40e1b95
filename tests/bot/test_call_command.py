"""`prowex call`: any operation as the operator, with help, and answers that a program can read."""

import json
from pathlib import Path

import pytest
from pydantic import Field

from bot.commands.call import operation_named, usage_of, values_of
from bot.settings import Settings
from bot.stop import Stop
from core.access import Standing
from core.operations.card import Card
from core.operations.form import Form
from core.operations.registry import OPERATIONS, Call, Effect, Operation
from storage.database import open_database
from storage.tables import AuditEvent, Invitation, LoginLink


@pytest.fixture
def settings(bare_home: Path, data_dir: Path, database_url: str) -> Settings:
    return Settings.model_validate({"data_dir": data_dir, "database_url": database_url})


class Note(Form):
    """Something to remember."""

    title: str = Field(description="What it is called.")
    text: str = Field(description="What it says.")
    place: str = Field("home", description="Where it belongs.")


async def write(call: Call, form: Note) -> Card:
    return Card(text=f"{form.title}|{form.text}|{form.place}")


NOTE = Operation("notes.write", "Write a note", write, Note, Standing.OPERATOR, Effect.READ)


@pytest.fixture
def note(monkeypatch: pytest.MonkeyPatch) -> Operation:
    """An operation with several fields."""
    monkeypatch.setitem(OPERATIONS, NOTE.name, NOTE)
    return NOTE


async def test_without_a_name_all_operations_are_listed(prowex, settings, capsys):
    assert await prowex("call", settings=settings) == 0
    out = capsys.readouterr().out
    assert all(f"{operation.name} " in out for operation in OPERATIONS.values())
    assert await prowex("call", "--json", settings=settings) == 0
    listed = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert listed.keys() == OPERATIONS.keys()
    assert listed["people.invite"] == {"name": "people.invite", "title": "Invite somebody", "fields": ["role"]}


async def test_a_link_is_made_committed_and_written_down(prowex, settings, capsys):
    assert await prowex("call", "web.link", "--json", settings=settings) == 0
    assert json.loads(capsys.readouterr().out)["link"].startswith("http://127.0.0.1:8080/")
    async with open_database(settings.database):
        assert await LoginLink.all().count() == 1
        event = await AuditEvent.all().get()
        assert (event.action, event.surface, event.outcome) == ("web.link", "cli", "done")


@pytest.mark.parametrize(
    ("host", "address"),
    [("0.0.0.0", "127.0.0.1"), ("::", "[::1]"), ("::1", "[::1]"), ("192.0.2.7", "192.0.2.7"), ("chat.lan", "chat.lan")],
)
async def test_a_link_can_be_opened_whatever_is_listened_on(prowex, settings, capsys, host, address):
    assert await prowex("call", "web.link", "--json", settings=settings.model_copy(update={"host": host})) == 0
    assert json.loads(capsys.readouterr().out)["link"].startswith(f"http://{address}:8080/open/")


async def test_there_is_no_link_to_a_port_that_nobody_knows(prowex, settings):
    with pytest.raises(Stop, match="PROWEX_PORT is 0"):
        await prowex("call", "web.link", settings=settings.model_copy(update={"port": 0}))


async def test_a_field_comes_by_name_or_by_its_place(prowex, settings, capsys):
    for words in (["role=admin"], ["admin"]):
        assert await prowex("call", "people.invite", *words, settings=settings) == 0
    assert capsys.readouterr().out.count("lets one person in as admin") == 2
    async with open_database(settings.database):
        assert await Invitation.filter(role="admin").count() == 2


async def test_a_chat_command_is_an_operation_too(prowex, settings, capsys):
    assert await prowex("call", "/invite", "--json", settings=settings) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["fields"]["Code"] == answer["code"]


async def test_words_are_taken_as_the_shell_gave_them(prowex, settings, note, capsys):
    words = ["text=It's Ann's: a=b  “c”\nd", "First title"]
    assert await prowex("call", "notes.write", *words, settings=settings) == 0
    assert capsys.readouterr().out == "First title|It's Ann's: a=b  “c”\nd|home\n"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["titel=x", "text=y"], "notes.write has no field 'titel'. Did you mean title? Write it like this: `prowex"),
        (["q=1"], "notes.write has no field 'q'. Write it like this:"),
        (["title=x", "title=y"], "The field title is given twice"),
        (["a", "b", "c", "d"], "That is more than notes.write takes. Write it like this:"),
        (["title=a", "b", "c", "d"], "That is more than notes.write takes."),
    ],
)
def test_words_that_fit_no_field_are_refused_with_the_right_form(note, words, sentence):
    with pytest.raises(Stop) as stop:
        values_of(note, words)
    assert str(stop.value).startswith(sentence)


async def test_a_missing_field_is_told_as_one_types_it_in_a_shell(prowex, settings, note):
    assert usage_of(note) == "prowex call notes.write title=… text=… [place=…]"
    with pytest.raises(
        Stop, match=r"text: please fill this in\. Write it like this: `prowex call notes\.write title=…"
    ):
        await prowex("call", "notes.write", "x", settings=settings)


@pytest.mark.parametrize(("name", "near"), [("web.lnk", "web.link"), ("invit", "people.invite"), ("/hlp", "chat.help")])
def test_an_unknown_operation_is_told_with_the_nearest_one(name, near):
    with pytest.raises(Stop, match=rf"There is no operation .*\. Did you mean {near}\? `prowex call` lists"):
        operation_named(name)


@pytest.mark.parametrize("words", [["nonsense"], ["chat.new"], ["people.invite", "role=boss"]])
async def test_an_error_is_json_where_json_is_asked_for(prowex, settings, words, capsys):
    with pytest.raises(Stop) as stop:
        await prowex("call", *words, settings=settings)
    assert await prowex("call", *words, "--json", settings=settings) == 1
    assert json.loads(capsys.readouterr().out) == {"error": str(stop.value)}


async def test_a_refused_call_changes_nothing(prowex, settings):
    with pytest.raises(Stop, match="not as owner"):
        await prowex("call", "people.invite", "owner", settings=settings)
    async with open_database(settings.database):
        assert not await Invitation.exists()


async def test_help_after_an_operation_lists_its_fields(prowex, note, capsys):
    with pytest.raises(SystemExit) as ended:
        await prowex("call", "notes.write", "--help")
    assert ended.value.code == 0
    out = capsys.readouterr().out
    assert "usage: prowex call notes.write title=… text=… [place=…]" in out
    assert "  title  What it is called. Required.\n" in out
    assert "  place  Where it belongs. Default: home.\n" in out


async def test_help_names_what_a_field_may_be(prowex, capsys):
    with pytest.raises(SystemExit):
        await prowex("call", "people.invite", "--help")
    out = capsys.readouterr().out
    assert "One of owner, admin, member. Default: member." in out
    assert "In a chat it is /invite." in out


async def test_help_without_an_operation_is_that_of_the_command(prowex, capsys):
    with pytest.raises(SystemExit):
        await prowex("call", "--help")
    assert "`prowex call OPERATION --help` lists an operation's fields." in capsys.readouterr().out
