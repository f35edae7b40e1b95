"""An agent as one TOML file: written so that people can read and change it, and read back with a sentence per mistake.

Whatever is written is read back the same.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from core.agent_settings import Unfit, fallbacks_problem, fit, model_problem
from core.agents import MOST_DESCRIPTION, MOST_INSTRUCTIONS, MOST_NAME, Plan, clean_name
from core.providers.catalogue import Catalogue

FORMAT = 1
MOST_CHARACTERS = 40_000
"""Of a file that is read. Longer attachments are cut on their way here."""

_MOST_TEXT = {"name": MOST_NAME, "description": MOST_DESCRIPTION, "instructions": MOST_INSTRUCTIONS}
_KINDS = {
    "format": (int, "a number"),
    "name": (str, "a text in quotes"),
    "description": (str, "a text in quotes"),
    "model": (str, "a text in quotes"),
    "fallbacks": (list, "a list of texts in quotes"),
    "other_providers": (bool, "true or false"),
    "instructions": (str, "a text in quotes"),
    "settings": (dict, "a table: [settings]"),
}
_LONG_TEXT = re.compile(r'"""(?:\\.|[^\\])*?"""|\'\'\'.*?\'\'\'', re.DOTALL)
_FENCE = re.compile(r"\s*(`{3,})[\w-]*\n(.*?)\n?\1\s*", re.DOTALL)
_WHERE = re.compile(r"\(at line (\d+), column \d+\)$")


class BadFile(Exception):
    """The file is no agent's; `problems` are sentences that each say in which line."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__(" ".join(problems))
        self.problems = problems


def to_toml(plan: Plan) -> str:
    """Return the agent's file."""
    lines = [
        "# An agent of Prowex. /agents import brings it in.",
        f"format = {FORMAT}",
        f"name = {_quoted(plan.name)}",
        f"description = {_quoted(plan.description)}",
        f"model = {_quoted(plan.model)}",
        f"fallbacks = [{', '.join(map(_quoted, plan.fallbacks))}]",
        f"other_providers = {str(plan.other_providers).lower()}",
        f"instructions = {_long(plan.instructions)}",
    ]
    if plan.settings:
        lines += ["", "[settings]", *(f"{name} = {_value(value)}" for name, value in plan.settings.items())]
    return "\n".join(lines) + "\n"


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value) if isinstance(value, int | float) else _quoted(str(value))


def _quoted(text: str) -> str:
    """Return a basic string (TOML 1.0)."""
    return f'"{_escaped(text)}"'


def _escaped(text: str) -> str:
    text = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return re.sub(r"[\x00-\x1f\x7f]", lambda match: f"\\u{ord(match[0]):04x}", text)


def _long(text: str) -> str:
    """Return a text of many lines as it is, or escaped where it must be."""
    if "'''" not in text and not text.endswith("'") and not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", text):
        return f"'''\n{text}'''"
    return '"""\n{}"""'.format("\n".join(_escaped(line) for line in text.split("\n")))


@dataclass(frozen=True, slots=True)
class _Source:
    """A file's text, in which the lines of its keys are looked up."""

    text: str

    def line(self, key: str, table: str = "") -> int:
        """Return the line of a key, 0 if it is not found."""
        plain = _LONG_TEXT.sub(lambda match: "\n" * match[0].count("\n"), self.text)
        inside = ""
        for number, line in enumerate(plain.split("\n"), 1):
            if header := re.match(r"\s*\[\s*([^\]]+?)\s*\]", line):
                inside = header[1].strip("\"'")
                if not table and inside == key:
                    return number
            elif inside == table and re.match(rf"""\s*["']?{re.escape(key)}["']?\s*[=.]""", line):
                return number
        return 0

    def at(self, key: str, sentence: str, table: str = "") -> str:
        """Return a sentence about a key that says where it stands."""
        number = self.line(key, table)
        return f"Line {number}: {sentence}" if number else sentence


def from_toml(text: str, catalogue: Catalogue) -> Plan:
    """Return the agent that a file holds; a fence of Markdown around it is no matter.

    Raises:
        BadFile: something in it can't be taken.
    """
    if len(text) > MOST_CHARACTERS:
        raise BadFile([f"That is too large: the file of an agent has {MOST_CHARACTERS:,} characters at most."])
    if (fence := _FENCE.fullmatch(text)) is not None:
        text = fence[2]
    source = _Source(text)
    try:
        found = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise BadFile([_unreadable(error)]) from error
    if problems := _shape(source, found):
        raise BadFile(problems)
    plan = Plan(
        name=clean_name(found["name"]),
        description=found.get("description", "").strip(),
        instructions=found["instructions"].strip(),
        model=found.get("model", ""),
        settings=found.get("settings", {}),
        fallbacks=tuple(dict.fromkeys(found.get("fallbacks", []))),
        other_providers=found.get("other_providers", False),
    )
    if problems := _fitness(source, plan, catalogue):
        raise BadFile(problems)
    return plan


def _unreadable(error: Exception) -> str:
    """Return where the text stops being TOML, without repeating it."""
    where = _WHERE.search(str(error))
    place = f"Line {where[1]}" if where else "The end" if "end of document" in str(error) else "The file"
    return f"{place} is not written as TOML: it needs `name = \"value\"` in each line, and long texts in '''."


def _shape(source: _Source, found: Mapping[str, Any]) -> list[str]:
    """Return what is unknown, missing, of the wrong type or too long."""
    problems = []
    for key, value in found.items():
        if key not in _KINDS:
            problems.append(source.at(key, f"there is no “{key[:40]}”; an agent has {', '.join(_KINDS)}."))
            continue
        kind, called = _KINDS[key]
        texts = kind is not list or all(isinstance(each, str) for each in value if isinstance(value, list))
        if type(value) is not kind or not texts:
            problems.append(source.at(key, f"{key} must be {called}."))
        elif isinstance(value, str) and key in _MOST_TEXT and len(value) > _MOST_TEXT[key]:
            problems.append(source.at(key, f"{key} has {_MOST_TEXT[key]:,} characters at most."))
        elif key == "format" and value != FORMAT:
            problems.append(source.at(key, f"I know files of format {FORMAT} only."))
    for key in ("name", "instructions"):
        value = found.get(key, "")
        if isinstance(value, str) and not value.strip():
            problems.append(source.at(key, f"{key} is missing."))
    return problems


def _fitness(source: _Source, plan: Plan, catalogue: Catalogue) -> list[str]:
    """Return what the providers here can't do."""
    if plan.model and (wrong := model_problem(catalogue, plan.model)):
        return [source.at("model", wrong)]
    problems = []
    for name, value in plan.settings.items():
        try:
            fit(catalogue, plan.model, name, value)
        except Unfit as unfit:
            problems.append(source.at(name, str(unfit), "settings"))
    if wrong := fallbacks_problem(catalogue, plan.model, plan.fallbacks, others=plan.other_providers):
        problems.append(source.at("fallbacks", wrong))
    return problems
