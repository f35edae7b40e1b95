"""Who is let in, and what they may do."""

import re
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from uuid import UUID

from core.directory import KnownChat, Person
from core.envelopes import Inbound, Place
from storage.tables import Membership, Role, User

_CODE = re.compile(r"(?:/(?:start|join)(?:@\w+)?\s+)?([0-9A-Za-z]{4}-?[0-9A-Za-z]{4})\s*", re.ASCII)


class Mode(StrEnum):
    """Whom an installation answers: bearers of an invitation, everybody, or nobody new."""

    PAIRING = "pairing"
    OPEN = "open"
    CLOSED = "closed"


class Standing(IntEnum):
    """What a caller is to the team whose agent they speak to; each includes those before it."""

    STRANGER = 0
    GUEST = 1
    MEMBER = 2
    ADMIN = 3
    OWNER = 4
    OPERATOR = 5


class Verdict(StrEnum):
    """What is done with an inbound. All but the first two keep nothing of its words."""

    LET_IN = "let_in"
    CODE = "code"
    NOT_ADDRESSED = "not_addressed"
    ANONYMOUS = "anonymous"
    STRANGER = "stranger"
    GROUP_NOT_PERMITTED = "group_not_permitted"


_OF_ROLE = {Role.MEMBER: Standing.MEMBER, Role.ADMIN: Standing.ADMIN, Role.OWNER: Standing.OWNER}


@dataclass(frozen=True, slots=True)
class Stands:
    """What a user is to the installation's team.

    Args:
        teams: those whose agents the user may see, their own first.
        restricted: the user's data may only be kept.
    """

    standing: Standing
    teams: tuple[UUID, ...]
    restricted: bool = False


async def stands(user_id: UUID | None, team_id: UUID, *, mode: Mode, welcome: bool = False) -> Stands:
    """Return what a user is to a team.

    Args:
        welcome: no account is needed, since the whole workspace was let in.
    """
    if user_id is None:
        return Stands(Standing.GUEST if mode is Mode.OPEN or welcome else Standing.STRANGER, (team_id,))
    user = await User.get(id=user_id)
    memberships = {m.team_id: m for m in await Membership.filter(user_id=user_id).order_by("-id")}
    teams = (*(team for team in memberships if team != team_id), team_id)
    if user.operator:
        standing = Standing.OPERATOR
    else:
        standing = _OF_ROLE[memberships[team_id].role] if team_id in memberships else Standing.GUEST
    return Stands(standing, teams, user.restricted_at is not None)


def code_in(text: str) -> str | None:
    """Return the invitation code that a message is: `/start CODE`, `/join CODE` or the code alone."""
    match = _CODE.fullmatch(text.strip())
    return match.group(1) if match is not None else None


@dataclass(frozen=True, slots=True)
class Door:
    """Decides at the door, before anything is kept.

    Args:
        mode: whom the installation answers. `open` lets groups in too; otherwise each group needs a permission.
    """

    mode: Mode

    def verdict(self, inbound: Inbound, person: Person, chat: KnownChat) -> Verdict:
        """Return what to do with `inbound`."""
        in_group = inbound.origin.place is Place.GROUP
        if in_group and not inbound.addressed:
            return Verdict.NOT_ADDRESSED
        let_in = person.user_id is not None or person.welcome or self.mode is Mode.OPEN
        if not let_in:
            is_private = not in_group or inbound.unseen
            has_code = is_private and not inbound.button and code_in(inbound.text) is not None
            return Verdict.CODE if has_code and self.mode is Mode.PAIRING else Verdict.STRANGER
        if in_group and not chat.permitted and self.mode is not Mode.OPEN:
            asks = inbound.text.strip().partition("@")[0] == "/permit"
            return Verdict.LET_IN if asks else Verdict.GROUP_NOT_PERMITTED
        return Verdict.LET_IN

    def notice(self, verdict: Verdict) -> str:
        """Return the one sentence a person who is not let in is told."""
        if verdict is Verdict.GROUP_NOT_PERMITTED:
            return "I don't answer in this group yet: a team admin can let it in by writing /permit here."
        if self.mode is Mode.CLOSED:
            return "This assistant is private and takes in nobody new."
        return (
            "This assistant is private: if you have an invitation code, send it to me in a direct message, "
            "else ask the person who runs it for one."
        )
