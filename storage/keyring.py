"""The key ring: one file with the keys that wrap every data key. Whoever loses it loses all sealed content.

The file is `{"active": id, "keys": {id: 32 bytes in base64}, "pepper": 32 bytes in base64}`, mode 0600. Keys are never
part of a repr, an error or a log line.
"""

import base64
import binascii
import fcntl
import hmac
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_BYTES = 32
NONCE_BYTES = 12
_VERSION = b"\x01"
_FEWEST_DISTINCT_BYTES = 12  # 32 random bytes have about 30; a placeholder has few


class KeyRingError(Exception):
    """The key ring can't be used; the message is a sentence for the operator that says what to do."""


@dataclass(frozen=True, slots=True, repr=False)
class _Contents:
    active: str
    keys: dict[str, bytes]
    pepper: bytes


class KeyRing:
    """The keys of one installation, read from their file."""

    def __init__(self, path: Path, contents: _Contents) -> None:
        self.path = path
        self._take(contents)

    def __repr__(self) -> str:
        return f"KeyRing({str(self.path)!r}, {len(self._contents.keys)} keys)"

    @classmethod
    def open(cls, path: Path, *, create: bool = False) -> Self:
        """Read the key ring at `path`.

        Args:
            create: make it first if there is none. Processes that do so at the same time end with the same ring.

        Raises:
            KeyRingError: it is missing, broken, or readable by others.
        """
        if create and not path.exists():
            fresh = _new_id()
            _put(path, _Contents(fresh, {fresh: os.urandom(KEY_BYTES)}, os.urandom(KEY_BYTES)))
        return cls(path, _read(path))

    @classmethod
    def put_back(cls, path: Path, text: str) -> Self:
        """Write the ring that a backup holds as `text` to `path`, where there must be none or the same.

        Raises:
            KeyRingError: there is another one, or `text` is no key ring.
        """
        contents = _parse(text.encode())
        if isinstance(contents, str):
            raise KeyRingError(f"The key ring in the backup {contents}. Take another copy of the keys.")
        if not path.exists():
            _put(path, contents)
        found = _read(path)
        if found.pepper != contents.pepper or not contents.keys.items() <= found.keys.items():
            raise KeyRingError(
                f"There is another key ring at {path} already. Keep it in another place, then try again."
            )
        return cls(path, found)

    @property
    def active(self) -> str:
        """The id of the key that wraps new data keys."""
        return self._contents.active

    def wrap(self, data_key: bytes, data_key_id: UUID) -> tuple[str, bytes]:
        """Return the active ring key's id and `data_key` sealed by it, bound to both ids."""
        ring_key = self._contents.active
        nonce = os.urandom(NONCE_BYTES)
        sealed = self._ciphers[ring_key].encrypt(nonce, data_key, _bound_to(ring_key, data_key_id))
        return ring_key, _VERSION + nonce + sealed

    def unwrap(self, ring_key: str, data_key_id: UUID, blob: bytes) -> bytes:
        """Return the data key in `blob`. A ring key that another process added meanwhile is read from the file.

        Raises:
            KeyRingError: this ring did not wrap it.
        """
        if ring_key not in self._ciphers:
            self._take(_read(self.path))
        cipher = self._ciphers.get(ring_key)
        if cipher is None:
            raise KeyRingError(
                f"The key ring {self.path} has no key {ring_key[:40]}, so it is not the one this database was sealed "
                "with. Put that key ring back."
            )
        nonce, sealed = blob[1 : 1 + NONCE_BYTES], blob[1 + NONCE_BYTES :]
        if blob[:1] == _VERSION and len(sealed) == KEY_BYTES + 16:
            try:
                return cipher.decrypt(nonce, sealed, _bound_to(ring_key, data_key_id))
            except InvalidTag:
                pass
        raise KeyRingError(
            f"The key ring {self.path} can't open data key {data_key_id}: one of the two was changed. Put back the key "
            "ring and the data keys of the same backup."
        )

    def hmac(self, purpose: str, value: str) -> str:
        """Return HMAC-SHA256 of `value` in hex, under a key of its own for each `purpose` (HKDF-SHA256, RFC 5869)."""
        key = self._purposes.get(purpose)
        if key is None:
            label = f"prowex hmac {purpose}".encode()
            key = HKDF(SHA256(), KEY_BYTES, salt=None, info=label).derive(self._contents.pepper)
            self._purposes[purpose] = key
        return hmac.digest(key, value.encode(), "sha256").hex()

    def rotate(self) -> str:
        """Add a key, make it the active one, and return its id. What the others wrapped stays readable."""
        with _exclusive(self.path.parent):
            found = _read(self.path)
            fresh = _new_id()
            contents = _Contents(fresh, {**found.keys, fresh: os.urandom(KEY_BYTES)}, found.pepper)
            written = _write_aside(self.path, contents)
            os.replace(written, self.path)
            sync_folder(self.path.parent)
        self._take(contents)
        return fresh

    def _take(self, contents: _Contents) -> None:
        self._contents = contents
        self._ciphers = {name: AESGCM(key) for name, key in contents.keys.items()}
        self._purposes: dict[str, bytes] = {}


def sync_folder(folder: Path) -> None:
    """Make what was created, renamed or removed in `folder` outlive a power cut."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _new_id() -> str:
    return f"k{secrets.token_hex(4)}"


def _bound_to(ring_key: str, data_key_id: UUID) -> bytes:
    parts = (b"pwx1", b"data_keys", b"wrapped", ring_key.encode(), data_key_id.bytes)
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def _put(path: Path, contents: _Contents) -> None:
    """Write the ring whole under another name, then link it to its own: the first of several processes wins."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        written = _write_aside(path, contents)
        try:
            os.link(written, path)
        except FileExistsError:
            pass
        finally:
            written.unlink()
        sync_folder(path.parent)
    except OSError as error:
        raise KeyRingError(
            f"The key ring {path} could not be made: {error.strerror}. Let Prowex write to the folder {path.parent}."
        ) from error


def _write_aside(path: Path, contents: _Contents) -> Path:
    aside = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    text = json.dumps(
        {
            "active": contents.active,
            "keys": {name: base64.b64encode(key).decode() for name, key in contents.keys.items()},
            "pepper": base64.b64encode(contents.pepper).decode(),
        },
        indent=2,
    )
    handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
    return aside


@contextmanager
def _exclusive(folder: Path) -> Iterator[None]:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _read(path: Path) -> _Contents:
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if mode & 0o077:
                raise KeyRingError(f"The key ring {path} can be read by others. Run: chmod 600 {path}")
            raw = file.read()
    except FileNotFoundError as error:
        raise KeyRingError(
            f"There is no key ring at {path}. Put it back from a backup; without it nothing sealed can be read."
        ) from error
    except OSError as error:
        raise KeyRingError(f"The key ring {path} can't be read: {error.strerror}.") from error
    contents = _parse(raw)
    if isinstance(contents, str):
        raise KeyRingError(f"The key ring {path} {contents}. Put it back from a backup.")
    return contents


def _parse(raw: bytes) -> _Contents | str:
    """Return the contents, or what is wrong in words that finish "The key ring …": errors here would carry keys."""
    try:
        found: Any = json.loads(raw)
        active, named, pepper = found["active"], found["keys"].items(), found["pepper"]
    except (ValueError, KeyError, TypeError, AttributeError):
        return "is damaged"
    keys: dict[str, bytes] = {}
    for name, text in named:
        key = _key(text)
        if isinstance(key, str):
            return f"has a key that {key}"
        keys[name] = key
    if not isinstance(active, str) or active not in keys:
        return "names an active key that it doesn't hold"
    secret = _key(pepper)
    if isinstance(secret, str):
        return f"has a pepper that {secret}"
    return _Contents(active, keys, secret)


def _key(text: object) -> bytes | str:
    try:
        key = base64.b64decode(text, validate=True) if isinstance(text, str) else b""
    except (binascii.Error, ValueError):
        return "is not base64"
    if len(key) != KEY_BYTES:
        return f"is not {KEY_BYTES} bytes long"
    if len(set(key)) < _FEWEST_DISTINCT_BYTES:
        return "is a placeholder"
    return key
