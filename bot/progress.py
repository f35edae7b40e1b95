"""Says on a terminal what long work is at. Elsewhere it says nothing."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TextIO

QUIET_SECONDS = 1.0
"""What is done sooner needs no progress."""

_CLEAR = "\r\x1b[K"


@asynccontextmanager
async def progress(what: str, stream: TextIO | None = None) -> AsyncIterator[None]:
    """While the block runs, show `what` and the seconds it has taken."""
    stream = stream or sys.stderr
    if not stream.isatty():
        yield
        return
    failure: Exception | None = None
    async with asyncio.TaskGroup() as group:
        line = group.create_task(_tell(what, stream))
        try:
            yield
        except Exception as error:  # noqa: BLE001 - raised below as it is, not in a group
            failure = error
        finally:
            line.cancel()
    if failure is not None:
        raise failure


async def _tell(what: str, stream: TextIO) -> None:
    now = asyncio.get_running_loop().time
    began = now()
    await asyncio.sleep(QUIET_SECONDS)
    try:
        while True:
            stream.write(f"{_CLEAR}{what} … {now() - began:.0f} s")
            stream.flush()
            await asyncio.sleep(1)
    finally:
        with contextlib.suppress(ValueError):  # closed meanwhile
            stream.write(_CLEAR)
            stream.flush()
