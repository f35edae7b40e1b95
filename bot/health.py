"""Whether the process can serve, and its figures."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from tortoise.exceptions import BaseORMException
from tortoise.functions import Count

from bot.compose import Core, Foundation
from storage.tables import InboxEntry, Lease, Part

if TYPE_CHECKING:
    from bot.telegram import Telegram

STALE_SECONDS = 15.0


async def readiness(foundation: Foundation, core: Core, telegram: "Telegram | None") -> Mapping[str, str]:
    """Return each thing that must be well with a sentence on what is wrong with it, or an empty text."""
    database = ""
    try:
        await Lease.filter(name="installation").exists()
    except (BaseORMException, OSError):
        database = "The database can't be reached."
    age = foundation.clock.monotonic() - core.lanes.last_sweep
    lanes = "" if age < STALE_SECONDS else "The lanes are not being swept."
    checks = {"database": database, "lanes": lanes}
    if telegram is not None:
        checks["telegram"] = telegram.poller.problem if telegram.poller is not None else ""
    return checks


async def metrics(core: Core) -> str:
    """Return the figures in Prometheus's text format."""
    lines = [
        "# HELP prowex_lanes_active Lanes being worked by this process.",
        "# TYPE prowex_lanes_active gauge",
        f"prowex_lanes_active {core.lanes.active}",
        "# HELP prowex_inbox Inbounds by state.",
        "# TYPE prowex_inbox gauge",
    ]
    for state, count in await InboxEntry.all().annotate(n=Count("id")).group_by("state").values_list("state", "n"):
        lines.append(f'prowex_inbox{{state="{state}"}} {count}')
    lines += ["# HELP prowex_parts Platform messages by state.", "# TYPE prowex_parts gauge"]
    for state, count in await Part.all().annotate(n=Count("id")).group_by("state").values_list("state", "n"):
        lines.append(f'prowex_parts{{state="{state}"}} {count}')
    return "\n".join(lines) + "\n"
