"""Runs scenarios side by side, and prints what came of them: counts by invariant and channel, and each failure."""

import asyncio
import statistics
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

from tests.crash.oracle import Verdict
from tests.crash.scenarios import Result, Scenario
from tests.crash.zygote import Zygote

INVARIANTS = {
    "I1": "what was acknowledged is answered",
    "I2": "nothing is answered twice",
    "half": "no half answer stands beside or instead of a whole one",
    "I5": "answers keep the chat's order",
    "I6": "no more is left behind than kills and lost answers explain",
    "once": "what was asked for once is done once",
    "maybe": "nothing is said to be uncertain that the platform can be asked for",
    "slack": "nothing that we write on Slack mentions anybody",
    "I7": "what was not acknowledged is delivered later",
    "I8": "no stale process wrote anything",
    "I10": "the database is sound",
    "rows": "nothing is left undone or dead",
    "secret": "no word of a message is readable on disk or in a log",
    "web": "an open page shows what a fresh one shows",
    "log": "no traceback",
    "process": "it never ends by itself",
    "end": "it ends well when asked",
    "late": "another process takes over in time",
}


async def run_all(
    zygote: Zygote, scenarios: Sequence[Scenario], jobs: int, failures: Path, *, progress: bool = True
) -> list[Result]:
    """Run the scenarios, `jobs` at a time; write what is needed to understand a failure into a folder."""
    waiting, results = list(reversed(scenarios)), list[Result]()
    started = time.monotonic()

    async def work() -> None:
        while waiting:
            scenario = waiting.pop()
            try:
                async with asyncio.timeout(900):
                    result = await scenario.run(zygote)
            except Exception as error:  # noqa: BLE001 - a scenario that breaks must not hide the others
                result = Result(scenario.name, Verdict())
                result.verdict.break_("process", f"the scenario itself failed: {type(error).__name__}: {error}")
            results.append(result)
            if result.verdict.violations:
                _keep(failures, result)
                print(f"\nFAILED {result.name}", *result.verdict.violations[:8], sep="\n    ", flush=True)
            if progress and sys.stderr.isatty():
                sys.stderr.write(f"\r{len(results)}/{len(scenarios)} {time.monotonic() - started:.0f} s ")
            elif progress:
                said = "" if result.fired >= result.wanted else f" ({result.fired} of {result.wanted} reached)"
                print(f"{len(results)}/{len(scenarios)} {result.name} {result.seconds:.1f} s{said}", flush=True)

    async with asyncio.TaskGroup() as group:
        for _ in range(jobs):
            group.create_task(work())
    return results


def _keep(folder: Path, result: Result) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    name = result.name.replace("/", "_").replace(":", "_").replace(",", "_").replace(" ", "-")
    text = "\n".join([result.name, *result.verdict.violations, "", result.transcript, "", result.log])
    (folder / f"{name}.txt").write_text(text)


def summary(results: Sequence[Result]) -> str:
    """Return the counts as text."""
    lines, by = [], defaultdict[str, list[Result]](list)
    for result in results:
        by["/".join(result.name.split("/")[:2])].append(result)
    for name, those in sorted(by.items()):
        total = Verdict()
        for result in those:
            total.add(result.verdict)
        counts = total.counts
        missed = sum(result.fired < result.wanted for result in those)
        lines.append(
            f"{name:18} {len(those):4} scenarios {counts['kills']:5} kills {counts['messages']:5} messages "
            f"{counts['commands']:4} commands {counts['maybe_sent']:3} maybe_sent "
            f"({counts['maybe_sent for one']:3} shown to one alone) {counts['orphans']:3} orphans "
            f"{max(0, counts['model calls'] - counts['expected answers']):4} extra model calls {missed:3} not reached "
            f"{len(total.violations):3} violations"
        )
    broken = Counter(each.partition(":")[0] for result in results for each in result.verdict.violations)
    lines += ["", *(f"{broken[key]:4} × {key:8} {meaning}" for key, meaning in INVARIANTS.items())]
    back = [seconds for result in results for seconds in result.recoveries]
    if back:
        worst, median = max(back), statistics.median(back)
        lines.append(f"\nback at the platform after a kill: median {median:.2f} s, most {worst:.2f} s")
    return "\n".join(lines)
