"""`prowex migrate`: bring the database's schema up to date, or say what that would take."""

import argparse
import sys
from pathlib import Path

from bot import schema
from bot.progress import progress
from bot.settings import Settings
from bot.stop import Stop
from storage.clock import Clock, SystemClock
from storage.database import DatabaseError, SqliteAddress, address_of, open_database
from storage.migrations import known, upgrade


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take whether only to look."""
    parser.add_argument(
        "--check", action="store_true", help="change nothing; exit with 1 if there is something to do, else with 0"
    )


async def main(args: argparse.Namespace, settings: Settings) -> int:
    """Do it, or look with `--check`; return 0, or with `--check` 1 if there is something to do."""
    if args.check:
        return await look(settings)
    return await bring_up(settings, SystemClock())


async def look(settings: Settings, history: Path = schema.HISTORY) -> int:
    """Say what there is to do; return 1 if there is, else 0.

    Raises:
        Stop: the database can't be used.
    """
    try:
        address = address_of(settings.database)
        if isinstance(address, SqliteAddress) and not address.path.exists():
            names = known(history)
        else:
            async with open_database(settings.database) as client:
                names = await schema.lacking(client, history)
    except DatabaseError as error:
        raise Stop(str(error), 2) from error
    if not names:
        sys.stdout.write("The database is up to date.\n")
        return 0
    sys.stdout.write("".join(f"to do: {name.removesuffix('.py')}\n" for name in names))
    sys.stdout.write("`prowex migrate` does it; so does the next start of `prowex run`.\n")
    return 1


async def bring_up(settings: Settings, clock: Clock, history: Path = schema.HISTORY) -> int:
    """Bring the database up to date, say what was done and where the state before is kept; return 0.

    Raises:
        Stop: it could not be done, and nothing was changed.
    """
    folder = settings.data_dir
    before = _points(settings)
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        async with progress("Bringing the database up to date"):
            names = await upgrade(settings.database, folder, clock, history=history)
    except DatabaseError as error:
        new = sorted(_points(settings) - before)
        kept = f" The state before is also in {new[-1][1]}." if new else ""
        raise Stop(f"{error}{kept}") from error
    except OSError as error:
        raise Stop(f"{folder} can't be written to ({error.strerror}): let Prowex write there.") from error
    if not names:
        sys.stdout.write("The database is up to date; there was nothing to do.\n")
        return 0
    sys.stdout.write("".join(f"done: {name.removesuffix('.py')}\n" for name in names))
    sys.stdout.write("The database is up to date.\n")
    if new := sorted(_points(settings) - before):
        sys.stdout.write(f"The state before is in {new[-1][1]}; the last three such copies are kept.\n")
    return 0


def _points(settings: Settings) -> set[tuple[int, Path]]:
    """Return the restore points there are, copies of a SQLite database from before a migration, each with its time."""
    found = settings.data_dir.glob("*.before-*")
    return {(path.stat().st_mtime_ns, path) for path in found if path.suffix != ".unfinished"}
