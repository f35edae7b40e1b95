"""What the Slack app must be allowed and told, in one place, and the manifest made from it.

Sources: each method's and event's own page at https://docs.slack.dev/reference, and
https://docs.slack.dev/reference/app-manifest.
"""

from typing import Any

from channels.slack.menu import MENU, MENU_ANYWHERE

COMMAND = "/prowex"
NAME = "Prowex"
HOOK_PATH = "/hooks/slack"
"""Where Slack posts, under the installation's address."""
PROMPTS = (
    {"title": "What can you do?", "message": "What can you do?"},
    {"title": "Who am I to you?", "message": "!whoami"},
    {"title": "What is going on?", "message": "!status"},
)
"""What the assistant pane suggests to begin with."""

METHODS: dict[str, tuple[str, ...]] = {
    "apps.connections.open": (),  # with the app's own token and its scope connections:write
    "assistant.threads.setStatus": ("assistant:write",),
    "assistant.threads.setSuggestedPrompts": ("assistant:write",),
    "assistant.threads.setTitle": ("assistant:write",),
    "auth.test": (),
    "chat.appendStream": ("chat:write",),
    "chat.delete": ("chat:write",),
    "chat.postEphemeral": ("chat:write",),
    "chat.postMessage": ("chat:write",),
    "chat.startStream": ("chat:write",),
    "chat.stopStream": ("chat:write",),
    "chat.update": ("chat:write",),
    "conversations.history": ("channels:history", "groups:history", "im:history", "mpim:history"),
    "conversations.open": ("im:write",),
    "conversations.replies": ("channels:history", "groups:history", "im:history", "mpim:history"),
    "files.completeUploadExternal": ("files:write",),
    "files.delete": ("files:write",),
    "files.getUploadURLExternal": ("files:write",),
    "files.info": ("files:read",),
    "users.info": ("users:read",),
    "views.open": (),
}
"""Every method we call, and the bot's scopes it needs."""

EVENTS: dict[str, tuple[str, ...]] = {
    "app_mention": ("app_mentions:read",),
    "assistant_thread_started": ("assistant:write",),
    "member_joined_channel": ("channels:read", "groups:read"),
    "message.channels": ("channels:history",),
    "message.groups": ("groups:history",),
    "message.im": ("im:history",),
    "message.mpim": ("mpim:history",),
}
"""Every event we are told of, and the bot's scopes it needs."""

FEATURES = ("commands",)
"""The scope of slash commands and shortcuts."""


def scopes() -> list[str]:
    """Return the bot's scopes: those that something needs, and no other."""
    return sorted({scope for needed in (*METHODS.values(), *EVENTS.values()) for scope in needed} | {*FEATURES})


def manifest(public_url: str) -> dict[str, Any]:
    """Return the app's manifest.

    Args:
        public_url: the installation's address, for Slack to call; empty for Socket Mode.
    """
    request_url = f"{public_url}{HOOK_PATH}" if public_url else ""
    called = {"request_url": request_url} if request_url else {}
    return {
        "display_information": {
            "name": NAME,
            "description": "AI agents that you make, shape and talk to right here.",
            "background_color": "#1f2937",
        },
        "features": {
            "app_home": {
                "home_tab_enabled": False,
                "messages_tab_enabled": True,
                "messages_tab_read_only_enabled": False,
            },
            "assistant_view": {
                "assistant_description": "Answers, and runs the agents that your team has made.",
                "suggested_prompts": [dict(prompt) for prompt in PROMPTS],
            },
            "bot_user": {"display_name": NAME, "always_online": True},
            "shortcuts": [
                {
                    "name": "Ask Prowex",
                    "type": "message",
                    "callback_id": MENU,
                    "description": "Commands, in a thread too",
                },
                {"name": "Ask Prowex", "type": "global", "callback_id": MENU_ANYWHERE, "description": "All commands"},
            ],
            "slash_commands": [
                {
                    "command": COMMAND,
                    **({"url": request_url} if request_url else {}),
                    "description": "Run a command of Prowex",
                    "usage_hint": "help",
                    "should_escape": True,
                }
            ],
        },
        "oauth_config": {"scopes": {"bot": scopes()}},
        "settings": {
            "event_subscriptions": {**called, "bot_events": sorted(EVENTS)},
            "interactivity": {"is_enabled": True, **called},
            "org_deploy_enabled": False,
            "socket_mode_enabled": not request_url,
            "token_rotation_enabled": False,
        },
    }
