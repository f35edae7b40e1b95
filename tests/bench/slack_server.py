"""The fake Slack of a bench: without limits, and it takes the time that the bot needs to acknowledge.

A program: `python -m tests.bench.slack_server`. Further controls: GET `acks`, the seconds from the sending of each
envelope to its acknowledgement: `people` of what people wrote, `all` of everything; POST `forget_acks`.
"""

import asyncio
import contextlib
import time
from typing import Any

import uvloop
from aiohttp.web import BaseRequest

from tests.servers.slack import FakeSlack
from tests.servers.slack_control import Control
from tests.servers.slack_delivery import Delivery, Outcome
from tests.servers.slack_faults import Faults
from tests.servers.slack_limits import Limits
from tests.servers.slack_socket import Sockets


class TimedSockets(Sockets):
    """Sockets that know how long each acknowledgement took; what was not acknowledged counts as long as was waited."""

    def __init__(self, faults: Faults, deadline: float, bot: str) -> None:
        super().__init__(faults, deadline)
        self.seconds: list[tuple[bool, float]] = []
        self._bot = bot

    async def send(self, delivery: Delivery) -> Outcome:
        """Send an envelope and wait for its acknowledgement."""
        began = time.monotonic()
        outcome = await super().send(delivery)
        event = delivery.payload.get("event", {})
        by_person = event.get("type") == "message" and "subtype" not in event and event.get("user") != self._bot
        self.seconds.append((by_person, time.monotonic() - began))
        return outcome


class TimedControl(Control):
    """The control API that tells of acknowledgements too."""

    def __init__(self, slack: FakeSlack, sockets: TimedSockets) -> None:
        super().__init__(slack)
        self._sockets = sockets

    async def answer(self, request: BaseRequest, what: str) -> tuple[int, Any]:
        """Return the status and the JSON value of the answer."""
        if what == "acks":
            taken = self._sockets.seconds
            return 200, {"people": [one for by_person, one in taken if by_person], "all": [one for _, one in taken]}
        if what == "forget_acks":
            self._sockets.seconds.clear()
            return 200, {}
        return await super().answer(request, what)


async def _serve() -> None:
    slack = FakeSlack(limits=Limits.off())
    sockets = TimedSockets(slack.faults, slack.sockets.deadline, slack.bot.id)
    sockets.deliveries = slack.deliveries
    slack.sockets, slack.control = sockets, TimedControl(slack, sockets)
    async with slack:
        print(f"ready {slack.address}", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        uvloop.run(_serve())
