"""Imports point down, each package has its one home, and nothing loads a package that isn't used."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BIG = ("aiogram", "anthropic", "arq", "chromadb", "google.genai", "openai", "slack_bolt", "slack_sdk")


def loaded_by(statement: str) -> set[str]:
    code = f"import sys\n{statement}\nprint(*sys.modules, sep='\\n')"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "statement",
    [
        "import bot.cli, bot.settings, bot.log, bot.environment",
        "import bot.compose, bot.service",
        "import channels",
        "import bot.operator_operations, core.operations.conversation, core.operations.people",
        "import core.turns, core.inbox, core.outbox, core.lanes, core.agent_loop, core.providers.catalogue",
        "import storage.tables, storage.transactions",
    ],
)
def test_nothing_loads_a_package_that_is_not_enabled(statement):
    assert set(BIG).isdisjoint(loaded_by(statement))


def test_the_contracts_on_imports_are_kept():
    tool = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([tool, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "Contracts: " in done.stdout
