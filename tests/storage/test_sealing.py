"""What sealing keeps: only the right key, at the right place, opens a blob, and nothing else ever does."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage import faults
from storage.faults import Step
from storage.ids import new_id
from storage.keyring import KeyRing, KeyRingError
from storage.sealing import CACHED_SECONDS, DataKeyHandle, KeyDestroyed, Owner, Sealer, UnsealError
from storage.tables import DataKey
from storage.transactions import transaction
from tests.clock import FakeClock

WHERE = "inbox.body"
ROW = UUID("019ab000-0000-7000-8000-000000000001")


@pytest.fixture
def owner() -> Owner:
    return Owner("identity", uuid4())


@given(text=st.text(), data=st.binary(max_size=300))
def test_what_was_sealed_comes_back_whole(text: str, data: bytes) -> None:
    handle = DataKeyHandle(uuid4(), bytes(range(32)))
    try:
        sealed = handle.seal(WHERE, ROW, text)
    except UnicodeEncodeError:
        return
    assert handle.open(WHERE, ROW, sealed).decode() == text
    assert handle.open(WHERE, ROW, handle.seal_bytes(WHERE, ROW, data)) == data


async def test_a_blob_says_its_key_and_hides_its_text(sealer: Sealer, owner: Owner) -> None:
    key = await sealer.key(owner)
    blob = key.seal(WHERE, ROW, "the quick brown fox")
    assert blob[:1] == b"\x01"
    assert UUID(bytes=blob[1:17]) == key.id
    assert len(blob) == 1 + 16 + 12 + len("the quick brown fox") + 16
    assert b"quick" not in blob
    assert key.seal(WHERE, ROW, "the quick brown fox") != blob
    assert await sealer.unseal(WHERE, ROW, blob) == "the quick brown fox"


@pytest.mark.parametrize(
    ("where", "row"),
    [
        ("replies.body", ROW),  # another table
        ("inbox.words", ROW),  # another column
        (WHERE, uuid4()),  # another row
        ("inbo.xbody", ROW),  # the same letters, cut elsewhere
    ],
)
async def test_a_blob_opens_only_where_it_was_sealed(sealer: Sealer, owner: Owner, where: str, row: UUID) -> None:
    blob = (await sealer.key(owner)).seal(WHERE, ROW, "mine")
    with pytest.raises(UnsealError):
        await sealer.unseal(where, row, blob)


async def test_a_blob_opens_only_under_its_own_key(sealer: Sealer, owner: Owner) -> None:
    mine, theirs = await sealer.key(owner), await sealer.key(Owner("user", owner.id))
    blob = mine.seal(WHERE, ROW, "mine")
    with pytest.raises(UnsealError):
        await sealer.unseal(WHERE, ROW, blob[:1] + theirs.id.bytes + blob[17:])
    with pytest.raises(UnsealError):
        theirs.open(WHERE, ROW, blob)


async def test_no_byte_of_a_blob_can_be_changed(sealer: Sealer, owner: Owner) -> None:
    blob = (await sealer.key(owner)).seal(WHERE, ROW, "hello")
    for place in range(len(blob)):
        changed = bytearray(blob)
        changed[place] ^= 0x01
        with pytest.raises(UnsealError):
            await sealer.unseal(WHERE, ROW, bytes(changed))


async def test_cut_empty_and_newer_blobs_are_one_kind_of_error(sealer: Sealer, owner: Owner) -> None:
    blob = (await sealer.key(owner)).seal(WHERE, ROW, "hello")
    broken = [b"", b"\x01", b"\x02" + blob[1:], blob[:29], blob[:44], blob[:-1], blob + b"\x00", b"plain words" * 9]
    said = set()
    for wrong in broken:
        with pytest.raises(UnsealError) as caught:
            await sealer.unseal(WHERE, ROW, wrong)
        said.add(str(caught.value).replace("its data key was destroyed", "can't be opened").replace(":", ""))
    assert said == {f"{WHERE} of {ROW} can't be opened"}


async def test_many_are_opened_in_their_order_with_one_query(
    sealer: Sealer, key_ring: KeyRing, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [uuid4() for _ in range(12)]
    keys = [await sealer.key(Owner("identity", uuid4())) for _ in range(4)]
    blobs = [(row, keys[n % 4].seal(WHERE, row, f"text {n}")) for n, row in enumerate(rows)]
    asked: list[object] = []
    ask = DataKey.filter
    monkeypatch.setattr(DataKey, "filter", lambda **by: (asked.append(by), ask(**by))[1])
    other = Sealer(key_ring, clock)
    assert await other.unseal_many(WHERE, blobs) == [f"text {n}" for n in range(12)]
    assert await other.unseal_many(WHERE, blobs) == [f"text {n}" for n in range(12)]
    assert len(asked) == 1
    assert await other.unseal_many(WHERE, []) == []


async def test_an_owner_keeps_one_key_until_it_is_thirty_days_old(
    sealer: Sealer, owner: Owner, key_ring: KeyRing, clock: FakeClock
) -> None:
    first = await sealer.key(owner)
    blob = first.seal(WHERE, ROW, "old words")
    clock.advance(days=29)
    assert (await sealer.key(owner)).id == first.id
    clock.advance(days=1)
    second = await sealer.key(owner)
    assert second.id != first.id
    assert (await Sealer(key_ring, clock).key(owner)).id == second.id
    assert await sealer.unseal(WHERE, ROW, blob) == "old words"
    assert await DataKey.all().count() == 2


async def test_a_key_that_must_be_made_is_refused_inside_a_transaction(sealer: Sealer, owner: Owner) -> None:
    async with transaction(Step.ADMIN):
        with pytest.raises(RuntimeError, match="before the transaction"):
            await sealer.key(owner)
    key = await sealer.key(owner)
    async with transaction(Step.ADMIN):
        assert await sealer.key(owner) is key


async def test_a_guests_words_stay_readable_when_the_guest_becomes_a_user(
    sealer: Sealer, owner: Owner, key_ring: KeyRing, clock: FakeClock
) -> None:
    blob = (await sealer.key(owner)).seal(WHERE, ROW, "said as a guest")
    user = Owner("user", uuid4())
    async with transaction(Step.ADMIN):
        assert await sealer.hand_over(owner, user) == 1
    assert (await sealer.key(user)).id == UUID(bytes=blob[1:17])
    assert await Sealer(key_ring, clock).unseal(WHERE, ROW, blob) == "said as a guest"
    assert (await sealer.key(owner)).id != UUID(bytes=blob[1:17])


async def test_destroying_a_key_shreds_what_it_sealed(
    sealer: Sealer, owner: Owner, key_ring: KeyRing, clock: FakeClock
) -> None:
    other = Sealer(key_ring, clock)
    blob = (await sealer.key(owner)).seal(WHERE, ROW, "forget me")
    assert await other.unseal(WHERE, ROW, blob) == "forget me"
    async with transaction(Step.ADMIN):
        assert await sealer.destroy(owner) == 1
    with pytest.raises(KeyDestroyed):
        await sealer.unseal(WHERE, ROW, blob)
    clock.advance(CACHED_SECONDS)
    with pytest.raises(KeyDestroyed):
        await other.unseal(WHERE, ROW, blob)
    assert (await sealer.key(owner)).id != UUID(bytes=blob[1:17])


async def test_a_data_key_opens_only_with_the_ring_that_wrapped_it(
    sealer: Sealer, owner: Owner, data_dir, clock: FakeClock
) -> None:
    blob = (await sealer.key(owner)).seal(WHERE, ROW, "hello")
    stranger = KeyRing.open(data_dir / "other.json", create=True)
    with pytest.raises(KeyRingError, match="Put that key ring back"):
        await Sealer(stranger, clock).unseal(WHERE, ROW, blob)


async def test_a_wrapped_key_can_not_be_moved_to_another_row(
    sealer: Sealer, key_ring: KeyRing, clock: FakeClock
) -> None:
    mine, theirs = await sealer.key(Owner("user", uuid4())), await sealer.key(Owner("user", uuid4()))
    blob = theirs.seal(WHERE, ROW, "theirs")
    taken = await DataKey.get(id=mine.id)
    async with transaction(Step.ADMIN):
        await DataKey.filter(id=theirs.id).update(wrapped=taken.wrapped)
    with pytest.raises(KeyRingError):
        await Sealer(key_ring, clock).unseal(WHERE, ROW, blob)


async def test_the_cache_forgets_keys_that_are_not_used(sealer: Sealer, clock: FakeClock) -> None:
    for _ in range(30):
        await sealer.key(Owner("identity", uuid4()))
        clock.advance(timedelta(seconds=60).total_seconds())
    assert len(sealer._handles._entries) <= 7


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(noise=st.binary(max_size=120))
def test_noise_never_opens(noise: bytes) -> None:
    handle = DataKeyHandle(uuid4(), bytes(range(32)))
    with pytest.raises(UnsealError):
        handle.open(WHERE, ROW, noise)


async def test_many_owners_keys_are_made_in_one_transaction_and_found_again(
    database: None, sealer: Sealer, key_ring: KeyRing, clock: FakeClock
) -> None:
    owners = [Owner("identity", new_id()) for _ in range(30)]
    known = await sealer.key(owners[0])
    faults.arm("nowhere#1")
    try:
        await sealer.prepare(owners)
        made = [await sealer.key(owner) for owner in owners]
        assert faults.hits()[f"{Step.KEY_CREATE}.after"] == 1
    finally:
        faults.arm("")
    assert made[0].id == known.id
    another = Sealer(key_ring, clock)
    await another.prepare(owners)
    assert [(await another.key(owner)).id for owner in owners] == [handle.id for handle in made]
