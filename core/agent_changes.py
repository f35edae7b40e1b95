"""What differs between two versions of an agent, as a person reads it."""

import difflib
import re
from dataclasses import dataclass

from core.agent_settings import shown
from core.agents import Plan

_AROUND = 1
"""Lines that are shown before and after a change."""
_LONG_LINE = 100
_SENTENCE = re.compile(r"(?<=[.!?:;。！？])\s+")


@dataclass(frozen=True, slots=True)
class Changes:
    """What differs.

    Args:
        values: name, and what it was and is, both empty where it is not set.
        texts: name, and the lines that differ, each after `-`, `+` or a space.
    """

    values: tuple[tuple[str, str, str], ...] = ()
    texts: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.values or self.texts)

    @property
    def names(self) -> tuple[str, ...]:
        """Return what has changed, by name."""
        return (*(name for name, _ in self.texts), *(name for name, _, _ in self.values))

    def summary(self) -> str:
        """Return everything in one line of Markdown."""
        told = [name for name, _ in self.texts]
        return ", ".join([*told, *(f"{name}: {arrow(was, now)}" for name, was, now in self.values)])


def arrow(was: str, now: str) -> str:
    """Return a change of one value as Markdown: `0.3 → 0.7`."""
    return f"{_code(was)} → {_code(now)}"


def _code(value: str) -> str:
    plain = value.replace("`", "'")
    return f"`{plain}`" if plain else "not set"


def changes(old: Plan, new: Plan) -> Changes:
    """Return what is different in `new`."""
    values = [("name", old.name, new.name), ("model", old.model, new.model)]
    for name in dict.fromkeys([*old.settings, *new.settings]):
        was, now = old.settings.get(name), new.settings.get(name)
        values.append((name, "" if was is None else shown(was), "" if now is None else shown(now)))
    values.append(("fallbacks", ", ".join(old.fallbacks), ", ".join(new.fallbacks)))
    values.append(("other providers", _yes(old.other_providers), _yes(new.other_providers)))
    texts = [("description", old.description, new.description), ("instructions", old.instructions, new.instructions)]
    return Changes(
        tuple(value for value in values if value[1] != value[2]),
        tuple((name, tuple(_lines(was, now))) for name, was, now in texts if was != now),
    )


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _lines(old: str, new: str) -> list[str]:
    """Return the changed lines of a text with what stands around them; long lines are taken sentence by sentence."""
    found: list[str] = []
    for line in list(difflib.unified_diff(_cut(old), _cut(new), n=_AROUND, lineterm=""))[2:]:
        if line.startswith("@@"):
            if found:
                found.append(" …")
        else:
            found.append(line)
    return found or [" (only spaces and line breaks)"]


def _cut(text: str) -> list[str]:
    lines: list[str] = []
    for line in text.splitlines():
        lines += _SENTENCE.split(line) if len(line) > _LONG_LINE else [line]
    return lines


def as_block(lines: tuple[str, ...]) -> str:
    """Return changed lines as a block of Markdown that no line can end."""
    return fenced("\n".join(lines), "diff")


def fenced(text: str, language: str = "") -> str:
    """Return `text` as a code block of Markdown."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"
