"""Passwords: argon2id with the library's own parameters, off the event loop, never more than a few at once.

Each hash takes 64 MiB and some 200 ms by intent, so only two run at a time and only a few wait.
"""

import asyncio
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

SHORTEST = 12
LONGEST = 1024
_THREADS = 2
_WAITING = 20

_T = TypeVar("_T")


class Overloaded(Exception):
    """Too many passwords are being checked; try again in a few seconds."""


def problem(password: str) -> str:
    """Return why `password` can't be used, as a sentence; "" if it can."""
    length = len(unicodedata.normalize("NFKC", password))
    if length < SHORTEST:
        return f"Please use at least {SHORTEST} characters. A few words in a row make a good password."
    if length > LONGEST:
        return f"Please use at most {LONGEST} characters."
    return ""


class Passwords:
    """Hashes and checks passwords."""

    def __init__(self) -> None:
        self._hasher = PasswordHasher()
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="passwords")
        self._under_way = 0

    def close(self) -> None:
        """Give the threads back."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def check_room(self) -> None:
        """Make sure that one more check could start or wait.

        Raises:
            Overloaded
        """
        if self._under_way >= _THREADS + _WAITING:
            raise Overloaded

    async def hash(self, password: str) -> str:
        """Return what to store for `password`.

        Raises:
            Overloaded
        """
        return await self._run(lambda: self._hasher.hash(_normal(password)))

    async def verify(self, stored: str | None, password: str) -> bool:
        """Return whether `password` is the stored one. Where none is stored, that takes as long as a wrong one.

        Raises:
            Overloaded
        """
        return await self._run(lambda: self._matches(stored, _normal(password)))

    def is_outdated(self, stored: str) -> bool:
        """Return whether the library's parameters have changed since `stored` was made."""
        return self._hasher.check_needs_rehash(stored)

    def _matches(self, stored: str | None, password: str) -> bool:
        if stored is None:
            self._hasher.hash(password)
            return False
        try:
            return self._hasher.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _run(self, work: Callable[[], _T]) -> _T:
        self.check_room()
        self._under_way += 1
        future = asyncio.get_running_loop().run_in_executor(self._pool, work)
        future.add_done_callback(self._one_less)
        return await asyncio.shield(future)

    def _one_less(self, _: object) -> None:
        self._under_way -= 1


def _normal(password: str) -> str:
    return unicodedata.normalize("NFKC", password)
