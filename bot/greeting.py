"""What the operator sees at start: on a terminal the links that let them in, elsewhere how to get them; no log."""

import sys
from collections.abc import Collection

from bot.compose import Core, Foundation
from core.access import Standing
from core.operations.gateway import invoke
from core.operations.registry import OPERATIONS, Call, NotPossible
from storage.faults import Step
from storage.tables import Identity
from storage.transactions import transaction

_BINDING = {
    "telegram": "Send this to your bot on Telegram",
    "slack": "Write this in Slack, to your app or anywhere",
}
_TYPED = {"telegram": "/start", "slack": "/prowex start"}


async def greet(foundation: Foundation, core: Core, channels: Collection[str]) -> None:
    """Print the way in. The links are made only where a person at a terminal reads them."""
    lines = [f"Prowex is ready: {core.services.public_url()}/"]
    if not sys.stdout.isatty():
        lines.append("To sign in, make a one-time link with: prowex call web.link")
    else:
        link = await _data_of(core, "web.link", "link")
        lines.append(f"Open this once, within 15 minutes, to sign in as the operator:\n\n    {link}\n")
        for channel, how in _BINDING.items():
            if channel in channels and not await _operator_is_bound(foundation, channel):
                code = await _data_of(core, "people.operator_code", "code")
                lines.append(f"{how} to make that account the operator's:\n\n    {_TYPED[channel]} {code}\n")
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


async def _operator_is_bound(foundation: Foundation, channel: str) -> bool:
    return await Identity.filter(user_id=foundation.installation.operator_id, channel=channel).exists()


async def _data_of(core: Core, operation: str, name: str) -> str:
    call = Call(services=core.services, surface="cli", standing=Standing.OPERATOR)
    try:
        async with transaction(Step.ADMIN):
            card = await invoke(call, OPERATIONS[operation], {})
    except NotPossible as refusal:
        return str(refusal)
    return dict(card.data)[name]
