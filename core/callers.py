"""Who is calling: what a person in a chat may do, as a `Call`; people of a workspace that was let in get an account."""

from dataclasses import replace

from core import invitations
from core.access import stands
from core.directory import KnownChat, Person, is_welcome, known_chat
from core.lanes import Held
from core.operations.registry import Call, Services
from core.outbox import Outbox, target_of
from core.waiting import Waiting
from storage.faults import Step, calling
from storage.sealing import Owner
from storage.tables import Chat, Identity, Role


async def call_of(
    services: Services,
    *,
    person: Person,
    chat: KnownChat,
    channel: str,
    external_id: str,
    name: str,
    message_id: str = "",
) -> Call:
    """Return a person's call from a chat, with the keys of their teams at hand; call it outside a transaction."""
    found = await stands(person.user_id, services.team_id, mode=services.mode, welcome=person.welcome)
    await services.sealer.prepare(Owner("team", team) for team in found.teams)
    for team in found.teams:
        await services.sealer.key(Owner("team", team))
    await services.sealer.key(person.owner)
    return Call(
        services=services,
        surface="web" if channel == "web" else "chat",
        standing=found.standing,
        person=person,
        chat=chat,
        channel=channel,
        external_id=external_id,
        name=name,
        teams=found.teams,
        restricted=found.restricted,
        message_id=message_id,
    )


class Callers:
    """Finds out who wrote what waits in a lane."""

    def __init__(self, services: Services, outbox: Outbox) -> None:
        self._services = services
        self._outbox = outbox

    async def of(self, held: Held, chat: Chat, first: Waiting, *, named: bool = False) -> Call:
        """Return the call of whoever wrote `first`; somebody whose whole workspace was let in is made a member.

        Args:
            named: their name is wanted even if the channel must be asked for it.
        """
        identity = await Identity.get(id=first.entry.identity_id)
        welcome = identity.user_id is None and await is_welcome(chat.account, identity.external_id)
        name = first.kept.name or identity.name
        if not name and (named or welcome):
            name = await self._name_of(held, chat, identity.external_id)
        if welcome:
            await self._admit(held, identity, name)
            identity = await Identity.get(id=identity.id)
        return await call_of(
            self._services,
            person=Person(identity.id, identity.user_id, welcome),
            chat=await known_chat(chat),
            channel=held.channel,
            external_id=identity.external_id,
            name=name,
            message_id=first.entry.message_id,
        )

    async def _name_of(self, held: Held, chat: Chat, external_id: str) -> str:
        target = target_of(held, chat, "")
        channel, whole = self._outbox.channel(target), replace(target, chat=target.chat.partition("/")[0])
        async with calling(Step.CALL_SURROUNDINGS):
            found = await channel.surroundings(whole, people=[external_id], texts=(), known=())
        return found.names.get(external_id, "")

    async def _admit(self, held: Held, identity: Identity, name: str) -> None:
        services = self._services
        async with held.commit(Step.ADMIT):
            await invitations.make_member(
                identity, name, services.team_id, Role.MEMBER, clock=services.clock, sealer=services.sealer
            )
        services.directory.forget()
