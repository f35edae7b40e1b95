"""`prowex restore`: bring a backup back, into an empty data folder and database."""

import argparse
import asyncio
import contextlib
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from bot import schema
from bot.progress import progress
from bot.questions import ask
from bot.settings import Settings
from bot.stop import Stop
from storage.backup import all_tables
from storage.clock import Clock, SystemClock
from storage.database import DatabaseError, SqliteAddress, address_of, open_database
from storage.faults import Step
from storage.keyring import KeyRingError
from storage.migrations import upgrade
from storage.queries import ids_of
from storage.restore import Restored, RestoreError, restore
from storage.tables import DataKey, Identity, Team, User
from storage.transactions import transaction

_DATABASES = "prowex-database-*.zip"


@dataclass(frozen=True, slots=True)
class Backup:
    """One backup: the database, and the files that were saved with it, if they are there."""

    database: Path
    files: Path | None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take the backup, the keys, and whether to ask."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = (
        "It goes into the data folder and the database that are set, which have to be empty; either kind of database\n"
        "takes a backup of either. What was not yet answered or sent when the backup was made is not sent now: it may\n"
        "have been sent since. Never let the old installation and the restored one run at the same time."
    )
    parser.add_argument(
        "backup", type=Path, metavar="FOLDER_OR_FILE", help="a folder with backups (the latest counts), or a database's"
    )
    parser.add_argument("--keys", type=Path, metavar="FILE", required=True, help="the copy of the keys")
    parser.add_argument("--yes", action="store_true", help="do not ask")


async def main(args: argparse.Namespace, settings: Settings) -> int:
    """Restore the backup and say what came back; return 0."""
    found = find(args.backup.expanduser())
    keys = args.keys.expanduser()
    if not keys.is_file():
        raise Stop(f"There is no file {keys}: name the copy of the keys that `prowex backup` made.")
    if '"format"' not in (head := keys.read_bytes()[:4096].decode(errors="replace")) and '"pepper"' in head:
        raise Stop(f"{keys} is the key ring alone. Name the copy of the keys that `prowex backup` made; it holds more.")
    await _refuse_used(settings)
    if not args.yes:
        _ask(found, settings)
    async with progress("Bringing the backup back"):
        restored = await bring_back(settings, SystemClock(), found, keys)
    sys.stdout.write(_told(found, settings, restored))
    return 0


def find(place: Path) -> Backup:
    """Return the backup that `place` is, or the latest one in it.

    Raises:
        Stop: there is none.
    """
    if place.is_dir():
        databases = sorted(place.glob(_DATABASES))
        if not databases:
            raise Stop(f"There is no backup in {place}: no file there is called {_DATABASES}.")
        place = databases[-1]
    if not place.is_file():
        raise Stop(f"There is no backup at {place}.")
    files = place.with_name(place.name.replace("prowex-database-", "prowex-files-")).with_suffix(".tar")
    return Backup(place, files if files.is_file() else None)


async def bring_back(settings: Settings, clock: Clock, found: Backup, keys: Path) -> Restored:
    """Restore into the data folder and the database that are set; the folder holds no file yet.

    Raises:
        Stop: the database is not empty, or the backup and the keys don't fit each other; what was begun is removed.
    """
    folder, new_ring = settings.data_dir / "files", not settings.key_ring.exists()
    try:
        await asyncio.to_thread(_made, settings.data_dir, folder)
        await upgrade(settings.database, settings.data_dir, clock)
        async with open_database(settings.database):
            restored = await restore(found.database, keys, settings.key_ring, files=found.files, folder=folder)
            if restored.keys_missing:
                await _refuse_foreign(keys)
            return restored
    except (DatabaseError, KeyRingError, RestoreError, OSError) as error:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        if new_ring:
            with contextlib.suppress(OSError):  # there is none, or no such folder
                settings.key_ring.unlink()
        if isinstance(error, OSError):
            place = error.filename or settings.data_dir
            raise Stop(f"{place} can't be read or written ({error.strerror}). Nothing was restored.") from error
        raise Stop(f"{error} Nothing was restored.") from error


async def _refuse_foreign(keys: Path) -> None:
    """Take all rows out again if none of the data keys is of anybody in the database: nothing could ever be read."""
    people = [*await ids_of(User.all()), *await ids_of(Team.all()), *await ids_of(Identity.all())]
    owners = {key.owner_id for key in await DataKey.all().only("owner_id")}
    if owners.isdisjoint(people):
        async with transaction(Step.ADMIN):
            for table in reversed(all_tables()):
                await table.all().delete()
        raise RestoreError(f"The copy of the keys {keys} is of another installation, and opens nothing in this backup.")


def _made(*folders: Path) -> None:
    for folder in folders:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)


async def _refuse_used(settings: Settings) -> None:
    """Raise `Stop` where something is kept already, before anything is touched."""
    folder = settings.data_dir / "files"
    if folder.is_dir() and any(folder.iterdir()):
        raise Stop(f"{settings.data_dir} is not empty: it holds files. Set PROWEX_DATA_DIR to a new folder.")
    try:
        address = address_of(settings.database)
        if isinstance(address, SqliteAddress) and not address.path.exists():
            return
        async with open_database(settings.database) as client:
            used = await schema.holds_anything(client)
    except DatabaseError as error:
        raise Stop(str(error)) from error
    if used:
        where = address.path if isinstance(address, SqliteAddress) else address.shown
        raise Stop(
            f"The database {where} is not empty, and restoring would mix the two. Set PROWEX_DATA_DIR to a new folder "
            "(or DATABASE_URL to an empty database) and restore there."
        )


def _ask(found: Backup, settings: Settings) -> None:
    if not sys.stdin.isatty():
        raise Stop("Nothing was restored: say --yes where nobody can be asked.")
    sys.stdout.write(f"This brings {found.database.name} back into {settings.data_dir}.\n")
    try:
        answer = ask("Go on? [y/N] ")
    except EOFError:
        answer = ""
    if answer.lower() not in ("y", "yes"):
        raise Stop("Nothing was restored.")


def _told(found: Backup, settings: Settings, restored: Restored) -> str:
    counts = f"rows: {restored.rows:,}, files: {restored.file_count:,}, data keys: {restored.data_keys:,}"
    lines = [
        f"Restored the backup of {restored.created_at:%Y-%m-%d %H:%M} UTC into {settings.data_dir}:",
        f"  {counts}, and the key ring",
    ]
    if found.files is None:
        lines.append("  The files that were saved with it are not beside it, so pictures and documents are missing.")
    if restored.keys_missing:
        lines.append(
            f"  {restored.keys_missing:,} data keys are not in the copy of the keys; what they sealed can't be read. "
            "It was deleted, or the copy is older than the backup: then restore anew with a later copy."
        )
    frozen = [
        ("messages that waited for an answer and get none", restored.inbounds),
        ("answers that were being written and are given up", restored.turns),
        ("answers that were not delivered and are not sent", restored.replies),
        ("parts of them that may have been sent before", restored.maybe_sent),
    ]
    if closed := [f"  {what}: {count:,}" for what, count in frozen if count]:
        lines += ["What was under way then is not done again now, because it may have been done since:", *closed]
        lines.append("  People can ask again, or press Retry.")
    lines.append(
        "\nNext: `prowex doctor` checks it, `prowex run` starts it. Stop the old installation first, if it runs."
    )
    return "\n".join(lines) + "\n"
