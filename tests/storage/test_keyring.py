"""The key ring: made once, kept to itself, and never shown."""

import base64
import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest

from storage.keyring import KeyRing, KeyRingError
from tests.clock import PATIENCE

GOOD = base64.b64encode(bytes(range(32))).decode()


def written(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def ring_of(active: object = "k1", keys: object = None, pepper: object = GOOD) -> str:
    return json.dumps({"active": active, "keys": {"k1": GOOD} if keys is None else keys, "pepper": pepper})


def test_it_is_made_at_first_start_and_read_ever_after(data_dir: Path) -> None:
    path = data_dir / "sub" / "keyring.json"
    ring = KeyRing.open(path, create=True)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    before = path.read_bytes()
    data_key, key_id = os.urandom(32), uuid4()
    wrapped = ring.wrap(data_key, key_id)
    assert KeyRing.open(path, create=True).unwrap(wrapped[0], key_id, wrapped[1]) == data_key
    assert path.read_bytes() == before
    assert [found.name for found in path.parent.iterdir()] == ["keyring.json"]


def test_a_missing_one_is_not_made_unless_asked(data_dir: Path) -> None:
    with pytest.raises(KeyRingError, match=r"no key ring at .* from a backup"):
        KeyRing.open(data_dir / "keyring.json")
    assert not list(data_dir.iterdir())


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o644, 0o620, 0o666])
def test_one_that_others_can_read_is_refused(data_dir: Path, mode: int) -> None:
    path = written(data_dir / "keyring.json", ring_of(), mode)
    with pytest.raises(KeyRingError, match=f"Run: chmod 600 {path}"):
        KeyRing.open(path, create=True)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is damaged"),
        ("{", "is damaged"),
        ("[]", "is damaged"),
        ('"keys"', "is damaged"),
        ("\x00" * 40, "is damaged"),
        (json.dumps({"active": "k1", "keys": {"k1": GOOD}}), "is damaged"),
        (ring_of(keys="k1"), "is damaged"),
        (ring_of(keys=["k1"]), "is damaged"),
        (ring_of(active="k2"), "active key"),
        (ring_of(active=["k1"]), "active key"),
        (ring_of(keys={}), "active key"),
        (ring_of(keys={"k1": "changeme!"}), "not base64"),
        (ring_of(keys={"k1": 7}), "not 32 bytes"),
        (ring_of(keys={"k1": GOOD[:20]}), "not 32 bytes"),
        (ring_of(keys={"k1": base64.b64encode(bytes(32)).decode()}), "placeholder"),
        (ring_of(keys={"k1": base64.b64encode(b"changemechangemechangemechangeme").decode()}), "placeholder"),
        (ring_of(keys={GOOD: "k1"}), "has a key that is not"),
        (ring_of(pepper=""), "pepper that is not 32 bytes"),
        (ring_of(pepper=base64.b64encode(b"x" * 32).decode()), "pepper that is a placeholder"),
    ],
)
def test_a_broken_one_is_refused_in_words_without_its_keys(data_dir: Path, text: str, said: str) -> None:
    path = written(data_dir / "keyring.json", text)
    with pytest.raises(KeyRingError, match=said) as caught:
        KeyRing.open(path, create=True)
    assert GOOD not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    assert path.read_text() == text


def test_keys_are_not_shown(data_dir: Path) -> None:
    path = data_dir / "keyring.json"
    ring = KeyRing.open(path, create=True)
    shown = repr(ring) + repr(ring._contents) + str(ring.__dict__)
    found = json.loads(path.read_text())
    for secret in (*found["keys"].values(), found["pepper"]):
        assert secret not in shown
        assert repr(base64.b64decode(secret)) not in shown


def test_a_wrapped_key_is_bound_to_its_ids_and_to_every_byte(data_dir: Path) -> None:
    ring = KeyRing.open(data_dir / "keyring.json", create=True)
    key_id = uuid4()
    first, blob = ring.wrap(os.urandom(32), key_id)
    with pytest.raises(KeyRingError):
        ring.unwrap(first, uuid4(), blob)
    for place in range(len(blob)):
        changed = bytearray(blob)
        changed[place] ^= 1
        with pytest.raises(KeyRingError):
            ring.unwrap(first, key_id, bytes(changed))
    for cut in (b"", blob[:5], blob[:-1], blob + b"\0"):
        with pytest.raises(KeyRingError):
            ring.unwrap(first, key_id, cut)


def test_codes_are_hashed_under_a_key_for_each_purpose(data_dir: Path) -> None:
    path = data_dir / "keyring.json"
    ring = KeyRing.open(path, create=True)
    digest = ring.hmac("invitation", "ABCDEFGH")
    assert len(digest) == 64
    assert digest == ring.hmac("invitation", "ABCDEFGH") == KeyRing.open(path).hmac("invitation", "ABCDEFGH")
    others = {ring.hmac("login", "ABCDEFGH"), ring.hmac("invitation", "ABCDEFGI")}
    others.add(KeyRing.open(data_dir / "other.json", create=True).hmac("invitation", "ABCDEFGH"))
    assert len(others | {digest}) == 4


def test_the_hash_is_hmac_under_hkdf_as_the_standards_say(data_dir: Path) -> None:
    """Computed here from RFC 5869's own two steps."""
    import hashlib
    import hmac

    ring = KeyRing.open(written(data_dir / "keyring.json", ring_of()))
    extracted = hmac.digest(bytes(32), bytes(range(32)), hashlib.sha256)
    derived = hmac.digest(extracted, b"prowex hmac login\x01", hashlib.sha256)
    assert ring.hmac("login", "é") == hmac.new(derived, "é".encode(), hashlib.sha256).hexdigest()


def test_rotation_adds_a_key_that_running_processes_learn_of(data_dir: Path) -> None:
    path = data_dir / "keyring.json"
    ring, running = KeyRing.open(path, create=True), KeyRing.open(path)
    old_key, old_id = os.urandom(32), uuid4()
    old = ring.wrap(old_key, old_id)
    before = ring.hmac("login", "x")
    fresh = ring.rotate()
    assert ring.active == fresh != old[0]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    new_key, new_id = os.urandom(32), uuid4()
    new = ring.wrap(new_key, new_id)
    assert new[0] == fresh
    for one in (ring, running, KeyRing.open(path)):
        assert one.unwrap(old[0], old_id, old[1]) == old_key
        assert one.unwrap(new[0], new_id, new[1]) == new_key
        assert one.hmac("login", "x") == before


def test_processes_that_start_at_once_end_with_one_ring(data_dir: Path) -> None:
    path = data_dir / "keyring.json"
    code = (
        "import sys, time, pathlib; from storage.keyring import KeyRing\n"
        "print('ready', flush=True); sys.stdin.readline()\n"
        "print(KeyRing.open(pathlib.Path(sys.argv[1]), create=True).hmac('a', 'b'), flush=True)"
    )
    starts = [
        subprocess.Popen([sys.executable, "-c", code, str(path)], stdin=-1, stdout=subprocess.PIPE, text=True)
        for _ in range(5)
    ]
    for process in starts:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in starts:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    said = {process.communicate(timeout=PATIENCE)[0] for process in starts}
    assert said == {KeyRing.open(path).hmac("a", "b") + "\n"}
    assert [found.name for found in data_dir.iterdir()] == ["keyring.json"]
