"""The command line. It imports only the command that is asked for, so that the small ones start at once.

A command is a module in `bot.commands` and a line in `COMMANDS`. A wish it can't fulfil is raised as `Stop`.
"""

import asyncio
import difflib
import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bot import __version__
from bot.stop import Stop

if TYPE_CHECKING:
    from bot.settings import Settings


@dataclass(frozen=True, slots=True)
class Command:
    """One command.

    Args:
        summary: what it does, as `--help` shows it.
        settings: whether it needs valid settings; without, its `main` gets None.
        serves: whether it stays: it logs at the level that is set, on uvloop where that is installed.
    """

    summary: str
    settings: bool = True
    serves: bool = False


COMMANDS = {
    "init": Command("ask for tokens and keys, try each, and write .env", settings=False),
    "run": Command("serve all channels until stopped", serves=True),
    "status": Command("say whether the service runs and is well"),
    "chat": Command("talk to an agent in this terminal, without a server"),
    "doctor": Command("try everything that is set, and say what to fix", settings=False),
    "backup": Command("save the database, the files and the keys"),
    "restore": Command("bring a backup back"),
    "migrate": Command("bring the database's schema up to date"),
    "call": Command("run one operation as the operator"),
    "slack-manifest": Command("print the manifest that makes the Slack app", settings=False),
    "version": Command("print the version", settings=False),
}


ENV_FILE = ".env"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status; what goes wrong is told in a sentence on stderr."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that has not all letters shows "?" for the rest
    try:
        status = _run(list(sys.argv[1:] if argv is None else argv))
        sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:  # noqa: BLE001 - the outermost boundary of the process
        return _told(error)


def _run(argv: list[str]) -> int:
    parser = _parser()
    names = {name: command for name, command in COMMANDS.items() if find_spec(_module(name))}
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND")
    chosen = _chosen(argv, names)
    main_of: Callable[[Namespace, Any], Coroutine[Any, Any, int]] | None = None
    for name, command in names.items():
        sub = subparsers.add_parser(
            name, help=command.summary, description=f"{command.summary[:1].upper()}{command.summary[1:]}."
        )
        if name == chosen:
            module = import_module(_module(name))
            module.add_arguments(sub)
            main_of = module.main
    args = parser.parse_args(argv)
    if main_of is None or chosen is None:
        parser.print_help()
        return 0
    command = names[chosen]
    if args.env_file != ENV_FILE and chosen != "init" and not Path(args.env_file).exists():
        raise Stop(f"There is no file {args.env_file}. Check what --env-file names; `prowex init` writes such a file.")
    settings = _settings(args, command) if command.settings else None
    with asyncio.Runner(loop_factory=_loop_factory() if command.serves else None) as runner:
        return runner.run(main_of(args, settings))


def _module(command: str) -> str:
    return f"bot.commands.{command.replace('-', '_')}"


def _parser() -> ArgumentParser:
    parser = ArgumentParser(prog="prowex", description="AI agents that people run from the chat they already use.")
    parser.add_argument("--version", action="version", version=f"prowex {__version__}")
    parser.add_argument(
        "--env-file", default=ENV_FILE, metavar="PATH", help="the file with the settings (default: %(default)s)"
    )
    return parser


def _chosen(argv: list[str], names: dict[str, Command]) -> str | None:
    words = iter(argv)
    for word in words:
        if word == "--env-file":
            next(words, None)
        elif not word.startswith("-"):
            if word not in names:
                near = difflib.get_close_matches(word, names, 1)
                did_you = f"Did you mean `prowex {near[0]}`? " if near else ""
                raise Stop(f"There is no command {word!r}. {did_you}`prowex --help` lists all of them.", 2)
            return word
    return None


def _settings(args: Namespace, command: Command) -> "Settings":
    import logging

    from bot.log import configure, register_secret
    from bot.settings import Settings

    settings = Settings.load(args.env_file)
    for secret in settings.secrets:
        register_secret(secret)
    quiet = not command.serves and settings.log_level == "info"
    configure("warning" if quiet else settings.log_level, settings.log_format)
    for warning in settings.warnings:
        logging.getLogger("prowex.settings").warning("%s", warning)
    return settings


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def _told(error: Exception) -> int:
    """Tell the person what went wrong; return the exit status."""
    stop = _stop_within(error)
    if stop is not None:
        print(stop, file=sys.stderr)
        return stop.code
    from bot.redaction import describe_traceback

    print(*describe_traceback(error), sep="\n", file=sys.stderr)
    print("This is a mistake in Prowex, not yours. Please report it with the lines above.", file=sys.stderr)
    return 70  # EX_SOFTWARE of sysexits.h


def _stop_within(error: BaseException) -> Stop | None:
    if isinstance(error, Stop):
        return error
    if isinstance(error, BaseExceptionGroup):
        found = (_stop_within(member) for member in error.exceptions)
        return next((stop for stop in found if stop is not None), None)
    return None
