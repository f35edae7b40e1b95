"""A folder to start from, and the commands as a person runs them."""

import argparse
import os
from collections.abc import Awaitable, Callable
from importlib import import_module
from pathlib import Path

import pytest

from bot.commands import chat
from bot.settings import Settings

Run = Callable[..., Awaitable[int]]


OURS = ("PROWEX_", "TELEGRAM_", "SLACK_", "OPENAI_", "ANTHROPIC_", "GEMINI_", "GOOGLE_", "DATABASE_")


@pytest.fixture
def bare_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with no `.env` in it and no setting in the environment."""
    for name in list(os.environ):
        if name.startswith(OURS) and not name.startswith("PROWEX_TEST_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def prowex(bare_home: Path) -> Run:
    """Run a command in this process: `await prowex("call", "--json", settings=…)`."""

    async def run(name: str, *words: str, settings: Settings | None = None) -> int:
        module = import_module(f"bot.commands.{name}")
        parser = argparse.ArgumentParser(prog=f"prowex {name}")
        module.add_arguments(parser)
        args = parser.parse_args(list(words))
        args.env_file = ".env"
        return await module.main(args, settings)

    return run


@pytest.fixture
async def used(bare_home: Path, data_dir: Path, database_url: str) -> Settings:
    """The settings of an installation whose operator has talked to the assistant in a terminal."""
    settings = Settings.model_validate({"data_dir": data_dir, "database_url": database_url})
    assert await chat.main(argparse.Namespace(text=["My", "cat", "is", "called", "Hodge"]), settings) == 0
    return settings
