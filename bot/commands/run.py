"""`prowex run`: the service. Opens everything, serves, and on SIGTERM lets running answers finish."""

import argparse
import asyncio
import logging
import signal
import sys

from bot.service import open_service
from bot.settings import Settings

log = logging.getLogger("prowex.run")

_SAME_WISH_SECONDS = 1.0
"""Some who start us pass one signal on twice."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take no arguments: everything is a setting."""


async def main(args: argparse.Namespace, settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT; return 0."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    wishes: list[float] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _stop_or_leave, stop, wishes)
    async with open_service(settings) as service:
        await service.serve(stop)
    log.info("stopped")
    return 0


def _stop_or_leave(stop: asyncio.Event, wishes: list[float]) -> None:
    """Stop in good order at the first signal, at once at another one: a kill at any time is safe."""
    wishes.append(asyncio.get_running_loop().time())
    if wishes[-1] - wishes[0] > _SAME_WISH_SECONDS:
        sys.stderr.write("stopped at once; what was running is resumed at the next start\n")
        sys.stderr.flush()
        signal.raise_signal(signal.SIGKILL)
    stop.set()
