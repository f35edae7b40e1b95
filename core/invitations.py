"""Invitations: a code of 40 random bits, used once, that lets its bearer in. Only its HMAC is kept."""

import secrets
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

from core import counters
from core.directory import Person
from storage.clock import Clock
from storage.ids import new_id
from storage.sealing import Owner, Sealer
from storage.tables import Identity, Invitation, Membership, Role, Team, User

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_LOOKALIKES = str.maketrans("OIL", "011")
VALID_FOR = timedelta(days=7)
TRIES = 5
TRIES_OVERALL = 100
TRIES_WINDOW = timedelta(hours=1)


class WrongCode(Exception):
    """The code lets nobody in; the text is a sentence for the person."""


def _canonical(code: str) -> str:
    return code.upper().replace("-", "").translate(_LOOKALIKES)


async def make(
    *,
    team_id: UUID,
    role: Role,
    made_by: UUID | None,
    binds_user: UUID | None,
    clock: Clock,
    secret_hash: Callable[[str, str], str],
) -> str:
    """Make an invitation in the caller's transaction and return its code (`ABCD-EFGH`), which nobody can read again.

    Args:
        binds_user: the account that the bearer's identity becomes part of; None makes a new account.
    """
    code = "".join(secrets.choice(_ALPHABET) for _ in range(8))
    now = clock.now()
    await Invitation.create(
        id=new_id(),
        code_hash=secret_hash("invitation", code),
        team_id=team_id,
        role=role,
        binds_user_id=binds_user,
        made_by_id=made_by,
        created_at=now,
        expires_at=now + VALID_FOR,
    )
    return f"{code[:4]}-{code[4:]}"


async def redeem(
    code: str, person: Person, name: str, *, clock: Clock, sealer: Sealer, secret_hash: Callable[[str, str], str]
) -> Invitation:
    """Let the bearer of `code` in, in the caller's transaction: their identity gets an account and a membership.

    Raises:
        WrongCode: it is unknown, used or expired, or there were too many tries; the try was counted.
    """
    await _count_try(person.identity_id, clock)
    now = clock.now()
    invitation = await Invitation.get_or_none(code_hash=secret_hash("invitation", _canonical(code)))
    if invitation is None or invitation.used_at is not None or invitation.expires_at <= now:
        raise WrongCode("That code is not valid: it may be mistyped, used or expired. Ask for a new one.")
    claimed = await Invitation.filter(id=invitation.id, used_at__isnull=True).update(
        used_at=now, used_by_id=person.identity_id
    )
    if not claimed:
        raise WrongCode("That code was used a moment ago. Ask for a new one.")
    await make_member(
        await Identity.get(id=person.identity_id),
        name,
        invitation.team_id,
        invitation.role,
        user_id=invitation.binds_user_id,
        clock=clock,
        sealer=sealer,
    )
    return invitation


async def make_member(
    identity: Identity,
    name: str,
    team_id: UUID,
    role: Role,
    *,
    clock: Clock,
    sealer: Sealer,
    user_id: UUID | None = None,
) -> None:
    """Give an identity an account, a new one unless `user_id` names it, and a membership, in the caller's transaction.

    What the identity wrote as a guest is the account's from then on. Who got one in another chat meanwhile keeps that.
    """
    now_there = await Identity.filter(id=identity.id).select_for_update().get()
    if now_there.user_id is not None:
        return
    user_id = user_id or await _new_user(name, clock)
    await Identity.filter(id=identity.id).update(user_id=user_id, name=name[:200])
    if not await Membership.exists(team_id=team_id, user_id=user_id):
        await Membership.create(id=new_id(), team_id=team_id, user_id=user_id, role=role, created_at=clock.now())
    await sealer.hand_over(Owner("identity", identity.id), Owner("user", user_id))


async def _new_user(name: str, clock: Clock) -> UUID:
    now = clock.now()
    user = await User.create(id=new_id(), name=name[:200] or "Somebody", created_at=now)
    team = await Team.create(id=new_id(), name=f"{user.name}'s team"[:200], created_at=now)
    await Membership.create(id=new_id(), team_id=team.id, user_id=user.id, role=Role.OWNER, created_at=now)
    return user.id


async def _count_try(identity_id: UUID, clock: Clock) -> None:
    mine = await counters.count(f"invitation:{identity_id}", TRIES_WINDOW, clock)
    overall = await counters.count("invitation:overall", TRIES_WINDOW, clock)
    if mine > TRIES or overall > TRIES_OVERALL:
        raise WrongCode("There were too many tries. Wait an hour, then try again with a valid code.")
