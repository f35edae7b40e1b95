"""A person before a modal: reads it, fills it in, presses its buttons, sends it off."""

import asyncio
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from tests.clock import PATIENCE
from tests.servers.slack_acts import Acts, names_of
from tests.servers.slack_delivery import Delivery, Outcome
from tests.servers.slack_errors import ApiError, Impossible
from tests.servers.slack_render import elements
from tests.servers.slack_view_rules import check_view
from tests.servers.slack_world import JSON, Person, View

T = TypeVar("T")
_TROUBLE = "We had some trouble connecting. Try again?"
_EMAIL, _URL = re.compile(r"\S+@\S+\.\S+"), re.compile(r"https?://\S+")


@dataclass(slots=True)
class Answer:
    """What became of a modal that was sent off.

    Args:
        action: `closed`, `clear`, `errors`, `update`, `push`, or `trouble` when Slack itself had to complain.
        errors: by the label of their field; `by_block` by its block id.
        view: the modal that stands open then.
    """

    action: str
    errors: dict[str, str] = field(default_factory=dict)
    by_block: dict[str, str] = field(default_factory=dict)
    view: View | None = None
    trouble: str = ""


class Modals(Acts):
    """The people's hands on modals and home tabs."""

    def modal(self, person: Person) -> View | None:
        """Return the modal that a person has open, the top one."""
        return person.views[-1] if person.views else None

    async def modal_of(self, person: Person, timeout: float = PATIENCE, *, title: str = "") -> View:
        """Wait until a person has a modal open, with this title if one is named, and return it."""

        def there() -> View | None:
            view = self.modal(person)
            return view if view and title in ("", view.body["title"]["text"]) else None

        return await self._waited(there, timeout)

    def fill_in(self, person: Person, values: Mapping[str, Any]) -> View:
        """Fill in fields of the open modal: by label, block id or action id, a text, an option's label or value, or a
        list of them.

        Raises:
            LookupError: there is no such field or option.
            Impossible: the client doesn't let one enter that.
        """
        view = self._top(person)
        for name, value in values.items():
            block, element = self._field(view, name)
            place = view.values.setdefault(block["block_id"], {})
            place[element["action_id"]] = self._entered(element, value)
        return view

    async def submit(self, person: Person, values: Mapping[str, Any] | None = None) -> Answer:
        """Fill in the open modal and send it off; return what the app answered.

        Raises:
            Impossible: the client doesn't let one: something required is missing, too long …
        """
        view = self.fill_in(person, values or {})
        if not view.body.get("submit"):
            raise Impossible("this modal has no button to send it off")
        _check_filled(view)
        payload = {**self._basics("view_submission", person), "trigger_id": self.views.trigger(person)}
        whole = {**payload, "view": {**view.wire(), "state": {"values": _state(view)}}, "response_urls": []}
        outcome = await self.deliveries.add("interactive", whole).done
        answer = self._result(view, outcome)
        if answer.trouble:
            self.failures.append(f"view_submission by {person.name}: {answer.trouble}")
        return answer

    async def close_modal(self, person: Person, *, every: bool = False) -> Delivery | None:
        """Close the open modal (or the whole stack); the app hears of it if it asked to."""
        view = self._top(person)
        self.views.close(view, every=every)
        if not view.body.get("notify_on_close"):
            return None
        payload = {**self._basics("view_closed", person), "view": view.wire(), "is_cleared": every}
        return self.deliveries.add("interactive", payload)

    async def press_in_view(self, person: Person, button: str, *, home: bool = False, option: str = "") -> Delivery:
        """Press a button (or choose `option` from a menu) of the open modal, or of the home tab."""
        view = person.home if home else self._top(person)
        if view is None:
            raise LookupError("the app has no home tab for this person")
        block, element = self._field(view, button)
        action: JSON = {"type": element["type"]}
        if element["type"] == "button":
            action |= {"text": element["text"], **({"value": v} if (v := element.get("value")) else {})}
        else:
            action |= self._entered(element, option)
            view.values.setdefault(block["block_id"], {})[element["action_id"]] = dict(action)
        payload = {
            **self._basics("block_actions", person),
            "container": {"type": "view", "view_id": view.id},
            "trigger_id": self.views.trigger(person),
            "view": {**view.wire(), "state": {"values": _state(view)}},
            "actions": [self._action(block, element, action)],
        }
        return self._interact(payload, person)

    async def _waited(self, there: Callable[[], T | None], timeout: float) -> T:
        async with asyncio.timeout(timeout):
            while not (found := there()):
                await self.world.change()
            return found

    def _top(self, person: Person) -> View:
        view = self.modal(person)
        if view is None:
            raise LookupError(f"{person.name} has no modal open")
        return view

    def _field(self, view: View, name: str) -> tuple[JSON, JSON]:
        every = elements(view.body["blocks"])
        for block, element in every:
            label = block.get("label", {}).get("text")
            if name in (label, block["block_id"], *names_of(element)):
                return block, element
        raise LookupError(f"no field {name!r} in {[block.get('label', {}).get('text') for block, _ in every]}")

    def _entered(self, element: JSON, value: Any) -> JSON:
        """Return the state of a field after a person entered something."""
        kind = element["type"]
        if kind in ("static_select", "radio_buttons", "overflow"):
            return {"type": kind, "selected_option": self.views.option(element, str(value)) if value else None}
        if kind in ("multi_static_select", "checkboxes"):
            return {"type": kind, "selected_options": [self.views.option(element, str(one)) for one in value or ()]}
        picked = {"datepicker": "date", "timepicker": "time", "users_select": "user"}
        picked |= {"conversations_select": "conversation", "channels_select": "channel"}
        if kind in picked:
            return {"type": kind, f"selected_{picked[kind]}": value or None}
        text = "" if value is None else str(value)
        if kind == "plain_text_input" and not element.get("multiline") and "\n" in text:
            raise Impossible("there is only one line")
        if kind == "plain_text_input" and len(text) > element.get("max_length", 3000):
            raise Impossible(f"at most {element.get('max_length', 3000)} characters")
        return {"type": kind, "value": text or None}

    def _result(self, view: View, outcome: Outcome) -> Answer:
        person, body = view.person, outcome.answer
        if not outcome.acknowledged:
            return Answer("trouble", view=view, trouble=f"{_TROUBLE} ({outcome.reason})")
        if body in (None, "", {}):
            self.views.close(view)
            return Answer("closed", view=self.modal(person))
        action = body.get("response_action") if isinstance(body, dict) else None
        try:
            match action:
                case "clear":
                    self.views.close(view, every=True)
                    return Answer("clear")
                case "errors":
                    return self._refused(view, body.get("errors"))
                case "update":
                    self.views.put(view, check_view(body["view"], "modal"))
                    return Answer("update", view=view)
                case "push" if len(person.views) < 3:
                    return Answer("push", view=self.views.open(person, check_view(body["view"], "modal")))
        except (ApiError, KeyError, AttributeError) as error:
            details = "; ".join(error.messages) if isinstance(error, ApiError) else str(error)
            return Answer("trouble", view=view, trouble=f"{_TROUBLE} ({details})")
        return Answer("trouble", view=view, trouble=f"{_TROUBLE} (what is {action!r}?)")

    def _refused(self, view: View, errors: Any) -> Answer:
        """Show errors under their fields; Slack takes them for input blocks of the modal only."""
        inputs = {one["block_id"]: one for one in view.body["blocks"] if one["type"] == "input"}
        if not isinstance(errors, dict) or not errors or not set(errors) <= set(inputs):
            return Answer("trouble", view=view, trouble=f"{_TROUBLE} (errors for what is no field: {errors})")
        labelled = {inputs[number]["label"]["text"]: str(words) for number, words in errors.items()}
        return Answer("errors", labelled, dict(errors), view)


def _state(view: View) -> dict[str, dict[str, JSON]]:
    """Return `view.state.values`: every field, with what it began with where nothing was entered."""
    values: dict[str, dict[str, JSON]] = {}
    for block, element in elements(view.body["blocks"]):
        if element["type"] == "button":
            continue
        number, action = block["block_id"], element["action_id"]
        entered = view.values.get(number, {}).get(action)
        values.setdefault(number, {})[action] = entered or _initial(element)
    return values


def _initial(element: JSON) -> JSON:
    kind = element["type"]
    state: JSON = {"type": kind}
    if kind in ("multi_static_select", "checkboxes"):
        return {**state, "selected_options": element.get("initial_options", [])}
    names = {"option": "selected_option", "date": "selected_date", "time": "selected_time", "user": "selected_user"}
    names |= {"conversation": "selected_conversation", "channel": "selected_channel"}
    for name, selected in names.items():
        if f"initial_{name}" in element:
            return {**state, selected: element[f"initial_{name}"]}
    if kind.endswith("_input"):
        return {**state, "value": element.get("initial_value")}
    return {**state, "selected_option" if kind in ("static_select", "radio_buttons") else "value": None}


def _check_filled(view: View) -> None:
    """Refuse what Slack's own clients refuse to send off."""
    values = _state(view)
    for block, element in elements(view.body["blocks"]):
        if block["type"] != "input":
            continue
        label, kind = block["label"]["text"], element["type"]
        state = values[block["block_id"]][element["action_id"]]
        entered = next((value for name, value in state.items() if name != "type"), None)
        if not entered:
            if not block.get("optional"):
                raise Impossible(f"{label}: please complete this required field")
            continue
        if kind == "number_input":
            _check_number(label, element, str(entered))
        elif kind == "plain_text_input" and len(entered) < element.get("min_length", 0):
            raise Impossible(f"{label}: at least {element['min_length']} characters")
        elif kind == "email_text_input" and not _EMAIL.fullmatch(entered):
            raise Impossible(f"{label}: please enter a valid email address")
        elif kind == "url_text_input" and not _URL.fullmatch(entered):
            raise Impossible(f"{label}: please enter a valid URL")


def _check_number(label: str, element: JSON, text: str) -> None:
    pattern = r"-?\d+(\.\d+)?" if element["is_decimal_allowed"] else r"-?\d+"
    if not re.fullmatch(pattern, text):
        raise Impossible(f"{label}: please enter a valid number")
    low, high = element.get("min_value"), element.get("max_value")
    if (low is not None and float(text) < float(low)) or (high is not None and float(text) > float(high)):
        raise Impossible(f"{label}: please enter a number between {low} and {high}")
