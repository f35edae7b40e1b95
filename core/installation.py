"""What exists from the first start: the operator, their team, and one default assistant."""

from dataclasses import dataclass
from uuid import UUID

from tortoise.exceptions import IntegrityError

from core import agents
from core.agents import Plan
from storage.clock import Clock
from storage.faults import Step
from storage.ids import new_id
from storage.sealing import Owner, Sealer
from storage.tables import Agent, Identity, Lease, Membership, Role, Team, User
from storage.transactions import transaction

ASSISTANT = "Prowex"
INSTRUCTIONS = (
    "You are a helpful assistant that people talk to in a chat. Answer in the language you are written to. Be accurate "
    "and brief; say so when you don't know. Write Markdown: short paragraphs, lists where they help, code in fences."
)


@dataclass(frozen=True, slots=True)
class Installation:
    """The rows that every installation has."""

    operator_id: UUID
    team_id: UUID
    agent_id: UUID

    @property
    def house(self) -> Owner:
        """Return whose key seals what the installation itself says."""
        return Owner("team", self.team_id)


async def ensure(clock: Clock, sealer: Sealer) -> Installation:
    """Return the installation, made now if this is the first start. Safe when several processes start at once."""
    found = await _find()
    if found is None:
        team_id = new_id()
        key = await sealer.key(Owner("team", team_id))
        now = clock.now()
        try:
            async with transaction(Step.ADMIN):
                await Lease.create(name="installation", holder=team_id, until=now, fence=1)
                operator = await User.create(id=new_id(), name="Operator", operator=True, created_at=now)
                await Team.create(id=team_id, name="Home", personal=True, created_at=now)
                await Membership.create(
                    id=new_id(), team_id=team_id, user_id=operator.id, role=Role.OWNER, created_at=now
                )
                for channel in ("web", "console"):
                    await Identity.create(
                        id=new_id(), channel=channel, external_id=str(operator.id), user_id=operator.id, created_at=now
                    )
                first = Plan(ASSISTANT, "The assistant that is there from the start", INSTRUCTIONS)
                agent = await agents.create(key, team_id, "prowex", first, operator.id, now)
                await Agent.filter(id=agent.id).update(default=True)
        except IntegrityError:
            pass
        found = await _find()
    assert found is not None
    return found


async def _find() -> Installation | None:
    mark = await Lease.get_or_none(name="installation")
    if mark is None:
        return None
    operator = await User.filter(operator=True).order_by("id").first()
    agent = await Agent.filter(team_id=mark.holder, default=True).order_by("id").first()
    assert operator is not None
    assert agent is not None
    return Installation(operator.id, mark.holder, agent.id)
