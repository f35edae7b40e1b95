"""What is wrong with Block Kit, in Slack's words and by its place."""

import uuid
from collections.abc import Collection
from typing import Any

JSON = dict[str, Any]


def kind_of(value: Any) -> str:
    """Return a block's or an element's type; empty for whatever is none."""
    kind = value.get("type") if isinstance(value, dict) else None
    return kind if isinstance(kind, str) else ""


class Problems:
    """Collects what is wrong. `place` is a JSON pointer."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def add(self, words: str, place: str) -> None:
        """Note a problem."""
        self.found.append(f"[ERROR] {words} [json-pointer:{place}]")

    def only(self, value: JSON, place: str, names: Collection[str]) -> None:
        """Note fields that don't exist."""
        for name in value:
            if name not in names:
                self.add(f"invalid additional property: {name}", place)

    def string(self, value: JSON, name: str, place: str, most: int, *, required: bool = False) -> None:
        """Check a text that is a field of its own."""
        text, place = value.get(name), f"{place}/{name}"
        if name not in value:
            if required:
                self.add(f"missing required field: {name}", place.rpartition("/")[0])
        elif not isinstance(text, str):
            self.add("must provide a string", place)
        elif required and not text:
            self.add("must be more than 0 characters", place)
        elif len(text) > most:
            self.add(f"must be less than {most + 1} characters", place)

    def text(self, value: Any, place: str, most: int, *, plain: bool = False) -> None:
        """Check a text object."""
        if value is None:
            self.add(f"missing required field: {place.rpartition('/')[2]}", place.rpartition("/")[0])
            return
        kinds = ("plain_text",) if plain else ("plain_text", "mrkdwn")
        if not isinstance(value, dict) or value.get("type") not in kinds:
            self.add("failed to match all allowed schemas", place)
            if isinstance(value, dict):
                self.add(f"must be a valid enum value: {' or '.join(kinds)}", f"{place}/type")
            return
        self.only(value, place, {"type", "text", "emoji" if value["type"] == "plain_text" else "verbatim"})
        text = value.get("text")
        if not isinstance(text, str):
            self.add("must provide a string", f"{place}/text")
        elif not text:
            self.add("must be more than 0 characters", f"{place}/text")
        elif len(text) > most:
            self.add("failed to match all allowed schemas", place)
            self.add(f"must be less than {most + 1} characters", f"{place}/text")

    def items(self, value: JSON, name: str, place: str, least: int, most: int) -> list[Any]:
        """Check a list's length, and return it."""
        found, place = value.get(name), f"{place}/{name}"
        if found is None:
            self.add(f"missing required field: {name}", place.rpartition("/")[0])
            return []
        if not isinstance(found, list):
            self.add("must provide an array", place)
            return []
        if len(found) < least:
            self.add(f"no less than {least} items allowed", place)
        if len(found) > most:
            self.add(f"no more than {most} items allowed", place)
        return found

    def objects(self, value: JSON, name: str, place: str, least: int, most: int) -> list[tuple[JSON, str]]:
        """Check a list of objects, and return those that are some, each with its place."""
        found = []
        for at, one in enumerate(self.items(value, name, place, least, most)):
            if isinstance(one, dict):
                found.append((one, f"{place}/{name}/{at}"))
            else:
                self.add("must provide an object", f"{place}/{name}/{at}")
        return found

    def unique(self, block: JSON, place: str, seen: set[str]) -> None:
        """Give each element an action id if it has none, and note those that were seen before."""
        inside = [block.get("accessory"), block.get("element")]
        if block.get("type") in ("actions", "context_actions") and isinstance(block.get("elements"), list):
            inside += block["elements"]
        for element in inside:
            if isinstance(element, dict) and element.get("type") != "image":
                number = element.setdefault("action_id", uuid.uuid4().hex[:5])
                if str(number) in seen:
                    self.add(f"`action_id` already exists: {number}", place)
                seen.add(str(number))
