"""The live checks of `prowex doctor`. Each is a coroutine that returns what it found, and changes nothing."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from bot.settings import Settings

SECONDS = 10.0
"""How long one check may take."""


class State(StrEnum):
    """How it stands with one thing."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found.

    Args:
        check: the thing looked at, in a word or two.
        text: a sentence for the operator; unless all is well, it says what to do.
    """

    check: str
    state: State
    text: str


def ok(check: str, text: str) -> Finding:
    """Return that all is well."""
    return Finding(check, State.OK, text)


def warning(check: str, text: str) -> Finding:
    """Return something that works but needs attention."""
    return Finding(check, State.WARNING, text)


def problem(check: str, text: str) -> Finding:
    """Return something that has to be mended."""
    return Finding(check, State.PROBLEM, text)


Check = Callable[[Settings], Coroutine[Any, Any, list[Finding]]]
