"""Block Kit's elements: what can be pressed, chosen and filled in."""

import re
from collections.abc import Callable
from typing import Any

from tests.servers.slack_problems import Problems, kind_of

JSON = dict[str, Any]
MOST_OPTIONS = 100
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_TIME = re.compile(r"\d\d:\d\d")


def check_element(problems: Problems, element: Any, place: str, block: str) -> None:
    """Check one element of a block of this type."""
    if element is None:
        problems.add(f"missing required field: {place.rpartition('/')[2]}", place.rpartition("/")[0])
        return
    kind = kind_of(element)
    if kind == "image" and block == "section":
        problems.string(element, "alt_text", place, 2000, required=True)
        return
    if kind not in ELEMENTS or block not in ELEMENTS[kind][0]:
        problems.add(f"unsupported type: {kind}", f"{place}/type")
        return
    _, fields, check = ELEMENTS[kind]
    problems.only(element, place, {"type", "action_id", *fields.split()})
    problems.string(element, "action_id", place, 255)
    if "placeholder" in element:
        problems.text(element["placeholder"], f"{place}/placeholder", 150, plain=True)
    if "confirm" in element:
        _confirm(problems, element["confirm"], f"{place}/confirm")
    check(problems, element, place)


def _confirm(problems: Problems, confirm: Any, place: str) -> None:
    if not isinstance(confirm, dict):
        problems.add("must provide an object", place)
        return
    problems.text(confirm.get("title"), f"{place}/title", 100, plain=True)
    problems.text(confirm.get("text"), f"{place}/text", 300)
    for name in ("confirm", "deny"):
        problems.text(confirm.get(name), f"{place}/{name}", 30, plain=True)


def _button(problems: Problems, element: JSON, place: str) -> None:
    problems.text(element.get("text"), f"{place}/text", 75, plain=True)
    problems.string(element, "value", place, 2000)
    problems.string(element, "url", place, 3000)
    problems.string(element, "accessibility_label", place, 75)
    if element.get("style", "primary") not in ("primary", "danger"):
        problems.add("must be a valid enum value: primary or danger", f"{place}/style")


def _option(problems: Problems, option: JSON, place: str, *, marked: bool) -> None:
    problems.only(option, place, {"text", "value", "description", "url"})
    problems.text(option.get("text"), f"{place}/text", 75, plain=not marked)
    problems.string(option, "value", place, 150, required=True)
    if "description" in option:
        problems.text(option["description"], f"{place}/description", 75, plain=not marked)


def _options(most: int, *, groups: bool = False, marked: bool = False) -> Callable[[Problems, JSON, str], None]:
    def check(problems: Problems, element: JSON, place: str) -> None:
        every: list[tuple[JSON, str]] = []
        if groups and "option_groups" in element:
            for group, where in problems.objects(element, "option_groups", place, 1, 100):
                problems.text(group.get("label"), f"{where}/label", 75, plain=True)
                every += problems.objects(group, "options", where, 1, most)
        else:
            every = problems.objects(element, "options", place, 1, most)
        for option, where in every:
            _option(problems, option, where, marked=marked)
        values = [str(one.get("value")) for one, _ in every]
        if len(set(values)) < len(values):
            problems.add("option values must be unique", f"{place}/options")
        initial = [(element["initial_option"], place)] if "initial_option" in element else []
        if "initial_options" in element:
            initial += problems.objects(element, "initial_options", place, 1, most)
        for one, where in initial:
            if not any(_same(one, option) for option, _ in every):
                problems.add("initial value must be one of the options", where)

    return check


def _same(one: Any, other: Any) -> bool:
    """Return whether an initial option is one of the options: its value and its text alike."""
    if not isinstance(one, dict) or not isinstance(other, dict):
        return False
    texts = [each.get("text", {}).get("text") for each in (one, other) if isinstance(each.get("text"), dict)]
    return one.get("value") == other.get("value") and len(texts) == 2 and texts[0] == texts[1]


def _text_input(problems: Problems, element: JSON, place: str) -> None:
    least, most = element.get("min_length", 0), element.get("max_length", 3000)
    for name, value in (("min_length", least), ("max_length", most)):
        if not isinstance(value, int) or not 0 <= value <= 3000:
            problems.add("must be between 0 and 3000", f"{place}/{name}")
            return
    if least > most:
        problems.add("min_length must be less than max_length", place)
    problems.string(element, "initial_value", place, most)


def _number_input(problems: Problems, element: JSON, place: str) -> None:
    if not isinstance(element.get("is_decimal_allowed"), bool):
        problems.add("missing required field: is_decimal_allowed", place)
    for name in ("initial_value", "min_value", "max_value"):
        value = element.get(name)
        if name in element and not (isinstance(value, str) and re.fullmatch(r"-?\d+(\.\d+)?", value)):
            problems.add("must provide a number as a string", f"{place}/{name}")


def _matching(name: str, pattern: re.Pattern[str]) -> Callable[[Problems, JSON, str], None]:
    def check(problems: Problems, element: JSON, place: str) -> None:
        if name in element and not pattern.fullmatch(str(element[name])):
            problems.add(f"must match {pattern.pattern}", f"{place}/{name}")

    return check


def _nothing(_: Problems, __: JSON, ___: str) -> None:
    return


_EVERYWHERE = ("section", "actions", "input")
_PICK = "placeholder confirm focus_on_load"
_CHOICE = f"{_PICK} options option_groups initial_option"
_TEXT = "placeholder initial_value focus_on_load dispatch_action_config"
ELEMENTS: dict[str, tuple[tuple[str, ...], str, Callable[[Problems, JSON, str], None]]] = {
    "button": (("section", "actions"), "text url value style confirm accessibility_label", _button),
    "static_select": (_EVERYWHERE, _CHOICE, _options(MOST_OPTIONS, groups=True)),
    "multi_static_select": (
        ("section", "input"),
        f"{_PICK} options option_groups initial_options max_selected_items",
        _options(MOST_OPTIONS, groups=True),
    ),
    "external_select": (_EVERYWHERE, f"{_PICK} initial_option min_query_length", _nothing),
    "users_select": (_EVERYWHERE, f"{_PICK} initial_user", _nothing),
    "multi_users_select": (("section", "input"), f"{_PICK} initial_users max_selected_items", _nothing),
    "conversations_select": (
        _EVERYWHERE,
        f"{_PICK} initial_conversation default_to_current_conversation response_url_enabled filter",
        _nothing,
    ),
    "channels_select": (_EVERYWHERE, f"{_PICK} initial_channel response_url_enabled", _nothing),
    "datepicker": (_EVERYWHERE, f"{_PICK} initial_date", _matching("initial_date", _DATE)),
    "timepicker": (_EVERYWHERE, f"{_PICK} initial_time timezone", _matching("initial_time", _TIME)),
    "datetimepicker": (("actions", "input"), "confirm focus_on_load initial_date_time", _nothing),
    "overflow": (("section", "actions"), "options confirm", _options(5)),
    "radio_buttons": (_EVERYWHERE, "options initial_option confirm focus_on_load", _options(10, marked=True)),
    "checkboxes": (_EVERYWHERE, "options initial_options confirm focus_on_load", _options(10, marked=True)),
    "plain_text_input": (("input",), f"{_TEXT} multiline min_length max_length", _text_input),
    "email_text_input": (("input",), _TEXT, _nothing),
    "url_text_input": (("input",), _TEXT, _nothing),
    "number_input": (("input",), f"{_TEXT} is_decimal_allowed min_value max_value", _number_input),
    "file_input": (("input",), "filetypes max_files", _nothing),
}
INPUTS = frozenset(kind for kind, (blocks, _, _) in ELEMENTS.items() if "input" in blocks)
