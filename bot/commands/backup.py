"""`prowex backup`: save database, files and keys, while the service runs or not; the keys in another place."""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

from bot import schema
from bot.checks.machine import size
from bot.progress import progress
from bot.settings import Settings
from bot.stop import Stop
from storage.backup import Saved, backup, backup_keys
from storage.clock import Clock, SystemClock
from storage.database import DatabaseError, SqliteAddress, address_of, open_database
from storage.keyring import KeyRing, KeyRingError

KEYS_NAME = "prowex-keys.jsonl"


@dataclass(frozen=True, slots=True)
class Written:
    """What `save` wrote, and how many data keys are in the copy of the keys."""

    saved: Saved
    keys: Path
    data_keys: int


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take where the backup and the keys go."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = (
        "It writes three things: the database and the files, dated, into one folder, and the keys into another.\n"
        "The copy of the keys is replaced each time: only the latest is of use. Without it nothing in a backup can\n"
        "be read; with it, everything. So bring it to another place than the backups. `prowex restore` needs both."
    )
    parser.add_argument("--to", type=Path, metavar="FOLDER", help="default: prowex-backups, beside the data folder")
    parser.add_argument(
        "--keys", type=Path, metavar="FILE", help=f"default: prowex-keys/{KEYS_NAME}, beside the data folder"
    )


async def main(args: argparse.Namespace, settings: Settings) -> int:
    """Save everything and say where it is; return 0."""
    beside = settings.data_dir.parent
    to = _absolute(args.to or beside / "prowex-backups")
    keys = _absolute(args.keys or beside / "prowex-keys" / KEYS_NAME)
    if keys.is_dir():
        keys /= KEYS_NAME
    async with progress("Saving database, files and keys"):
        written = await save(settings, SystemClock(), to, keys)
    sys.stdout.write(_told(written))
    return 0


async def save(settings: Settings, clock: Clock, to: Path, keys: Path) -> Written:
    """Save database and files into the folder `to`, and the keys as the file `keys`.

    Raises:
        Stop: it can't be done, and what was begun is removed.
    """
    if to == keys or to in keys.parents:
        raise Stop(f"{keys} lies with the backup, and whoever has both can read everything: name another place.")
    try:
        address = address_of(settings.database)
        if isinstance(address, SqliteAddress) and not address.path.exists():
            raise Stop(f"There is nothing to save yet: {address.path} is not there. Is PROWEX_DATA_DIR right?")
        ring = KeyRing.open(settings.key_ring)
        async with open_database(settings.database) as client:
            if await schema.lacking(client):
                raise Stop("The database is behind this version: run `prowex migrate`, then save it.")
            saved = await backup(to, settings.data_dir / "files", clock)
            return Written(saved, keys, await backup_keys(keys, ring))
    except (DatabaseError, KeyRingError) as error:
        raise Stop(str(error)) from error
    except OSError as error:
        place = error.filename or to
        raise Stop(f"{place} can't be written ({error.strerror}): see --to and --keys, or make room.") from error


def _absolute(path: Path) -> Path:
    return path.expanduser().resolve()


def _told(written: Written) -> str:
    saved = written.saved
    return f"""\
database  {saved.database}  ({_count(saved.rows, "row")}, {size(saved.database.stat().st_size)})
files     {saved.files}  ({_count(saved.file_count, "file")}, {size(saved.files.stat().st_size)})
keys      {written.keys}  (the key ring and {_count(written.data_keys, "data key")})

KEEP THE KEYS APART from the other two, in a safe place: without them nobody can read the backup, and whoever has both
can read everything. Each backup needs the copy of the keys that was made with it or later.
"""


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' * (number != 1)}"
