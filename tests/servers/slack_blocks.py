"""Block Kit as Slack checks it before it shows anything: messages' blocks and their budgets.

Sources: https://docs.slack.dev/reference/block-kit; the budget of a whole message is from reports of what Slack does
(slackapi/bolt-js#2509 and #2867): characters of text, and about 125 more for each block.
"""

import copy
import uuid
from collections.abc import Callable, Collection, Iterator
from typing import Any

from tests.servers.slack_elements import INPUTS, check_element
from tests.servers.slack_errors import ApiError
from tests.servers.slack_problems import Problems, kind_of

JSON = dict[str, Any]
MOST_BLOCKS = 50
MOST_MARKDOWN = 12_000
MOST_WHOLE = 13_422
BLOCK_WEIGHT = 125
MOST_IN_TABLES = 10_000
RICH = frozenset({"rich_text_section", "rich_text_list", "rich_text_preformatted", "rich_text_quote"})
RICH_INSIDE = frozenset({"text", "link", "user", "usergroup", "channel", "emoji", "broadcast", "date", "color", "team"})
_STYLES = frozenset({"bold", "italic", "strike", "code", "underline", "highlight", "client_highlight", "unlink"})
_NOT_IN_VIEWS = frozenset({"markdown", "table", "context_actions"})


def check_blocks(blocks: Any, *, where: str = "/blocks") -> list[JSON]:
    """Return a message's blocks as Slack keeps them: with an id each.

    Raises:
        ApiError: `invalid_blocks` and what is wrong, by its place; `msg_blocks_too_long`.
    """
    if not isinstance(blocks, list):
        raise ApiError("invalid_blocks_format")
    problems = Problems()
    kept = kept_blocks(problems, blocks, where, MOST_BLOCKS)
    tables = [one for one in kept if kind_of(one) == "table"]
    if len(tables) > 1:
        problems.add("only_one_table_allowed", where)
    if sum(len(text) for table in tables for text in _texts(table)) > MOST_IN_TABLES:
        problems.add(f"tables must be less than {MOST_IN_TABLES + 1} characters", where)
    if problems.found:
        raise ApiError("invalid_blocks", problems.found)
    markdown = sum(len(one["text"]) for one in kept if one["type"] == "markdown")
    whole = sum(len(text) for text in _texts(kept)) + BLOCK_WEIGHT * len(kept)
    if markdown > MOST_MARKDOWN or whole > MOST_WHOLE:
        raise ApiError("msg_blocks_too_long")
    return kept


def kept_blocks(problems: Problems, blocks: list[Any], where: str, most: int, *, view: bool = False) -> list[JSON]:
    """Check each of these blocks, and return them with an id each.

    Action ids are unique in a message, in a view within their block.
    """
    kept: list[JSON] = copy.deepcopy(blocks)
    if len(kept) > most:
        problems.add(f"no more than {most} items allowed", where)
    ids, actions = set[str](), set[str]()
    for at, block in enumerate(kept):
        place = f"{where}/{at}"
        if not isinstance(block, dict):
            problems.add("must provide an object", place)
            continue
        kind = kind_of(block)
        if kind not in BLOCKS or (view and kind in _NOT_IN_VIEWS):
            problems.add(f"unsupported type: {kind}", f"{place}/type")
            continue
        number = block.setdefault("block_id", uuid.uuid4().hex[:5])
        if not isinstance(number, str) or len(number) > 255:
            problems.add("must be less than 256 characters", f"{place}/block_id")
        elif number in ids:
            problems.add(f"`block_id` already exists: {number}", f"{place}/block_id")
        ids.add(str(number))
        fields, check = BLOCKS[kind]
        problems.only(block, place, {"type", "block_id", *fields.split()})
        check(problems, block, place)
        problems.unique(block, place, set() if view else actions)
    return kept


def _section(problems: Problems, block: JSON, place: str) -> None:
    if "text" not in block and "fields" not in block:
        problems.add("must define either text or fields", place)
    if "text" in block:
        problems.text(block["text"], f"{place}/text", 3000)
    if "fields" in block:
        for at, field in enumerate(problems.items(block, "fields", place, 1, 10)):
            problems.text(field, f"{place}/fields/{at}", 2000)
    if "accessory" in block:
        check_element(problems, block["accessory"], f"{place}/accessory", "section")


def _header(problems: Problems, block: JSON, place: str) -> None:
    problems.text(block.get("text"), f"{place}/text", 150, plain=True)


def _context(problems: Problems, block: JSON, place: str) -> None:
    for at, element in enumerate(problems.items(block, "elements", place, 1, 10)):
        where = f"{place}/elements/{at}"
        if isinstance(element, dict) and element.get("type") == "image":
            _image_element(problems, element, where)
        else:
            problems.text(element, where, 3000)


def _actions(problems: Problems, block: JSON, place: str) -> None:
    for at, element in enumerate(problems.items(block, "elements", place, 1, 25)):
        check_element(problems, element, f"{place}/elements/{at}", "actions")


def _image(problems: Problems, block: JSON, place: str) -> None:
    _image_element(problems, block, place)
    if "title" in block:
        problems.text(block["title"], f"{place}/title", 2000, plain=True)


def _image_element(problems: Problems, element: JSON, place: str) -> None:
    problems.string(element, "alt_text", place, 2000, required=True)
    if "slack_file" not in element:
        problems.string(element, "image_url", place, 3000, required=True)


def _markdown(problems: Problems, block: JSON, place: str) -> None:
    text = block.get("text")
    if not isinstance(text, str):
        problems.add("must provide a string", f"{place}/text")
        block["text"] = ""
    elif not text:
        problems.add("must be more than 0 characters", f"{place}/text")


def _input(problems: Problems, block: JSON, place: str) -> None:
    problems.text(block.get("label"), f"{place}/label", 2000, plain=True)
    if "hint" in block:
        problems.text(block["hint"], f"{place}/hint", 2000, plain=True)
    if not isinstance(block.get("optional", False), bool):
        problems.add("must provide a boolean", f"{place}/optional")
    element = block.get("element")
    if isinstance(element, dict) and kind_of(element) not in INPUTS:
        problems.add(f"unsupported type: {kind_of(element)}", f"{place}/element/type")
    else:
        check_element(problems, element, f"{place}/element", "input")


def _rich(problems: Problems, block: JSON, place: str) -> None:
    for part, where in problems.objects(block, "elements", place, 1, 1000):
        if kind_of(part) not in RICH:
            problems.add(f"unsupported type: {kind_of(part)}", f"{where}/type")
        elif kind_of(part) == "rich_text_list":
            if part.get("style") not in ("bullet", "ordered"):
                problems.add("must be a valid enum value: bullet or ordered", f"{where}/style")
            indent = part.get("indent", 0)
            if not isinstance(indent, int) or not 0 <= indent <= 8:
                problems.add("must be between 0 and 8", f"{where}/indent")
            for item, spot in problems.objects(part, "elements", where, 1, 1000):
                if kind_of(item) != "rich_text_section":
                    problems.add(f"unsupported type: {kind_of(item)}", f"{spot}/type")
                else:
                    _rich_inside(problems, item, spot, RICH_INSIDE)
        else:
            code = kind_of(part) == "rich_text_preformatted"
            _rich_inside(problems, part, where, {"text", "link"} if code else RICH_INSIDE)


def _rich_inside(problems: Problems, part: JSON, place: str, kinds: Collection[str]) -> None:
    """Check what stands within a line of rich text."""
    needed = {"text": "text", "link": "url", "user": "user_id", "channel": "channel_id", "emoji": "name"}
    for one, where in problems.objects(part, "elements", place, 0, 10_000):
        kind = kind_of(one)
        if kind not in kinds:
            problems.add(f"unsupported type: {kind}", f"{where}/type")
        elif kind in needed:
            problems.string(one, needed[kind], where, 40_000, required=True)
        style = one.get("style", {})
        if not isinstance(style, dict) or not set(style) <= _STYLES:
            problems.add("must be styles: bold, italic, strike, code", f"{where}/style")


def _table(problems: Problems, block: JSON, place: str) -> None:
    if "column_settings" in block:
        for at, setting in enumerate(problems.items(block, "column_settings", place, 1, 20)):
            align = setting.get("align", "left") if isinstance(setting, dict) else "left"
            if not (setting is None or isinstance(setting, dict)) or align not in ("left", "center", "right"):
                problems.add("must be one of left, center, right", f"{place}/column_settings/{at}/align")
    for at, row in enumerate(problems.items(block, "rows", place, 1, 100)):
        where = f"{place}/rows/{at}"
        if not isinstance(row, list) or not 1 <= len(row) <= 20:
            problems.add("must have 1 to 20 cells", where)
            continue
        for number, cell in enumerate(row):
            spot = f"{where}/{number}"
            if kind_of(cell) == "raw_text":
                problems.string(cell, "text", spot, 10_000, required=True)
            elif kind_of(cell) == "rich_text":
                _rich(problems, cell, spot)
            else:
                problems.add(f"unsupported type: {kind_of(cell)}", spot)


def _context_actions(problems: Problems, block: JSON, place: str) -> None:
    for element, where in problems.objects(block, "elements", place, 1, 5):
        if kind_of(element) not in ("feedback_buttons", "icon_button"):
            problems.add(f"unsupported type: {kind_of(element)}", f"{where}/type")


def _nothing(_: Problems, __: JSON, ___: str) -> None:
    return


BLOCKS: dict[str, tuple[str, Callable[[Problems, JSON, str], None]]] = {
    "section": ("text fields accessory expand", _section),
    "header": ("text level", _header),
    "divider": ("", _nothing),
    "context": ("elements", _context),
    "actions": ("elements", _actions),
    "image": ("image_url alt_text title slack_file", _image),
    "markdown": ("text", _markdown),
    "input": ("label element hint optional dispatch_action", _input),
    "rich_text": ("elements", _rich),
    "table": ("rows column_settings", _table),
    "context_actions": ("elements", _context_actions),
}


def _texts(value: Any) -> Iterator[str]:
    """Return every text that is shown of some blocks."""
    if isinstance(value, list):
        for one in value:
            yield from _texts(one)
    elif isinstance(value, dict):
        for name, one in value.items():
            if name in ("text", "alt_text") and isinstance(one, str):
                yield one
            elif isinstance(one, dict | list):
                yield from _texts(one)
