"""What the app is told of: events in their outer envelope, with ids of their own, and who gets to see them."""

import itertools
from typing import Any

from tests.servers.slack_delivery import Deliveries, Delivery
from tests.servers.slack_world import APP, JSON, TEAM, Channel, File, Message, Person, World

CHANNEL_TYPES = {"channel": "channel", "group": "group", "im": "im", "mpim": "mpim"}
VERIFICATION = "verification-token"


class Events:
    """Makes events of what happens. The app sees only conversations that our bot is in.

    Args:
        files_url: where files are downloaded, without the slash at the end.
    """

    def __init__(self, world: World, deliveries: Deliveries) -> None:
        self.deliveries = deliveries
        self.files_url = ""
        self._world = world
        self._numbers = itertools.count(1)

    def emit(self, event: JSON, *, event_id: str = "", foreign: bool = False) -> Delivery:
        """Tell the app of an event.

        Args:
            event_id: an id of one's own, even one that was used before (a redelivery).
            foreign: it comes from a channel that is shared with another workspace.
        """
        now = int(self._world.clock.now().timestamp())
        event.setdefault("event_ts", self._world.ts())
        bot = self._world.bot
        authorization = {"enterprise_id": None, "team_id": TEAM, "user_id": bot.id, "is_bot": True}
        payload = {
            "token": VERIFICATION,
            "team_id": TEAM,
            "context_team_id": TEAM,
            "context_enterprise_id": None,
            "api_app_id": APP,
            "event": event,
            "type": "event_callback",
            "event_id": event_id or f"Ev0{next(self._numbers):09d}",
            "event_time": now,
            "authorizations": [{**authorization, "is_enterprise_install": False}],
            "is_ext_shared_channel": foreign,
            "event_context": f"4-fake{now}",
        }
        return self.deliveries.add("events_api", payload)

    def posted(self, message: Message, event_id: str = "") -> Delivery | None:
        """Tell of a new message; with a mention of our bot also by `app_mention`, its twin."""
        if not self._is_seen(message.channel) or message.only_for:
            return None
        foreign = self._is_foreign(message.channel)
        body = {**self.wire(message), **self._where(message.channel), "event_ts": message.ts}
        if message.broadcast:
            body |= {"subtype": "thread_broadcast", "root": self._root(message)}
        delivery = self.emit(body, event_id=event_id, foreign=foreign)
        marks = message.versions[-1].triggered
        bot = self._world.bot
        if f"@{bot.id}" in marks and message.channel.kind != "im" and message.author is not bot:
            twin = {**self.wire(message), "type": "app_mention", "channel": message.channel.id}
            twin.pop("subtype", None)
            self.emit({**twin, "event_ts": message.ts}, foreign=foreign)
        return delivery

    def changed(self, message: Message, before: JSON) -> None:
        """Tell that a message was edited. `before` is how it was."""
        self._about(message.channel, "message_changed", message=self.wire(message), previous_message=before)

    def deleted(self, message: Message, before: JSON) -> None:
        """Tell that a message is gone; one with answers leaves a gravestone."""
        if message.replies():
            self.changed(message, before)
        else:
            self._about(message.channel, "message_deleted", deleted_ts=message.ts, previous_message=before)

    def joined(self, channel: Channel, person: Person, inviter: Person | None) -> None:
        """Tell that somebody, our bot too, joined a conversation."""
        if self._is_seen(channel):
            event: JSON = {"type": "member_joined_channel", "user": person.id, "channel": channel.id}
            event |= {"channel_type": "C" if channel.kind == "channel" else "G", "team": person.team}
            self.emit({**event, **({"inviter": inviter.id} if inviter else {})}, foreign=self._is_foreign(channel))

    def home_opened(self, person: Person, channel: Channel, tab: str) -> Delivery:
        """Tell that a person looks at the app's home or its messages."""
        event: JSON = {"type": "app_home_opened", "user": person.id, "channel": channel.id, "tab": tab}
        if tab == "home" and person.home:
            event["view"] = person.home.wire()
        return self.emit(event)

    def thread(self, kind: str, person: Person, channel: Channel, thread_ts: str, context: JSON) -> Delivery:
        """Tell that a thread was started in the assistant pane, or that what stands beside it changed."""
        thread = {"user_id": person.id, "context": context, "channel_id": channel.id, "thread_ts": thread_ts}
        return self.emit({"type": kind, "assistant_thread": thread})

    def wire(self, message: Message, *, metadata: bool = False) -> JSON:
        """Return the Web API's message as our bot sees it."""
        author = message.author
        if message.deleted_at:
            body: JSON = {"type": "message", "subtype": "tombstone", "text": "This message was deleted."}
            body |= {"user": "USLACKBOT", "hidden": True, "ts": message.ts, "thread_ts": message.ts}
            return {**body, **self._thread(message)}
        body = {"type": "message", "user": author.id, "text": message.text, "ts": message.ts, "team": author.team}
        if author.bot_id:
            profile = {"id": author.bot_id, "name": author.name, "app_id": author.app_id, "deleted": False}
            body |= {"bot_id": author.bot_id, "app_id": author.app_id}
            body["bot_profile"] = {**profile, "team_id": author.team, "updated": 1700000000}
        if message.subtype:
            body["subtype"] = message.subtype
        if author.team != TEAM:
            body |= {"user_team": author.team, "source_team": author.team}
        for name in ("blocks", "attachments"):
            if value := getattr(message, name):
                body[name] = value
        if message.files:
            body |= {"files": [self.file(one) for one in message.files], "upload": False}
        if message.edited_ts:
            body["edited"] = {"user": message.edited_by, "ts": message.edited_ts}
        if message.reactions:
            every = message.reactions.items()
            body["reactions"] = [{"name": k, "users": [p.id for p in v], "count": len(v)} for k, v in every]
        if metadata and message.metadata:
            body["metadata"] = message.metadata
        if message.streaming:
            body["streaming_state"] = message.streaming
        return {**body, **self._thread(message), **message.extra}

    def file(self, file: File) -> JSON:
        """Return the Web API's file."""
        place = f"{self.files_url}/files-pri/{TEAM}-{file.id}"
        name = file.name.rpartition("/")[2]
        body: JSON = {"id": file.id, "name": file.name, "title": file.title or file.name, "mimetype": file.media_type}
        body |= {"created": file.created, "timestamp": file.created, "size": len(file.data), "mode": "hosted"}
        body |= {"filetype": name.rpartition(".")[2] if "." in name else "text", "is_external": False}
        body |= {"user": file.owner.id if file.owner else "", "file_access": "visible", "is_public": False}
        return {**body, "url_private": f"{place}/{name}", "url_private_download": f"{place}/download/{name}"}

    def _thread(self, message: Message) -> JSON:
        if message.is_reply:
            parent = message.channel.messages.get(message.thread_ts)
            return {"thread_ts": message.thread_ts, **({"parent_user_id": parent.author.id} if parent else {})}
        if replies := message.replies():
            users = list(dict.fromkeys(one.author.id for one in replies))
            counts = {"reply_count": len(replies), "reply_users_count": len(users), "reply_users": users[:5]}
            return {"thread_ts": message.ts, **counts, "latest_reply": replies[-1].ts, "is_locked": False}
        return {"thread_ts": message.thread_ts} if message.thread_ts else {}

    def _root(self, message: Message) -> JSON:
        parent = message.channel.messages.get(message.thread_ts)
        return self.wire(parent) if parent else {}

    def _about(self, channel: Channel, subtype: str, **fields: Any) -> None:
        if self._is_seen(channel):
            ts = self._world.ts()
            event: JSON = {"type": "message", "subtype": subtype, "hidden": True, "ts": ts, "event_ts": ts}
            self.emit({**event, **self._where(channel), **fields}, foreign=self._is_foreign(channel))

    def _where(self, channel: Channel) -> JSON:
        return {"channel": channel.id, "channel_type": CHANNEL_TYPES[channel.kind]}

    def _is_seen(self, channel: Channel) -> bool:
        return self._world.bot in channel.members and not channel.archived

    def _is_foreign(self, channel: Channel) -> bool:
        return any(one.team != TEAM for one in channel.members)
