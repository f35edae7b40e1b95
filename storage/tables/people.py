"""Users and their identities, teams, invitations, sessions, and what was done by whom."""

from enum import StrEnum
from typing import Any

from tortoise import fields
from tortoise.models import Model

from storage.data_map import Category, Held, Retention
from storage.ids import new_id


class Role(StrEnum):
    """What a person may do in a team; each role includes those after it."""

    OWNER = "owner"
    ADMIN = "admin"
    MEMBER = "member"


class User(Model):
    """A person's account. Since `restricted_at`, if set, what is theirs is kept and exported and not used otherwise."""

    id = fields.UUIDField(primary_key=True, default=new_id)
    name = fields.CharField(max_length=200)
    operator = fields.BooleanField(default=False)
    password_hash = fields.CharField(max_length=300, null=True)
    restricted_at = fields.DatetimeField(null=True)
    created_at = fields.DatetimeField()

    held = Held(
        Category.ACCOUNT,
        subject="self",
        retention=Retention.ACCOUNT,
        personal=("name", "password_hash"),
        technical=("id", "operator", "restricted_at", "created_at"),
    )

    class Meta:
        table = "users"


class Identity(Model):
    """A person on one channel: Telegram's numeric id, Slack's team and user id, never a name. No user: a guest."""

    id = fields.UUIDField(primary_key=True, default=new_id)
    channel = fields.CharField(max_length=20)
    external_id = fields.CharField(max_length=200)
    user: fields.ForeignKeyNullableRelation[User] = fields.ForeignKeyField(
        "models.User", related_name="identities", null=True, db_index=True
    )
    name = fields.CharField(max_length=200, default="")
    noticed_at = fields.DatetimeField(null=True)
    created_at = fields.DatetimeField()

    user_id: Any
    held = Held(
        Category.CHANNEL,
        subject="user",
        retention=Retention.ACCOUNT,
        personal=("channel", "external_id", "name"),
        technical=("id", "user_id", "noticed_at", "created_at"),
    )

    class Meta:
        table = "identities"
        unique_together = (("channel", "external_id"),)


class Team(Model):
    """What owns agents. Every user has a personal team."""

    id = fields.UUIDField(primary_key=True, default=new_id)
    name = fields.CharField(max_length=200)
    personal = fields.BooleanField(default=True)
    created_at = fields.DatetimeField()

    held = Held(
        Category.ACCOUNT,
        subject="members",
        retention=Retention.ACCOUNT,
        personal=("name",),
        technical=("id", "personal", "created_at"),
    )

    class Meta:
        table = "teams"


class Membership(Model):
    """A user's role in a team."""

    id = fields.UUIDField(primary_key=True, default=new_id)
    team: fields.ForeignKeyRelation[Team] = fields.ForeignKeyField("models.Team", related_name="memberships")
    user: fields.ForeignKeyRelation[User] = fields.ForeignKeyField(
        "models.User", related_name="memberships", db_index=True
    )
    role = fields.CharEnumField(Role, max_length=10)
    created_at = fields.DatetimeField()

    team_id: Any
    user_id: Any
    held = Held(
        Category.ACCOUNT,
        subject="user",
        retention=Retention.ACCOUNT,
        technical=("id", "team_id", "user_id", "role", "created_at"),
    )

    class Meta:
        table = "memberships"
        unique_together = (("team", "user"),)


class Workspace(Model):
    """A whole workspace of a channel that was let in: its members need no invitation."""

    account = fields.CharField(max_length=100, primary_key=True)
    opened_by = fields.UUIDField(null=True)
    opened_at = fields.DatetimeField()

    held = Held(
        Category.CHANNEL,
        subject="opened_by",
        retention=Retention.UNTIL_DELETED,
        technical=("account", "opened_by", "opened_at"),
    )

    class Meta:
        table = "workspaces"


class Invitation(Model):
    """A single-use code that lets its first bearer in. Only the code's HMAC is kept."""

    id = fields.UUIDField(primary_key=True, default=new_id)
    code_hash = fields.CharField(max_length=64, unique=True)
    team: fields.ForeignKeyRelation[Team] = fields.ForeignKeyField("models.Team", related_name="invitations")
    role = fields.CharEnumField(Role, max_length=10)
    binds_user: fields.ForeignKeyNullableRelation[User] = fields.ForeignKeyField(
        "models.User", related_name="binding_invitations", null=True
    )
    made_by: fields.ForeignKeyNullableRelation[User] = fields.ForeignKeyField(
        "models.User", related_name="invitations", null=True
    )
    used_by: fields.ForeignKeyNullableRelation[Identity] = fields.ForeignKeyField(
        "models.Identity", related_name="invitations", null=True
    )
    created_at = fields.DatetimeField()
    expires_at = fields.DatetimeField()
    used_at = fields.DatetimeField(null=True)

    team_id: Any
    binds_user_id: Any
    made_by_id: Any
    used_by_id: Any
    held = Held(
        Category.ACCOUNT,
        subject="made_by",
        retention=Retention.WHILE_VALID,
        technical=(
            "id", "code_hash", "team_id", "role", "binds_user_id", "made_by_id", "used_by_id",
            "created_at", "expires_at", "used_at",
        ),
    )  # fmt: skip

    class Meta:
        table = "invitations"


class Counter(Model):
    """How often something was tried in a window of time: wrong codes, wrong passwords."""

    name = fields.CharField(max_length=200, primary_key=True)
    since = fields.DatetimeField()
    count = fields.IntField()

    held = Held(
        Category.TECHNICAL,
        subject="",
        retention=Retention.WHILE_VALID,
        technical=("name", "since", "count"),
    )

    class Meta:
        table = "counters"


class LoginLink(Model):
    """A one-time link that signs a user in on the web. Only the token's HMAC is kept."""

    id = fields.UUIDField(primary_key=True, default=new_id)
    user: fields.ForeignKeyRelation[User] = fields.ForeignKeyField("models.User", related_name="login_links")
    token_hash = fields.CharField(max_length=64, unique=True)
    created_at = fields.DatetimeField()
    expires_at = fields.DatetimeField()
    used_at = fields.DatetimeField(null=True)

    user_id: Any
    held = Held(
        Category.ACCOUNT,
        subject="user",
        retention=Retention.WHILE_VALID,
        technical=("id", "user_id", "token_hash", "created_at", "expires_at", "used_at"),
    )

    class Meta:
        table = "login_links"


class Session(Model):
    """A browser that is signed in. Only the token's HMAC is kept."""

    id = fields.UUIDField(primary_key=True, default=new_id)
    user: fields.ForeignKeyRelation[User] = fields.ForeignKeyField("models.User", related_name="sessions")
    token_hash = fields.CharField(max_length=64, unique=True)
    created_at = fields.DatetimeField()
    seen_at = fields.DatetimeField()
    expires_at = fields.DatetimeField()

    user_id: Any
    held = Held(
        Category.TECHNICAL,
        subject="user",
        retention=Retention.WHILE_VALID,
        technical=("id", "user_id", "token_hash", "created_at", "seen_at", "expires_at"),
    )

    class Meta:
        table = "sessions"


class AuditEvent(Model):
    """Who did what to which thing, in ids alone."""

    id = fields.UUIDField(primary_key=True, default=new_id)
    at = fields.DatetimeField(db_index=True)
    user_id = fields.UUIDField(null=True)
    identity_id = fields.UUIDField(null=True)
    surface = fields.CharField(max_length=20)
    action = fields.CharField(max_length=60)
    target_id = fields.UUIDField(null=True)
    outcome = fields.CharField(max_length=40)

    held = Held(
        Category.TECHNICAL,
        subject="user_id",
        retention=Retention.DAYS_90,
        technical=("id", "at", "user_id", "identity_id", "surface", "action", "target_id", "outcome"),
    )

    class Meta:
        table = "audit_events"


class DataKey(Model):
    """A key that seals one owner's words, wrapped by the key ring. Destroying it shreds what it sealed."""

    id = fields.UUIDField(primary_key=True, default=new_id)
    owner_kind = fields.CharField(max_length=10)
    owner_id = fields.UUIDField()
    ring_key = fields.CharField(max_length=40)
    wrapped = fields.BinaryField()
    created_at = fields.DatetimeField()

    held = Held(
        Category.CREDENTIAL,
        subject="owner_id",
        retention=Retention.ACCOUNT,
        technical=("id", "owner_kind", "owner_id", "ring_key", "wrapped", "created_at"),
    )

    class Meta:
        table = "data_keys"
        indexes = (("owner_id",),)


class Lease(Model):
    """Who holds a duty that only one process may have at a time, such as polling Telegram."""

    name = fields.CharField(max_length=100, primary_key=True)
    holder = fields.UUIDField()
    until = fields.DatetimeField()
    fence = fields.BigIntField(default=0)

    held = Held(
        Category.TECHNICAL,
        subject="",
        retention=Retention.INSTALLATION,
        technical=("name", "holder", "until", "fence"),
    )

    class Meta:
        table = "leases"
