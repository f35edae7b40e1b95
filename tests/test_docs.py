"""What the documents say is so: every setting, command and link."""

import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import core.operations
from bot import environment
from bot.cli import COMMANDS
from bot.log import redact
from core.operations.registry import OPERATIONS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
HANDBOOK = "\n".join(path.read_text(encoding="utf-8") for path in sorted(ROOT.glob("core/handbook/*.md")))
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
RENEW = "renew it: .venv/bin/python -m bot.environment --write"


def test_the_settings_in_readme_are_the_ones_that_count():
    _, _, rest = README.partition(environment.TABLE_BEGINS)
    shown, end, _ = rest.partition(environment.TABLE_ENDS)
    assert end, "README has lost the marks around its settings"
    assert shown.strip() == environment.table().strip(), RENEW


def test_the_example_of_env_is_up_to_date():
    assert (ROOT / ".env.example").read_text(encoding="utf-8") == environment.env_example(), RENEW


def test_renewing_the_documents_changes_nothing_else(tmp_path):
    (tmp_path / "README.md").write_text(README, encoding="utf-8")
    environment.write_down(tmp_path / "README.md", tmp_path / ".env.example")
    assert (tmp_path / "README.md").read_text(encoding="utf-8") == README


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_of_the_command_line_is_in_readme(name):
    assert f"| `prowex {name}` |" in README


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_of_the_command_line_is_in_the_handbook(name):
    assert f"| `prowex {name}` |" in HANDBOOK


def test_readme_names_no_command_that_does_not_exist():
    assert set(re.findall(r"`prowex ([a-z-]+)", README)) <= set(COMMANDS)
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert set(re.findall(r"`make ([a-z]+)`", README)) == {target for target in targets if "-" not in target}


def test_readme_and_the_handbook_name_exactly_the_chat_commands_there_are():
    for module in pkgutil.iter_modules(core.operations.__path__):
        importlib.import_module(f"core.operations.{module.name}")
    known = {operation.alias for operation in OPERATIONS.values() if operation.alias and not operation.hidden}
    assert {"start", "help", "new", "stop"} <= known
    for text in (README, HANDBOOK):
        shown = set(re.findall(r"^\| `/([a-z]+)` \|", text, re.MULTILINE))
        assert shown - {o.alias for o in OPERATIONS.values()} == set()
        assert known - shown == set()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_to_a_file_leads_somewhere(document):
    text = document.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#\s]+)", text):
        if not re.match(r"[a-z]+:", target):
            assert (document.parent / target).exists(), target


@pytest.mark.parametrize("document", [*DOCUMENTS, ROOT / ".env.example"], ids=lambda path: path.name)
def test_no_document_holds_anything_that_looks_like_a_secret(document):
    text = document.read_text(encoding="utf-8").replace("postgres://prowex:password@", "")
    assert redact(text) == text


def test_the_licence_is_whole():
    licence = (ROOT / "LICENSE").read_text()
    assert "Apache License" in licence
    assert "END OF TERMS AND CONDITIONS" in licence
