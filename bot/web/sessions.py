"""Who is signed in: one-time links, sessions and the count of wrong passwords, all in the database.

Of every token only its HMAC is kept. A session is looked up at each request, so that ending it counts at once.
"""

import hmac as constant_time
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from channels import web as web_channel
from core import counters
from storage.clock import Clock
from storage.faults import Step
from storage.ids import new_id
from storage.tables import AuditEvent, Counter, Identity, LoginLink, Session, User
from storage.transactions import transaction

LINK_LIFE = timedelta(minutes=15)
IDLE = timedelta(hours=2)
LIFE = timedelta(hours=12)
TRIES = 10
LOCKED = timedelta(minutes=15)
_SEEN_EVERY = timedelta(minutes=1)
_PROOF_LIFE = timedelta(minutes=15)
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")

Hmac = Callable[[str, str], str]


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A request's session. `token` is what the browser holds."""

    id: UUID
    token: str
    user: User

    @property
    def user_id(self) -> str:
        """The user's id, which is also the id of their chat here."""
        return str(self.user.id)


class Locked(Exception):
    """Too many wrong passwords were tried; nothing is checked for `seconds`."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"locked for {seconds:.0f} s")
        self.seconds = seconds


async def make_login_link(user_id: UUID, base_url: str, *, clock: Clock, hmac: Hmac) -> str:
    """Return an address that signs `user_id` in once, within 15 minutes. It is as good as a password: never log it.

    Call it in a transaction.
    """
    token, now = secrets.token_urlsafe(32), clock.now()
    await LoginLink.filter(expires_at__lt=now - LINK_LIFE).delete()
    await LoginLink.create(
        id=new_id(),
        user_id=user_id,
        token_hash=hmac("login-link", token),
        created_at=now,
        expires_at=now + LINK_LIFE,
    )
    return f"{base_url.rstrip('/')}/open/{token}"


async def operator() -> User | None:
    """Return the user whom the sign-in page is for."""
    return await User.filter(operator=True).order_by("id").first()


class Sessions:
    """Opens, finds and ends sessions."""

    def __init__(self, clock: Clock, hmac: Hmac) -> None:
        self._clock = clock
        self._hmac = hmac

    async def find(self, token: str, *, touch: bool = True) -> SignedIn | None:
        """Return the session that `token` belongs to, if it is alive.

        Args:
            touch: the person did something, which keeps the session from growing idle.
        """
        if not _TOKEN.fullmatch(token):
            return None
        now = self._clock.now()
        row = (
            await Session.filter(token_hash=self._hmac("session", token), expires_at__gt=now, seen_at__gt=now - IDLE)
            .select_related("user")
            .first()
        )
        if row is None:
            return None
        if touch and now - row.seen_at >= _SEEN_EVERY:
            async with transaction(Step.SESSION):
                await Session.filter(id=row.id).update(seen_at=now)
        return SignedIn(row.id, token, row.user)

    async def alive(self, session: SignedIn) -> bool:
        """Return whether `session` still stands; asking doesn't keep it from growing idle."""
        return await self.find(session.token, touch=False) is not None

    async def open_by_link(self, link: str, old: SignedIn | None) -> str | None:
        """Use a one-time link up and return a new session's token; None if it was used, is too old, or never was."""
        if not _TOKEN.fullmatch(link):
            return None
        now, token_hash = self._clock.now(), self._hmac("login-link", link)
        async with transaction(Step.SESSION):
            unused = LoginLink.filter(token_hash=token_hash, used_at__isnull=True, expires_at__gt=now)
            if await unused.update(used_at=now) != 1:
                return None
            row = await LoginLink.get(token_hash=token_hash).select_related("user")
            return await self._open(row.user, "link", old)

    async def open_by_password(self, user: User, old: SignedIn | None) -> str:
        """Return a new session's token for a user whose password was right; the wrong ones are forgotten."""
        async with transaction(Step.SESSION):
            await Counter.filter(name=_counter(user.id)).delete()
            return await self._open(user, "password", old)

    async def _open(self, user: User, how: str, old: SignedIn | None) -> str:
        token, now = secrets.token_urlsafe(32), self._clock.now()
        await Session.filter(expires_at__lt=now).delete()
        await Session.filter(seen_at__lt=now - IDLE).delete()
        if old is not None:
            await Session.filter(id=old.id).delete()
        await Session.create(
            id=new_id(),
            user_id=user.id,
            token_hash=self._hmac("session", token),
            created_at=now,
            seen_at=now,
            expires_at=now + LIFE,
        )
        channel, person = web_channel.NAME, str(user.id)
        if not await Identity.filter(channel=channel, external_id=person).update(user_id=user.id):
            known = Identity(
                id=new_id(), channel=channel, external_id=person, user_id=user.id, name=user.name, created_at=now
            )
            await Identity.bulk_create([known], ignore_conflicts=True)
        await self._audit(user.id, "web.sign_in", how)
        return token

    async def end(self, session: SignedIn) -> None:
        """Sign this browser out."""
        async with transaction(Step.SESSION):
            await Session.filter(id=session.id).delete()

    async def set_password(self, session: SignedIn, password_hash: str) -> None:
        """Store a new password; every other browser is signed out and wrong tries are forgotten."""
        async with transaction(Step.SESSION):
            await User.filter(id=session.user.id).update(password_hash=password_hash)
            await Session.filter(user_id=session.user.id).exclude(id=session.id).delete()
            await Counter.filter(name=_counter(session.user.id)).delete()
            await self._audit(session.user.id, "web.set_password", "done")

    async def renew_hash(self, user: User, password_hash: str) -> None:
        """Replace a hash that was made with outdated parameters, unless the password has changed meanwhile."""
        async with transaction(Step.SESSION):
            await User.filter(id=user.id, password_hash=user.password_hash).update(password_hash=password_hash)

    async def count_try(self, user_id: UUID) -> None:
        """Count one more password before it is checked, so that tries side by side count too.

        Raises:
            Locked: there were too many already; the one at hand must not be checked.
        """
        now = self._clock.now()
        async with transaction(Step.SESSION):
            row = await counters.present(_counter(user_id), LOCKED, self._clock)
            if row.count >= TRIES:
                raise Locked((row.since + LOCKED - now).total_seconds())
            row.count += 1
            if row.count == TRIES:
                row.since = now
                await self._audit(user_id, "web.sign_in", "locked")
            await row.save(update_fields=["since", "count"])

    async def _audit(self, user_id: UUID, action: str, outcome: str) -> None:
        await AuditEvent.create(
            id=new_id(), at=self._clock.now(), user_id=user_id, surface="web", action=action, outcome=outcome
        )

    # tokens that are derived, not stored

    def form_token(self, session: SignedIn) -> str:
        """Return what every form of this session carries against forged requests."""
        return self._hmac("web-form", session.token)

    def is_form_token(self, session: SignedIn, given: str) -> bool:
        """Return whether `given` is this session's form token."""
        return same(given, self.form_token(session))

    def early_token(self, purpose: str) -> str:
        """Return what a form carries before anybody is signed in; good for 12 hours."""
        return self._dated("web-early-form", purpose, self._clock.now() + LIFE)

    def is_early_token(self, purpose: str, given: str) -> bool:
        """Return whether `given` was made by `early_token` for this purpose, lately."""
        return self._is_dated("web-early-form", purpose, given)

    def link_proof(self, session_token: str) -> str:
        """Return proof that this session was just opened by a link, which stands in for a forgotten password."""
        return self._dated("web-link-proof", session_token, self._clock.now() + _PROOF_LIFE)

    def is_link_proof(self, session: SignedIn, given: str) -> bool:
        """Return whether `given` was made by `link_proof` for this session, lately."""
        return self._is_dated("web-link-proof", session.token, given)

    def _dated(self, label: str, value: str, until: datetime) -> str:
        stamp = str(int(until.timestamp()))
        return f"{stamp}.{self._hmac(label, f'{stamp} {value}')}"

    def _is_dated(self, label: str, value: str, given: str) -> bool:
        stamp, _, _ = given.partition(".")
        if not re.fullmatch(r"[0-9]{1,12}", stamp) or int(stamp) <= self._clock.now().timestamp():
            return False
        return same(given, f"{stamp}.{self._hmac(label, f'{stamp} {value}')}")


def same(given: str, right: str) -> bool:
    """Compare two tokens in a time that says nothing about where they differ."""
    return constant_time.compare_digest(given.encode("utf-8", "replace"), right.encode())


def _counter(user_id: UUID) -> str:
    return f"web.password:{user_id}"
