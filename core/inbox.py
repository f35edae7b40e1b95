"""The inbox: what a person did is stored, once, before anybody is told that it arrived."""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from core import replies
from core.access import Door, Verdict
from core.directory import Directory, KnownChat, Person
from core.envelopes import Body, Inbound, Place
from core.lanes import lock_lanes
from core.open_forms import open_for
from core.operations.typed import command_in
from core.wire import inbound_to_json
from storage.clock import Clock
from storage.faults import Step
from storage.ids import new_id
from storage.sealing import DataKeyHandle, Owner, Sealer
from storage.tables import Chat, Identity, InboundState, InboxEntry, Lane
from storage.transactions import transaction
from storage.urgency import urgently

log = logging.getLogger("prowex.inbox")

MOST_WAITING = 100
"""Messages that may wait in one lane; more are refused with a sentence."""
MOST_WAITING_OVERALL = 10_000
COUNT_EVERY = 20
NOTICE_PAUSE = timedelta(days=1)
QUEUE_FULL = "queue_full"


class Busy(Exception):
    """Too much is waiting: nothing was stored; the platform should deliver again later."""


@dataclass(slots=True)
class _Arrival:
    inbound: Inbound
    person: Person | None
    chat: KnownChat
    verdict: Verdict
    lane_id: UUID
    key: DataKeyHandle | None = None

    @property
    def is_kept(self) -> bool:
        """Tell whether its words are kept."""
        return self.verdict in (Verdict.LET_IN, Verdict.CODE)


class Inbox:
    """Accepts inbounds durably.

    Args:
        wake: told which lanes have something new, after the commit.
        is_urgent: tells whether a text is a command that works while a turn runs.
        house: the team under whose key our own notices are sealed.
    """

    def __init__(
        self,
        *,
        directory: Directory,
        door: Door,
        sealer: Sealer,
        clock: Clock,
        house: Owner,
        is_urgent: Callable[[str], bool],
        wake: Callable[[Iterable[UUID]], None],
    ) -> None:
        self._directory = directory
        self._door = door
        self._sealer = sealer
        self._clock = clock
        self._house = house
        self._is_urgent = is_urgent
        self._wake = wake
        self._closed = False
        self._unchecked = MOST_WAITING_OVERALL
        self._uncounted: Counter[UUID] = Counter()

    def close(self) -> None:
        """Accept nothing more: the process is about to stop."""
        self._closed = True

    async def accept(self, inbounds: Sequence[Inbound]) -> None:
        """Store `inbounds` in their order, each once however often it is delivered; return when they are safe.

        Raises:
            Busy: nothing was stored.
        """
        if self._closed:
            raise Busy
        with urgently():  # platforms wait only for so long
            due = await self._stored(inbounds)
        self._wake(due)

    async def _stored(self, inbounds: Sequence[Inbound]) -> set[UUID]:
        """Store `inbounds`; return the lanes in which there is something to do."""
        await self._directory.meet([inbound.origin for inbound in inbounds])
        arrivals = [await self._arrival(inbound) for inbound in inbounds]
        await self._hurry_answers(arrivals)
        await self._sealer.prepare(a.person.owner for a in arrivals if a.person is not None and a.is_kept)
        for arrival in arrivals:
            if arrival.person is not None and arrival.is_kept:
                arrival.key = await self._sealer.key(arrival.person.owner)
        house_key = await self._sealer.key(self._house)
        async with transaction(Step.INBOX_ACCEPT):
            room = await self._room(arrivals)
            rows, due = [], set[UUID]()
            crowded: dict[UUID, list[_Arrival]] = {}
            for arrival in arrivals:
                row = self._row(arrival, room)
                if row.state is not InboundState.NEW and await self._is_stored(row):
                    continue
                rows.append(row)
                if row.state is InboundState.NEW:
                    due.add(arrival.lane_id)
                elif row.reason == QUEUE_FULL:
                    crowded.setdefault(arrival.chat.urgent_lane_id, []).append(arrival)
                elif await self._tell(arrival, row, house_key):
                    due.add(arrival.chat.lane_id)
            for lane_id, refused in crowded.items():
                await self._tell_full(lane_id, refused, house_key)
                due.add(lane_id)
            if len(due) > 1:
                await lock_lanes(due)
            if rows:
                await InboxEntry.bulk_create(rows, ignore_conflicts=True)
            if due:
                await Lane.filter(id__in=sorted(due)).update(due_at=self._clock.now())
        return due

    async def _arrival(self, inbound: Inbound) -> _Arrival:
        chat = await self._directory.chat(inbound.origin)
        if not inbound.origin.person:
            return _Arrival(inbound, None, chat, Verdict.ANONYMOUS, chat.lane_id)
        person = await self._directory.person(inbound.origin)
        verdict = self._door.verdict(inbound, person, chat)
        urgent = verdict is Verdict.LET_IN and (self._is_urgent(inbound.text) or inbound.submission is not None)
        return _Arrival(inbound, person, chat, verdict, chat.urgent_lane_id if urgent else chat.lane_id)

    async def _hurry_answers(self, arrivals: Sequence[_Arrival]) -> None:
        """Let what may answer a form's question be worked while a turn runs."""
        talk = [a for a in arrivals if a.verdict is Verdict.LET_IN and command_in(a.inbound.text) is None]
        asked = await open_for({arrival.chat.id for arrival in talk}, self._clock)
        for arrival in talk:
            assert arrival.person is not None
            if (arrival.chat.id, arrival.person.identity_id) in asked:
                arrival.lane_id = arrival.chat.urgent_lane_id

    async def _is_stored(self, row: InboxEntry) -> bool:
        """Tell whether the event was delivered before; what is kept needs no look, a second row conflicts."""
        return await InboxEntry.filter(account=row.account, event_id=row.event_id, fingerprint=row.fingerprint).exists()

    async def _room(self, arrivals: Sequence[_Arrival]) -> dict[UUID, int]:
        """Return how many more fit into the lanes that may fill up; the rows are counted only every so many messages.

        Raises:
            Busy: too much waits in all lanes together.
        """
        self._unchecked += len(arrivals)
        if self._unchecked >= MOST_WAITING_OVERALL // 10:
            self._unchecked = 0
            if await InboxEntry.filter(state=InboundState.NEW).count() > MOST_WAITING_OVERALL:
                raise Busy
        room = {}
        for lane_id, arrived in Counter(arrival.lane_id for arrival in arrivals).items():
            self._uncounted[lane_id] += arrived
            if self._uncounted[lane_id] >= COUNT_EVERY:
                waiting = await InboxEntry.filter(lane_id=lane_id, state=InboundState.NEW).count()
                room[lane_id] = MOST_WAITING - waiting
                if waiting + arrived <= MOST_WAITING:
                    del self._uncounted[lane_id]
        if len(self._uncounted) > 10_000:
            self._uncounted.clear()
        return room

    def _row(self, arrival: _Arrival, room: dict[UUID, int]) -> InboxEntry:
        inbound = arrival.inbound
        row = InboxEntry(
            id=new_id(),
            account=inbound.origin.account,
            event_id=inbound.event_id,
            fingerprint=inbound.fingerprint,
            lane_id=arrival.lane_id,
            identity_id=arrival.person.identity_id if arrival.person else None,
            position=inbound.position,
            message_id=inbound.message_id,
            state=InboundState.NEW,
            received_at=self._clock.now(),
        )
        if arrival.key is None:
            quiet = arrival.verdict in (Verdict.NOT_ADDRESSED, Verdict.ANONYMOUS)
            row.state = InboundState.IGNORED if quiet else InboundState.REFUSED
            row.reason = str(arrival.verdict)
        elif room.get(arrival.lane_id, 1) < 1:
            row.state, row.reason = InboundState.REFUSED, QUEUE_FULL
        else:
            if arrival.lane_id in room:
                room[arrival.lane_id] -= 1
            row.body = arrival.key.seal("inbox.body", row.id, inbound_to_json(inbound))
            row.reason = str(Verdict.CODE) if arrival.verdict is Verdict.CODE else ""
        return row

    async def _tell(self, arrival: _Arrival, row: InboxEntry, key: DataKeyHandle) -> bool:
        """Tell a person, at most once a day, why they are not answered; return whether something is to be said."""
        if row.state is InboundState.IGNORED:
            return False
        now = self._clock.now()
        if not await self._may_notice(arrival, now):
            return False
        body, inbound = Body(self._door.notice(arrival.verdict)), arrival.inbound
        only_for = inbound.origin.person if inbound.origin.place is Place.GROUP else ""
        await replies.create_once(key, arrival.chat.lane_id, body, now, answers=inbound.message_id, only_for=only_for)
        return True

    async def _tell_full(self, lane_id: UUID, refused: Sequence[_Arrival], key: DataKeyHandle) -> None:
        """Tell, even while a turn runs, that messages were not kept because too many wait."""
        ones, them = ("this one", "it") if len(refused) == 1 else (f"the last {len(refused)}", "them")
        text = (
            f"{MOST_WAITING} messages wait here for an answer, so I could not keep {ones}. "
            f"Please send {them} again when I have caught up."
        )
        answers = refused[0].inbound.message_id
        await replies.create_once(key, lane_id, Body(text), self._clock.now(), answers=answers)

    async def _may_notice(self, arrival: _Arrival, now: datetime) -> bool:
        """Record that a notice is given now, unless the person, or in a group anybody, got one within a day.

        A group does not see what is answered to somebody whose words it does not see either.
        """
        noticed: list[Chat | Identity] = []
        if arrival.inbound.origin.place is Place.GROUP and not arrival.inbound.unseen:
            noticed.append(await Chat.get(id=arrival.chat.id))
        if arrival.verdict is not Verdict.GROUP_NOT_PERMITTED:
            assert arrival.person is not None
            noticed.append(await Identity.get(id=arrival.person.identity_id))
        if any(one.noticed_at is not None and now - one.noticed_at < NOTICE_PAUSE for one in noticed):
            return False
        for one in noticed:
            if not await type(one).filter(id=one.id, noticed_at=one.noticed_at).update(noticed_at=now):
                return False
        return True
