"""Structured logs on stderr, without secrets and without people's words, at every level.

Our own loggers are named `prowex.…`. The packages we use never speak below WARNING, whatever level is set: their DEBUG
prints prompts, tokens and rows. Fields come by `log.info("Sent", extra={"part": part.id})` and hold ids and numbers.
"""

import json
import logging
import os
import re
import sys
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TextIO

from bot.redaction import HIDDEN, describe, describe_traceback, redact, register_secret

__all__ = ["HIDDEN", "configure", "describe", "describe_traceback", "redact", "register_secret"]

_OURS = "prowex"
_LOUD = (
    *(
        "aerich",
        "aiogram",
        "aiohttp",
        "aiosqlite",
        "anthropic",
        "arq",
        "asyncio",
        "asyncpg",
        "chromadb",
        "google_genai",
    ),
    *(
        "httpcore",
        "httpx",
        "httpx2",
        "markdown_it",
        "openai",
        "redis",
        "slack_bolt",
        "slack_sdk",
        "tortoise",
        "urllib3",
    ),
)
_ALWAYS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_ID = re.compile(r"[^\s\x00-\x1f]{0,128}")
_COLOURS = {"DEBUG": "2", "INFO": "32", "WARNING": "33", "ERROR": "31", "CRITICAL": "1;31"}


def _is_ours(record: logging.LogRecord) -> bool:
    return record.name == _OURS or record.name.startswith(_OURS + ".")


def _only_ours_below_warning(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.WARNING or _is_ours(record)


def _message(record: logging.LogRecord) -> str:
    args: tuple[object, ...] | Mapping[str, object] = record.args or ()
    if isinstance(args, tuple):
        args = tuple(describe(each) if isinstance(each, BaseException) else each for each in args)
    raw = describe(record.msg) if isinstance(record.msg, BaseException) else str(record.msg)
    try:
        text = raw % args if args else raw
    except (TypeError, ValueError, KeyError):
        text = f"{raw} (its arguments don't fit)"
    if not _is_ours(record):
        text = text.partition("\n")[0]
    if record.name == "asyncio":  # it shows the arguments of callbacks and the exceptions of tasks
        text = re.sub(r"\(.*\)", "(…)", re.sub(r"<.*>", "<…>", text))
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), redact(text))


def _field(value: object) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, BaseException):
        return describe(value)
    text = str(value)
    return redact(text) if _ID.fullmatch(text) else HIDDEN


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    return {name: _field(value) for name, value in vars(record).items() if name not in _ALWAYS}


def _trace(record: logging.LogRecord) -> list[str]:
    lines = []
    if record.exc_info and record.exc_info[1] is not None:
        lines += describe_traceback(record.exc_info[1])
    if record.stack_info:
        lines += redact(record.stack_info).splitlines()
    return lines


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _message(record),
        }
        line = {**_fields(record), **line}
        trace = _trace(record)
        if trace:
            line["traceback"] = trace
        return json.dumps(line, ensure_ascii=False)


class _Console(logging.Formatter):
    def __init__(self, colour: bool) -> None:
        super().__init__()
        self._colour = colour

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created).strftime("%H:%M:%S")
        level = f"{record.levelname:<8}"
        if self._colour:
            level = f"\x1b[{_COLOURS.get(record.levelname, '0')}m{level}\x1b[0m"
        source = record.name.removeprefix(_OURS + ".")
        fields = "".join(f" {name}={value}" for name, value in _fields(record).items())
        return "\n".join([f"{time} {level} {source}: {_message(record)}{fields}", *_trace(record)])


class _Handler(logging.StreamHandler[TextIO]):
    def handleError(self, record: logging.LogRecord) -> None:
        """Say nothing: the usual report prints the record's arguments."""


def configure(level: str = "info", fmt: str = "console", stream: TextIO | None = None) -> None:
    """Log to `stream` (stderr) from now on; calling it again replaces what was set before.

    Args:
        level: `debug`, `info`, `warning` or `error`; it counts for our own loggers alone.
        fmt: `console` for people (in colour on a terminal, unless NO_COLOR is set) or `json`, one object a line.
    """
    target = stream or sys.stderr
    handler = _Handler(target)
    colour = target.isatty() and not os.environ.get("NO_COLOR")
    handler.setFormatter(_Json() if fmt == "json" else _Console(colour))
    handler.addFilter(_only_ours_below_warning)
    root = logging.getLogger()
    for other in root.handlers[:]:
        if isinstance(other, _Handler) or type(other) is logging.StreamHandler:
            root.removeHandler(other)
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    for name in _LOUD:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger(_OURS).setLevel(level.upper())
    logging.captureWarnings(True)
    threading.excepthook = _thread_died


def _thread_died(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None and not isinstance(args.exc_value, SystemExit):
        logging.getLogger("prowex.thread").error("A thread died", exc_info=args.exc_value)
