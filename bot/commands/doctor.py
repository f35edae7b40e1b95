"""`prowex doctor`: try everything that is set and say what to fix. Exit status 0 if there is no problem."""

import argparse
import json
import os
import shutil
import sys
import textwrap
from collections.abc import Sequence

from bot.checks import Finding, State
from bot.doctor import examine, summary
from bot.log import configure

_COLOURS = {State.OK: "32", State.WARNING: "33", State.PROBLEM: "31"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take the form of the answer."""
    parser.add_argument("--json", action="store_true", help='print the findings as [{"check", "state", "text"}]')


async def main(args: argparse.Namespace, settings: None) -> int:
    """Print what was found; return 0 unless there is a problem."""
    configure("error", "console")
    if sys.stderr.isatty():
        sys.stderr.write("Trying everything that is set; this takes a few seconds …\n")
    found = await examine(args.env_file)
    if args.json:
        rows = [{"check": each.check, "state": str(each.state), "text": each.text} for each in found]
        sys.stdout.write(json.dumps(rows, ensure_ascii=False, indent=2) + "\n")
    else:
        terminal = sys.stdout.isatty()
        width = shutil.get_terminal_size().columns if terminal else 0
        sys.stdout.write(shown(found, width=width, coloured=terminal and "NO_COLOR" not in os.environ) + "\n")
    return 1 if any(finding.state is State.PROBLEM for finding in found) else 0


def shown(found: Sequence[Finding], *, width: int = 0, coloured: bool = False) -> str:
    """Return the findings as aligned lines, wrapped at `width` columns unless it is 0, and a sentence on all."""
    longest = max(len(finding.check) for finding in found)
    lines = []
    for finding in found:
        head = f"{finding.state:<7}  {finding.check:<{longest}}  "
        room = max(width - len(head), 30)
        texts = textwrap.wrap(finding.text, room, break_on_hyphens=False) if width else [finding.text]
        text = f"\n{' ' * len(head)}".join(texts)
        if coloured:
            head = f"\x1b[{_COLOURS[finding.state]}m{head[:7]}\x1b[0m{head[7:]}"
        lines.append(head + text)
    return "\n".join([*lines, "", summary(found)])
