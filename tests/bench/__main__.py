"""Prowex beside the floor: `python -m tests.bench [--quick]` prints figures as ratios.

Both bots run in turn, in processes of their own, against the same fake Telegram and the same fake model. Exits with 1
only when a message was lost.
"""

import argparse
import asyncio
import os
import platform
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import aiohttp
import uvloop

from tests.bench import processes
from tests.bench.figures import MEGABYTE, QUICK, Figures, Size, measure

DISK = "/var/tmp" if Path("/var/tmp").is_dir() else None
"""Where the databases are: a real disk, because a write to memory that is "synced" costs nothing."""
BOTS = (processes.floor, processes.prowex)


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table.

    Args:
        scale: what a value is multiplied by to be shown in its unit.
        ratio: whether Prowex's value over the floor's says something.
    """

    name: str
    key: str
    scale: float
    aim: str
    ratio: bool = True


def rows(size: Size) -> list[Row]:
    """Return what the table shows, with the aims of DESIGN's full size."""
    streams = f"{size.streams} streams of {size.seconds:g} s"
    return [
        Row("CPU per message, ms", "cpu", 1000, "≤ 2.5 × floor"),
        Row("messages/s", "messages/s", 1, "≥ 0.4 × floor"),
        Row("added latency p50, ms", "latency p50", 1000, "≤ 3 × floor"),
        Row("added latency p95, ms", "latency p95", 1000, ""),
        Row(f"{streams}: wall time, s", "streams", 1, f"≤ {size.seconds * 1.2:g} s"),
        Row("  the model's own time, s", "streams model", 1, ""),
        Row("  CPU time, s", "streams cpu", 1, ""),
        Row("  peak memory, MB", "peak memory", 1 / MEGABYTE, "< 300 MB", ratio=False),
        Row("start to ready, s", "start", 1, "≤ import + 2 s"),
        Row("  of it import, s", "import", 1, ""),
        Row("  the very first start, s", "first start", 1, ""),
        Row("idle memory, MB", "idle memory", 1 / MEGABYTE, ""),
    ]


async def run(size: Size) -> int:
    """Run both bots `size.rounds` times, print the table, and return the exit status."""
    print(f"{platform.python_implementation()} {platform.python_version()}, {os.cpu_count()} cores")
    print(f"{size.chats} chats × {size.each} messages, answers of {size.tokens} tokens; medians of {size.rounds}")
    with tempfile.TemporaryDirectory(dir=DISK) as folder:
        modules = await _modules(Path(folder))
        found: dict[str, list[Figures]] = {}
        for number in range(size.rounds):
            for make in BOTS:
                home = Path(folder) / f"{make.__name__}-{number}"
                home.mkdir()
                began = time.monotonic()
                async with processes.open_platforms() as platforms:
                    bot = make(platforms, home)
                    found.setdefault(bot.name, []).append(await measure(bot, platforms, size, modules[bot.name]))
                print(f"round {number + 1}: {bot.name} took {time.monotonic() - began:.0f} s", file=sys.stderr)
    print(table(rows(size), *found.values()))
    lost = [line for figures in found.values() for one in figures for line in one.lost]
    for line in lost:
        print(f"LOST  {line}")
    return 1 if lost else 0


async def _modules(folder: Path) -> Mapping[str, list[str]]:
    found = {}
    async with processes.open_platforms() as platforms, aiohttp.ClientSession() as http:
        for make in BOTS:
            home = folder / f"{make.__name__}-imports"
            home.mkdir()
            bot = make(platforms, home)
            found[bot.name] = await processes.imports_of(bot, http)
    return found


def table(lines: Sequence[Row], floor: Sequence[Figures], prowex: Sequence[Figures]) -> str:
    """Return the medians side by side."""
    shown = [f"{'':36}{'floor':>9}{'Prowex':>9}{'ratio':>8}   aim"]
    for row in lines:
        below, above = _median(floor, row.key), _median(prowex, row.key)
        ratio = f"{above / below:.2f} ×" if row.ratio and below and above else ""
        shown.append(f"{row.name:36}{_shown(below, row):>9}{_shown(above, row):>9}{ratio:>8}   {row.aim}".rstrip())
    return "\n".join(shown)


def _median(runs: Sequence[Figures], key: str) -> float | None:
    values = [figures.values[key] for figures in runs if key in figures.values]
    return median(values) if values else None


def _shown(value: float | None, row: Row) -> str:
    if value is None:
        return "-"
    scaled = value * row.scale
    return f"{scaled:.0f}" if scaled >= 100 else f"{scaled:.1f}" if scaled >= 10 else f"{scaled:.2f}"


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one small round, for a first impression")
    parser.add_argument("--rounds", type=int, help="how often each bot is run (3)")
    parser.add_argument("--tokens", type=int, help="how long the answers to the many chats are (50)")
    options = parser.parse_args()
    size = QUICK if options.quick else Size()
    size = replace(size, rounds=options.rounds or size.rounds, tokens=options.tokens or size.tokens)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(run(size))


if __name__ == "__main__":
    sys.exit(main())
