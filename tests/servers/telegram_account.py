"""The methods about the bot itself, its updates, its chats and files."""

import re
from typing import Any

from tests.servers.telegram_errors import ApiError, bad
from tests.servers.telegram_request import Request
from tests.servers.telegram_sending import Sending
from tests.servers.telegram_text import utf16
from tests.servers.telegram_updates import Hook, Updates
from tests.servers.telegram_world import JSON, World

MOST_TO_DOWNLOAD = 20 * 1024 * 1024


class Account:
    """Everything that shows nothing in a chat by itself. getUpdates waits, so the server handles it."""

    def __init__(self, world: World, updates: Updates, sending: Sending, *, privacy: bool) -> None:
        self._world = world
        self._updates = updates
        self._sending = sending
        self._privacy = privacy
        self.methods = {
            "getMe": self.me,
            "setWebhook": self.set_webhook,
            "deleteWebhook": self.delete_webhook,
            "getWebhookInfo": lambda request: updates.info(),
            "sendChatAction": self.act,
            "answerCallbackQuery": self.answer_press,
            "setMyCommands": self.set_commands,
            "getMyCommands": self.get_commands,
            "deleteMyCommands": self.delete_commands,
            "getFile": self.file,
            "getChat": self.chat,
            "getChatMember": self.member,
            "getChatAdministrators": self.administrators,
            "getChatMemberCount": lambda request: len(sending.chat(request).members) + 1,
            "leaveChat": self.leave,
        }

    def me(self, request: Request) -> JSON:
        """getMe."""
        able = {"can_join_groups": True, "supports_inline_queries": False}
        return {**self._world.bot.wire(), **able, "can_read_all_group_messages": not self._privacy}

    def set_webhook(self, request: Request) -> bool:
        """SetWebhook. Plain http is taken too, as a Bot API server of one's own does."""
        url, secret = request.text("url"), request.text("secret_token")
        if not url:
            return self.delete_webhook(request)
        if not re.match(r"https?://[^/\s]+", url):
            raise bad("bad webhook: invalid webhook URL specified")
        if secret and not re.fullmatch(r"[A-Za-z0-9_-]{1,256}", secret):
            raise bad("secret token contains unallowed characters")
        connections = request.number("max_connections", 40) or 40
        if request.flag("drop_pending_updates"):
            self._updates.throw_away()
        self._updates.set_hook(Hook(url, secret, connections), request.params.get("allowed_updates"))
        return True

    def delete_webhook(self, request: Request) -> bool:
        """deleteWebhook."""
        if request.flag("drop_pending_updates"):
            self._updates.throw_away()
        if self._updates.hook.url:
            self._updates.set_hook(Hook(), None)
        return True

    def act(self, request: Request) -> bool:
        """sendChatAction."""
        chat, action = self._sending.chat(request), request.text("action")
        if not re.fullmatch(
            r"typing|(upload|record)_(photo|video|voice|video_note)|upload_document|choose_sticker|"
            r"find_location",
            action,
        ):
            raise bad("wrong parameter action in request")
        thread = request.number("message_thread_id")
        if thread is not None and thread not in chat.topics:
            raise bad("message thread not found")
        chat.actions.append((self._world.clock.now(), action, thread))
        self._world.changed()
        return True

    def answer_press(self, request: Request) -> bool:
        """answerCallbackQuery."""
        press = self._world.presses.get(request.text("callback_query_id"))
        if press is None or self._world.clock.now() - press.at > self._world.press_age:
            raise bad("query is too old and response timeout expired or query ID is invalid")
        if utf16(request.text("text")) > 200:
            raise bad("MESSAGE_TOO_LONG")
        press.answers += 1
        if press.answer is None:
            press.answer = {"text": request.text("text"), "show_alert": request.flag("show_alert")}
        self._world.changed()
        return True

    def set_commands(self, request: Request) -> bool:
        """setMyCommands."""
        commands = request.params.get("commands") or []
        if len(commands) > 100:
            raise bad("BOT_COMMANDS_TOO_MUCH")
        for one in commands:
            if not re.fullmatch(r"[a-z0-9_]{1,32}", one["command"]):
                raise bad("BOT_COMMAND_INVALID")
            if not 1 <= len(one["description"]) <= 256:
                raise bad("BOT_COMMAND_DESCRIPTION_INVALID")
        self._world.commands[_scope(request)] = commands
        self._world.changed()
        return True

    def get_commands(self, request: Request) -> list[JSON]:
        """getMyCommands."""
        return self._world.commands.get(_scope(request), [])

    def delete_commands(self, request: Request) -> bool:
        """deleteMyCommands."""
        self._world.commands.pop(_scope(request), None)
        return True

    def file(self, request: Request) -> JSON:
        """getFile."""
        file = self._world.files.get(request.text("file_id").removesuffix("-s"))
        if file is None:
            raise bad("wrong file_id or the file is temporarily unavailable")
        if len(file.data) > MOST_TO_DOWNLOAD:
            raise bad("file is too big")
        plain = {"file_id": file.file_id, "file_unique_id": f"u{file.file_id}", "file_size": len(file.data)}
        return {**plain, "file_path": file.path}

    def chat(self, request: Request) -> JSON:
        """getChat."""
        chat = self._sending.chat(request)
        gifts = ("unlimited_gifts", "limited_gifts", "unique_gifts", "premium_subscription", "gifts_from_channels")
        accepted = dict.fromkeys(gifts, False)
        return {**chat.wire(), "accent_color_id": 0, "max_reaction_count": 11, "accepted_gift_types": accepted}

    def member(self, request: Request) -> JSON:
        """getChatMember."""
        chat, person = self._sending.chat(request), self._world.people.get(request.number("user_id") or 0)
        if person is None:
            raise bad("user not found")
        return self._world.member(chat, person)

    def administrators(self, request: Request) -> list[JSON]:
        """getChatAdministrators."""
        chat = self._sending.chat(request)
        if chat.type == "private":
            raise bad("there are no administrators in the private chat")
        everybody: list[Any] = [self._world.member(chat, self._world.people[one]) for one in chat.members]
        return [one for one in everybody if one["status"] in ("creator", "administrator")]

    def leave(self, request: Request) -> bool:
        """leaveChat."""
        chat = self._sending.chat(request)
        if chat.type == "private":
            raise ApiError(400, "Bad Request: chat member status can't be changed in private chats")
        chat.bot_status = "left"
        self._world.changed()
        return True


def _scope(request: Request) -> str:
    scope = request.params.get("scope") or {"type": "default"}
    return ":".join(str(value) for _, value in sorted(scope.items())) + f":{request.text('language_code')}"
