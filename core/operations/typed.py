"""What people type: a command, and the fields that follow it."""

import difflib
import re
from dataclasses import dataclass

from core.operations.form import Form
from core.operations.registry import OPERATIONS, Operation

_COMMAND = re.compile(r"/([A-Za-z][A-Za-z0-9_.]*)(?:@(\w+))?(?:\s+(.*))?", re.DOTALL)
_VERB = re.compile(r"([A-Za-z_]+)(?:\s+(.*))?", re.DOTALL)
_WORD = re.compile(
    r"""\s*(?:(?P<name>[A-Za-z_]\w*)=)?(?:"(?P<double>[^"]*)"|'(?P<single>[^']*)'|(?P<bare>\S+))(?=\s|$)"""
)
_LAST = re.compile(r"""(?:^|\s)(?P<name>[A-Za-z_]\w*)=(?:"(?P<double>[^"]*)"|(?P<bare>\S*))\s*$""")


@dataclass(frozen=True, slots=True)
class Command:
    """A command as it was typed: its word, and what follows."""

    word: str
    rest: str

    @property
    def operation(self) -> Operation | None:
        """Return the operation that the word names: by full name, by noun and verb, or by alias."""
        return self._read()[0]

    def _read(self) -> tuple[Operation | None, str]:
        """Return the operation and what follows its name."""
        if self.word in OPERATIONS:
            return OPERATIONS[self.word], self.rest
        verb = _VERB.fullmatch(self.rest.strip())
        if verb is not None and (found := OPERATIONS.get(f"{self.word}.{verb.group(1).lower()}")) is not None:
            return found, verb.group(2) or ""
        for candidate in OPERATIONS.values():
            if candidate.alias == self.word:
                return candidate, self.rest
        return None, self.rest

    def nearest(self) -> str | None:
        """Return the command that is most like this one, without its slash."""
        known = [o.command[1:] for o in OPERATIONS.values() if not o.hidden and not o.surfaces]
        verb = self.rest.split(maxsplit=1)[:1]
        for typed in (" ".join([self.word, *verb]), self.word):
            if close := difflib.get_close_matches(typed, known, n=1, cutoff=0.6):
                return close[0]
        return None

    def values(self) -> dict[str, str]:
        """Return what follows as the form's fields: `name=value` pairs, the others in order, the last all the rest."""
        operation, rest = self._read()
        return values_in(operation.form, rest) if operation is not None else {}


def values_in(form: type[Form], text: str) -> dict[str, str]:
    """Return the fields in `text`, as it was typed after a command's name."""
    names = set(form.model_fields)
    if not names:
        return {}
    free = list(form.positional if form.positional is not None else form.model_fields)
    values: dict[str, str] = {}
    while (last := _LAST.search(text)) is not None and last["name"] in names and last["name"] not in values:
        values[last["name"]] = last["bare"] if last["double"] is None else last["double"]
        text = text[: last.start()]
    while text.strip():
        free = [name for name in free if name not in values]
        word = _WORD.match(text)
        if word is not None and word["name"] in names:
            values[word["name"]] = next(v for v in (word["double"], word["single"], word["bare"]) if v is not None)
        elif len(free) > 1 and word is not None:
            quoted = next((v for v in (word["double"], word["single"]) if v is not None and not word["name"]), None)
            values[free[0]] = quoted if quoted is not None else word[0].strip()
        else:
            values[free[0] if free else "…"] = _unquoted(text.strip())
            break
        text = text[word.end() :]
    return values


def _unquoted(text: str) -> str:
    word = _WORD.fullmatch(text)
    quoted = word and (word["double"] if word["double"] is not None else word["single"])
    return quoted if quoted is not None and word is not None and not word["name"] else text


def command_in(text: str) -> Command | None:
    """Return the command that a text is, None if it is none."""
    match = _COMMAND.fullmatch(text.strip())
    return Command(match.group(1).lower(), match.group(3) or "") if match is not None else None


def is_urgent(text: str) -> bool:
    """Tell whether a text is a command that works while a turn runs."""
    command = command_in(text)
    return command is not None and command.operation is not None and command.operation.urgent
