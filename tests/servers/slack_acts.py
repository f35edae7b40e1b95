"""What people do with what the app offers: buttons, menus, slash commands and shortcuts."""

from dataclasses import dataclass
from typing import Any

from tests.servers.slack_delivery import Deliveries, Delivery, Outcome
from tests.servers.slack_errors import ApiError, Impossible
from tests.servers.slack_events import VERIFICATION, Events
from tests.servers.slack_render import elements
from tests.servers.slack_response import ResponseUrls
from tests.servers.slack_views import Views
from tests.servers.slack_world import APP, JSON, TEAM, Channel, Message, Person, World


@dataclass(slots=True)
class Act:
    """Something that a person did and the app is told of; what the app says to it may still be on its way."""

    delivery: Delivery
    trigger_id: str
    response_url: str = ""

    async def outcome(self) -> Outcome:
        """Wait until the app has acknowledged it or failed to."""
        return await self.delivery.done


class Acts:
    """The people's hands on buttons, menus, commands and shortcuts."""

    world: World
    events: Events
    deliveries: Deliveries
    views: Views
    responses: ResponseUrls
    failures: list[str]

    async def command(
        self, channel: Channel, text: str, *, by: Person | None = None, thread: Message | None = None
    ) -> Act:
        """Give a slash command, such as `/prowex help`, anywhere: also where our bot is no member.

        Raises:
            Impossible: in a thread; Slack's clients refuse commands there.
        """
        word, _, rest = text.partition(" ")
        if thread is not None:
            raise Impossible(f"{word} is not supported in threads. Sorry!")
        person = by or next(one for one in channel.members if not one.bot_id)
        trigger, url = self.views.trigger(person), self.responses.make(channel, person)
        names = {"im": "directmessage", "group": "privategroup", "mpim": channel.name}
        payload = {
            "token": VERIFICATION,
            "team_id": TEAM,
            "team_domain": "prowex-hq",
            "channel_id": channel.id,
            "channel_name": names.get(channel.kind, channel.name),
            "user_id": person.id,
            "user_name": person.handle,
            "command": word,
            "text": rest.strip(),
            "api_app_id": APP,
            "is_enterprise_install": "false",
            "response_url": url,
            "trigger_id": trigger,
        }
        delivery = self.deliveries.add("slash_commands", payload)
        delivery.done.add_done_callback(lambda done: self._answered(channel, person, word, done.result()))
        return Act(delivery, trigger, url)

    async def press(
        self, channel: Channel, button: str, *, by: Person | None = None, message: Message | str | None = None
    ) -> Act:
        """Press the newest button in sight with this label (or action id, or value).

        Raises:
            LookupError: there is no such button.
        """
        person = by or next(one for one in channel.members if not one.bot_id)
        place, block, element = self._find(channel, person, button, message)
        if element["type"] != "button":
            raise LookupError(f"{button!r} is no button")
        action = {"type": "button", "text": element["text"], **({"value": v} if (v := element.get("value")) else {})}
        return self._act(place, person, block, element, action)

    async def choose(
        self,
        channel: Channel,
        menu: str,
        option: str,
        *,
        by: Person | None = None,
        message: Message | str | None = None,
    ) -> Act:
        """Choose an option (by label or value) from a menu of a message, named by its action id or placeholder."""
        person = by or next(one for one in channel.members if not one.bot_id)
        place, block, element = self._find(channel, person, menu, message)
        chosen = self.views.option(element, option)
        return self._act(place, person, block, element, {"type": element["type"], "selected_option": chosen})

    async def shortcut(self, message: Message, callback_id: str, *, by: Person | None = None) -> Act:
        """Use a message shortcut; it is there in threads too."""
        person = by or next(one for one in message.channel.members if not one.bot_id)
        trigger = self.views.trigger(person)
        url = self.responses.make(message.channel, person, message)
        payload = {
            **self._basics("message_action", person),
            "action_ts": self.world.ts(),
            "channel": self._channel(message.channel),
            "callback_id": callback_id,
            "trigger_id": trigger,
            "response_url": url,
            "message_ts": message.ts,
            "message": self.events.wire(message),
        }
        return Act(self._interact(payload, person), trigger, url)

    async def global_shortcut(self, person: Person, callback_id: str) -> Act:
        """Use a global shortcut."""
        trigger = self.views.trigger(person)
        payload = {**self._basics("shortcut", person), "action_ts": self.world.ts(), "callback_id": callback_id}
        return Act(self._interact({**payload, "trigger_id": trigger}, person), trigger)

    def _find(
        self, channel: Channel, person: Person, wanted: str, message: Message | str | None
    ) -> tuple[Message, JSON, JSON]:
        every = [*channel.messages.values(), *channel.whispers.values()]
        if isinstance(message, str):
            every = [one for one in every if one.ts == message]
        elif message:
            every = [message]
        for place in sorted(every, key=lambda one: one.ts, reverse=True):
            if place.deleted_at or place.only_for not in (None, person):
                continue
            for block, element in elements(place.blocks):
                if wanted in names_of(element):
                    return place, block, element
        raise LookupError(f"no {wanted!r} is in sight")

    def _act(self, place: Message, person: Person, block: JSON, element: JSON, action: JSON) -> Act:
        trigger, channel = self.views.trigger(person), place.channel
        url = self.responses.make(channel, person, place)
        container: JSON = {"type": "message", "message_ts": place.ts, "channel_id": channel.id}
        container |= {"is_ephemeral": place.only_for is not None}
        if place.is_reply:
            container["thread_ts"] = place.thread_ts
        seen = {} if place.only_for else {"message": self.events.wire(place, metadata=True)}
        payload = {
            **self._basics("block_actions", person),
            "container": container,
            "trigger_id": trigger,
            "channel": self._channel(channel),
            **seen,
            "state": {"values": {}},
            "response_url": url,
            "actions": [self._action(block, element, action)],
        }
        return Act(self._interact(payload, person), trigger, url)

    def _action(self, block: JSON, element: JSON, action: JSON) -> JSON:
        ids = {"action_id": element["action_id"], "block_id": block["block_id"]}
        return {**ids, **action, "action_ts": self.world.ts()}

    def _interact(self, payload: JSON, person: Person) -> Delivery:
        delivery = self.deliveries.add("interactive", payload)

        def noted(done: Any) -> None:
            if not done.result().acknowledged:
                self.failures.append(f"{payload['type']} by {person.name}: {done.result().reason}")
                self.world.changed()

        delivery.done.add_done_callback(noted)
        return delivery

    def _answered(self, channel: Channel, person: Person, word: str, outcome: Outcome) -> None:
        """Show what an acknowledged command answered, or Slackbot's words if it failed."""
        if outcome.acknowledged:
            body = {"text": outcome.answer} if isinstance(outcome.answer, str) else outcome.answer
            if not isinstance(body, dict) or not (body.get("text") or body.get("blocks")):
                return
            try:
                self.responses.answer(channel, person, body)
            except ApiError as error:
                self.failures.append(f"{word} by {person.name}: {error.error}")
            return
        timed_out = outcome.reason in ("timeout", "http_timeout")
        reason = "operation_timeout" if timed_out else "dispatch_failed"
        self.failures.append(f"{word} by {person.name}: {reason}")
        text = f'{word} failed with the error "{reason}"'
        self.world.post(channel, self.world.people["USLACKBOT"], text=text, only_for=person)

    def _basics(self, kind: str, person: Person) -> JSON:
        user = {"id": person.id, "username": person.handle, "name": person.handle, "team_id": person.team}
        body: JSON = {"type": kind, "user": user, "api_app_id": APP, "token": VERIFICATION}
        body["team"] = {"id": TEAM, "domain": "prowex-hq"}
        return {**body, "enterprise": None, "is_enterprise_install": False}

    def _channel(self, channel: Channel) -> JSON:
        names = {"im": "directmessage", "group": "privategroup"}
        return {"id": channel.id, "name": names.get(channel.kind, channel.name)}


def names_of(element: JSON) -> set[str]:
    """Return what a person may call something that they press, choose or fill in."""
    texts = [element.get(name, {}).get("text") for name in ("text", "placeholder") if element.get(name)]
    found = {str(one) for one in (*texts, element.get("action_id"), element.get("value")) if one}
    return found
