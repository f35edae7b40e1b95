"""Tries everything that is set, side by side, and returns what it found in a fixed order. It changes nothing.

To add a check, write a coroutine in `bot.checks` and put it on the list here.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from bot.checks import SECONDS, Check, Finding, State, machine, ok, outside, problem, stored, warning
from bot.redaction import redact, register_secret
from bot.settings import Settings, SettingsError
from storage.errors import is_from_outside

CHECKS: tuple[tuple[str, Check, float], ...] = (
    ("data folder", machine.data_folder, SECONDS),
    ("database", stored.stored, 6 * SECONDS),
    ("clock", outside.clock, SECONDS),
    ("telegram", outside.telegram, SECONDS),
    ("slack", outside.slack, SECONDS),
    ("model", outside.models, SECONDS + 1),
    ("web port", machine.web, SECONDS),
)
"""What each is called if it fails as a whole, and how many seconds it may take; a large SQLite file is read whole."""


async def examine(env_file: str | Path, checks: Sequence[tuple[str, Check, float]] = CHECKS) -> list[Finding]:
    """Read the settings and run the checks."""
    found = [machine.python()]
    try:
        settings = Settings.load(env_file)
    except SettingsError as error:
        found += [problem("settings", sentence) for sentence in error.problems]
        return [*found, warning("all else", "The other checks need valid settings: mend these first.")]
    for secret in settings.secrets:
        register_secret(secret)
    found += _settings(settings, Path(env_file))
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_run(name, check, seconds, settings)) for name, check, seconds in checks]
    for task in tasks:
        found += task.result()
    return [Finding(each.check, each.state, redact(each.text)) for each in found]


def _settings(settings: Settings, env_file: Path) -> list[Finding]:
    source = f"{env_file} and the environment" if env_file.is_file() else f"the environment; there is no {env_file}"
    found = [warning("settings", sentence) for sentence in settings.warnings]
    return found or [ok("settings", f"They are valid (from {source}).")]


async def _run(name: str, check: Check, seconds: float, settings: Settings) -> list[Finding]:
    try:
        async with asyncio.timeout(seconds):
            return await check(settings)
    except TimeoutError:
        return [problem(name, f"There was no answer within {seconds:.0f} s. Try again; check the network.")]
    except Exception as error:
        if not is_from_outside(error):
            raise
        return [problem(name, f"It could not be looked at ({type(error).__name__}). Try again; the log may say more.")]


def summary(found: Sequence[Finding]) -> str:
    """Return the findings in one sentence."""
    problems = sum(finding.state is State.PROBLEM for finding in found)
    warnings = sum(finding.state is State.WARNING for finding in found)
    if not problems and not warnings:
        return "All is well."
    counts = [f"{problems} problem{'s' * (problems != 1)}"] * bool(problems)
    counts += [f"{warnings} warning{'s' * (warnings != 1)}"] * bool(warnings)
    return f"{' and '.join(counts)}." if problems else f"{counts[0]}; nothing stands in the way."
