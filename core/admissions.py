"""Accounts for people who need no invitation, because the workspace they are of was let in as a whole."""

from uuid import UUID

from core import invitations
from core.directory import Directory, is_welcome
from core.lanes import Held
from storage.clock import Clock
from storage.faults import Step
from storage.sealing import Sealer
from storage.tables import Chat, Identity, Role


class Admissions:
    """Makes accounts when their people first say something.

    Args:
        team_id: the team that they become members of.
    """

    def __init__(self, team_id: UUID, directory: Directory, sealer: Sealer, clock: Clock) -> None:
        self._team_id = team_id
        self._directory = directory
        self._sealer = sealer
        self._clock = clock

    async def admit(self, held: Held, identity_id: UUID, name: str) -> None:
        """Make the identity a member, unless it has an account or its workspace was not let in."""
        identity = await Identity.get(id=identity_id)
        if identity.user_id is not None or ":" not in identity.external_id:
            return
        chat = await Chat.get(id=held.chat_id)
        if not await is_welcome(chat.account, identity.external_id):
            return
        async with held.commit(Step.ADMIT):
            await invitations.make_member(
                identity, name, self._team_id, Role.MEMBER, clock=self._clock, sealer=self._sealer
            )
        self._directory.forget()
