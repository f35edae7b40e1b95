"""`python -m tests.crash`: kill the product everywhere; exit 1 if anything that a person sees is wrong."""

import argparse
import asyncio
import logging
import os
import re
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path

from storage.faults import Step
from tests.crash import outages, scenarios, ways, zombies
from tests.crash.report import run_all, summary
from tests.crash.zygote import Zygote
from tests.postgres import running_postgres

CHANNELS = ("poll", "webhook", "web", "slack-socket", "slack-http")


async def main(options: argparse.Namespace) -> int:
    """Run what is asked for and return the exit status."""
    logging.getLogger("aiohttp").setLevel(logging.CRITICAL)  # the fakes' callers are killed in mid-request
    started = time.monotonic()
    chosen: list[scenarios.Scenario] = []
    passed = {name.rpartition(".")[0] for name in (*scenarios.RECOVERY, "lane.fail.before")}
    async with AsyncExitStack() as stack:
        zygote = await stack.enter_async_context(Zygote())
        postgres = stack.enter_context(running_postgres())
        for channel in options.channel or CHANNELS:
            hits = await scenarios.count_hits(zygote, channel)
            passed |= {name.rpartition(".")[0] for name in hits}
            chosen += scenarios.everything(channel, hits, options.random // 2, options.seed)
            chosen += outages.everything(channel, options.seed)
            those, points = await ways.everything(zygote, channel)
            chosen += those
            passed |= {name.rpartition(".")[0] for name in points}
            if channel != "web":
                chosen += zombies.everything(postgres, channel, hits, options.random // 10, options.seed)
        missed = sorted(set(Step) - passed) if not options.channel else []
        chosen = [one for one in chosen if re.search(options.only, one.name)]
        print(f"{len(chosen)} scenarios, {options.jobs} at a time, seed {options.seed}", flush=True)
        results = await run_all(zygote, chosen, options.jobs, options.failures)
    print(f"\n{summary(results)}\n\n{time.monotonic() - started:.0f} s")
    failed = [result for result in results if result.verdict.violations]
    for result in failed:
        print(f"again with: python -m tests.crash --seed {options.seed} --only '^{re.escape(result.name)}$'")
    if missed:
        print(f"steps that nothing passes: {', '.join(missed)}")
    if failed:
        print(f"transcripts and logs: {options.failures}")
    return 1 if failed or missed else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__)
    parser.add_argument("--channel", action="append", choices=CHANNELS, help="may be repeated; all if left out")
    parser.add_argument("--only", default="", metavar="REGEX", help="scenarios whose name matches")
    parser.add_argument("--random", type=int, default=200, metavar="N", help="kills at random times")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=3 * (os.cpu_count() or 1), help="scenarios side by side")
    parser.add_argument("--failures", type=Path, default=Path(tempfile.gettempdir()) / "prowex-crash-failures")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(asyncio.run(main(_options())))
