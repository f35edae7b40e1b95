"""A form as a Slack modal, and what comes back from it.

Limits: https://docs.slack.dev/reference/views/modal-views and the pages of the elements. A number is asked for as text:
Slack's number input refuses what is no number in its own words, and gives nothing back to be checked here.
"""

from collections.abc import Mapping
from typing import Any

from channels.text.plain import clean, utf16_len, visible
from channels.text.slack_words import shortened
from core.envelopes import FieldKind, FormField, FormView

_VALUE, _KEPT = "v", "kept"
_NOTHING = "∅"
_LONGEST_VALUE = 3000
_LONGEST_PRIVATE = 3000
_MOST_OPTIONS = 100
_LONGEST_OPTION = 150

Json = dict[str, object]


def modal(view: FormView, private: str) -> Json:
    """Return `view` as a modal. A field whose value is too long for Slack is left out of the answers unless filled in.

    Args:
        private: comes back with the answers; at most 3,000 characters.

    Raises:
        ValueError: `private` is too long.
    """
    if utf16_len(private) > _LONGEST_PRIVATE:
        raise ValueError("a modal's private data is too long")
    title = shortened(view.title, 24) or "Form"
    blocks = [_section(words) for words in _heads(view, title)]
    return {
        "type": "modal",
        "callback_id": view.operation[:255],
        "title": plain_text(title),
        "submit": plain_text(shortened(view.submit, 24) or "Save"),
        "close": plain_text("Cancel"),
        "private_metadata": private,
        "blocks": [*blocks, *(_input(field) for field in view.fields)],
    }


def answers(view_state: Mapping[str, Any]) -> dict[str, str]:
    """Return the values of a `view_submission`'s `state` by the fields' names; a field left empty is ""."""
    found = {}
    for name, elements in view_state["values"].items():
        for action, element in elements.items():
            value = (element.get("selected_option") or {}).get("value") or element.get("value") or ""
            if action == _VALUE or value:
                found[name] = "" if value == _NOTHING and element.get("type") == "static_select" else value
    return found


def errors(view: FormView) -> dict[str, str]:
    """Return what is wrong with the fields, as the `errors` of an answer to `view_submission`."""
    return {field.name: shortened(field.problem, 2000) for field in view.fields if field.problem}


def plain_text(text: str) -> Json:
    """Return a text object in which nothing is markup, `:smile:` neither."""
    return {"type": "plain_text", "text": text, "emoji": False}


def _heads(view: FormView, title: str) -> list[str]:
    whole = " ".join(clean(view.title).split())
    heads = [view.problem, whole if title != whole else ""]
    return [shortened(words, 3000) for words in heads if visible(clean(words))]


def _section(words: str) -> Json:
    return {"type": "section", "text": plain_text(words)}


def _input(field: FormField) -> Json:
    element, note = _element(field)
    block: Json = {
        "type": "input",
        "block_id": field.name,
        "element": element,
        "label": plain_text(shortened(field.label, 2000) or field.name),
        "optional": not field.required or element["action_id"] == _KEPT,
    }
    if hint := shortened(" ".join(words for words in (field.problem, field.hint, note) if words), 2000):
        block["hint"] = plain_text(hint)
    return block


def _element(field: FormField) -> tuple[Json, str]:
    """Return the input element, and what is to be said about it."""
    note = ""
    if field.kind is FieldKind.CHOICE:
        if _selectable(field):
            return _select(field), ""
        note = f"One of: {', '.join(choice.value for choice in field.choices)}" if field.choices else ""
        note = shortened(note, 300)
    element: Json = {"type": "plain_text_input", "action_id": _VALUE, "multiline": field.kind is FieldKind.LONG}
    size = utf16_len(field.value)
    if size > _LONGEST_VALUE:
        element["action_id"] = _KEPT
        return element, "What it holds now is too long to be shown here; leave this empty to keep it."
    if field.value:
        element["initial_value"] = field.value
    if field.most:
        element["max_length"] = min(max(field.most, size), _LONGEST_VALUE)
    return element, note


def _selectable(field: FormField) -> bool:
    values = {choice.value for choice in field.choices}
    fit = all(utf16_len(value) <= _LONGEST_OPTION for value in values)
    return 0 < len(values) == len(field.choices) <= _MOST_OPTIONS and fit and _NOTHING not in values


def _select(field: FormField) -> Json:
    options = {choice.value: _option(choice.value, choice.label) for choice in field.choices}
    element: Json = {"type": "static_select", "action_id": _VALUE, "options": list(options.values())}
    if field.value in options:
        element["initial_option"] = options[field.value]
    return element


def _option(value: str, label: str) -> Json:
    return {"text": plain_text(shortened(label, 75) or shortened(value, 75) or "-"), "value": value or _NOTHING}
