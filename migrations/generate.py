"""Writes the history from the models, for both dialects, without a server.

`python -m migrations.generate` writes the first migration anew: right until the first release, when nobody has a
database yet. `python -m migrations.generate --add NAME` adds the next one, from what the models were after the last to
what they are now. Read what it wrote: where SQLite can't do something in one statement, that side is written by hand.
"""

import argparse
import ast
import asyncio
import json
import subprocess
import sys
import tempfile
import warnings
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from storage.database import MODELS, Dialect, address_of, config
from storage.migrations import APP, known

HISTORY = Path(__file__).with_name("models")

_DIALECTS: tuple[Dialect, ...] = ("sqlite", "postgres")
_NOWHERE = {"sqlite": "sqlite:///nowhere.db", "postgres": "postgres://nobody@nowhere/nothing"}
_FILE = '''"""{title}"""

from tortoise import BaseDBAsyncClient

UPGRADE = {{
{upgrade}}}

DOWNGRADE = {{
{downgrade}}}


async def upgrade(db: BaseDBAsyncClient) -> str:
    return UPGRADE[db.capabilities.dialect]


async def downgrade(db: BaseDBAsyncClient) -> str:
    return DOWNGRADE[db.capabilities.dialect]


MODELS_STATE = (
    {state}
)
'''


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m migrations.generate", description=__doc__)
    parser.add_argument("--add", metavar="NAME", help="add the next migration instead of writing the first anew")
    parser.add_argument("--models", default=MODELS, help=argparse.SUPPRESS)
    parser.add_argument("--history", type=Path, default=HISTORY, help=argparse.SUPPRESS)
    parser.add_argument("--dialect", choices=_DIALECTS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.dialect:
        print(json.dumps(asyncio.run(_generated(given.dialect, given.models, given.history, given.add))))
    elif given.add:
        _write_next(given.history, given.models, given.add)
    else:
        _write_first(given.history, given.models)


def _write_first(history: Path, models: str) -> None:
    names = known(history)
    if len(names) > 1:
        sys.exit("The history has more than its first migration already. Use --add NAME.")
    text = _file("What the tables are at first.", _both(history, models, None))
    if names and (history / names[0]).read_text() == text:
        print(f"{names[0]} is as the models are")
        return
    for name in names:
        (history / name).unlink()
    _write(history / f"0_{_stamp()}_initial.py", text)


def _write_next(history: Path, models: str, name: str) -> None:
    sides = _both(history, models, name)
    if not any(side["upgrade"].strip() for side in sides.values()):
        print("Nothing to add: the last migration is as the models are")
        return
    number = int(known(history)[-1].partition("_")[0]) + 1
    _write(history / f"{number}_{_stamp()}_{name}.py", _file(name.replace("_", " ").capitalize() + ".", sides))


def _write(path: Path, text: str) -> None:
    path.write_text(text)
    print(f"wrote {path.name}")


def _stamp() -> str:
    return datetime.now(UTC).strftime("%Y%m%d%H%M%S")


def _both(history: Path, models: str, add: str | None) -> dict[Dialect, dict[str, str]]:
    """Generate each dialect in a process of its own: aerich's operators are class-level state."""
    sides: dict[Dialect, dict[str, str]] = {}
    for dialect in _DIALECTS:
        command = [sys.executable, "-m", "migrations.generate", "--dialect", dialect, "--models", models]
        command += ["--history", str(history), *(("--add", add) if add else ())]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        sides[dialect] = json.loads(done.stdout.splitlines()[-1])
    return sides


def _file(title: str, sides: dict[Dialect, dict[str, str]]) -> str:
    return _FILE.format(
        title=title,
        upgrade="".join(_quoted(dialect, side["upgrade"]) for dialect, side in sides.items()),
        downgrade="".join(_quoted(dialect, side["downgrade"]) for dialect, side in sides.items()),
        state=sides["sqlite"]["state"],
    )


def _quoted(dialect: Dialect, script: str) -> str:
    lines = "".join(f"{line.rstrip()}\n" for line in script.strip().splitlines())
    text = f'"""\n{lines}"""'
    if ast.literal_eval(text) != f"\n{lines}":
        sys.exit("The script has backslashes or triple quotes: write this migration by hand.")
    return f'    "{dialect}": {text},\n'


async def _generated(dialect: Dialect, models: str, history: Path, add: str | None) -> dict[str, str]:
    from aerich.utils import get_formatted_compressed_data, get_models_describe
    from tortoise import Tortoise
    from tortoise.utils import get_schema_sql

    settings = config(address_of(_NOWHERE[dialect]), models=(models, "aerich.models"))
    await Tortoise.init(config=settings)
    _without_words(Tortoise.apps[APP])
    state = get_formatted_compressed_data(get_models_describe(APP))
    if add is None:
        connection = Tortoise.get_connection("default")
        return {"upgrade": get_schema_sql(connection, safe=False), "downgrade": "", "state": state}
    return {**await _difference(settings, history, add), "state": state}


def _without_words(models: dict[str, Any]) -> None:
    """Leave docstrings out of the schema, so that rewording one is no change of the tables."""
    for model in models.values():
        model.__doc__ = None
        model._meta.table_description = ""
        for field in model._meta.fields_map.values():
            field.description = None
            field.docstring = None


async def _difference(settings: dict[str, Any], history: Path, add: str) -> dict[str, str]:
    from aerich import Command
    from aerich.migrate import Migrate
    from aerich.utils import import_py_file

    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, APP)
        copy.mkdir()
        for name in known(history):
            (copy / name).write_text((history / name).read_text())
        command = Command(settings, APP, folder)
        await command.init(offline=True)
        written = await Migrate.migrate(add, empty=False, no_input=True, offline=True)
        if not written:
            return {"upgrade": "", "downgrade": ""}
        module = import_py_file(copy / written)
        return {"upgrade": await module.upgrade(None), "downgrade": await module.downgrade(None)}


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
