"""Who and where: the rows behind an origin, made when somebody is met for the first time."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
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
from storage.tables import Chat, ChatKind, Identity, Lane, Workspace
from storage.transactions import transaction

_V = TypeVar("_V")

FRESH_SECONDS = 1.0
"""How long what was read about a person or chat is trusted; a revocation in another process counts after that."""


@dataclass(frozen=True, slots=True)
class Person:
    """An identity, and the account behind it if there is one.

    Args:
        welcome: they need no invitation: the workspace that they are of was let in as a whole.
    """

    identity_id: UUID
    user_id: UUID | None
    welcome: bool = False

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


def _known(chat: Chat, lanes: Mapping[bool, UUID]) -> KnownChat:
    return KnownChat(chat.id, chat.account, chat.external_id, chat.kind, chat.permitted, lanes[False], lanes[True])


async def known_chat(chat: Chat) -> KnownChat:
    """Return a chat's row together with its lanes."""
    return _known(chat, {lane.urgent: lane.id for lane in await Lane.filter(chat_id=chat.id)})


async def is_welcome(account: str, person: str) -> bool:
    """Tell whether a person (`T1:U1`) is of the account's workspace (`…:T1`), and that was let in as a whole."""
    return _is_of(account, person) and await Workspace.exists(account=account)


def _is_of(account: str, person: str) -> bool:
    workspace = account.partition(":")[2]
    return bool(workspace) and person.startswith(f"{workspace}:")


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
        if self._is_fresh(self._people, key):
            return self._people[key][1]
        row = await Identity.get_or_none(channel=origin.channel, external_id=origin.person)
        if row is None:
            row = await self._meet_person(origin)
        welcome = row.user_id is None and await is_welcome(origin.account, origin.person)
        person = Person(row.id, row.user_id, welcome)
        self._keep(self._people, key, person)
        return person

    async def chat(self, origin: Origin) -> KnownChat:
        """Return where it was done."""
        key = (origin.account, origin.chat)
        kept = self._chats.get(key)
        if kept is not None and (kept[1].kind is ChatKind.PRIVATE or self._is_fresh(self._chats, key)):
            return kept[1]
        row = await Chat.get_or_none(account=origin.account, external_id=origin.chat)
        if row is None:
            row = await self._meet_chat(origin)
        chat = await known_chat(row)
        self._keep(self._chats, key, chat)
        return chat

    async def meet(self, origins: Sequence[Origin]) -> None:
        """Read, and make where missing, all people and direct chats of a delivery with a few statements."""
        people = {o.person: o for o in origins if o.person and not self._is_fresh(self._people, (o.channel, o.person))}
        chats = {o.chat: o for o in origins if o.place is Place.PRIVATE and (o.account, o.chat) not in self._chats}
        if len(people) + len(chats) < 2 or len({(o.channel, o.account) for o in origins}) > 1:
            return
        channel, account = origins[0].channel, origins[0].account
        await self._read(channel, account, people, chats)
        new_people = [o for o in people.values() if (channel, o.person) not in self._people]
        new_chats = [o for o in chats.values() if (account, o.chat) not in self._chats]
        if not new_people and not new_chats:
            return
        with suppress(IntegrityError):  # another process met some of them meanwhile: then each is looked for alone
            await self._make(new_people, new_chats)
        await self._read(channel, account, people, chats)

    async def _make(self, people: Sequence[Origin], chats: Sequence[Origin]) -> None:
        now = self._clock.now()
        rows = [
            Chat(id=new_id(), account=o.account, external_id=o.chat, kind=ChatKind.PRIVATE, created_at=now)
            for o in chats
        ]
        lanes = [
            Lane(id=new_id(), chat_id=row.id, urgent=urgent, channel=origin.channel)
            for row, origin in zip(rows, chats, strict=True)
            for urgent in (False, True)
        ]
        async with transaction(Step.INBOX_MEET):
            await Identity.bulk_create(
                [Identity(id=new_id(), channel=o.channel, external_id=o.person, created_at=now) for o in people]
            )
            await Chat.bulk_create(rows)
            await Lane.bulk_create(lanes)

    async def _read(self, channel: str, account: str, people: Iterable[str], chats: Iterable[str]) -> None:
        rows = await Identity.filter(channel=channel, external_id__in=list(people))
        guests = {row.id for row in rows if row.user_id is None and _is_of(account, row.external_id)}
        is_open = bool(guests) and await Workspace.exists(account=account)
        for row in rows:
            person = Person(row.id, row.user_id, is_open and row.id in guests)
            self._keep(self._people, (channel, row.external_id), person)
        found = await Chat.filter(account=account, external_id__in=list(chats))
        lanes: dict[UUID, dict[bool, UUID]] = {}
        for lane in await Lane.filter(chat_id__in=[chat.id for chat in found]):
            lanes.setdefault(lane.chat_id, {})[lane.urgent] = lane.id
        for chat in found:
            self._keep(self._chats, (account, chat.external_id), _known(chat, lanes[chat.id]))

    def forget(self) -> None:
        """Read everything anew: something about a person or chat has changed."""
        self._people.clear()
        self._chats.clear()

    def _is_fresh(self, cache: Mapping[tuple[str, str], tuple[float, object]], key: tuple[str, str]) -> bool:
        kept = cache.get(key)
        return kept is not None and self._clock.monotonic() - kept[0] < FRESH_SECONDS

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
