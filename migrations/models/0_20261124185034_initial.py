"""What the tables are at first."""

from tortoise import BaseDBAsyncClient

UPGRADE = {
    "sqlite": """
CREATE TABLE "audit_events" (
    "id" CHAR(36) NOT NULL PRIMARY KEY,
    "at" TIMESTAMP NOT NULL,
    "user_id" CHAR(36),
    "identity_id" CHAR(36),
    "surface" VARCHAR(20) NOT NULL,
    "action" VARCHAR(60) NOT NULL,
    "target_id" CHAR(36),
    "outcome" VARCHAR(40) NOT NULL
);
CREATE INDEX "idx_audit_event_at_d387df" ON "audit_events" ("at");
CREATE TABLE "counters" (
    "name" VARCHAR(200) NOT NULL PRIMARY KEY,
    "since" TIMESTAMP NOT NULL,
    "count" INT NOT NULL
);
CREATE TABLE "data_keys" (
    "id" CHAR(36) NOT NULL PRIMARY KEY,
    "owner_kind" VARCHAR(10) NOT NULL,
    "owner_id" CHAR(36) NOT NULL,
    "ring_key" VARCHAR(40) NOT NULL,
    "wrapped" BLOB NOT NULL,
    "created_at" TIMESTAMP NOT NULL
);
CREATE INDEX "idx_data_keys_owner_i_ae800c" ON "data_keys" ("owner_id");
CREATE TABLE "leases" (
    "name" VARCHAR(100) NOT NULL PRIMARY KEY,
    "holder" CHAR(36) NOT NULL,
    "until" TIMESTAMP NOT NULL,
    "fence" BIGINT NOT NULL
);
CREATE TABLE "files" (
    "id" CHAR(36) NOT NULL PRIMARY KEY,
    "owner_kind" VARCHAR(10) NOT NULL,
    "owner_id" CHAR(36) NOT NULL,
    "conversation_id" CHAR(36),
    "name" BLOB NOT NULL,
    "media_type" VARCHAR(100) NOT NULL,
    "size" BIGINT NOT NULL,
    "created_at" TIMESTAMP NOT NULL
);
CREATE TABLE "teams" (
    "id" CHAR(36) NOT NULL PRIMARY KEY,
    "name" VARCHAR(200) NOT NULL,
    "personal" INT NOT NULL,
    "created_at" TIMESTAMP NOT NULL
);
CREATE TABLE "agents" (
    "id" CHAR(36) NOT NULL PRIMARY KEY,
    "name" VARCHAR(100) NOT NULL,
    "handle" VARCHAR(100) NOT NULL,
    "version" INT NOT NULL,
    "default" INT NOT NULL,
    "created_at" TIMESTAMP NOT NULL,
    "team_id" CHAR(36) NOT NULL REFERENCES "teams" ("id") ON DELETE CASCADE,
    CONSTRAINT "uid_agents_team_id_53dd64" UNIQUE ("team_id", "handle")
);
CREATE INDEX "idx_agents_team_id_d24678" ON "agents" ("team_id");
CREATE TABLE "chats" (
    "id" CHAR(36) NOT NULL PRIMARY KEY,
    "account" VARCHAR(100) NOT NULL,
    "external_id" VARCHAR(200) NOT NULL,
    "kind" VARCHAR(10) NOT NULL,
    "permitted" INT NOT NULL,
    "noticed_at" TIMESTAMP,
    "quiet_until" TIMESTAMP,
    "conversation_id" CHAR(36),
    "created_at" TIMESTAMP NOT NULL,
    "agent_id" CHAR(36) REFERENCES "agents" ("id") ON DELETE SET NULL,
    CONSTRAINT "uid_chats_account_0bb1ec" UNIQUE ("account", "external_id")
);
CREATE TABLE "conversations" (
    "id" CHAR(36) NOT NULL PRIMARY KEY,
    "title" BLOB,
    "started_at" TIMESTAMP NOT NULL,
    "ended_at" TIMESTAMP,
    "agent_id" CHAR(36) REFERENCES "agents" ("id") ON DELETE SET NULL,
    "chat_id" CHAR(36) NOT NULL REFERENCES "chats" ("id") ON DELETE CASCADE
);
CREATE INDEX "idx_conversatio_chat_id_bb41c1" ON "conversations" ("chat_id");
CREATE TABLE "lanes" (
    "id" CHAR(36) NOT NULL PRIMARY KEY,
    "urgent" INT NOT NULL,
    "channel" VARCHAR(20) NOT NULL,
    "due_at" TIMESTAMP,
    "holder" CHAR(36),
    "lease_until" TIMESTAMP,
    "fence" BIGINT NOT NULL,
    "failures" INT NOT NULL,
    "chat_id" CHAR(36) NOT NULL REFERENCES "chats" ("id") ON DELETE CASCADE,
    CONSTRAINT "uid_lanes_chat_id_79b5c5" UNIQUE ("chat_id", "urgent")
);
CREATE INDEX "idx_lanes_due_at_f24e53" ON "lanes" ("due_at");
CREATE TABLE "replies" (
    "id" CHAR(36) NOT NULL PRIMARY KEY,
    "turn_id" CHAR(36),
    "conversation_id" CHAR(36),
    "answers" VARCHAR(100) NOT NULL,
    "only_for" VARCHAR(200) NOT NULL,
    "mode" VARCHAR(10) NOT NULL,
    "state" VARCHAR(10) NOT NULL,
    "reason" VARCHAR(200) NOT NULL,
    "body" BLOB,
    "created_at" TIMESTAMP NOT NULL,
    "final_at" TIMESTAMP,
    "lane_id" CHAR(36) NOT NULL REFERENCES "lanes" ("id") ON DELETE CASCADE
);
CREATE INDEX "idx_replies_lane_id_c06155" ON "replies" ("lane_id", "state");
CREATE INDEX "idx_replies_convers_884d8e" ON "replies" ("conversation_id");
CREATE INDEX "idx_replies_turn_id_041323" ON "replies" ("turn_id");
CREATE TABLE "parts" (
    "id" CHAR(36) NOT NULL PRIMARY KEY,
    "number" INT NOT NULL,
    "state" VARCHAR(10) NOT NULL,
    "message_id" VARCHAR(100) NOT NULL,
    "created_at" TIMESTAMP NOT NULL,
    "reply_id" CHAR(36) NOT NULL REFERENCES "replies" ("id") ON DELETE CASCADE
);
CREATE INDEX "idx_parts_reply_i_59dd3a" ON "parts" ("reply_id");
CREATE TABLE "summaries" (
    "id" CHAR(36) NOT NULL PRIMARY KEY,
    "until_turn" CHAR(36) NOT NULL,
    "messages" INT NOT NULL,
    "text" BLOB NOT NULL,
    "model" VARCHAR(200) NOT NULL,
    "created_at" TIMESTAMP NOT NULL,
    "undone_at" TIMESTAMP,
    "conversation_id" CHAR(36) NOT NULL REFERENCES "conversations" ("id") ON DELETE CASCADE
);
CREATE INDEX "idx_summaries_convers_6ddcb9" ON "summaries" ("conversation_id");
CREATE TABLE "usage" (
    "id" CHAR(36) NOT NULL PRIMARY KEY,
    "at" TIMESTAMP NOT NULL,
    "team_id" CHAR(36) NOT NULL,
    "identity_id" CHAR(36),
    "agent_id" CHAR(36) NOT NULL,
    "turn_id" CHAR(36) NOT NULL,
    "model" VARCHAR(200) NOT NULL,
    "input_tokens" INT NOT NULL,
    "cached_tokens" INT NOT NULL,
    "output_tokens" INT NOT NULL
);
CREATE INDEX "idx_usage_at_7dcf96" ON "usage" ("at");
CREATE TABLE "users" (
    "id" CHAR(36) NOT NULL PRIMARY KEY,
    "name" VARCHAR(200) NOT NULL,
    "operator" INT NOT NULL,
    "password_hash" VARCHAR(300),
    "restricted_at" TIMESTAMP,
    "created_at" TIMESTAMP NOT NULL
);
CREATE TABLE "agent_versions" (
    "id" CHAR(36) NOT NULL PRIMARY KEY,
    "number" INT NOT NULL,
    "name" VARCHAR(100) NOT NULL,
    "description" BLOB NOT NULL,
    "instructions" BLOB NOT NULL,
    "model" VARCHAR(200) NOT NULL,
    "settings" JSON NOT NULL,
    "fallbacks" JSON NOT NULL,
    "other_providers" INT NOT NULL,
    "note" VARCHAR(100) NOT NULL,
    "created_at" TIMESTAMP NOT NULL,
    "agent_id" CHAR(36) NOT NULL REFERENCES "agents" ("id") ON DELETE CASCADE,
    "author_id" CHAR(36) REFERENCES "users" ("id") ON DELETE CASCADE,
    CONSTRAINT "uid_agent_versi_agent_i_d9928f" UNIQUE ("agent_id", "number")
);
CREATE TABLE "identities" (
    "id" CHAR(36) NOT NULL PRIMARY KEY,
    "channel" VARCHAR(20) NOT NULL,
    "external_id" VARCHAR(200) NOT NULL,
    "name" VARCHAR(200) NOT NULL,
    "noticed_at" TIMESTAMP,
    "created_at" TIMESTAMP NOT NULL,
    "user_id" CHAR(36) REFERENCES "users" ("id") ON DELETE CASCADE,
    CONSTRAINT "uid_identities_channel_7d85f4" UNIQUE ("channel", "external_id")
);
CREATE INDEX "idx_identities_user_id_5a446e" ON "identities" ("user_id");
CREATE TABLE "inbox" (
    "id" CHAR(36) NOT NULL PRIMARY KEY,
    "account" VARCHAR(100) NOT NULL,
    "event_id" VARCHAR(200) NOT NULL,
    "fingerprint" VARCHAR(64) NOT NULL,
    "position" BIGINT NOT NULL,
    "message_id" VARCHAR(100) NOT NULL,
    "state" VARCHAR(10) NOT NULL,
    "reason" VARCHAR(40) NOT NULL,
    "body" BLOB,
    "turn_id" CHAR(36),
    "conversation_id" CHAR(36),
    "attempts" INT NOT NULL,
    "received_at" TIMESTAMP NOT NULL,
    "identity_id" CHAR(36) REFERENCES "identities" ("id") ON DELETE CASCADE,
    "lane_id" CHAR(36) REFERENCES "lanes" ("id") ON DELETE CASCADE,
    CONSTRAINT "uid_inbox_account_ad5b9e" UNIQUE ("account", "event_id", "fingerprint")
);
CREATE INDEX "idx_inbox_lane_id_9420c7" ON "inbox" ("lane_id", "state");
CREATE INDEX "idx_inbox_convers_c36015" ON "inbox" ("conversation_id");
CREATE INDEX "idx_inbox_turn_id_412244" ON "inbox" ("turn_id");
CREATE TABLE "invitations" (
    "id" CHAR(36) NOT NULL PRIMARY KEY,
    "code_hash" VARCHAR(64) NOT NULL UNIQUE,
    "role" VARCHAR(10) NOT NULL,
    "created_at" TIMESTAMP NOT NULL,
    "expires_at" TIMESTAMP NOT NULL,
    "used_at" TIMESTAMP,
    "binds_user_id" CHAR(36) REFERENCES "users" ("id") ON DELETE CASCADE,
    "made_by_id" CHAR(36) REFERENCES "users" ("id") ON DELETE CASCADE,
    "team_id" CHAR(36) NOT NULL REFERENCES "teams" ("id") ON DELETE CASCADE,
    "used_by_id" CHAR(36) REFERENCES "identities" ("id") ON DELETE CASCADE
);
CREATE TABLE "login_links" (
    "id" CHAR(36) NOT NULL PRIMARY KEY,
    "token_hash" VARCHAR(64) NOT NULL UNIQUE,
    "created_at" TIMESTAMP NOT NULL,
    "expires_at" TIMESTAMP NOT NULL,
    "used_at" TIMESTAMP,
    "user_id" CHAR(36) NOT NULL REFERENCES "users" ("id") ON DELETE CASCADE
);
CREATE TABLE "memberships" (
    "id" CHAR(36) NOT NULL PRIMARY KEY,
    "role" VARCHAR(10) NOT NULL,
    "created_at" TIMESTAMP NOT NULL,
    "team_id" CHAR(36) NOT NULL REFERENCES "teams" ("id") ON DELETE CASCADE,
    "user_id" CHAR(36) NOT NULL REFERENCES "users" ("id") ON DELETE CASCADE,
    CONSTRAINT "uid_memberships_team_id_5453c1" UNIQUE ("team_id", "user_id")
);
CREATE INDEX "idx_memberships_user_id_6b1e99" ON "memberships" ("user_id");
CREATE TABLE "open_forms" (
    "id" CHAR(36) NOT NULL PRIMARY KEY,
    "operation" VARCHAR(60) NOT NULL,
    "state" BLOB NOT NULL,
    "expires_at" TIMESTAMP NOT NULL,
    "chat_id" CHAR(36) NOT NULL REFERENCES "chats" ("id") ON DELETE CASCADE,
    "identity_id" CHAR(36) NOT NULL REFERENCES "identities" ("id") ON DELETE CASCADE,
    CONSTRAINT "uid_open_forms_chat_id_a16f21" UNIQUE ("chat_id", "identity_id")
);
CREATE INDEX "idx_open_forms_identit_876591" ON "open_forms" ("identity_id");
CREATE TABLE "sessions" (
    "id" CHAR(36) NOT NULL PRIMARY KEY,
    "token_hash" VARCHAR(64) NOT NULL UNIQUE,
    "created_at" TIMESTAMP NOT NULL,
    "seen_at" TIMESTAMP NOT NULL,
    "expires_at" TIMESTAMP NOT NULL,
    "user_id" CHAR(36) NOT NULL REFERENCES "users" ("id") ON DELETE CASCADE
);
CREATE TABLE "turns" (
    "id" CHAR(36) NOT NULL PRIMARY KEY,
    "state" VARCHAR(10) NOT NULL,
    "failure" VARCHAR(40) NOT NULL,
    "holder" CHAR(36) NOT NULL,
    "superseded" INT NOT NULL,
    "stop_requested_at" TIMESTAMP,
    "started_at" TIMESTAMP NOT NULL,
    "ended_at" TIMESTAMP,
    "agent_version_id" CHAR(36) REFERENCES "agent_versions" ("id") ON DELETE SET NULL,
    "conversation_id" CHAR(36) NOT NULL REFERENCES "conversations" ("id") ON DELETE CASCADE,
    "lane_id" CHAR(36) NOT NULL REFERENCES "lanes" ("id") ON DELETE CASCADE
);
CREATE INDEX "idx_turns_convers_5f256d" ON "turns" ("conversation_id");
CREATE INDEX "idx_turns_lane_id_56bc94" ON "turns" ("lane_id", "state");
CREATE TABLE "approvals" (
    "id" CHAR(36) NOT NULL PRIMARY KEY,
    "operation" VARCHAR(60) NOT NULL,
    "arguments" BLOB NOT NULL,
    "state" VARCHAR(10) NOT NULL,
    "created_at" TIMESTAMP NOT NULL,
    "expires_at" TIMESTAMP NOT NULL,
    "decided_at" TIMESTAMP,
    "identity_id" CHAR(36) NOT NULL REFERENCES "identities" ("id") ON DELETE CASCADE,
    "turn_id" CHAR(36) NOT NULL REFERENCES "turns" ("id") ON DELETE CASCADE
);
CREATE INDEX "idx_approvals_turn_id_7fd0f0" ON "approvals" ("turn_id");
CREATE TABLE "steps" (
    "id" CHAR(36) NOT NULL PRIMARY KEY,
    "number" INT NOT NULL,
    "kind" VARCHAR(10) NOT NULL,
    "state" VARCHAR(10) NOT NULL,
    "input" BLOB,
    "output" BLOB,
    "started_at" TIMESTAMP NOT NULL,
    "ended_at" TIMESTAMP,
    "turn_id" CHAR(36) NOT NULL REFERENCES "turns" ("id") ON DELETE CASCADE,
    CONSTRAINT "uid_steps_turn_id_ca894b" UNIQUE ("turn_id", "number")
);
CREATE TABLE "workspaces" (
    "account" VARCHAR(100) NOT NULL PRIMARY KEY,
    "opened_by" CHAR(36),
    "opened_at" TIMESTAMP NOT NULL
);
CREATE TABLE "aerich" (
    "id" INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    "version" VARCHAR(255) NOT NULL,
    "app" VARCHAR(100) NOT NULL,
    "content" JSON NOT NULL
);
""",
    "postgres": """
CREATE TABLE "audit_events" (
    "id" UUID NOT NULL PRIMARY KEY,
    "at" TIMESTAMPTZ NOT NULL,
    "user_id" UUID,
    "identity_id" UUID,
    "surface" VARCHAR(20) NOT NULL,
    "action" VARCHAR(60) NOT NULL,
    "target_id" UUID,
    "outcome" VARCHAR(40) NOT NULL
);
CREATE INDEX "idx_audit_event_at_d387df" ON "audit_events" ("at");
CREATE TABLE "counters" (
    "name" VARCHAR(200) NOT NULL PRIMARY KEY,
    "since" TIMESTAMPTZ NOT NULL,
    "count" INT NOT NULL
);
CREATE TABLE "data_keys" (
    "id" UUID NOT NULL PRIMARY KEY,
    "owner_kind" VARCHAR(10) NOT NULL,
    "owner_id" UUID NOT NULL,
    "ring_key" VARCHAR(40) NOT NULL,
    "wrapped" BYTEA NOT NULL,
    "created_at" TIMESTAMPTZ NOT NULL
);
CREATE INDEX "idx_data_keys_owner_i_ae800c" ON "data_keys" ("owner_id");
CREATE TABLE "leases" (
    "name" VARCHAR(100) NOT NULL PRIMARY KEY,
    "holder" UUID NOT NULL,
    "until" TIMESTAMPTZ NOT NULL,
    "fence" BIGINT NOT NULL
);
CREATE TABLE "files" (
    "id" UUID NOT NULL PRIMARY KEY,
    "owner_kind" VARCHAR(10) NOT NULL,
    "owner_id" UUID NOT NULL,
    "conversation_id" UUID,
    "name" BYTEA NOT NULL,
    "media_type" VARCHAR(100) NOT NULL,
    "size" BIGINT NOT NULL,
    "created_at" TIMESTAMPTZ NOT NULL
);
CREATE TABLE "teams" (
    "id" UUID NOT NULL PRIMARY KEY,
    "name" VARCHAR(200) NOT NULL,
    "personal" BOOL NOT NULL,
    "created_at" TIMESTAMPTZ NOT NULL
);
CREATE TABLE "agents" (
    "id" UUID NOT NULL PRIMARY KEY,
    "name" VARCHAR(100) NOT NULL,
    "handle" VARCHAR(100) NOT NULL,
    "version" INT NOT NULL,
    "default" BOOL NOT NULL,
    "created_at" TIMESTAMPTZ NOT NULL,
    "team_id" UUID NOT NULL REFERENCES "teams" ("id") ON DELETE CASCADE,
    CONSTRAINT "uid_agents_team_id_53dd64" UNIQUE ("team_id", "handle")
);
CREATE INDEX "idx_agents_team_id_d24678" ON "agents" ("team_id");
CREATE TABLE "chats" (
    "id" UUID NOT NULL PRIMARY KEY,
    "account" VARCHAR(100) NOT NULL,
    "external_id" VARCHAR(200) NOT NULL,
    "kind" VARCHAR(10) NOT NULL,
    "permitted" BOOL NOT NULL,
    "noticed_at" TIMESTAMPTZ,
    "quiet_until" TIMESTAMPTZ,
    "conversation_id" UUID,
    "created_at" TIMESTAMPTZ NOT NULL,
    "agent_id" UUID REFERENCES "agents" ("id") ON DELETE SET NULL,
    CONSTRAINT "uid_chats_account_0bb1ec" UNIQUE ("account", "external_id")
);
CREATE TABLE "conversations" (
    "id" UUID NOT NULL PRIMARY KEY,
    "title" BYTEA,
    "started_at" TIMESTAMPTZ NOT NULL,
    "ended_at" TIMESTAMPTZ,
    "agent_id" UUID REFERENCES "agents" ("id") ON DELETE SET NULL,
    "chat_id" UUID NOT NULL REFERENCES "chats" ("id") ON DELETE CASCADE
);
CREATE INDEX "idx_conversatio_chat_id_bb41c1" ON "conversations" ("chat_id");
CREATE TABLE "lanes" (
    "id" UUID NOT NULL PRIMARY KEY,
    "urgent" BOOL NOT NULL,
    "channel" VARCHAR(20) NOT NULL,
    "due_at" TIMESTAMPTZ,
    "holder" UUID,
    "lease_until" TIMESTAMPTZ,
    "fence" BIGINT NOT NULL,
    "failures" INT NOT NULL,
    "chat_id" UUID NOT NULL REFERENCES "chats" ("id") ON DELETE CASCADE,
    CONSTRAINT "uid_lanes_chat_id_79b5c5" UNIQUE ("chat_id", "urgent")
);
CREATE INDEX "idx_lanes_due_at_f24e53" ON "lanes" ("due_at");
CREATE TABLE "replies" (
    "id" UUID NOT NULL PRIMARY KEY,
    "turn_id" UUID,
    "conversation_id" UUID,
    "answers" VARCHAR(100) NOT NULL,
    "only_for" VARCHAR(200) NOT NULL,
    "mode" VARCHAR(10) NOT NULL,
    "state" VARCHAR(10) NOT NULL,
    "reason" VARCHAR(200) NOT NULL,
    "body" BYTEA,
    "created_at" TIMESTAMPTZ NOT NULL,
    "final_at" TIMESTAMPTZ,
    "lane_id" UUID NOT NULL REFERENCES "lanes" ("id") ON DELETE CASCADE
);
CREATE INDEX "idx_replies_lane_id_c06155" ON "replies" ("lane_id", "state");
CREATE INDEX "idx_replies_convers_884d8e" ON "replies" ("conversation_id");
CREATE INDEX "idx_replies_turn_id_041323" ON "replies" ("turn_id");
CREATE TABLE "parts" (
    "id" UUID NOT NULL PRIMARY KEY,
    "number" INT NOT NULL,
    "state" VARCHAR(10) NOT NULL,
    "message_id" VARCHAR(100) NOT NULL,
    "created_at" TIMESTAMPTZ NOT NULL,
    "reply_id" UUID NOT NULL REFERENCES "replies" ("id") ON DELETE CASCADE
);
CREATE INDEX "idx_parts_reply_i_59dd3a" ON "parts" ("reply_id");
CREATE TABLE "summaries" (
    "id" UUID NOT NULL PRIMARY KEY,
    "until_turn" UUID NOT NULL,
    "messages" INT NOT NULL,
    "text" BYTEA NOT NULL,
    "model" VARCHAR(200) NOT NULL,
    "created_at" TIMESTAMPTZ NOT NULL,
    "undone_at" TIMESTAMPTZ,
    "conversation_id" UUID NOT NULL REFERENCES "conversations" ("id") ON DELETE CASCADE
);
CREATE INDEX "idx_summaries_convers_6ddcb9" ON "summaries" ("conversation_id");
CREATE TABLE "usage" (
    "id" UUID NOT NULL PRIMARY KEY,
    "at" TIMESTAMPTZ NOT NULL,
    "team_id" UUID NOT NULL,
    "identity_id" UUID,
    "agent_id" UUID NOT NULL,
    "turn_id" UUID NOT NULL,
    "model" VARCHAR(200) NOT NULL,
    "input_tokens" INT NOT NULL,
    "cached_tokens" INT NOT NULL,
    "output_tokens" INT NOT NULL
);
CREATE INDEX "idx_usage_at_7dcf96" ON "usage" ("at");
CREATE TABLE "users" (
    "id" UUID NOT NULL PRIMARY KEY,
    "name" VARCHAR(200) NOT NULL,
    "operator" BOOL NOT NULL,
    "password_hash" VARCHAR(300),
    "restricted_at" TIMESTAMPTZ,
    "created_at" TIMESTAMPTZ NOT NULL
);
CREATE TABLE "agent_versions" (
    "id" UUID NOT NULL PRIMARY KEY,
    "number" INT NOT NULL,
    "name" VARCHAR(100) NOT NULL,
    "description" BYTEA NOT NULL,
    "instructions" BYTEA NOT NULL,
    "model" VARCHAR(200) NOT NULL,
    "settings" JSONB NOT NULL,
    "fallbacks" JSONB NOT NULL,
    "other_providers" BOOL NOT NULL,
    "note" VARCHAR(100) NOT NULL,
    "created_at" TIMESTAMPTZ NOT NULL,
    "agent_id" UUID NOT NULL REFERENCES "agents" ("id") ON DELETE CASCADE,
    "author_id" UUID REFERENCES "users" ("id") ON DELETE CASCADE,
    CONSTRAINT "uid_agent_versi_agent_i_d9928f" UNIQUE ("agent_id", "number")
);
CREATE TABLE "identities" (
    "id" UUID NOT NULL PRIMARY KEY,
    "channel" VARCHAR(20) NOT NULL,
    "external_id" VARCHAR(200) NOT NULL,
    "name" VARCHAR(200) NOT NULL,
    "noticed_at" TIMESTAMPTZ,
    "created_at" TIMESTAMPTZ NOT NULL,
    "user_id" UUID REFERENCES "users" ("id") ON DELETE CASCADE,
    CONSTRAINT "uid_identities_channel_7d85f4" UNIQUE ("channel", "external_id")
);
CREATE INDEX "idx_identities_user_id_5a446e" ON "identities" ("user_id");
CREATE TABLE "inbox" (
    "id" UUID NOT NULL PRIMARY KEY,
    "account" VARCHAR(100) NOT NULL,
    "event_id" VARCHAR(200) NOT NULL,
    "fingerprint" VARCHAR(64) NOT NULL,
    "position" BIGINT NOT NULL,
    "message_id" VARCHAR(100) NOT NULL,
    "state" VARCHAR(10) NOT NULL,
    "reason" VARCHAR(40) NOT NULL,
    "body" BYTEA,
    "turn_id" UUID,
    "conversation_id" UUID,
    "attempts" INT NOT NULL,
    "received_at" TIMESTAMPTZ NOT NULL,
    "identity_id" UUID REFERENCES "identities" ("id") ON DELETE CASCADE,
    "lane_id" UUID REFERENCES "lanes" ("id") ON DELETE CASCADE,
    CONSTRAINT "uid_inbox_account_ad5b9e" UNIQUE ("account", "event_id", "fingerprint")
);
CREATE INDEX "idx_inbox_lane_id_9420c7" ON "inbox" ("lane_id", "state");
CREATE INDEX "idx_inbox_convers_c36015" ON "inbox" ("conversation_id");
CREATE INDEX "idx_inbox_turn_id_412244" ON "inbox" ("turn_id");
CREATE TABLE "invitations" (
    "id" UUID NOT NULL PRIMARY KEY,
    "code_hash" VARCHAR(64) NOT NULL UNIQUE,
    "role" VARCHAR(10) NOT NULL,
    "created_at" TIMESTAMPTZ NOT NULL,
    "expires_at" TIMESTAMPTZ NOT NULL,
    "used_at" TIMESTAMPTZ,
    "binds_user_id" UUID REFERENCES "users" ("id") ON DELETE CASCADE,
    "made_by_id" UUID REFERENCES "users" ("id") ON DELETE CASCADE,
    "team_id" UUID NOT NULL REFERENCES "teams" ("id") ON DELETE CASCADE,
    "used_by_id" UUID REFERENCES "identities" ("id") ON DELETE CASCADE
);
CREATE TABLE "login_links" (
    "id" UUID NOT NULL PRIMARY KEY,
    "token_hash" VARCHAR(64) NOT NULL UNIQUE,
    "created_at" TIMESTAMPTZ NOT NULL,
    "expires_at" TIMESTAMPTZ NOT NULL,
    "used_at" TIMESTAMPTZ,
    "user_id" UUID NOT NULL REFERENCES "users" ("id") ON DELETE CASCADE
);
CREATE TABLE "memberships" (
    "id" UUID NOT NULL PRIMARY KEY,
    "role" VARCHAR(10) NOT NULL,
    "created_at" TIMESTAMPTZ NOT NULL,
    "team_id" UUID NOT NULL REFERENCES "teams" ("id") ON DELETE CASCADE,
    "user_id" UUID NOT NULL REFERENCES "users" ("id") ON DELETE CASCADE,
    CONSTRAINT "uid_memberships_team_id_5453c1" UNIQUE ("team_id", "user_id")
);
CREATE INDEX "idx_memberships_user_id_6b1e99" ON "memberships" ("user_id");
CREATE TABLE "open_forms" (
    "id" UUID NOT NULL PRIMARY KEY,
    "operation" VARCHAR(60) NOT NULL,
    "state" BYTEA NOT NULL,
    "expires_at" TIMESTAMPTZ NOT NULL,
    "chat_id" UUID NOT NULL REFERENCES "chats" ("id") ON DELETE CASCADE,
    "identity_id" UUID NOT NULL REFERENCES "identities" ("id") ON DELETE CASCADE,
    CONSTRAINT "uid_open_forms_chat_id_a16f21" UNIQUE ("chat_id", "identity_id")
);
CREATE INDEX "idx_open_forms_identit_876591" ON "open_forms" ("identity_id");
CREATE TABLE "sessions" (
    "id" UUID NOT NULL PRIMARY KEY,
    "token_hash" VARCHAR(64) NOT NULL UNIQUE,
    "created_at" TIMESTAMPTZ NOT NULL,
    "seen_at" TIMESTAMPTZ NOT NULL,
    "expires_at" TIMESTAMPTZ NOT NULL,
    "user_id" UUID NOT NULL REFERENCES "users" ("id") ON DELETE CASCADE
);
CREATE TABLE "turns" (
    "id" UUID NOT NULL PRIMARY KEY,
    "state" VARCHAR(10) NOT NULL,
    "failure" VARCHAR(40) NOT NULL,
    "holder" UUID NOT NULL,
    "superseded" BOOL NOT NULL,
    "stop_requested_at" TIMESTAMPTZ,
    "started_at" TIMESTAMPTZ NOT NULL,
    "ended_at" TIMESTAMPTZ,
    "agent_version_id" UUID REFERENCES "agent_versions" ("id") ON DELETE SET NULL,
    "conversation_id" UUID NOT NULL REFERENCES "conversations" ("id") ON DELETE CASCADE,
    "lane_id" UUID NOT NULL REFERENCES "lanes" ("id") ON DELETE CASCADE
);
CREATE INDEX "idx_turns_convers_5f256d" ON "turns" ("conversation_id");
CREATE INDEX "idx_turns_lane_id_56bc94" ON "turns" ("lane_id", "state");
CREATE TABLE "approvals" (
    "id" UUID NOT NULL PRIMARY KEY,
    "operation" VARCHAR(60) NOT NULL,
    "arguments" BYTEA NOT NULL,
    "state" VARCHAR(10) NOT NULL,
    "created_at" TIMESTAMPTZ NOT NULL,
    "expires_at" TIMESTAMPTZ NOT NULL,
    "decided_at" TIMESTAMPTZ,
    "identity_id" UUID NOT NULL REFERENCES "identities" ("id") ON DELETE CASCADE,
    "turn_id" UUID NOT NULL REFERENCES "turns" ("id") ON DELETE CASCADE
);
CREATE INDEX "idx_approvals_turn_id_7fd0f0" ON "approvals" ("turn_id");
CREATE TABLE "steps" (
    "id" UUID NOT NULL PRIMARY KEY,
    "number" INT NOT NULL,
    "kind" VARCHAR(10) NOT NULL,
    "state" VARCHAR(10) NOT NULL,
    "input" BYTEA,
    "output" BYTEA,
    "started_at" TIMESTAMPTZ NOT NULL,
    "ended_at" TIMESTAMPTZ,
    "turn_id" UUID NOT NULL REFERENCES "turns" ("id") ON DELETE CASCADE,
    CONSTRAINT "uid_steps_turn_id_ca894b" UNIQUE ("turn_id", "number")
);
CREATE TABLE "workspaces" (
    "account" VARCHAR(100) NOT NULL PRIMARY KEY,
    "opened_by" UUID,
    "opened_at" TIMESTAMPTZ NOT NULL
);
CREATE TABLE "aerich" (
    "id" SERIAL NOT NULL PRIMARY KEY,
    "version" VARCHAR(255) NOT NULL,
    "app" VARCHAR(100) NOT NULL,
    "content" JSONB NOT NULL
);
""",
}

DOWNGRADE = {
    "sqlite": """
""",
    "postgres": """
""",
}


async def upgrade(db: BaseDBAsyncClient) -> str:
    return UPGRADE[db.capabilities.dialect]


async def downgrade(db: BaseDBAsyncClient) -> str:
    return DOWNGRADE[db.capabilities.dialect]


MODELS_STATE = (
    "eJztXVtv3DYW/ivGPKXAbJDYjpNdLBawE6d169hFPG63DQqBI9Eewhppqosdb5v/vqRGF0"
    "qiNKJGGlGc89RU4uHI3+Hl3M9fk6VrYdt/eXqPnWDyr4O/Jg5aYvqP/IvpwQStVtlj9iBA"
    "czsaidiQ6BGa+4GHTDbRHbJ9TB9Z2Dc9sgqI69CnTmjb7KFr0oHEuc8ehQ75M8RG4N7jYI"
    "E9+uLLl0mA0ZLNu0CORX/rjz/ov4lj4a/YZwPY/64ejDuCbSv37cRiVNFzI3heRc9uby8+"
    "fIxGsg+YG6Zrh0snG716Dhaukw4PQ2K9ZDTsHf0DsYcCbHF/GPvuGIHk0fpvoA8CL8Tpp1"
    "rZAwvfodBm8Ez+fRc6JkPlwA9cj0L4klj+Swc/GcT6T/yJ3HDDuLqeGTfnM8OYSKBqug7j"
    "CGH8oQB9W8+bARM9nbAfeP/D6ecXRyffRVC4fnDvRS8j2CbfIkIUoDVpBH6GdvTfEt7vF8"
    "gT452MLyBOP7QN1smDDOxs6SXwJQD1AOlkib4aNnbugwX939evXtVg/Mvp5whmOirCmfLd"
    "XG+hq/jV4fodwzvDN179EghnFIBxM4wfseezryqBfOEEYow5igLIZH1g9gHy674Qvmdf8I"
    "/D18dvj98dnRy/o0Oir0yfvK3B/OJqVoAz+cASnGeua2PkiCHlqAqQzilZX5imT3Z74J5d"
    "X1+ymZe+/6cdPbiYFRbs7aezc7qSo3VMB5EAi9E2PcwwMZAA8A/0TUCWWIx4nrIAuhWTvk"
    "z+McKjo4YBs4tP5zez008/57jw4XR2zt4cRk+fC09fnBQOlXSSg18vZj8csP89+P366rx4"
    "jabjZr9P2DehMHANx30ykMVjkjxOHuXYzKQhQ0604Ui6lG/KTC0JOMPwdIMUwwTGuwehEJ"
    "OImnlkP7oeJvfOT/g5wveCfgdyTNHNGovLs3iaUSKaPc1+30NPqYDNLyf6p9M/GK+PpPen"
    "N+9PP5xPIoDnyHx4Qp5lVCAdX5y+4HKIKT/+9BnbKBDfrrxe8kt2B4/zXCohnj/XFyjYEi"
    "YqIzYRRmJmjwsd12FLKQJgW5S4qTRCi+1G99DldmFuf5ZfLQ+XxSfIobqpFf82+yXR/quy"
    "G3D7c4P5wOBPha7NCCixYTjhck4fgh1BTTvCmjslxCtVsIxgdxpYn2pux0oY2GX6tRnwX1"
    "a+foiDvOcqPTdHWNR1nwPsjxDxOl338vosp2VRWM8urk4///bi0+l/v8upWpfXV98n4/kD"
    "5Oy32flpgQOEfUBoVkkANSwoUgIP2vIgutFljpmUYHfnzKSvizB/yhw2OmUOa06Zw/Ip4+"
    "MgoJ8gWN8/3lxfiSHmaYpGHWIGB38f2MTv7YrkZJJ5SGz6Jf5L9rNDiCMMo9yqT7BOFz3H"
    "hveCJc8mOCuwhP7JNpOipXiSI1KDKez3tGGKy+R9Y+W5j8SiuoSk6VlADSZoCRO04wZysm"
    "Y8Xrs7oBdJEwz8bZb36Az8a0uInNGBp+nXxK8KWzdaGDhAQwqIJ4soT7QFpGpaCbv1mqSW"
    "tS3dJmmU0TiX6UbHCb9LxZ6T8rLtANZbHze5T9VcqZtB5Tdqe39UEHrb+g9mdAp9cO7Xb7"
    "BiQjayJyKfQfJuWusviEf14Coo+AW+RGuDLbA/wEWghIvAXTFwhAbXal0jR6ShcfukicZx"
    "Uq1wnJT0DeTdh8skqLe5UTVHBhbVaUuLKr3Vq5Tpcydclu7+vOkvIdZwob9uplrXaNagWO"
    "+lYo2/rgidrgWb85TAZqXZbGGTWK12c56yAzarKeprwWXKKCcgwbOkWadABraywlWYqDoS"
    "kHIkAOeG8OLYQrBteHEzQ4OikG6OL84W1GYrWbKhO4D1gptKU2gLx5+suaxXk1BokeD8sS"
    "oBNXs7rTULsXEGfuwnFxUiRlU0B8kLeruU4xXJiRmdgBf6WNZnx5GAx+6bWuKylqj6oXeH"
    "TKmQF45EQ9vcYbPQx5rIx5IR2pQ19GcUGgLcvZU/QB4VcGR1Pp4IToVCDGIYmK5c0gVHou"
    "GiPW6yaI+rF+1xtGhLevUwekqUSynQUJIcy2rdJE3k7DyzzTTdcK0Z4a8B9hxkp+5qUFeG"
    "OQ5q1JWMW82vtJREw+Ohl2BZfiNIIF0g0xDtXtJTHuifJoZ5s686odUQ6+5d1SvsLUnA4C"
    "ihXZvZkKODnAa5nAZitnIn5inBnaiytenPkFB9ht6xRJDFWM/mAinwWWU+8+VCJHVeASlo"
    "vhBItYebaMAMJW22jULpNGpi2j6bhn7AwdXt5WWzxI/hCkgpekTV19uykYO3hOmSTqErPO"
    "4KO8ad6y23xOiazkM3fEdVBNXAqVerLL/1RNbZwtassdIWzwMIIdHfJhuQQFRbuy7NJSVp"
    "meKi5q274wwXr522kKcEbUFpbQE77aLxeTowqqjMYdAHOzajLJAsnBwJlPiu1a7Nhegokl"
    "auG5ZUVhPRjbo1t5waFKoAe8UO7RV+uFwij2yrhN9E0+iU61DKY9pNOY/RwNOv+h06QaTg"
    "CjTv9atpvdIdDRpQ3x62TPJmbXuM8SHV+rZPHFHY9Aatj4ivD1D41FIHKsLbKgu4V8W27W"
    "/9dkVCXel2RFR8E53qyavaUz3a/g/4eRc1mtwnZ538A0Wa1DCprhlSHRhYEQifo4KQwAYh"
    "genKl1jcPA0k7RcAZT/Bji2ZdcvTaLhqu8ng4EF+8ui9IQxjrfG5cERQWGza0u0CQVptuD"
    "EKKVwRuTEtpCEQHPkiG9WSY5x3HFu5us6XMhfIcdbdRyBfSpHrt1qQ5LjV9DbmSDS8jLtP"
    "soZkqV0mS6nfkW3MnZIgX0dX6QaE2L1js8JFgEYfCBH6ojarw3WXUDEOgltM7VtL5FoVtP"
    "dH830Rxnkk1bvsiTN3v24H0QWb4twJGsU1qHk7b8LokQRdpKpcpBNpihQkYgwTCcJtQZH1"
    "J7dBa+w/yVnQZ6mcRz5q1bnH3spjIBXNQF+inKd44LqxAh3xpZQPHD2EVjFqGY+g2M5Oiu"
    "08VgWA1xiPHisDwHXAuRfbBn9MSUBdINMQ7ZPjBmCfHFeXRTwuFdpxfSKuPHlG7itDmXgq"
    "naKZ/nl4eHT09vDV0cm7N8dv37559yoNayq/qotvOrv4noU45dhQrrmzxL5Prx3JEyVPpZ"
    "21tJeTG7pM7SxOx8PIl6tkm1Fot5i7DyiZu5YgYqcumiShgATelpEkgzWLGQ/0Mll/UJqq"
    "R3RREODlStTLslKY40l2J8y96leS2youPX+dmZg8tnLBFUjBB6e0Dw5aR/RxHnE2xaaIci"
    "SAZq1r044rTG3p2mxYqEpNRDf6NrnlpGqbtZEiq3CXNc7vJ3TP8F7BOvdMzg0JFbL0d6SY"
    "dBUYC+QvZAwYOSLtMqW7Nzp7rqgKWTNjXEILtjjo+A6qC3R83yM2h36rrcyRQbC3yvydUw"
    "x9o0UscIkQ9OaCoxVRAW0ua9rJUwGmBa8IRktZr0hGAtn4BTijU1p6ieapYInWmsvY8uvA"
    "sDOLpxnnMt1o1eE26WZ7WXbzdABsZykWSuJauqQ3oxtfQADtBmjzF/VmXONTE4y8zVKDrE"
    "3YDmPjjdwWAutu4s6otuumzT16qLgQ6VmhF9V4LYfYW5QEBRA2r4i1N+ZTCfHaHpMZETSY"
    "lGgwCfUteq9vEZ8uJYTr7UMZFZiHVDYPLVzbEsnZ1ddDRgGaYSEsBSMft+uDWiCFPaPynr"
    "nDwgLMdbktKYk2sZA7zmq5Q8QOPVHh/mrMORJtYO8sBFXlPimqnEwaNUpR0gywsVNKkwoh"
    "UPpic0EHD6/srbuefKaTQM+TGhM+9DxpbmZj8u5EZGeLXkxrDW1sCHQ7GT6Gr8Ok2mpr2k"
    "AKqqK7dFt/cBvdtEutdESwglo6Rv1oB2ppSewfyFPl3hPnkjgPwms0fVl/lbJhhk3HQS7C"
    "nninAvcBO9LJCHkq7SSZ7rMRIEh+L+5cCJLfCzZDkLz2/B2mVPaINu1YimUrCmmf5bL7VD"
    "M+4eUce/6CrCYCPYN7O61TNJbpuF5C5JIg7GilQSsiJRUPyM+F/NyhoddJZoFUqa5TpZQV"
    "AUffLgWSpDpPklJOqNasBU2fMnXaF0MgUfM9M6rl6XyHjr4yTtLCVSBSKylS01XgpUEpTU"
    "35OSINBeqTJgL1SbVAfdK0znddeeSq6t7QartxgWQwrbfhxujUGIhD7lSNGbzgrJqSIkR3"
    "dw7p9tHdw9dIVXOxjrlG6s/ICyYCtSZ6Pq1TaVZ0BEQh7Ynm4oTMH1RGvDJSMSPQqTVUZ9"
    "lc0IpoZ+4V6K/VbyoAOLL2TANkyWmy+gpPA8pKrbLiJWl7W4rVHab/qShT8ytKJYF6DbtA"
    "ok75US1Sc2mfvQrV0OV5xKI4NKKDRnRjQRc5/hOFSEbw5khA6m4idbsOvQfvXIFyXuNT5G"
    "i0Q7mXbuTstm6rrye0oK43UNfBMgJNmrU5NaBPcyWifYUhgBGqDTdGZ4S6o3vIbsFkng5y"
    "/FTm8GBNY0e0bcfSNVZRSLdvG1ttY8ygTh3lBSlAolRZ4o3XBOZeS5XdYN+vaPmavJrWGW"
    "H99SAIbdgXeyoUWJlAgRUFjkktpDYf020hz2OODBisNIMhzH8v2Kxyeq0qTIUKK3uZDXpD"
    "JV5sfSQRtmUdI3s7rVMz7ugI0DH2RMdwnyg6xgP9a2V0jDwVuLQauLTWkMktbp4GLi6Ij9"
    "khuuLS9HX+wYri9JCn3NhBuMQWQWvgJM7iPJWWZ3EPsUk++Z9khfOEQqesoR233gJLW5vj"
    "ZhQaekmlHEgDCpdLekNNROpP/Gpa62KJBu0i0h30HyX0n6gliRHEDZcaG5RyVCCaixMbZV"
    "os8iQ63bCd5eUG+KuoE3iNQJ5QgEDeWiBnF4SULJ4QaCiG9xKGChKhthJhvluY5Tptmr/n"
    "CCEqUmUeK2OPa7CRR5+KzSPWgbvufWG6USK8uYxUeZmp5L2LahILFNekVnG11srK/YLGui"
    "ca67BNY/UXSVf0iHAdJJD7z1zXxsgRw8yTFTUuStcX1slS37HCdX19mZNLzi4Kxt+r209n"
    "559fvI6Qp4NIADbhfZMOJWzCXGI+ZdK2SQmnbI7xMry+vzxxHkkQAbAlShfpRLpCVegV1R"
    "6qfHMqXaDqVZhltnGRMBvbzGuEWTpimEJDIOAqIeBCnYWdBaXdIWKHnpQ6wZFoV2nhuAnA"
    "x9UAH5cAXri2JQqorj49MgpwKxZjdkKmZGELC47jWt0sT7hD7Sx9Mlr1jN4mK8PD9E/222"
    "lpwgnAkq+arlYodOS1ZTZPCSq50mzGFMI2TObpYCOrzOHIlmIwn4e8T05EC0HyiqYgqOmQ"
    "2xJdKLMDZXaGdhlvLLNTdRx0AC045SuRzl1OHUAdOQx+yaYb5WW2EWrRlZ7Dmn7IwdXt5W"
    "Wz6lFotfLcR2Rv66yJp9HoFCloU3hb9wMzmt/QaXSCqG/nQ4RXhQMiwbImDyRhWtcNkZOc"
    "gbgLFbRDVtIFAU3F2Ed0l7xQXV9gs0cHqgxAjXIVoSbOKpTMyElJoIZ2y4wcNwykUc9oAP"
    "aWsINHoA03RmcvBo+A7hwerEXXiLZte5uqOI1c2hqVxMiNE9KNZihuQamUfnPL8s8nAovB"
    "+sW0zlwQpkMgAUd744D8/bhL4UcRP9/4bkaMlrI3Y0YCN2NRO7awE5BAthtzgQwCDgpdKy"
    "MPTptADlimQkBBHu628A8UTOk5OzUyIRpRjw+Z8kpFst15KV71hXXHLgoTmQtsySNbogNo"
    "i9CuDbDy0JboANqZyAAxlL4cKakCdXntCK3TluM22qAt668tQ7mKfgUCd8UAETVZr02J4s"
    "kgIUoiIWqFfP/JpYenbF+2EmGrFa6YWptf4EeNFvhRzQI/Ki9wetTQbzDbuR9LxOCeUtkI"
    "B8VgtGVz+2IwScRyF0VhtIvxFhldiajyslRlmNgKqylMc/pxdBJjmEo6Y0QMkGqKlO3eE8"
    "ewifOwJVKXbKJLOs947yooztRVCgnX+Ls9TlyPcV1A6tO+9avrPfgrZOKJwMiVvZzWWbqe"
    "kmEDmruQabqhIxCoq1VVjkS7/uEddpOq6aq4ogBZxvxZxtKYIwLPd8nM5bRSDHOEoBeOWS"
    "/s87Q/xR4xF6KjPn5Te86jbIwyLo1qX7DIoyHwpcXniLrneiduyupDvDK9vPri5Eh09F+8"
    "edPEf/HmTbX/gr0rhDStVlKiyXq4huj20uaS/mKARcLfjzfXVxWW1IykeF0SMzj4+8Am/h"
    "hzWmvAZWDk7sgE0zRrioP7vSBnik1wNrRr/tv/AWfChHM="
)
