"""Questions to the person at the terminal."""

import getpass
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from bot.stop import Stop


def ask(question: str, *, secret: bool = False) -> str:
    """Return what the person types; a secret is not shown.

    Raises:
        EOFError: there is no answer to come.
        Stop: the person pressed Ctrl-C.
    """
    with _interruptible():
        return (getpass.getpass(question) if secret else input(question)).strip()


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let Ctrl-C end the question: asyncio's own handler waits for the next `await`."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        raise Stop("\nStopped; nothing was written.", 130) from None
    finally:
        signal.signal(signal.SIGINT, before)
