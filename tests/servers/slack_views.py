"""Modals and home tabs: triggers that open one view each, and the Web API's `views.*`.

Source: https://docs.slack.dev/surfaces/modals.
"""

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.servers.slack_errors import ApiError
from tests.servers.slack_request import Request
from tests.servers.slack_view_rules import check_view
from tests.servers.slack_world import JSON, Person, View, World

TRIGGER_SECONDS = 3.0
MOST_VIEWS = 3
MOST_BYTES = 250_000


@dataclass(slots=True)
class Trigger:
    """The right to open one modal for a person, for three seconds."""

    person: Person
    made_at: float
    used: bool = False


class Views:
    """Answers `views.*` and keeps the modals that stand open."""

    def __init__(self, world: World) -> None:
        self.trigger_seconds = TRIGGER_SECONDS
        self._world = world
        self._triggers: dict[str, Trigger] = {}
        self.methods: dict[str, Callable[[Request], JSON]] = {
            "views.open": self._open,
            "views.push": self._push,
            "views.update": self._update,
            "views.publish": self._publish,
        }

    def trigger(self, person: Person) -> str:
        """Return a fresh trigger id."""
        number = f"{self._world.number()}.{self._world.number()}.{uuid.uuid4().hex}"
        self._triggers[number] = Trigger(person, self._world.clock.monotonic())
        return number

    def put(self, view: View, body: JSON) -> None:
        """Replace what a view shows; what was filled in stays where block and action stay."""
        view.body = body
        view.hash = f"{self._world.ts()}.{uuid.uuid4().hex[:8]}"
        ids = {block.get("block_id") for block in body["blocks"]}
        view.values = {block: values for block, values in view.values.items() if block in ids}
        self._world.changed()

    def open(self, person: Person, body: JSON) -> View:
        """Open a modal on top of those that stand open for a person."""
        top = person.views[-1] if person.views else None
        number = self._world.new_id("V")
        root, previous = (top.root, top.id) if top else (number, None)
        view = View(number, person, body, "", root, previous)
        self._world.views[number] = view
        person.views.append(view)
        self.put(view, body)
        return view

    def close(self, view: View, *, every: bool = False) -> None:
        """Close a modal, or the whole stack."""
        if view in view.person.views:
            kept = [] if every else view.person.views[: view.person.views.index(view)]
            view.person.views[:] = kept
        self._world.changed()

    def checked(self, body: Any, kind: str) -> JSON:
        """Return a view as Slack keeps it.

        Raises:
            ApiError: `invalid_arguments` and what is wrong, by its place.
        """
        if len(json.dumps(body)) > MOST_BYTES:
            raise ApiError("view_too_large")
        view = check_view(body, kind)
        external = view.get("external_id")
        if external and any(one.body.get("external_id") == external for one in self._standing()):
            raise ApiError("duplicate_external_id")
        return view

    def option(self, element: JSON, wanted: str) -> JSON:
        """Return the option that a person means, by its label or value.

        Raises:
            LookupError: there is none.
        """
        options = list(element.get("options", ()))
        for group in element.get("option_groups", ()):
            options += group.get("options", ())
        for option in options:
            if wanted in (option["text"]["text"], option.get("value")):
                return dict(option)
        raise LookupError(f"no option {wanted!r} among {[one['text']['text'] for one in options]}")

    def _standing(self) -> list[View]:
        return [view for person in self._world.people.values() for view in person.views]

    def _exchange(self, request: Request) -> Person:
        number = request.text("trigger_id")
        if not number:
            raise ApiError("invalid_arguments", ["[ERROR] missing required field: trigger_id"])
        trigger = self._triggers.get(number)
        if trigger is None:
            raise ApiError("invalid_trigger_id")
        if trigger.used:
            raise ApiError("exchanged_trigger_id")
        if self._world.clock.monotonic() - trigger.made_at > self.trigger_seconds:
            raise ApiError("expired_trigger_id")
        trigger.used = True
        return trigger.person

    def _given(self, request: Request) -> Any:
        view = request.value("view", dict, "invalid_arguments")
        if view is None:
            raise ApiError("invalid_arguments", ["[ERROR] missing required field: view"])
        return view

    def _open(self, request: Request) -> JSON:
        body = self.checked(self._given(request), "modal")
        person = self._exchange(request)
        person.views.clear()
        return {"view": self.open(person, body).wire()}

    def _push(self, request: Request) -> JSON:
        body = self.checked(self._given(request), "modal")
        person = self._exchange(request)
        if not person.views:
            raise ApiError("not_found")
        if len(person.views) >= MOST_VIEWS:
            raise ApiError("push_limit_reached")
        return {"view": self.open(person, body).wire()}

    def _update(self, request: Request) -> JSON:
        external, number = request.text("external_id"), request.text("view_id")
        found = [
            one
            for one in self._standing()
            if number == one.id or (external and one.body.get("external_id") == external)
        ]
        given = self._given(request)
        if not found:
            raise ApiError("not_found")
        view = found[0]
        if request.text("hash") not in ("", view.hash):
            raise ApiError("hash_conflict")
        same = given.get("external_id") == view.body.get("external_id")
        body = self.checked({**given, "external_id": ""} if same else given, "modal")
        self.put(view, {**body, "external_id": given.get("external_id", "")})
        return {"view": view.wire()}

    def _publish(self, request: Request) -> JSON:
        person = self._world.people.get(request.wanted("user_id"))
        if person is None:
            raise ApiError("user_not_found")
        body = self.checked(self._given(request), "home")
        if person.home is None:
            number = self._world.new_id("V")
            person.home = View(number, person, body, "", number)
            self._world.views[number] = person.home
        elif request.text("hash") not in ("", person.home.hash):
            raise ApiError("hash_conflict")
        self.put(person.home, body)
        return {"view": person.home.wire()}
