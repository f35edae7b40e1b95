"""The Web API's methods that look things up, and those that need no module of their own."""

import base64
from collections.abc import Callable, Sequence
from typing import Any

from tests.servers.slack_chat import Chat
from tests.servers.slack_errors import ApiError
from tests.servers.slack_events import Events
from tests.servers.slack_limits import Flood
from tests.servers.slack_request import Request
from tests.servers.slack_world import JSON, TEAM, TEAM_NAME, Channel, Message, World

KINDS = {"public_channel": "channel", "private_channel": "group", "im": "im", "mpim": "mpim"}


class Reading:
    """Answers `auth.test`, `conversations.*`, `users.*`, `team.info`, `bots.info`, `reactions.*`, `assistant.*`."""

    def __init__(self, world: World, events: Events, chat: Chat, flood: Flood) -> None:
        self._world = world
        self._events = events
        self._chat = chat
        self._flood = flood
        self.methods: dict[str, Callable[[Request], JSON]] = {
            "api.test": lambda _: {},
            "auth.test": self._auth_test,
            "assistant.threads.setStatus": self._set_status,
            "assistant.threads.setSuggestedPrompts": self._set_prompts,
            "assistant.threads.setTitle": self._set_title,
            "bots.info": self._bot_info,
            "conversations.history": self._history,
            "conversations.info": self._info,
            "conversations.list": self._list,
            "conversations.members": self._members,
            "conversations.open": self._open,
            "conversations.replies": self._replies,
            "reactions.add": self._react,
            "reactions.remove": self._unreact,
            "team.info": self._team,
            "users.conversations": self._list,
            "users.info": self._user,
            "users.list": self._users,
        }

    def _auth_test(self, _: Request) -> JSON:
        bot = self._world.bot
        body = {"url": "https://prowex-hq.slack.com/", "team": TEAM_NAME, "user": bot.handle, "team_id": TEAM}
        return {**body, "user_id": bot.id, "bot_id": bot.bot_id, "is_enterprise_install": False}

    def _team(self, _: Request) -> JSON:
        return {"team": {"id": TEAM, "name": TEAM_NAME, "domain": "prowex-hq", "email_domain": "", "icon": {}}}

    def _user(self, request: Request) -> JSON:
        person = self._world.people.get(request.wanted("user"))
        if person is None:
            raise ApiError("user_not_found")
        return {"user": person.wire()}

    def _users(self, request: Request) -> JSON:
        page, more = _page(request, list(self._world.people.values()), 1000)
        return {"members": [one.wire() for one in page], "cache_ts": 1700000000, **more}

    def _bot_info(self, request: Request) -> JSON:
        number = request.wanted("bot")
        bot = next((one for one in self._world.people.values() if one.bot_id == number), None)
        if bot is None:
            raise ApiError("bot_not_found")
        body = {"id": bot.bot_id, "deleted": False, "name": bot.name, "updated": 1700000000, "icons": {}}
        return {"bot": {**body, "app_id": bot.app_id, "user_id": bot.id}}

    def _visible(self, reference: str) -> Channel:
        channel = self._world.channels.get(reference)
        if channel is None or (channel.kind != "channel" and self._world.bot not in channel.members):
            raise ApiError("channel_not_found")
        return channel

    def _info(self, request: Request) -> JSON:
        body = self._visible(request.wanted("channel")).wire(self._world.bot)
        if not request.flag("include_num_members"):
            body.pop("num_members", None)
        return {"channel": body}

    def _list(self, request: Request) -> JSON:
        wanted = [one.strip() for one in (request.text("types") or "public_channel").split(",")]
        if any(one not in KINDS for one in wanted):
            raise ApiError("invalid_types")
        bot, kinds = self._world.bot, [KINDS[one] for one in wanted]
        mine = request.method == "users.conversations"
        found = [
            one
            for one in self._world.channels.values()
            if one.kind in kinds
            and (bot in one.members or (one.kind == "channel" and not mine))
            and not (one.archived and request.flag("exclude_archived"))
        ]
        page, more = _page(request, found, 100)
        return {"channels": [one.wire(bot) for one in page], **more}

    def _members(self, request: Request) -> JSON:
        channel = self._visible(request.wanted("channel"))
        page, more = _page(request, channel.members, 100)
        return {"members": [one.id for one in page], **more}

    def _open(self, request: Request) -> JSON:
        if reference := request.text("channel"):
            channel = self._visible(reference)
        else:
            ids = [one.strip() for one in request.text("users").split(",") if one.strip()]
            people = [self._world.people.get(one) for one in ids]
            found = [one for one in people if one is not None]
            if not ids:
                raise ApiError("users_list_not_supplied")
            if len(found) < len(ids):
                raise ApiError("user_not_found")
            if found == [self._world.bot]:
                raise ApiError("cannot_dm_bot")
            several = [*found, self._world.bot]
            channel = self._world.im(found[0]) if len(found) == 1 else self._group(several)
        whole = channel.wire(self._world.bot) if request.flag("return_im") else {"id": channel.id}
        return {"channel": whole, "no_op": bool(channel.messages), "already_open": bool(channel.messages)}

    def _group(self, people: Sequence[Any]) -> Channel:
        for channel in self._world.channels.values():
            if channel.kind == "mpim" and set(channel.members) == set(people):
                return channel
        name = "mpdm-" + "--".join(sorted(one.handle for one in people)) + "-1"
        return self._world.new_channel(name, "mpim", people)

    def _history(self, request: Request) -> JSON:
        channel = self._chat.place(request.wanted("channel"), writing=False)
        every = [one for one in channel.messages.values() if not one.is_reply or one.broadcast]
        found = _within(request, [one for one in every if not one.deleted_at or one.replies()])
        page, more = self._limited(request, found[::-1])
        return {"messages": self._wires(request, page), **more, "pin_count": 0, "channel_actions_ts": None}

    def _replies(self, request: Request) -> JSON:
        channel = self._chat.place(request.wanted("channel"), writing=False)
        parent = channel.messages.get(request.wanted("ts"))
        if parent is None or (parent.deleted_at and not parent.replies()):
            raise ApiError("thread_not_found")
        page, more = self._limited(request, _within(request, parent.replies()))
        return {"messages": self._wires(request, [parent, *page]), **more}

    def _limited(self, request: Request, found: Sequence[Message]) -> tuple[list[Message], JSON]:
        """Return one page of messages; where it goes on is told by a time stamp, so that new messages shift nothing."""
        replies = request.method == "conversations.replies"
        most = 15 if self._flood.limits.distributed else 1000
        limit = min(request.number("limit", 1000 if replies else 100, 1000), most)
        if cursor := request.text("cursor"):
            last = _uncoded(cursor, "next_ts:")
            found = [one for one in found if (one.ts > last if replies else one.ts < last)]
        page, has_more = list(found[:limit]), len(found) > limit
        following = _coded(f"next_ts:{page[-1].ts}") if has_more else ""
        return page, {"has_more": has_more, "response_metadata": {"next_cursor": following}}

    def _wires(self, request: Request, messages: Sequence[Message]) -> list[JSON]:
        metadata = request.flag("include_all_metadata")
        return [self._events.wire(one, metadata=metadata) for one in messages]

    def _message(self, request: Request) -> Message:
        channel = self._chat.place(request.wanted("channel"), writing=False)
        message = channel.messages.get(request.ts("timestamp", "bad_timestamp"))
        if message is None or message.deleted_at:
            raise ApiError("message_not_found")
        return message

    def _react(self, request: Request) -> JSON:
        message, name = self._message(request), request.wanted("name").strip(":")
        people = message.reactions.setdefault(name, [])
        if self._world.bot in people:
            raise ApiError("already_reacted")
        people.append(self._world.bot)
        self._world.changed(message.channel)
        return {}

    def _unreact(self, request: Request) -> JSON:
        message, name = self._message(request), request.wanted("name").strip(":")
        if self._world.bot not in message.reactions.get(name, []):
            raise ApiError("no_reaction")
        message.reactions[name].remove(self._world.bot)
        if not message.reactions[name]:
            del message.reactions[name]
        self._world.changed(message.channel)
        return {}

    def _thread(self, request: Request) -> tuple[Channel, str]:
        channel = self._chat.place(request.wanted("channel_id"))
        request.wanted("thread_ts")
        thread_ts = request.ts("thread_ts", "invalid_thread_ts")
        if thread_ts not in channel.messages:
            raise ApiError("thread_not_found")
        return channel, thread_ts

    def _set_status(self, request: Request) -> JSON:
        channel, thread_ts = self._thread(request)
        if "status" not in request.params:
            raise ApiError("invalid_arguments", ["[ERROR] missing required field: status"])
        channel.statuses.append((self._world.clock.now(), thread_ts, request.text("status")))
        self._world.changed(channel)
        return {}

    def _set_title(self, request: Request) -> JSON:
        channel, thread_ts = self._thread(request)
        root = channel.messages[thread_ts]
        if root.subtype != "assistant_app_thread":
            raise ApiError("invalid_thread_ts")
        before = self._events.wire(root)
        root.extra = {"assistant_app_thread": {**root.extra["assistant_app_thread"], "title": request.wanted("title")}}
        self._events.changed(root, before)
        self._world.changed(channel)
        return {}

    def _set_prompts(self, request: Request) -> JSON:
        channel, thread_ts = self._thread(request)
        prompts = request.value("prompts", list, "invalid_arguments") or []
        shaped = all(isinstance(one, dict) and one.get("title") and one.get("message") for one in prompts)
        if not 1 <= len(prompts) <= 4 or not shaped:
            raise ApiError("invalid_arguments", ["[ERROR] must be 1 to 4 prompts [json-pointer:/prompts]"])
        channel.prompts[thread_ts] = {"title": request.text("title"), "prompts": prompts}
        self._world.changed(channel)
        return {}


def _within(request: Request, messages: Sequence[Message]) -> list[Message]:
    """Return the messages between `oldest` and `latest`."""
    oldest, latest = _moment(request, "oldest"), _moment(request, "latest")
    edges = request.flag("inclusive")
    found = []
    for message in messages:
        at = float(message.ts)
        on_edge = at in (oldest, latest)
        if on_edge and not edges:
            continue
        if on_edge or ((oldest is None or at > oldest) and (latest is None or at < latest)):
            found.append(message)
    return found


def _moment(request: Request, name: str) -> float | None:
    value = request.text(name)
    try:
        return float(value) if value and value != "0" else None
    except ValueError as error:
        raise ApiError(f"invalid_ts_{name}") from error


def _page(request: Request, found: Sequence[Any], default: int) -> tuple[list[Any], JSON]:
    """Return one page and what the answer says of the next one."""
    limit = request.number("limit", default, 1000)
    try:
        start = int(_uncoded(request.text("cursor"), "next:") or 0)
    except ValueError as error:
        raise ApiError("invalid_cursor") from error
    end = start + limit
    following = _coded(f"next:{end}") if end < len(found) else ""
    return list(found[start:end]), {"response_metadata": {"next_cursor": following}}


def _coded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _uncoded(cursor: str, prefix: str) -> str:
    try:
        text = base64.b64decode(cursor, validate=True).decode()
    except ValueError as error:
        raise ApiError("invalid_cursor") from error
    if text and not text.startswith(prefix):
        raise ApiError("invalid_cursor")
    return text.removeprefix(prefix)
