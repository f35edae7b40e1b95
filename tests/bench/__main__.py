"""Prowex beside the floor: `python -m tests.bench [--quick]` prints figures as ratios.

Both bots run in turn, in processes of their own, against the same fake chat platform and the same fake model: on
Telegram, on Slack (`--channel`), or on one after the other. Exits with 1 only when a message was lost.
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

from tests.bench import load, processes
from tests.bench.figures import MEGABYTE, NEWCOMERS, QUICK, Figures, Size, measure
from tests.bench.platforms import PLATFORMS, SLACK, Platform

DISK = "/var/tmp" if Path("/var/tmp").is_dir() else None
"""Where the databases are: a real disk, because a write to memory that is "synced" costs nothing."""
BOTS = (processes.floor, processes.prowex)
MOST_LOST = 5
BUSY = 0.1
"""What share of the machine others may use before the figures are marked."""


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


def rows(kind: Platform, size: Size) -> list[Row]:
    """Return what the table shows, with the aims of DESIGN's full size."""
    streams = f"{size.streams} streams of {size.seconds:g} s"
    return [
        Row("CPU per message, ms", "cpu", 1000, "≤ 2.5 × floor"),
        Row("messages/s", "messages/s", 1, "≥ 0.4 × floor"),
        *_load(kind, load.MANY),
        Row("added latency p50, ms", "latency p50", 1000, "≤ 3 × floor"),
        Row("added latency p95, ms", "latency p95", 1000, ""),
        Row(f"{streams}: wall time, s", "streams", 1, f"≤ {size.seconds * 1.2:g} s"),
        Row("  the model's own time, s", "streams model", 1, ""),
        Row("  CPU time, s", "streams cpu", 1, ""),
        Row("  peak memory, MB", "peak memory", 1 / MEGABYTE, "< 300 MB", ratio=False),
        *_load(kind, load.STREAMS),
        *(_acknowledged() if kind is SLACK else ()),
        Row("start to ready, s", "start", 1, "≤ import + 2 s"),
        Row("  of it import, s", "import", 1, ""),
        Row("  the very first start, s", "first start", 1, ""),
        Row("idle memory, MB", "idle memory", 1 / MEGABYTE, ""),
    ]


def _load(kind: Platform, phase: str) -> list[Row]:
    servers = (f"fake {kind.name}", "fake OpenAI")
    shares = [Row(f"  {name}, % of a core", f"{phase}: {name}", 100, "", ratio=False) for name in servers]
    return [*shares, Row("  the machine, % of all cores", f"{phase}: machine", 100, "", ratio=False)]


def _acknowledged() -> list[Row]:
    return [
        Row("acknowledged p50, ms", f"acknowledged p50, {load.MANY}", 1000, ""),
        Row("acknowledged p99, ms", f"acknowledged p99, {load.MANY}", 1000, "< 3 s"),
        Row("  p50 as the streams begin, ms", f"acknowledged p50, {load.STREAMS}", 1000, ""),
        Row("  p99 as the streams begin, ms", f"acknowledged p99, {load.STREAMS}", 1000, "< 3 s"),
        Row("  p99 of as many newcomers, ms", f"acknowledged p99, {NEWCOMERS}", 1000, "< 3 s"),
        Row("  the slowest of all, ms", "acknowledged last", 1000, "< 3 s"),
        Row("  delivered again", "repeated", 1, "0", ratio=False),
    ]


async def run(kinds: Sequence[Platform], size: Size) -> int:
    """Run both bots on each platform, `size.rounds` times, print the tables, and return the exit status."""
    print(f"{platform.python_implementation()} {platform.python_version()}, {os.cpu_count()} cores")
    print(f"{size.chats} chats × {size.each} messages, answers of {size.tokens} tokens; medians of {size.rounds}")
    if (busy := load.busy_before()) > BUSY:
        print(f"BUSY  others used {busy:.0%} of the machine before the start: compare the two bots with care")
    lost = []
    for kind in kinds:
        found = await _measured(kind, size)
        print(f"\n{kind.name}\n{table(rows(kind, size), *found.values())}", flush=True)
        for name, figures in found.items():
            for line in load.saturated(name, (one.values for one in figures)):
                print(line)
            lost += _in_short([f"{kind.name}: {line}" for one in figures for line in one.lost])
    for line in lost:
        print(f"LOST  {line}")
    return 1 if lost else 0


def _in_short(lines: list[str]) -> list[str]:
    more = len(lines) - MOST_LOST
    return [*lines[:MOST_LOST], f"and {more} more"] if more > 0 else lines


async def _measured(kind: Platform, size: Size) -> dict[str, list[Figures]]:
    found: dict[str, list[Figures]] = {}
    with tempfile.TemporaryDirectory(dir=DISK) as folder:
        modules = await _modules(kind, Path(folder))
        for number in range(size.rounds):
            for make in BOTS:
                home = Path(folder) / f"{make.__name__}-{number}"
                home.mkdir()
                began = time.monotonic()
                async with processes.open_fakes(kind) as fakes:
                    bot = make(fakes, home)
                    found.setdefault(bot.name, []).append(await measure(bot, size, modules[bot.name]))
                took = time.monotonic() - began
                print(f"{kind.name}, round {number + 1}: {bot.name} took {took:.0f} s", file=sys.stderr)
    return found


async def _modules(kind: Platform, folder: Path) -> Mapping[str, list[str]]:
    found = {}
    async with processes.open_fakes(kind) as fakes, aiohttp.ClientSession() as http:
        for make in BOTS:
            home = folder / f"{make.__name__}-imports"
            home.mkdir()
            bot = make(fakes, home)
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
    parser.add_argument("--streams", type=int, help="how many answers grow at once (500)")
    parser.add_argument("--channel", choices=PLATFORMS, help="the only platform to measure on (both)")
    options = parser.parse_args()
    size = QUICK if options.quick else Size()
    given = {name: getattr(options, name) for name in ("rounds", "tokens", "streams") if getattr(options, name)}
    size = replace(size, **given)
    kinds = [PLATFORMS[options.channel]] if options.channel else list(PLATFORMS.values())
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(run(kinds, size))


if __name__ == "__main__":
    sys.exit(main())
