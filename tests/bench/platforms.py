"""The chat platforms that bots are measured on: their fakes, and what a bot needs to know to be on them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.servers.slack import APP_TOKEN, BOT_TOKEN

_TELEGRAM_TOKEN = "4242:fake-telegram-token-for-tests-only"
_PLENTY = "1000000"


@dataclass(frozen=True, slots=True)
class Platform:
    """A chat platform.

    Args:
        server: the module of its fake and the fake's arguments; it prints its address.
        floor: the file of the bare bot.
        env: what a bot is told; it is given the fake's address.
        lifted: the settings with which Prowex keeps no rate limits of the platform.
        connections: tells from the fake's counts how often a bot has begun to receive.
    """

    name: str
    server: tuple[str, ...]
    floor: str
    env: Callable[[str], Mapping[str, str]]
    lifted: Mapping[str, str]
    connections: Callable[[Mapping[str, Any]], int]


TELEGRAM = Platform(
    name="Telegram",
    server=("tests.servers.telegram", "--no-limits", "--no-validate", "--token", _TELEGRAM_TOKEN),
    floor="floor.py",
    env=lambda address: {"TELEGRAM_BOT_TOKEN": _TELEGRAM_TOKEN, "TELEGRAM_API_URL": address},
    lifted={
        "TELEGRAM_MESSAGES_PER_SECOND": _PLENTY,
        "TELEGRAM_CHAT_MESSAGES_PER_SECOND": _PLENTY,
        "TELEGRAM_GROUP_MESSAGES_PER_MINUTE": _PLENTY,
    },
    connections=lambda stats: int(stats["methods"].get("getUpdates", 0)),
)
SLACK = Platform(
    name="Slack",
    server=("tests.bench.slack_server",),
    floor="slack_floor.py",
    env=lambda address: {
        "SLACK_BOT_TOKEN": BOT_TOKEN,
        "SLACK_APP_TOKEN": APP_TOKEN,
        "SLACK_API_URL": f"{address}/api/",
    },
    lifted={"SLACK_MESSAGES_PER_SECOND": _PLENTY, "SLACK_EDITS_PER_MINUTE": _PLENTY},
    connections=lambda stats: int(stats["opened"]),
)
PLATFORMS = {"telegram": TELEGRAM, "slack": SLACK}
