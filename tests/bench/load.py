"""How busy everything was while a bot was measured: a figure says little where a fake server was the slow one."""

import os
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager

import psutil

from tests.bench.processes import Fakes

MANY, STREAMS = "many chats", "streams"
FULL = 0.85
"""From this share of a core on, a fake server counts as saturated."""
WATCHED_SECONDS = 2


def cpu_of(process: psutil.Process) -> float:
    """Return the seconds of CPU that a process has used."""
    times = process.cpu_times()
    return float(times.user + times.system)


@asynccontextmanager
async def watched(fakes: Fakes, phase: str, values: dict[str, float]) -> AsyncIterator[None]:
    """Put what share of a core each fake used meanwhile, and the machine of all its cores, into `values`."""
    servers = (fakes.chats, fakes.model)
    before, idle, began = [cpu_of(one.process) for one in servers], _idle(), time.monotonic()
    yield
    seconds = time.monotonic() - began
    for one, used in zip(servers, before, strict=True):
        values[f"{phase}: {one.name}"] = (cpu_of(one.process) - used) / seconds
    values[f"{phase}: machine"] = 1 - (_idle() - idle) / seconds / (os.cpu_count() or 1)


def _idle() -> float:
    times = psutil.cpu_times()
    return float(times.idle + getattr(times, "iowait", 0.0))


def busy_before() -> float:
    """Return what share of the machine others use; it watches for a while."""
    return psutil.cpu_percent(WATCHED_SECONDS) / 100


def saturated(bot: str, runs: Iterable[Mapping[str, float]]) -> list[str]:
    """Return a sentence on each thing that had nothing left to give in the runs of a bot."""
    notes: dict[str, float] = {}
    for values in runs:
        for key, share in values.items():
            if key.startswith((f"{MANY}: ", f"{STREAMS}: ")) and share >= FULL:
                notes[key] = max(share, notes.get(key, 0.0))
    lines = []
    for key, share in notes.items():
        phase, _, what = key.partition(": ")
        of = "all its cores: times depend on what else ran" if what == "machine" else "a core: times are the fake's own"
        lines.append(f"SATURATED  {bot}, {phase}: {what} at {share:.0%} of {of}")
    return lines
