"""The menu of commands, a modal: in threads Slack takes no slash command, so there it is the way to them."""

from collections.abc import Mapping, Sequence
from typing import Any

MENU = "prowex_menu"
"""The callback of the shortcut on a message, and of the menu itself."""
MENU_ANYWHERE = "prowex_menu_anywhere"
"""The callback of the shortcut that is not on a message: it is about the person's direct chat."""
_MOST = 100
_LONGEST = 75


def menu(commands: Sequence[tuple[str, str]], private: str) -> dict[str, Any]:
    """Return the menu; `private` comes back with the choice."""
    options = [
        {"text": _plain(f"/{word} – {title}"[:_LONGEST]), "value": word[:_LONGEST]} for word, title in commands[:_MOST]
    ]
    which = {"type": "static_select", "action_id": "v", "placeholder": _plain("Choose a command"), "options": options}
    return {
        "type": "modal",
        "callback_id": MENU,
        "title": _plain("What can I do?"),
        "submit": _plain("Go"),
        "close": _plain("Cancel"),
        "private_metadata": private,
        "blocks": [
            {"type": "input", "block_id": "command", "label": _plain("Command"), "element": which},
            {
                "type": "input",
                "block_id": "words",
                "label": _plain("With"),
                "hint": _plain("What you would write after the command, if anything."),
                "optional": True,
                "element": {"type": "plain_text_input", "action_id": "v", "max_length": 1000},
            },
        ],
    }


def chosen(values: Mapping[str, str]) -> str:
    """Return the words of what was chosen."""
    return f"{values.get('command', '')} {values.get('words', '')}".strip()


def _plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text, "emoji": False}
