"""The command line starts at once, tells mistakes in a sentence, and loads nothing that isn't asked for."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bot import __version__, cli
from bot.stop import Stop

ROOT = Path(__file__).parents[2]
HEAVY = (
    "aiogram",
    "aiohttp",
    "anthropic",
    "arq",
    "chromadb",
    "google.genai",
    "openai",
    "pydantic",
    "slack_sdk",
    "tortoise",
)


def prowex(*words: str, **environ: str) -> subprocess.CompletedProcess:
    known = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        [sys.executable, "-m", "bot", *words],
        cwd=ROOT,
        env=known | environ,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("word", ["version", "--help", "--version"])
def test_version_and_help_need_no_settings(word: str):
    assert prowex(word, PROWEX_PORT="not a number").returncode == 0


def test_version_and_help_load_no_big_package():
    code = "import sys; from bot.cli import main; main(['version']); main([]); print(*sys.modules, sep='\\n')"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert set(HEAVY).isdisjoint(loaded.stdout.split())


def test_version_is_printed():
    assert prowex("version").stdout.startswith(f"prowex {__version__} (Python 3.")


def test_no_command_shows_the_help():
    shown = prowex()
    assert shown.returncode == 0
    assert "init" in shown.stdout


def test_an_unknown_command_is_told_with_the_nearest_one():
    found = prowex("verison")
    assert found.returncode == 2
    assert found.stderr == (
        "There is no command 'verison'. Did you mean `prowex version`? `prowex --help` lists all of them.\n"
    )


def test_a_wrong_setting_stops_a_command_with_a_sentence(tmp_path, capsys, monkeypatch):
    (tmp_path / "e").write_text("PROWEX_PORT=canary\n")
    monkeypatch.setitem(sys.modules, "bot.commands.status", _Command)
    monkeypatch.setattr(cli, "find_spec", lambda name: True)
    assert cli.main(["--env-file", str(tmp_path / "e"), "status"]) == 1
    assert capsys.readouterr().err == "PROWEX_PORT must be a whole number, such as 8080.\n"


def test_a_file_that_is_named_and_not_there_is_a_mistake(tmp_path):
    found = prowex("--env-file", str(tmp_path / "typo.env"), "status")
    assert found.returncode == 1
    assert found.stderr.startswith(f"There is no file {tmp_path}/typo.env. Check what --env-file names")


def test_a_data_folder_that_can_not_be_one_is_told_in_a_sentence(tmp_path):
    (tmp_path / "taken").write_text("a file")
    for folder in (tmp_path / "taken", tmp_path / "taken" / "data"):
        found = prowex("call", "people.whoami", PROWEX_DATA_DIR=str(folder))
        assert found.returncode == 1
        assert found.stderr.startswith(f"{folder} can't be written (")
        assert found.stderr.count("\n") == 1


def test_a_terminal_without_all_letters_is_no_error(tmp_path):
    shown = prowex("call", "agents.templates", PROWEX_DATA_DIR=str(tmp_path), PYTHONIOENCODING="ascii")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "?" in prowex("chat", "Grüße", PROWEX_DATA_DIR=str(tmp_path), PYTHONIOENCODING="ascii").stdout


def test_the_operator_on_the_command_line_is_nobodys_guest(tmp_path):
    found = prowex("call", "people.whoami", PROWEX_DATA_DIR=str(tmp_path / "data"))
    assert "operator" in found.stdout
    assert "guest" not in found.stdout


class _Command:
    """Stands where a command's module would; raises what it is told to."""

    error: BaseException | None = None

    @staticmethod
    def add_arguments(parser):
        pass

    @classmethod
    async def main(cls, args, settings):
        raise cls.error


@pytest.mark.parametrize(
    ("error", "status", "told"),
    [
        (Stop("Port 8080 is taken; choose another with PROWEX_PORT."), 1, "Port 8080 is taken;"),
        (
            ExceptionGroup("g", [ValueError("canary"), ExceptionGroup("h", [Stop("No database.", 3)])]),
            3,
            "No database.",
        ),
        (KeyboardInterrupt(), 130, ""),
        (ValueError("canary"), 70, "This is a mistake in Prowex, not yours."),
    ],
)
def test_whatever_goes_wrong_ends_in_a_sentence_and_a_status(monkeypatch, capsys, error, status, told):
    monkeypatch.setattr(_Command, "error", error)
    monkeypatch.setitem(sys.modules, "bot.commands.version", _Command)
    monkeypatch.setattr(cli, "find_spec", lambda name: True)
    assert cli.main(["version"]) == status
    shown = capsys.readouterr().err
    assert told in shown
    assert "canary" not in shown
    assert ("Traceback" in shown) is False


def test_a_reader_that_goes_away_is_no_error():
    line = f"{sys.executable} -m bot --help | true; exit ${{PIPESTATUS[0]}}"
    shown = subprocess.run(["bash", "-c", line], cwd=ROOT, capture_output=True, text=True, check=False)
    assert shown.stderr == ""
