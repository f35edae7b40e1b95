"""Progress is shown on a terminal only, only when it takes long, and leaves no trace."""

import asyncio
import io

import pytest

from bot import progress as module
from bot.progress import progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


async def test_long_work_is_told_and_wiped_away(monkeypatch):
    monkeypatch.setattr(module, "QUIET_SECONDS", 0)
    screen = Terminal()
    async with progress("Saving", screen):
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert "Saving … 0 s" in screen.getvalue()
    assert screen.getvalue().endswith("\r\x1b[K")


async def test_short_work_and_pipes_see_nothing():
    screen, pipe = Terminal(), io.StringIO()
    for stream in (screen, pipe):
        async with progress("Saving", stream):
            await asyncio.sleep(0)
    assert screen.getvalue() == pipe.getvalue() == ""


async def test_an_error_passes_as_it_is_and_in_no_group():
    with pytest.raises(LookupError):
        async with progress("Saving", Terminal()):
            raise LookupError("x")


async def test_a_cancellation_passes():
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01), progress("Saving", Terminal()):
            await asyncio.Event().wait()
