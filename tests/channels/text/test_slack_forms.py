"""Forms as Slack modals: what is asked, what comes back, and that every modal is one that Slack opens."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slack_sdk.models.views import View

from channels.text.slack import answers, errors, modal
from core.envelopes import Choice, FieldKind, FormField, FormView
from tests.servers.slack_view_rules import check_view

NAME = FormField("name", "Name", FieldKind.TEXT, "What it is called.", True, "Ada", most=60)
LONG = FormField("instructions", "Instructions", FieldKind.LONG, value="Be <brief> & kind.")
NUMBER = FormField("temperature", "Temperature", FieldKind.NUMBER, value="0.5")
MODEL = FormField(
    "model", "Model", FieldKind.CHOICE, required=True, value="b", choices=(Choice("a", "A"), Choice("b", "B"))
)


def view(*fields, **more):
    return FormView("agents.create", "New agent", fields, **more)


def plain(text):
    return {"type": "plain_text", "text": text, "emoji": False}


def only(field):
    """The element and hint of the only field."""
    (block,) = modal(view(field), "")["blocks"]
    return block["element"], block.get("hint", {}).get("text", "")


def submitted(shown, typed):
    """The state that Slack sends for a modal in which `typed` was filled in and everything else left as it was."""
    values = {}
    for block in shown["blocks"]:
        if block["type"] == "input":
            element, name = block["element"], block["block_id"]
            if element["type"] == "static_select":
                options = {option["value"]: option for option in element["options"]}
                chosen = options[typed[name]] if name in typed else element.get("initial_option")
                state = {"type": "static_select", "selected_option": chosen}
            else:
                state = {"type": element["type"], "value": typed.get(name, element.get("initial_value")) or None}
            values[name] = {element["action_id"]: state}
    return {"values": values}


def test_a_form_is_a_modal_with_an_input_for_each_field():
    shown = modal(view(NAME, LONG, NUMBER, MODEL), "chat 1")
    View(**shown).validate_json()
    assert {key: shown[key] for key in ("type", "callback_id", "private_metadata")} == {
        "type": "modal",
        "callback_id": "agents.create",
        "private_metadata": "chat 1",
    }
    assert (shown["title"], shown["submit"], shown["close"]) == (plain("New agent"), plain("Save"), plain("Cancel"))
    name, instructions, temperature, model = shown["blocks"]
    assert name == {
        "type": "input",
        "block_id": "name",
        "label": plain("Name"),
        "hint": plain("What it is called."),
        "optional": False,
        "element": {
            "type": "plain_text_input",
            "action_id": "v",
            "multiline": False,
            "initial_value": "Ada",
            "max_length": 60,
        },
    }
    assert instructions["element"]["multiline"]
    assert instructions["optional"]
    assert temperature["element"]["type"] == "plain_text_input"
    assert [option["value"] for option in model["element"]["options"]] == ["a", "b"]
    assert model["element"]["initial_option"] == {"text": plain("B"), "value": "b"}


def test_what_was_filled_in_comes_back_by_name():
    shown = modal(view(NAME, LONG, NUMBER, MODEL), "")
    assert answers(submitted(shown, {"name": "Bo", "model": "a"})) == {
        "name": "Bo",
        "instructions": "Be <brief> & kind.",
        "temperature": "0.5",
        "model": "a",
    }
    assert answers(submitted(shown, {"temperature": ""}))["temperature"] == ""


def test_a_choice_of_nothing_can_be_made():
    field = FormField("agent", "Agent", FieldKind.CHOICE, choices=(Choice("", "Nobody"), Choice("1", "Ada")))
    element, _ = only(field)
    nobody, ada = element["options"]
    assert nobody["value"]
    assert element["initial_option"] == nobody
    shown = modal(view(field), "")
    assert answers(submitted(shown, {"agent": nobody["value"]})) == {"agent": ""}
    assert answers(submitted(shown, {"agent": ada["value"]})) == {"agent": "1"}


@pytest.mark.parametrize(
    "choices",
    [
        tuple(Choice(f"m{number}", f"Model {number}") for number in range(101)),
        (Choice("x" * 151, "X"), Choice("y", "Y")),
        (Choice("a", "A"), Choice("a", "Again")),
        (),
    ],
)
def test_what_slack_cannot_offer_to_choose_is_typed(choices):
    element, hint = only(FormField("model", "Model", FieldKind.CHOICE, "Which one.", choices=choices, value="m1"))
    assert element["type"] == "plain_text_input"
    assert element["initial_value"] == "m1"
    assert hint.startswith("Which one.")
    assert ("One of: " in hint) == bool(choices)


def test_a_value_that_is_too_long_for_slack_is_kept_unless_it_is_written_anew():
    field = FormField("instructions", "Instructions", FieldKind.LONG, required=True, value="x" * 3001)
    shown = modal(view(field), "")
    (block,) = shown["blocks"]
    assert "initial_value" not in block["element"]
    assert block["optional"]
    assert "too long" in block["hint"]["text"]
    assert answers(submitted(shown, {})) == {}
    assert answers(submitted(shown, {"instructions": "new"})) == {"instructions": "new"}


def test_problems_are_said_at_the_field_and_on_top():
    wrong = FormField("name", "Name", hint="A word.", value="!", problem="This name is taken.")
    form = view(wrong, NUMBER, problem="Only 3 agents are allowed.")
    head, first, _ = modal(form, "")["blocks"]
    assert head == {"type": "section", "text": plain("Only 3 agents are allowed.")}
    assert first["hint"] == plain("This name is taken. A word.")
    assert errors(form) == {"name": "This name is taken."}
    assert errors(view(NAME)) == {}


def test_a_long_title_is_shortened_and_said_in_full():
    shown = modal(FormView("a.b", "The settings of the agent Ada Lovelace", (NAME,), submit="x" * 30), "")
    assert len(shown["title"]["text"]) <= 24
    assert shown["submit"]["text"].endswith("…")
    assert shown["blocks"][0]["text"]["text"] == "The settings of the agent Ada Lovelace"


def test_private_data_that_slack_would_refuse_is_an_error():
    modal(view(NAME), "x" * 3000)
    with pytest.raises(ValueError, match="too long"):
        modal(view(NAME), "x" * 3001)


TEXT = st.one_of(st.text(max_size=40), st.sampled_from(["", "x" * 80, "y" * 2999, "z" * 3500, "<!here>"]))
FIELD = st.builds(
    FormField,
    st.just("name"),
    TEXT,
    st.sampled_from(FieldKind),
    TEXT,
    st.booleans(),
    TEXT,
    st.lists(st.builds(Choice, TEXT, TEXT), max_size=110).map(tuple),
    TEXT,
    st.integers(0, 9000),
)


@given(st.lists(FIELD, min_size=1, max_size=5), TEXT, TEXT, TEXT)
@settings(max_examples=200)
def test_every_modal_is_one_that_slack_opens(fields, title, submit, problem):
    named = [FormField(f"f{number}", *astuple(field)[1:]) for number, field in enumerate(fields)]
    shown = modal(FormView("a.b", title, tuple(named), submit, problem=problem), "p")
    check_view(shown, "modal")
    View(**shown).validate_json()
    assert 0 < len(shown["title"]["text"]) <= 24
    assert 0 < len(shown["submit"]["text"]) <= 24
    for block in shown["blocks"]:
        if block["type"] == "section":
            assert 0 < len(block["text"]["text"]) <= 3000
            continue
        element = block["element"]
        assert 0 < len(block["label"]["text"]) <= 2000
        assert 0 < len(block.get("hint", plain("x"))["text"]) <= 2000
        if element["type"] == "static_select":
            values = [option["value"] for option in element["options"]]
            assert 0 < len(values) == len(set(values)) <= 100
            assert all(0 < len(value) <= 150 for value in values)
            assert all(0 < len(option["text"]["text"]) <= 75 for option in element["options"])
            assert element.get("initial_option", element["options"][0]) in element["options"]
        else:
            most = element.get("max_length", 3000)
            assert 1 <= most <= 3000
            assert 0 < len(element.get("initial_value", "x")) <= most
    kept = answers(submitted(shown, {}))
    for field in named:
        typed = field.kind is not FieldKind.CHOICE or field.value in {choice.value for choice in field.choices}
        assert kept.get(field.name, field.value) == field.value or not typed


def astuple(field):
    return tuple(getattr(field, name) for name in field.__slots__)
