"""Who is calling: what a person in a chat may do, as a `Call`."""

from core.access import stands
from core.directory import KnownChat, Person
from core.operations.registry import Call, Services
from storage.sealing import Owner


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
