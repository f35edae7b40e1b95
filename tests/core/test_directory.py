"""The rows behind people and chats."""

import asyncio

import pytest

from core.directory import FRESH_SECONDS, Directory
from core.envelopes import Origin, Place
from storage import faults
from storage.faults import Step
from storage.tables import Chat, Identity, Lane, User
from storage.transactions import transaction
from tests.clock import FakeClock

pytestmark = pytest.mark.usefixtures("database")


def origin(chat: str = "7", person: str = "7", place: Place = Place.PRIVATE, channel: str = "telegram") -> Origin:
    return Origin(channel, f"{channel}:1", chat, place, person)


async def test_a_person_is_met_once(clock: FakeClock) -> None:
    directory = Directory(clock)
    first = await directory.person(origin())
    clock.advance(10)
    assert await directory.person(origin()) == first
    assert await Directory(clock).person(origin()) == first
    assert first.user_id is None
    assert await Identity.all().count() == 1


async def test_whoever_is_met_twice_at_once_is_met_once(clock: FakeClock) -> None:
    directories = [Directory(clock) for _ in range(5)]
    people = await asyncio.gather(*(directory.person(origin()) for directory in directories))
    chats = await asyncio.gather(*(directory.chat(origin()) for directory in directories))
    assert len(set(people)) == 1
    assert len(set(chats)) == 1
    assert await Lane.all().count() == 2


async def test_the_same_id_on_another_channel_is_another_person(clock: FakeClock) -> None:
    directory = Directory(clock)
    assert await directory.person(origin()) != await directory.person(origin(channel="slack"))


async def test_a_chat_has_a_main_and_an_urgent_lane(clock: FakeClock) -> None:
    chat = await Directory(clock).chat(origin())
    lanes = {lane.id: lane for lane in await Lane.all()}
    assert not lanes[chat.lane_id].urgent
    assert lanes[chat.urgent_lane_id].urgent
    assert {lane.channel for lane in lanes.values()} == {"telegram"}


async def test_what_changed_elsewhere_counts_after_a_second(clock: FakeClock) -> None:
    directory = Directory(clock)
    person = await directory.person(origin())
    async with transaction(Step.ADMIN):
        user = await User.create(name="Ann", created_at=clock.now())
        await Identity.filter(id=person.identity_id).update(user_id=user.id)
    clock.advance(FRESH_SECONDS)
    assert (await directory.person(origin())).user_id == user.id


async def test_what_changed_here_counts_at_once(clock: FakeClock) -> None:
    directory = Directory(clock)
    chat = await directory.chat(origin("-7", place=Place.GROUP))
    async with transaction(Step.ADMIN):
        await Chat.filter(id=chat.id).update(permitted=True)
    directory.forget()
    assert (await directory.chat(origin("-7", place=Place.GROUP))).permitted


async def test_a_new_topic_of_a_permitted_group_is_permitted_and_other_groups_are_not(clock: FakeClock) -> None:
    directory = Directory(clock)
    topic = await directory.chat(origin("-7/3", place=Place.GROUP))
    async with transaction(Step.ADMIN):
        await Chat.filter(id=topic.id).update(permitted=True)
    assert (await directory.chat(origin("-7/4", place=Place.GROUP))).permitted
    assert (await directory.chat(origin("-7", place=Place.GROUP))).permitted
    assert not (await directory.chat(origin("-77", place=Place.GROUP))).permitted
    assert not (await directory.chat(origin("-77/3", place=Place.GROUP))).permitted


async def test_a_group_that_moved_is_the_same_chat(clock: FakeClock) -> None:
    directory = Directory(clock)
    before = await directory.chat(origin("-7", place=Place.GROUP))
    await directory.move_chat("telegram:1", "-7", "-1007")
    after = await directory.chat(origin("-1007", place=Place.GROUP))
    assert after.id == before.id
    await directory.move_chat("telegram:1", "-7", "-1007")
    assert await Chat.all().count() == 1


async def test_a_group_does_not_move_onto_one_that_is_known(clock: FakeClock) -> None:
    directory = Directory(clock)
    old = await directory.chat(origin("-7", place=Place.GROUP))
    new = await directory.chat(origin("-1007", place=Place.GROUP))
    await directory.move_chat("telegram:1", "-7", "-1007")
    assert (await directory.chat(origin("-1007", place=Place.GROUP))).id == new.id
    assert (await directory.chat(origin("-7", place=Place.GROUP))).id == old.id


async def test_a_delivery_of_many_newcomers_is_met_in_one_transaction(clock: FakeClock) -> None:
    directory = Directory(clock)
    origins = [origin(chat=str(number), person=str(number)) for number in range(50)]
    faults.arm("nowhere#1")
    try:
        await directory.meet([*origins, *origins])
        assert faults.hits()[f"{Step.INBOX_MEET}.after"] == 1
        people = [await directory.person(one) for one in origins]
        chats = [await directory.chat(one) for one in origins]
        assert faults.hits()[f"{Step.INBOX_MEET}.after"] == 1
    finally:
        faults.arm("")
    assert len({person.identity_id for person in people}) == 50
    assert len({lane for chat in chats for lane in (chat.lane_id, chat.urgent_lane_id)}) == 100
    assert people == [await Directory(clock).person(one) for one in origins]
    assert chats == [await Directory(clock).chat(one) for one in origins]


async def test_newcomers_met_twice_at_once_are_met_once(clock: FakeClock) -> None:
    origins = [origin(chat=str(number), person=str(number)) for number in range(20)]
    directories = [Directory(clock) for _ in range(4)]
    await asyncio.gather(*(directory.meet(origins) for directory in directories))
    met = [[await directory.person(one) for one in origins] for directory in directories]
    assert all(people == met[0] for people in met)
    assert await Identity.all().count() == 20
    assert await Chat.all().count() == 20
    assert await Lane.all().count() == 40
