"""Modals and home tabs as Slack checks them."""

from typing import Any

from tests.servers.slack_blocks import kept_blocks
from tests.servers.slack_errors import ApiError
from tests.servers.slack_problems import Problems

JSON = dict[str, Any]
MOST_BLOCKS = 100
_FIELDS = {"type", "blocks", "private_metadata", "callback_id", "external_id"}
_MODAL = {"title", "submit", "close", "clear_on_close", "notify_on_close", "submit_disabled"}


def check_view(view: JSON, kind: str) -> JSON:
    """Return a view of this kind (`modal` or `home`) as Slack keeps it: with an id for each block.

    Raises:
        ApiError: `invalid_arguments` and what is wrong, by its place.
    """
    problems = Problems()
    if view.get("type") != kind:
        problems.add(f"must be a valid enum value: {kind}", "/view/type")
    problems.only(view, "/view", _FIELDS | (_MODAL if kind == "modal" else set()))
    problems.string(view, "private_metadata", "/view", 3000)
    problems.string(view, "callback_id", "/view", 255)
    problems.string(view, "external_id", "/view", 255)
    blocks = problems.items(view, "blocks", "/view", 1, MOST_BLOCKS)
    kept = kept_blocks(problems, blocks, "/view/blocks", len(blocks), view=True)
    if kind == "modal":
        problems.text(view.get("title"), "/view/title", 24, plain=True)
        for name in ("submit", "close"):
            if view.get(name) is not None:
                problems.text(view[name], f"/view/{name}", 24, plain=True)
        if view.get("submit") is None and any(isinstance(one, dict) and one.get("type") == "input" for one in kept):
            problems.add("missing required field: submit", "/view")
    if problems.found:
        raise ApiError("invalid_arguments", problems.found)
    return {**view, "blocks": kept}
