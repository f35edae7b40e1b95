"""`prowex run`: the service. Opens everything, serves, and on SIGTERM lets running answers finish."""

import argparse
import asyncio
import logging
import signal
import sys

from bot.service import open_service
from bot.settings import Settings

log = logging.getLogger("prowex.run")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take no arguments: everything is a setting."""


async def main(args: argparse.Namespace, settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT; return 0."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _stop_or_leave, stop)
    async with open_service(settings) as service:
        await service.serve(stop)
    log.info("stopped")
    return 0


def _stop_or_leave(stop: asyncio.Event) -> None:
    """Stop in good order at the first signal, at once at the second: a kill at any time is safe."""
    if stop.is_set():
        sys.stderr.write("stopped at once; what was running is resumed at the next start\n")
        sys.stderr.flush()
        signal.raise_signal(signal.SIGKILL)
    stop.set()
