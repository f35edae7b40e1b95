"""Errors that are the surroundings' and pass: the database away or busy, the disk full, a connection cut."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

_DRIVERS = ("asyncpg", "sqlite3", "aiosqlite", "tortoise")
_REFUSALS = ("IntegrityError", "DataError", "NotExistOrMultiple")


def is_from_outside(error: BaseException) -> bool:
    """Tell whether an error is the surroundings', so that trying again later is right; a group is if all in it are."""
    if isinstance(error, BaseExceptionGroup):
        return all(is_from_outside(inner) for inner in error.exceptions)
    if isinstance(error, (OSError, TimeoutError)):
        return True
    return any(kind.__module__.partition(".")[0] in _DRIVERS for kind in type(error).__mro__)


def is_refused(error: BaseException) -> bool:
    """Tell whether the database refused what was to be written or lacks what must be there: waiting mends neither."""
    if isinstance(error, BaseExceptionGroup):
        return any(is_refused(inner) for inner in error.exceptions)
    if error.__cause__ is not None and is_refused(error.__cause__):
        return True
    return any(kind.__name__ in _REFUSALS for kind in type(error).__mro__)


@contextmanager
def surviving(log: logging.Logger, what_failed: str) -> Iterator[None]:
    """Log an error from outside and go on: the block is tried again by whoever runs it in a loop."""
    try:
        yield
    except Exception as error:
        if not is_from_outside(error):
            raise
        log.warning(what_failed, extra={"error": type(error).__name__})
