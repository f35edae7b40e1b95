"""Whether the process can serve, and its figures."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from bot.compose import Core, Foundation
from core import figures

if TYPE_CHECKING:
    from bot.slack import Slack
    from bot.telegram import Telegram

STALE_SECONDS = 15.0


async def readiness(
    foundation: Foundation, core: Core, telegram: "Telegram | None", slack: "Slack | None" = None
) -> Mapping[str, str]:
    """Return each thing that must be well with a sentence on what is wrong with it, or an empty text."""
    database = "" if await figures.database_answers() else "The database can't be reached."
    age = foundation.clock.monotonic() - core.lanes.last_sweep
    lanes = "" if age < STALE_SECONDS else "The lanes are not being swept."
    checks = {"database": database, "lanes": lanes}
    if telegram is not None:
        checks["telegram"] = telegram.poller.problem if telegram.poller is not None else ""
    if slack is not None:
        checks["slack"] = slack.me.problem or (slack.socket.problem if slack.socket is not None else "")
    return checks


async def metrics(core: Core) -> str:
    """Return the figures in Prometheus's text format."""
    lines = _gauge("prowex_lanes_active", "Lanes being worked by this process.", {"": core.lanes.active})
    lines += _gauge("prowex_inbox", "Inbounds by state.", await figures.inbounds_by_state())
    lines += _gauge("prowex_parts", "Platform messages by state.", await figures.parts_by_state())
    return "\n".join(lines) + "\n"


def _gauge(name: str, what: str, values: Mapping[str, int]) -> list[str]:
    lines = [f"# HELP {name} {what}", f"# TYPE {name} gauge"]
    for state, value in values.items():
        lines.append(f'{name}{{state="{state}"}} {value}' if state else f"{name} {value}")
    return lines
