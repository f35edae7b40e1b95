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
    "version" INT NOT NULL,
    "default" INT NOT NULL,
    "created_at" TIMESTAMP NOT NULL,
    "team_id" CHAR(36) NOT NULL REFERENCES "teams" ("id") ON DELETE CASCADE
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
    "agent_id" CHAR(36) REFERENCES "agents" ("id") ON DELETE CASCADE,
    CONSTRAINT "uid_chats_account_0bb1ec" UNIQUE ("account", "external_id")
);
CREATE TABLE "conversations" (
    "id" CHAR(36) NOT NULL PRIMARY KEY,
    "started_at" TIMESTAMP NOT NULL,
    "ended_at" TIMESTAMP,
    "agent_id" CHAR(36) NOT NULL REFERENCES "agents" ("id") ON DELETE CASCADE,
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
    "created_at" TIMESTAMP NOT NULL
);
CREATE TABLE "agent_versions" (
    "id" CHAR(36) NOT NULL PRIMARY KEY,
    "number" INT NOT NULL,
    "description" VARCHAR(500) NOT NULL,
    "instructions" BLOB NOT NULL,
    "model" VARCHAR(200) NOT NULL,
    "settings" JSON NOT NULL,
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
    "retry_of" CHAR(36),
    "superseded" INT NOT NULL,
    "stop_requested_at" TIMESTAMP,
    "started_at" TIMESTAMP NOT NULL,
    "ended_at" TIMESTAMP,
    "agent_version_id" CHAR(36) NOT NULL REFERENCES "agent_versions" ("id") ON DELETE CASCADE,
    "conversation_id" CHAR(36) NOT NULL REFERENCES "conversations" ("id") ON DELETE CASCADE,
    "lane_id" CHAR(36) NOT NULL REFERENCES "lanes" ("id") ON DELETE CASCADE
);
CREATE INDEX "idx_turns_convers_5f256d" ON "turns" ("conversation_id");
CREATE INDEX "idx_turns_lane_id_56bc94" ON "turns" ("lane_id", "state");
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
    "version" INT NOT NULL,
    "default" BOOL NOT NULL,
    "created_at" TIMESTAMPTZ NOT NULL,
    "team_id" UUID NOT NULL REFERENCES "teams" ("id") ON DELETE CASCADE
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
    "agent_id" UUID REFERENCES "agents" ("id") ON DELETE CASCADE,
    CONSTRAINT "uid_chats_account_0bb1ec" UNIQUE ("account", "external_id")
);
CREATE TABLE "conversations" (
    "id" UUID NOT NULL PRIMARY KEY,
    "started_at" TIMESTAMPTZ NOT NULL,
    "ended_at" TIMESTAMPTZ,
    "agent_id" UUID NOT NULL REFERENCES "agents" ("id") ON DELETE CASCADE,
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
    "created_at" TIMESTAMPTZ NOT NULL
);
CREATE TABLE "agent_versions" (
    "id" UUID NOT NULL PRIMARY KEY,
    "number" INT NOT NULL,
    "description" VARCHAR(500) NOT NULL,
    "instructions" BYTEA NOT NULL,
    "model" VARCHAR(200) NOT NULL,
    "settings" JSONB NOT NULL,
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
    "retry_of" UUID,
    "superseded" BOOL NOT NULL,
    "stop_requested_at" TIMESTAMPTZ,
    "started_at" TIMESTAMPTZ NOT NULL,
    "ended_at" TIMESTAMPTZ,
    "agent_version_id" UUID NOT NULL REFERENCES "agent_versions" ("id") ON DELETE CASCADE,
    "conversation_id" UUID NOT NULL REFERENCES "conversations" ("id") ON DELETE CASCADE,
    "lane_id" UUID NOT NULL REFERENCES "lanes" ("id") ON DELETE CASCADE
);
CREATE INDEX "idx_turns_convers_5f256d" ON "turns" ("conversation_id");
CREATE INDEX "idx_turns_lane_id_56bc94" ON "turns" ("lane_id", "state");
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
    "eJztXVtz2zYW/isePbUz3kxiy066s7MztuO0ah27EyvZbTMZDkTCFsYUqfBix9vmvy9A8Q"
    "KSIEVQpARC56kNiEPRHw6Acz9/jRauhW3/xdk9doLRPw/+Gjlogen/5B8cHozQcpkNs4EA"
    "zexoJmJToiE08wMPmexFd8j2MR2ysG96ZBkQ16GjTmjbbNA16UTi3GdDoUO+htgI3HsczL"
    "FHH3z+QoeJY+Fv2E/+uXww7gi2rdyXEov9djRuBM/LaOzjx8nbd9FM9nMzw3TtcOFks5fP"
    "wdx10ulhSKwXjIY9o38O9lCALe7PYF8Z/73J0OqL6UDghTj9VCsbsPAdCm0Gxuhfd6FjMg"
    "wO/MD1KGAviOW/cPCTQax/x5/ITTeM65upcXs5NYyRBIam6zD8CVsNCtD31XszYKLREfuB"
    "i1/OPvxwfPpjBIXrB/de9DCCbfQ9IkQBWpFG4GdoR/8t4X0xR54Y72R+AXH6oW2wTgYysD"
    "NGS+BLAOoB0tECfTNs7NwHc/rPVy9f1mD86exDBDOdFeFM191cbZjr+NHR6hnDO8P3EXs+"
    "+6oSxBMnECPMURRAJqut2wfIr/pC+J59wT+OXo1fj98cn47f0CnRV6Yjr2swn1xPC3AmH1"
    "iC89x1bYwcMaQcVQHSGSXrC9N0ZLuHwfnNzRV788L3v9rRwGRaYNiP788vKSdHfEwnkQCL"
    "0TY9zDAxkADwt/RJQBZYjHiesgC6FZO+SP5ngEdHzQJMJ+8vb6dn73/PrcLbs+kle3IUjT"
    "4XRn84LRwq6UsO/jOZ/nLA/nnw5831ZfGIT+dN/xyxb0Jh4BqO+2Qgi8ckGU6GcsscYLQw"
    "5K5djqTLu7e8qKXLdzdruuaGZcLM3YPwgmVIlZF953qY3Du/4ecI3wn9DuSYops1Ftym8W"
    "sGiWg2mv2+h55S4Y9nJ/qn0z8Yr46ki7Pbi7O3l6MI4BkyH56QZxkVSMcXpy+4HGLKd799"
    "wDYKxLcrLyF/yu7gYZ5LJcTz5/ocBRvCRCXEJsJIvNjDQsd1GCtFAGyKEvcqnZiJbUf3yO"
    "W2YW6Dlh8tjhbFEeRQxcmKf5v9kmgDVqmw3AZdo8ka/LHQrUb7efULo2gRFzM6+AWUXCWV"
    "3NXqlBCv1MEygu2pYH3quZ1rYdlnlECtth0UyLZnQhj1xa55A8JJIwPCSY0B4aRsQCDsB0"
    "Oz6jIiDvKeK06NAmVR9X0OsD9AZq5Tfa9uznNKFwX2fHJ99uGPH96f/ffHnOZ1dXP9czKf"
    "P07O/5henhXWILpbZDg9JdCOx48a8fhRDY8flXncx0FAP0HA37/e3lyLIeZpivYFYgYHfx"
    "/YxO/tsOZux1lIbPol/gv2s7u4GBlGOa5PsE6ZnluGCwHLsxecg+lnH00/KxFZThrlafo1"
    "/qiyrGtFTw7QkALiySLKE20AqZradrf2tFTl2tCglnpCh8mma01q/C4V29TKbNsBrB993E"
    "TEUZNT14PKb9T2lsog9Da1LE3pKzTi3n4tSqFFgsvHqpCI7OlhrTWJzTPwI0RHHO6N4Uhe"
    "+t2m1KuIb2xwQm9I7yhJCY0jAfmsYKCy6IlIgmdJRAtkgGrBJBJ6d8iUCs3iSDSMzjpqZn"
    "eqMTsVrU7IlDVgZxQaAnzaBODTaoBPSwAHyKMCjmxkCU8Ep0IeUTcMTFcuYJMj0ZBpx02Y"
    "dlzNtOOIaUvmhmolrk89JYqpEGgoSaxFtW6SBnR07uA2TTdcaUb4W4A9B9lsa4KfW011JV"
    "ut5ldaSqLh8dBLSDe/ESSQLpBpiHYvvsEH+qeJYb50wkXJKpmDPKHVEOtXzRi7hq+LQC+x"
    "tyABg6OEdm1wfY4OwuslwusdNyBmKx9rnrIDa9NwpOXBWZu+hoTqM/SOJYIQkvplLpDCOq"
    "u8znzYsKTOKyAFzRfiUfZwE+0wHkWbbaNQ8ISamHYQO9HEyw95JFJpNzZy8IYwXdFX6ARP"
    "r8ZGnqVERscCy9UYH4t8DpER+psa6Q3htZPH8pQgjyktj2EKYZtF5ulAbVV5hSECvGtNdY"
    "5k8eRIoJpCrQJjzkVnkbT+0jB7XU1E16ovHDs1iPyGePot6oQQ+b1lJSd0gkiNEOg3q0eH"
    "9apNNGmHWs1u67Ot12mG6Fyu0WqII4q5XKPQEPHBCLqMWpJuRWxMZRGIqsCY/a0BoUicHN"
    "2OiAomolM9eVR7qkfb/wE/93+sfx65T84qc+ALGK6UMFytFqQ6qqgiijZHBfFEDeKJUs6X"
    "YG6eBgwLBUDZT7BjS4ZveRoNubab8G8e5CeP3hvCGLiaSjscERTZ4eU+mSI7EOHRZjUGIY"
    "UrIjdO4pRDkeCYPquVHOOkRYJ7SbYw58hxVnWjINlCkeu3WpDkVqvpbcyRaHgZd5+hCZkW"
    "28y0UL8VxJBr3EGwv67SDQixe7fMClcQGbyLP/RFpZp3V4hMRQ8/x0ztfdHEmbnfBIYOCV"
    "/0hL3i0gm858FeO/VBycR5JEEXEdyT9EUaIdWrsp6xlkhdzzFejcKe8HifhREe+Qg65x57"
    "S4+BVNTbP0ch7vFEenzRLUtnfC5lf0WDLFAE3EbqaPtQWmErpRUeq4JRa7T9x8pgVB1w7k"
    "UZ5Y8pCagLZBqifTpuAPbpuLoI1rhUVsH1ibjO2Dm5r4w94al0Cj/56ejo+Pj10cvj0zcn"
    "49evT968TONQyo/qAlLOJz+zmJTcMpQrLCyw79NrR/JEyVNpZ97q5eReyTNCkNfXaUmJNT"
    "xRug+s8DDy5eoWZhTaMXP3EQAz1xKEWNS5/xOKlr5/NbW9bbr+E2WnhHpNmciMBHL+C4EU"
    "UIikR3RREODFUtQ+s1KY40m2J8y97FeS66yZnIdNTB5b+UwKpOA0UdppAoXC+ziPOJtiU0"
    "Q5EkCz1hdlxwVFNvRFNaxLoiaia51RHDutTzclXJzdhqjyIXt6Ils4+mRdff26Z1J/ltA9"
    "w3u76twzOfcaFI7R35FiUi4w5sifyxgwckTapbZ2b3T2XLu1MS6hBVtcA1scxHu1OT4Gp7"
    "rgb0tCX9emEFKOEpZZ6WUO/VZbmSOD6FyV13dGMfSNFsGbJULQmwuOVkQFtJmsaSdPBZgW"
    "vCIYLWS9IhkJpE8X4IxOaWkWzVMBi9aayxj7dWDYmcavGSabrrXqcJt0vb0su3k6AFbv5t"
    "ylS3o9uvEFBNCugTZ/Ua/HNT41wcjbLJfDWoftbmy8kdtCYN1N3BnVdt20lnsPKfKRnhV6"
    "UbnJcoi9RUlQAGHzilh743UqIV7bUSwjgnZiEu3EoCBB7wUJ4tOlhHC9fSijAvOQyuahuW"
    "tbIjm7+nrIKEAzLISlYOTjdl3vCqSwZ1TeM3dYWDG3LrclJdEmFnLLWS13iNihJ2qWVI05"
    "R6IN7J2FoKrcskGVk0mjng1KmgHWNm2Akg7dlHTw8NImm3aa+0Bf0gSgoXBjKR0HmlRsrd"
    "LFFZN3RyI7W/TgsNbQxqZAe4rdx/B1mFRbbU3bkYKq6C7d1B/cRjftUisdEKyglg5RP9qC"
    "WloS+3fkqXLviXNFnAfhNZo+rL9K2TTDpvMgF2FPvFOB+4Ad6WSEPJV2kkz32QgQJL8Xdy"
    "4Eye/FMkOQvPbru5vaxgPatEOpbqwopH3WN+5TzXiPFzPs+XOyHAn0DO7pYZ2isUjn9RIi"
    "lwRhR5wGvWOUVDwgPxfyc3cNvU4yC6RKdZ0qpawIOPj+FpAk1XmSlHJCtWY9Q/qUqX9HXj"
    "ASSNPReK0cvaQzwFS/JxIzFYtnok1e6c7LCHSqn95ZyCPU696aDgJF6PuNlwFtb8+0PRbB"
    "KVvHgacBBaVWQfGS2NYNxekOY2RVlKd5jlJJoF7BLpCo0/WoFqm52OhehWpohTZgURy6NU"
    "C3hqGgixz/iUIkI3hzJCB1N5G62T3SVpNMaEGRbKBIgs4OPbZ2cWr00oIS2mxVItpXmy0w"
    "j7RZjcGZR+7oHrJbLDJPByGaKq/wznr+DGjbDqXpj6KQbt71p0m9gtSFW5ACJDLNEz+xJj"
    "D3mml+i32/omNP8uiwzjzoryaB031fLH2QHzeC/DgFjkktpDYf020hv8YcGSyw0gsMCZB7"
    "scwqR0ersqiQILeXwby3VOLF1jsSYVvWMbKnh3Vqxh2dATrGnugY7hNFx3igf62MjpGnAp"
    "dWA5fWCjI55uZp4OKCyI0toiuuLFjnH6yoLdjUPzggJu3LQbjAFkEr4CTO4jyVlmdxD1Ez"
    "PvmfZIG6hEKnfJYtV04HS1ub42YQGnpJpdyNBhSl5Qp0nyRdt1rrYRmvoPXsidaz27rJuz"
    "77+48uW1Lp2nWQoL5vbecxnmyLvccSVh9u6zG4V+Fe5Y43xBr4bRjYcZY0ARzmgte3WCDO"
    "IwkiADZEaZK+SFeoCuXS2kOVr8+mC1S9CrOsi4dImI27e9QIs0kLka2nEYKAq4SAC7kqWz"
    "Psx73dZNQJjkS7bJVxE4DH1QCPSwBD25UO7foeDrxnw72TgZOnAT9JwY4cMqUVW1hwvdXq"
    "unlC6LQtoe7S23lpeJj+yX47rVf4Asi5UU33LSTfem0Xm6cEE4fSy4wphG0WmaeDjazyCk"
    "e2KYOFX8jHbYhoQcJTNS6mAbzDKNYFuZ+Q+6lS9PHa3M+q46ADaC8KrxvkGbC+G3j5IFyP"
    "dO526gDqyAPzKXudptwsutTbpzRThW5TRwUzr9/S12iEee9uigivCldFgmVNYnOyaJ0344"
    "k9JXE1amjHo6SzAoqLs4/orrh4dTbHet8P5HRARTgVoSbOMhRYheoSElISqFjWMiHBDQNp"
    "1DMagL0l7GDrbrMag7OEgq1b9xXeWanuAW3bDTq5xcrdhmaWJJpumJCu7+SWMZRKpQo+su"
    "46I4HFYPXgsM5cEKZTIFVHe+OA/P24TeFHEQfW8G5G6BjbpVeSWNgJSCDblalABrF9he4V"
    "kWeiTYgCsKkQUJCHO4UzEo3E5kcxmCmBhibHXvJYIxOiEVVUFTgVK/0TRbLteSle9oV1xy"
    "4KE5lzbMkjW6IDaIvQrgyw8tCW6ADaqcgAsSt9OVJSBeryyhFapy3H7bRAW9ZfW4bCFv0K"
    "BO6SAeIKghVqk314Mkj1kUj1WSLff3Lp4SlbBb9E2IrDFVNr8wx+3IjBj2sY/Bh6eO+R/a"
    "19KZEkOrOLkiLNA1oV23zNCousLGpxE+f2UE1iy5ymMM3ox9GXGLupwzJExACppkjZ7j1x"
    "DJs4DxsidcVedEXfM9y7Ckr7dAQV33qrPU5cly9dQOrT5nGGPWLORwKrR/zksM7ugbI5yh"
    "g+qi3GIruHwOIWH8ibGTyUD2Wvtm9UZldVa4IciY5WjpOTJlaOk5NqKwd7VnB8LpcyCMfT"
    "NUS3l9Lj9BeDuLZiHuFfb2+uK3TrjKSoWBMzOPj7wCb+EDNfasBlYOS06QTTNLaag/tCEF"
    "nNXnC+awP+9/8DUEWKEg=="
)
