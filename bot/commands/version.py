"""`prowex version`: what runs here."""

import platform
from argparse import ArgumentParser, Namespace

from bot import __version__


def add_arguments(parser: ArgumentParser) -> None:
    """Add nothing: this command takes no arguments."""


async def main(args: Namespace, settings: None) -> int:
    """Print the version of Prowex and of Python."""
    print(f"prowex {__version__} (Python {platform.python_version()})")
    return 0
