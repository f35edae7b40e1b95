"""ARCHITECTURE.md speaks of what exists: every file and every name in it."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CODE = ("bot", "channels", "core", "storage", "migrations", "tests")
TEXT = (ROOT / "ARCHITECTURE.md").read_text()
PROSE = re.sub(r"^```.*?^```", "", TEXT, flags=re.DOTALL | re.MULTILINE)
QUOTED = sorted(set(re.findall(r"`([^`\n]+)`", PROSE)))

COMMANDS = {"make check", "prowex call", "python -m bot.environment --write", "/stop", "/new"}
"""What is typed, and tested elsewhere."""
LAYERS = "bot > channels > core > storage"
VALUES = {"maybe_sent", "orphaned"}
"""States, as the database keeps them."""


def is_path(quoted: str) -> bool:
    return "/" in quoted and not quoted.startswith("/")


PATHS = [quoted for quoted in QUOTED if is_path(quoted)]
NAMES = [quoted for quoted in QUOTED if not is_path(quoted) and quoted not in COMMANDS | {LAYERS}]


@cache
def sources() -> dict[Path, str]:
    return {path: path.read_text() for folder in CODE for path in (ROOT / folder).rglob("*.py")}


@cache
def defined() -> frozenset[str]:
    """Every class, function, attribute and constant of the product, those in classes as `Class.name` too."""
    found: set[str] = set()
    for path, text in sources().items():
        if path.is_relative_to(ROOT / "tests"):
            continue
        for node in ast.parse(text).body:
            found |= _names(node, "")
    return frozenset(found)


def _names(node: ast.AST, within: str) -> set[str]:
    if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        found = {node.name, f"{within}{node.name}"}
        if isinstance(node, ast.ClassDef):
            for inner in node.body:
                found |= _names(inner, f"{node.name}.")
        return found
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return {f"{prefix}{one.id}" for one in targets if isinstance(one, ast.Name) for prefix in ("", within)}


@pytest.mark.parametrize("path", PATHS)
def test_every_file_and_folder_it_names_exists(path: str) -> None:
    found = ROOT / path
    assert found.is_dir() if path.endswith("/") else found.is_file()


@pytest.mark.parametrize("name", NAMES)
def test_every_name_it_quotes_exists(name: str) -> None:
    name = name.removeprefix("@")
    if name in VALUES:
        assert any(f'"{name}"' in text for path, text in sources().items() if path.is_relative_to(ROOT / "storage"))
    elif re.fullmatch(r"PROWEX_\w+", name):
        assert any(name in text for text in sources().values())
    else:
        assert name in defined() or name in CODE


def test_the_folders_of_the_layers_exist() -> None:
    [block] = re.findall(r"^```\n(bot/.*?)^```", TEXT, flags=re.DOTALL | re.MULTILINE)
    folders = re.findall(r"^(\w+/)", block, flags=re.MULTILINE)
    assert set(folders) == {f"{name}/" for name in CODE}
    for path in re.findall(r"\b((?:bot|tests)/[\w/.]+)", block):
        assert (ROOT / path).exists(), path


def test_a_message_has_eight_hops() -> None:
    hops = re.findall(r"^(\d)\. \*\*`([^`]+)`\*\*", TEXT, flags=re.MULTILINE)
    assert [int(number) for number, _ in hops] == list(range(1, 9))
    assert all((ROOT / path).exists() for _, path in hops)


def test_it_tells_how_to_add_a_channel_a_provider_and_an_operation() -> None:
    to_add = TEXT.partition("## To add")[2]
    for thing in ("a channel", "a provider", "an operation"):
        assert f"**{thing}**" in to_add


def test_the_check_itself_finds_what_does_not_exist() -> None:
    assert "NoSuchThing" not in defined()
    assert "Inbox.no_such_method" not in defined()
    assert "Inbox.accept" in defined()
