"""What is a command, which one, and with which fields."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

import core.operations.conversation
import core.operations.people  # noqa: F401 - both register their commands
from core.operations.form import Form, NoFields
from core.operations.registry import OPERATIONS
from core.operations.typed import Command, command_in, is_urgent, values_in


class Two(Form):
    """A form of two fields."""

    name: str = Field(description="Whose?")
    text: str = Field(description="What?")


class One(Form):
    """A form of one field."""

    code: str = Field(description="Which?")


@pytest.mark.parametrize(
    ("text", "word", "rest"),
    [
        ("/help", "help", ""),
        ("  /help  ", "help", ""),
        ("/HELP", "help", ""),
        ("/help@my_bot", "help", ""),
        ("/retry now please", "retry", "now please"),
        ("/retry\nnow", "retry", "now"),
        ("/people.invite role=admin", "people.invite", "role=admin"),
    ],
)
def test_these_are_commands(text: str, word: str, rest: str) -> None:
    command = command_in(text)
    assert command is not None
    assert (command.word, command.rest) == (word, rest)


@pytest.mark.parametrize("text", ["", "/", "//", "/ help", "help", "/etc/passwd", "/1", "see /help", "/help!", "/a-b"])
def test_these_are_no_commands(text: str) -> None:
    assert command_in(text) is None


@pytest.mark.parametrize(
    ("wrong", "right"),
    [("hlep", "help"), ("halp", "help"), ("stopp", "stop"), ("retri", "retry"), ("statu", "status"), ("xyzzy", None)],
)  # fmt: skip
def test_a_mistyped_command_has_a_nearest(wrong: str, right: str | None) -> None:
    assert Command(wrong, "").nearest() == right


@pytest.mark.parametrize(
    ("rest", "values"),
    [
        ("", {}),
        ("Ann", {"name": "Ann"}),
        ("Ann hello", {"name": "Ann", "text": "hello"}),
        ("Ann hello there", {"name": "Ann", "text": "hello there"}),
        ("'Ann Lee' hello", {"name": "Ann Lee", "text": "hello"}),
        ("text=hello name=Ann", {"name": "Ann", "text": "hello"}),
        ("Ann text='a = b'", {"name": "Ann", "text": "a = b"}),
        ("Ann it's", {"name": "Ann", "text": "it's"}),
        ("Ann x=1", {"name": "Ann", "text": "x=1"}),
    ],
)
def test_what_follows_fills_the_fields(rest: str, values: dict[str, str]) -> None:
    assert values_in(Two, rest) == values


@pytest.mark.parametrize(
    ("rest", "values"),
    [("", {}), ("a b 'c", {"code": "a b 'c"}), ("code=ABCD", {"code": "ABCD"}), ("  ", {})],
)
def test_a_single_field_takes_all_that_follows(rest: str, values: dict[str, str]) -> None:
    assert values_in(One, rest) == values


def test_a_form_without_fields_takes_nothing() -> None:
    assert values_in(NoFields, "me please") == {}


@given(st.text(max_size=60))
def test_no_text_confuses_the_parser(text: str) -> None:
    for said in (text, f"/x {text}"):
        command = command_in(said)
        if command is not None:
            for form in (NoFields, One, Two):
                assert values_in(form, command.rest).keys() <= {*form.model_fields, "…"}


def test_what_must_work_while_a_turn_runs_is_urgent() -> None:
    assert is_urgent("/stop")
    assert is_urgent("/STOP@my_bot")
    assert is_urgent("/status")
    assert not is_urgent("/new")
    assert not is_urgent("stop")


def test_every_command_has_a_title_for_the_menu_and_every_field_its_question() -> None:
    for operation in OPERATIONS.values():
        assert 3 <= len(operation.title) <= 256
        assert not operation.title.endswith(".")
        assert all(info.description for info in operation.form.model_fields.values())
