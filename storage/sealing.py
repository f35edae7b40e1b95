"""Seals people's words: AES-256-GCM under a data key of their owner, bound to the very place where they are kept.

A blob is `0x01 | data key id (16) | nonce (12) | ciphertext and tag`. Its associated data are table, column, row and
data key id, so a blob that is moved anywhere else does not open. The owner is not among them: when a guest becomes a
user the data key changes hands and no blob changes. Destroying a data key shreds all that it sealed.
"""

import asyncio
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from itertools import islice
from typing import Generic, Literal, TypeVar, cast
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from tortoise.backends.base.client import TransactionalDBClient
from tortoise.connection import get_connections

from storage.clock import Clock
from storage.faults import Step
from storage.ids import new_id
from storage.keyring import KEY_BYTES, NONCE_BYTES, KeyRing
from storage.tables import DataKey
from storage.transactions import transaction

LARGEST_AGE = timedelta(days=30)
"""How long a data key seals new content; after that a new one does, and the old one only opens. It bounds the uses of
a key: 2**32 random nonces are safe (NIST SP 800-38D), and that would take 1,600 messages a second from one owner."""

CACHED_SECONDS = 300.0
"""How long an unwrapped data key stays in memory. A key that another process destroyed works no longer than that."""

_VERSION = b"\x01"
_HEAD = 1 + 16 + NONCE_BYTES
_TAG = 16
_AT_ONCE = 500  # ids in one query

_K = TypeVar("_K")
_V = TypeVar("_V")


class UnsealError(Exception):
    """A blob can't be opened: it was changed, cut, moved from another place, or is of a newer version."""


class KeyDestroyed(UnsealError):
    """The data key that sealed a blob is gone, and so is the content."""


OwnerKind = Literal["user", "identity", "team"]


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose data key seals something."""

    kind: OwnerKind
    id: UUID


class DataKeyHandle:
    """An unwrapped data key. Keep it for a piece of work, not for longer: it outlives the key's destruction."""

    __slots__ = ("_cipher", "_prefix", "id")

    def __init__(self, id: UUID, key: bytes) -> None:
        self.id = id
        self._cipher = AESGCM(key)
        self._prefix = _VERSION + id.bytes

    def __repr__(self) -> str:
        return f"DataKeyHandle({self.id})"

    def seal(self, where: str, row: UUID, text: str) -> bytes:
        """Return `text` sealed for the column `where` ("table.column") of the row with that id."""
        return self.seal_bytes(where, row, text.encode())

    def seal_bytes(self, where: str, row: UUID, data: bytes) -> bytes:
        """Return `data` sealed for the column `where` ("table.column") of the row with that id."""
        nonce = os.urandom(NONCE_BYTES)
        return self._prefix + nonce + self._cipher.encrypt(nonce, data, _bound_to(where, row, self.id))

    def open(self, where: str, row: UUID, blob: bytes) -> bytes:
        """Return what this key sealed.

        Raises:
            UnsealError: it was changed, or sealed for another place or by another key.
        """
        if blob[:17] != self._prefix or len(blob) < _HEAD + _TAG:
            raise _unreadable(where, row)
        try:
            return self._cipher.decrypt(blob[17:_HEAD], blob[_HEAD:], _bound_to(where, row, self.id))
        except InvalidTag:
            raise _unreadable(where, row) from None


class _Fading(Generic[_K, _V]):
    """Remembers values for a time."""

    def __init__(self) -> None:
        self._entries: dict[_K, tuple[float, _V]] = {}

    def get(self, key: _K, now: float) -> _V | None:
        until, value = self._entries.get(key, (now, None))
        return value if until > now else None

    def put(self, key: _K, value: _V, now: float, seconds: float) -> None:
        """Remember `value`, and drop the two longest known if they are too old: so it never grows without end."""
        self._entries.pop(key, None)
        self._entries[key] = (now + seconds, value)
        for known in list(islice(self._entries, 2)):
            if self._entries[known][0] <= now:
                del self._entries[known]

    def drop(self, key: _K) -> None:
        self._entries.pop(key, None)


class Sealer:
    """Finds, makes and destroys data keys, and opens what they sealed."""

    def __init__(self, ring: KeyRing, clock: Clock) -> None:
        self.ring = ring
        self.clock = clock
        self._handles = _Fading[UUID, DataKeyHandle]()
        self._current = _Fading[Owner, UUID]()
        self._making = asyncio.Lock()

    async def key(self, owner: Owner) -> DataKeyHandle:
        """Return the data key that seals new content of `owner`; the first, and one every 30 days, is made now.

        Raises:
            RuntimeError: a key must be made, and the caller is in a transaction. Ask before you open it.
        """
        if handle := self._known(owner):
            return handle
        if handle := await self._newest(owner):
            return handle
        if isinstance(get_connections().get("default"), TransactionalDBClient):
            raise RuntimeError("a data key must be made before the transaction that uses it")
        async with self._making:
            return self._known(owner) or await self._newest(owner) or await self._make(owner)

    async def prepare(self, owners: Iterable[Owner]) -> None:
        """Have the data keys of many owners at hand, with a few statements; call it outside a transaction."""
        missing = {owner for owner in owners if self._known(owner) is None}
        if len(missing) < 2:
            return
        async with self._making:
            await self._find(missing)
            new = [self._fresh(owner) for owner in missing if self._known(owner) is None]
            if new:
                async with transaction(Step.KEY_CREATE):
                    await DataKey.bulk_create([row for _, row, _ in new])
            for owner, _, handle in new:
                self._remember(owner, self._keep(handle), LARGEST_AGE.total_seconds())

    async def unseal(self, where: str, row: UUID, blob: bytes) -> str:
        """Return the text that was sealed for the column `where` of the row.

        Raises:
            UnsealError: see there.
            KeyDestroyed: its data key is gone.
        """
        return _text(where, row, await self.unseal_bytes(where, row, blob))

    async def unseal_bytes(self, where: str, row: UUID, blob: bytes) -> bytes:
        """Return the bytes that were sealed for the column `where` of the row; errors as in `unseal`."""
        handles = await self._opening(where, [(row, blob)])
        return handles[0].open(where, row, blob)

    async def unseal_many(self, where: str, blobs: Sequence[tuple[UUID, bytes]]) -> list[str]:
        """Return the texts of many rows' column in their order, with one query at most; errors as in `unseal`."""
        handles = await self._opening(where, blobs)
        return [
            _text(where, row, handle.open(where, row, blob)) for handle, (row, blob) in zip(handles, blobs, strict=True)
        ]

    async def hand_over(self, from_owner: Owner, to_owner: Owner) -> int:
        """Give all data keys of one owner to another, in the caller's transaction; returns how many."""
        self._current.drop(from_owner)
        self._current.drop(to_owner)
        return await DataKey.filter(owner_kind=from_owner.kind, owner_id=from_owner.id).update(
            owner_kind=to_owner.kind, owner_id=to_owner.id
        )

    async def destroy(self, owner: Owner) -> int:
        """Destroy all data keys of `owner`, in the caller's transaction; returns how many.

        What they sealed can't be opened again: here at once, in other processes within `CACHED_SECONDS`.
        """
        keys = DataKey.filter(owner_kind=owner.kind, owner_id=owner.id)
        for key in await keys:
            self._handles.drop(key.id)
        self._current.drop(owner)
        return await keys.delete()

    def _known(self, owner: Owner) -> DataKeyHandle | None:
        key_id = self._current.get(owner, self.clock.monotonic())
        return self._cached(key_id) if key_id else None

    def _cached(self, key_id: UUID) -> DataKeyHandle | None:
        return self._handles.get(key_id, self.clock.monotonic())

    async def _newest(self, owner: Owner) -> DataKeyHandle | None:
        row = (
            await DataKey.filter(
                owner_kind=owner.kind, owner_id=owner.id, created_at__gt=self.clock.now() - LARGEST_AGE
            )
            .order_by("-created_at", "-id")
            .first()
        )
        if row is None:
            return None
        left = (row.created_at + LARGEST_AGE - self.clock.now()).total_seconds()
        return self._remember(owner, self._cached(row.id) or self._unwrap(row), left)

    async def _find(self, owners: Iterable[Owner]) -> None:
        """Read the newest keys of many owners."""
        ids = sorted({owner.id for owner in owners})
        for start in range(0, len(ids), _AT_ONCE):
            rows = DataKey.filter(
                owner_id__in=ids[start : start + _AT_ONCE], created_at__gt=self.clock.now() - LARGEST_AGE
            )
            for row in await rows.order_by("created_at", "id"):
                left = (row.created_at + LARGEST_AGE - self.clock.now()).total_seconds()
                owner = Owner(cast(OwnerKind, row.owner_kind), row.owner_id)
                self._remember(owner, self._cached(row.id) or self._unwrap(row), left)

    def _fresh(self, owner: Owner) -> tuple[Owner, DataKey, DataKeyHandle]:
        """Return a new key for `owner`: its row, not stored yet, and its handle."""
        key_id, key = new_id(), os.urandom(KEY_BYTES)
        ring_key, wrapped = self.ring.wrap(key, key_id)
        row = DataKey(
            id=key_id,
            owner_kind=owner.kind,
            owner_id=owner.id,
            ring_key=ring_key,
            wrapped=wrapped,
            created_at=self.clock.now(),
        )
        return owner, row, DataKeyHandle(key_id, key)

    async def _make(self, owner: Owner) -> DataKeyHandle:
        _, row, handle = self._fresh(owner)
        async with transaction(Step.KEY_CREATE):
            await row.save(force_create=True)
        return self._remember(owner, self._keep(handle), LARGEST_AGE.total_seconds())

    def _remember(self, owner: Owner, handle: DataKeyHandle, left: float) -> DataKeyHandle:
        self._current.put(owner, handle.id, self.clock.monotonic(), min(left, CACHED_SECONDS))
        return handle

    def _unwrap(self, row: DataKey) -> DataKeyHandle:
        return self._keep(DataKeyHandle(row.id, self.ring.unwrap(row.ring_key, row.id, row.wrapped)))

    def _keep(self, handle: DataKeyHandle) -> DataKeyHandle:
        self._handles.put(handle.id, handle, self.clock.monotonic(), CACHED_SECONDS)
        return handle

    async def _opening(self, where: str, blobs: Iterable[tuple[UUID, bytes]]) -> list[DataKeyHandle]:
        """Return for each blob the data key that it names, or raise."""
        named = [(row, _key_of(where, row, blob)) for row, blob in blobs]
        found = {key_id: self._cached(key_id) for _, key_id in named}
        missing = [key_id for key_id, handle in found.items() if handle is None]
        for start in range(0, len(missing), _AT_ONCE):
            for key in await DataKey.filter(id__in=missing[start : start + _AT_ONCE]):
                found[key.id] = self._unwrap(key)
        handles = []
        for row, key_id in named:
            handle = found[key_id]
            if handle is None:
                raise KeyDestroyed(f"{where} of {row}: its data key was destroyed")
            handles.append(handle)
        return handles


def _key_of(where: str, row: UUID, blob: bytes) -> UUID:
    if blob[:1] != _VERSION or len(blob) < _HEAD + _TAG:
        raise _unreadable(where, row)
    return UUID(bytes=bytes(blob[1:17]))


def _unreadable(where: str, row: UUID) -> UnsealError:
    return UnsealError(f"{where} of {row} can't be opened")


def _text(where: str, row: UUID, data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise _unreadable(where, row) from None


@lru_cache(maxsize=256)
def _place(where: str) -> bytes:
    table, dot, column = where.partition(".")
    if not (table and dot and column):
        raise ValueError(f"write table.column, not {where!r}")
    return _prefixed(b"pwx1", table.encode(), column.encode())


def _bound_to(where: str, row: UUID, key_id: UUID) -> bytes:
    return _place(where) + _prefixed(row.bytes, key_id.bytes)


def _prefixed(*parts: bytes) -> bytes:
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)
