"""Who and where: the rows behind an origin, made when somebody is met for the first time."""

from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

from tortoise.exceptions import IntegrityError
from tortoise.expressions import Q
from tortoise.queryset import QuerySet

from core.envelopes import Origin, Place
from storage.clock import Clock
from storage.faults import Step
from storage.ids import new_id
from storage.sealing import Owner
from storage.tables import Chat, ChatKind, Identity, Lane
from storage.transactions import transaction

_V = TypeVar("_V")

FRESH_SECONDS = 1.0
"""How long what was read about a person or chat is trusted; a revocation in another process counts after that."""


@dataclass(frozen=True, slots=True)
class Person:
    """An identity, and the account behind it if there is one."""

    identity_id: UUID
    user_id: UUID | None

    @property
    def owner(self) -> Owner:
        """Return whose key seals this person's words."""
        return Owner("user", self.user_id) if self.user_id else Owner("identity", self.identity_id)


@dataclass(frozen=True, slots=True)
class KnownChat:
    """A chat and its two lanes."""

    id: UUID
    account: str
    external_id: str
    kind: ChatKind
    permitted: bool
    lane_id: UUID
    urgent_lane_id: UUID


def whole_group(account: str, chat: str) -> QuerySet[Chat]:
    """Return the query for all chats of the group that `chat` is of: the group's own and its topics'."""
    group = chat.partition("/")[0]
    return Chat.filter(Q(external_id=group) | Q(external_id__startswith=f"{group}/"), account=account)


class Directory:
    """Finds, and makes where missing, the rows behind an origin."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._people: dict[tuple[str, str], tuple[float, Person]] = {}
        self._chats: dict[tuple[str, str], tuple[float, KnownChat]] = {}

    async def person(self, origin: Origin) -> Person:
        """Return who did it. `origin.person` must not be empty."""
        key = (origin.channel, origin.person)
        fresh = self._people.get(key)
        if fresh is not None and self._clock.monotonic() - fresh[0] < FRESH_SECONDS:
            return fresh[1]
        row = await Identity.get_or_none(channel=origin.channel, external_id=origin.person)
        if row is None:
            row = await self._meet_person(origin)
        person = Person(row.id, row.user_id)
        self._keep(self._people, key, person)
        return person

    async def chat(self, origin: Origin) -> KnownChat:
        """Return where it was done."""
        key = (origin.account, origin.chat)
        fresh = self._chats.get(key)
        if fresh is not None and (
            fresh[1].kind is ChatKind.PRIVATE or self._clock.monotonic() - fresh[0] < FRESH_SECONDS
        ):
            return fresh[1]
        row = await Chat.get_or_none(account=origin.account, external_id=origin.chat)
        if row is None:
            row = await self._meet_chat(origin)
        lanes = {lane.urgent: lane.id for lane in await Lane.filter(chat_id=row.id)}
        chat = KnownChat(row.id, row.account, row.external_id, row.kind, row.permitted, lanes[False], lanes[True])
        self._keep(self._chats, key, chat)
        return chat

    def forget(self) -> None:
        """Read everything anew: something about a person or chat has changed."""
        self._people.clear()
        self._chats.clear()

    def _keep(self, cache: dict[tuple[str, str], tuple[float, _V]], key: tuple[str, str], value: _V) -> None:
        if len(cache) > 10_000:
            cache.clear()
        cache[key] = (self._clock.monotonic(), value)

    async def _meet_person(self, origin: Origin) -> Identity:
        try:
            async with transaction(Step.INBOX_MEET):
                return await Identity.create(
                    channel=origin.channel, external_id=origin.person, created_at=self._clock.now()
                )
        except IntegrityError:
            return await Identity.get(channel=origin.channel, external_id=origin.person)

    async def _meet_chat(self, origin: Origin) -> Chat:
        kind = ChatKind.GROUP if origin.place is Place.GROUP else ChatKind.PRIVATE
        try:
            async with transaction(Step.INBOX_MEET):
                chat = await Chat.create(
                    account=origin.account,
                    external_id=origin.chat,
                    kind=kind,
                    permitted=await whole_group(origin.account, origin.chat).filter(permitted=True).exists(),
                    created_at=self._clock.now(),
                )
                for urgent in (False, True):
                    await Lane.create(id=new_id(), chat_id=chat.id, urgent=urgent, channel=origin.channel)
                return chat
        except IntegrityError:
            return await Chat.get(account=origin.account, external_id=origin.chat)

    async def move_chat(self, account: str, old: str, new: str) -> None:
        """Follow a group that the platform gave a new id."""
        async with transaction(Step.INBOX_MEET):
            if not await Chat.exists(account=account, external_id=new):
                await Chat.filter(account=account, external_id=old).update(external_id=new)
        self.forget()
