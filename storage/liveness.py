"""Which processes of this data folder are alive, so that what a killed one held need not wait for its lease to expire.

Each holds a lock on a file of its own; the system lets go of it the moment the process ends, however it ends. A
process that is merely stopped keeps its lock, and processes elsewhere are not seen: for those, leases expire.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

_SUFFIX = ".alive"


class Liveness:
    """The folder of lock files.

    Args:
        folder: made if it is missing.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    @contextmanager
    def announced(self, holder: UUID) -> Iterator[None]:
        """Be known as alive inside the block."""
        unnamed, path = self._folder / f"{holder}.new", self._path(holder)
        descriptor = os.open(unnamed, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            unnamed.rename(path)
            yield
        finally:
            path.unlink(missing_ok=True)
            os.close(descriptor)

    def dead(self) -> list[UUID]:
        """Return the processes that ended without saying so and are not buried yet."""
        return [UUID(path.name.removesuffix(_SUFFIX)) for path in self._folder.glob(f"*{_SUFFIX}") if _is_free(path)]

    def bury(self, holder: UUID) -> None:
        """Forget a dead process, once what it held is free."""
        self._path(holder).unlink(missing_ok=True)

    def _path(self, holder: UUID) -> Path:
        return self._folder / f"{holder}{_SUFFIX}"


def _is_free(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    else:
        return True
    finally:
        with contextlib.suppress(OSError):
            os.close(descriptor)
