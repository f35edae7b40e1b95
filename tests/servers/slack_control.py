"""The control API under `/_control/`: people's hands and eyes over HTTP, for a bench or a crash driver elsewhere.

POST takes a JSON object (`say` a list of them too), GET a query. `channel` is an id, a name, or `@Ann` for Ann's
direct conversation; `by` and `person` are an id or a name. People are made when they are first named. `ts` and
`thread` name a message.

| request | fields | answer |
|---|---|---|
| POST person | name, team | person |
| POST channel | name, people, bot, private | channel |
| POST say | channel, text, by, thread, mention, raw, broadcast, event_id | ts |
| POST file | channel, name, media_type, text or base64, caption, by, thread, mention | ts |
| POST bot_says | bot, channel, text, thread, legacy | ts |
| POST edit, delete, react | channel, ts, text or name | |
| POST member | do (`join`, `leave`, `invite`, `remove_bot`, `archive`), channel, person | |
| POST press, choose | channel, button or menu and option, by, ts, wait | act |
| POST command | channel, text, by, wait | act |
| POST shortcut | channel, ts, callback_id, by, wait | act |
| POST submit | person, values | action, errors, by_block, trouble, text |
| POST fill_in, close_modal | person, values | text |
| POST press_in_view | person, button, home, option | |
| POST pane, look_at, open_home | person, channel, ts, tab | ts |
| POST fault | kind (a method of Faults, `refuse` with seconds, `clear`) and its arguments | |
| POST limits | any field of Limits | the limits |
| POST app | events_url, commands_url, interactivity_url, pauses, deadline, wanted, verify | verified |
| POST sockets | do (`refresh`, `warning`, `cut`, `connected`), count | connections |
| GET visible, history, texts, transcript | channel, thread, person | messages, texts or a text |
| GET wait | channel, count, contains, thread, person, timeout | texts; 408 after `timeout` seconds |
| GET modal, home | person, wait, title | id, text, view |
| GET status, triggered, whispers | channel, thread, person | |
| GET journal | method, channel, since | calls |
| GET stats, pending, lost, channels, people, tokens | | |
"""

import asyncio
import base64
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, cast

from aiohttp.web import BaseRequest

from tests.servers.slack_acts import Act
from tests.servers.slack_errors import Impossible
from tests.servers.slack_people import How
from tests.servers.slack_world import JSON, TEAM, Channel, Message, Person

if TYPE_CHECKING:
    from tests.servers.slack import FakeSlack

_HOW = ("thread", "broadcast", "mention", "raw", "event_id")


class Control:
    """Answers the control API."""

    def __init__(self, slack: "FakeSlack") -> None:
        self._slack = slack
        self._outage: asyncio.Task[None] | None = None

    async def answer(self, request: BaseRequest, what: str) -> tuple[int, Any]:
        """Return the status and the JSON value of the answer."""
        try:
            if request.method == "GET":
                return await self._look(what, dict(request.query))
            act: Callable[[JSON], Awaitable[Any]] | None = getattr(self, f"do_{what}", None)
            if act is None:
                return 404, {"error": f"no such control: {what}"}
            body = await request.json()
            return 200, [await act(one) for one in body] if isinstance(body, list) else await act(body)
        except (LookupError, ValueError, TypeError, AttributeError, Impossible) as error:
            return 400, {"error": f"{type(error).__name__}: {error}"}
        except TimeoutError as error:
            return 408, {"error": str(error) or "nothing came in time"}

    def _person(self, name: str) -> Person:
        return self._slack.world.people.get(name) or self._slack.person(name)

    def _channel(self, name: str) -> Channel:
        if name.startswith("@"):
            return self._slack.im(self._person(name[1:]))
        channels = self._slack.world.channels
        if name in channels:
            return channels[name]
        found = [one for one in channels.values() if one.name == name.removeprefix("#")]
        if not found:
            raise LookupError(f"no channel {name}")
        return found[0]

    def _by(self, body: JSON) -> dict[str, Any]:
        return {"by": self._person(body["by"])} if body.get("by") else {}

    def _how(self, body: JSON) -> How:
        how: Any = {name: body[name] for name in _HOW if name in body}
        how |= self._by(body)
        return cast(How, how)

    def _message(self, body: JSON) -> Message:
        channel = self._channel(body["channel"])
        return channel.messages.get(body["ts"]) or channel.whispers[body["ts"]]

    async def _acted(self, act: Act, body: JSON) -> JSON:
        answer: JSON = {"act": act.delivery.number, "trigger_id": act.trigger_id, "response_url": act.response_url}
        if body.get("wait"):
            outcome = await act.outcome()
            answer |= {"acknowledged": outcome.acknowledged, "reason": outcome.reason, "answer": outcome.answer}
        return answer

    async def do_person(self, body: JSON) -> JSON:
        return {"person": self._slack.person(body["name"], team=body.get("team", TEAM)).id}

    async def do_channel(self, body: JSON) -> JSON:
        people = [self._person(one) for one in body.get("people", ())]
        flags = {"bot": body.get("bot", True), "private": body.get("private", False)}
        return {"channel": self._slack.channel(body["name"], *people, **flags).id}

    async def do_say(self, body: JSON) -> JSON:
        message = await self._slack.say(self._channel(body["channel"]), body["text"], **self._how(body))
        return {"ts": message.ts, "channel": message.channel.id}

    async def do_file(self, body: JSON) -> JSON:
        data = base64.b64decode(body["base64"]) if "base64" in body else body.get("text", "").encode()
        kind, caption = body.get("media_type", "application/octet-stream"), body.get("caption", "")
        channel = self._channel(body["channel"])
        name = body.get("name", "file.bin")
        message = await self._slack.send_file(channel, data, name, kind, caption, **self._how(body))
        return {"ts": message.ts}

    async def do_bot_says(self, body: JSON) -> JSON:
        channel, bot = self._channel(body["channel"]), self._slack.other_bot(body["bot"])
        more = {"thread": body.get("thread", ""), "legacy": body.get("legacy", False)}
        return {"ts": (await self._slack.bot_says(bot, channel, body["text"], **more)).ts}

    async def do_edit(self, body: JSON) -> JSON:
        await self._slack.edit(self._message(body), body["text"], raw=body.get("raw", False))
        return {}

    async def do_delete(self, body: JSON) -> JSON:
        await self._slack.delete(self._message(body))
        return {}

    async def do_react(self, body: JSON) -> JSON:
        await self._slack.react(self._message(body), body["name"], **self._by(body))
        return {}

    async def do_member(self, body: JSON) -> JSON:
        slack, channel = self._slack, self._channel(body["channel"])
        match body["do"]:
            case "join":
                await slack.join(channel, self._person(body["person"]))
            case "leave":
                await slack.leave(channel, self._person(body["person"]))
            case "invite":
                await slack.invite(channel, **self._by(body))
            case "remove_bot":
                await slack.remove_bot(channel)
            case "archive":
                await slack.archive(channel)
            case unknown:
                raise ValueError(f"members can't {unknown}")
        return {}

    async def do_press(self, body: JSON) -> JSON:
        channel = self._channel(body["channel"])
        act = await self._slack.press(channel, body["button"], message=body.get("ts"), **self._by(body))
        return await self._acted(act, body)

    async def do_choose(self, body: JSON) -> JSON:
        channel, more = self._channel(body["channel"]), self._by(body)
        act = await self._slack.choose(channel, body["menu"], body["option"], message=body.get("ts"), **more)
        return await self._acted(act, body)

    async def do_command(self, body: JSON) -> JSON:
        act = await self._slack.command(self._channel(body["channel"]), body["text"], **self._by(body))
        return await self._acted(act, body)

    async def do_shortcut(self, body: JSON) -> JSON:
        act = await self._slack.shortcut(self._message(body), body["callback_id"], **self._by(body))
        return await self._acted(act, body)

    async def do_fill_in(self, body: JSON) -> JSON:
        view = self._slack.fill_in(self._person(body["person"]), body.get("values", {}))
        return {"text": self._slack.modal_text(view)}

    async def do_submit(self, body: JSON) -> JSON:
        answer = await self._slack.submit(self._person(body["person"]), body.get("values", {}))
        text = self._slack.modal_text(answer.view) if answer.view else ""
        result: JSON = {"action": answer.action, "errors": answer.errors, "by_block": answer.by_block}
        return {**result, "trouble": answer.trouble, "text": text}

    async def do_close_modal(self, body: JSON) -> JSON:
        await self._slack.close_modal(self._person(body["person"]), every=body.get("every", False))
        return {}

    async def do_press_in_view(self, body: JSON) -> JSON:
        person, more = self._person(body["person"]), {"home": body.get("home", False)}
        await self._slack.press_in_view(person, body["button"], option=body.get("option", ""), **more)
        return {}

    async def do_pane(self, body: JSON) -> JSON:
        beside = self._channel(body["channel"]) if body.get("channel") else None
        root = await self._slack.open_pane(self._person(body["person"]), beside)
        return {"ts": root.ts, "channel": root.channel.id}

    async def do_look_at(self, body: JSON) -> JSON:
        person = self._person(body["person"])
        root = self._slack.im(person).messages[body["ts"]]
        await self._slack.look_at(person, root, self._channel(body["channel"]))
        return {}

    async def do_open_home(self, body: JSON) -> JSON:
        await self._slack.open_home(self._person(body["person"]), body.get("tab", "home"))
        return {}

    async def do_fault(self, body: JSON) -> JSON:
        arguments = {key: value for key, value in body.items() if key != "kind"}
        if body["kind"] == "refuse":
            self._outage = asyncio.create_task(self._refuse(float(arguments["seconds"])))
        elif body["kind"] in ("drop_answers", "drop_requests", "fail", "delay", "lose_acks", "clear"):
            getattr(self._slack.faults, body["kind"])(**arguments)
        else:
            raise ValueError(f"no such fault: {body['kind']}")
        return {}

    async def _refuse(self, seconds: float) -> None:
        await asyncio.sleep(0.05)  # so that this very request is still answered
        await self._slack.refuse()
        await asyncio.sleep(seconds)
        await self._slack.accept()

    async def do_limits(self, body: JSON) -> JSON:
        limits = self._slack.flood.limits
        for name, value in body.items():
            getattr(limits, name)
            setattr(limits, name, value)
        return {name: getattr(limits, name) for name in limits.__slots__}

    async def do_app(self, body: JSON) -> JSON:
        slack = self._slack
        for name in ("events_url", "commands_url", "interactivity_url"):
            if name in body:
                setattr(slack.hooks, name, body[name])
        if "pauses" in body:
            slack.deliveries.pauses = tuple(float(one) for one in body["pauses"])
        if "deadline" in body:
            slack.hooks.deadline = slack.sockets.deadline = float(body["deadline"])
        if "wanted" in body:
            slack.deliveries.wanted = body["wanted"]
        return {"verified": await slack.hooks.verify() if body.get("verify") else None}

    async def do_sockets(self, body: JSON) -> JSON:
        sockets = self._slack.sockets
        match body["do"]:
            case "refresh":
                await sockets.disconnect("refresh_requested", close=body.get("close", True))
            case "warning":
                await sockets.disconnect("warning")
            case "cut":
                sockets.cut()
            case "connected":
                await sockets.connected(int(body.get("count", 1)), float(body.get("timeout", 10)))
            case unknown:
                raise ValueError(f"sockets can't {unknown}")
        return {"connections": len(sockets.connections)}

    async def _look(self, what: str, query: dict[str, str]) -> tuple[int, Any]:
        slack = self._slack
        if what in _PLAIN:
            return 200, _PLAIN[what](slack)
        if what == "journal":
            methods = [query["method"]] if "method" in query else []
            number = self._channel(query["channel"]).id if "channel" in query else None
            found = slack.journal.of(*methods, channel=number, since=int(query.get("since", 0)))
            return 200, [call.wire() for call in found]
        if what in ("modal", "home"):
            return 200, await self._view(what, query)
        channel, thread = self._channel(query["channel"]), query.get("thread", "")
        by = self._person(query["person"]) if "person" in query else None
        match what:
            case "visible" | "history":
                return 200, [one.wire() for one in getattr(slack, what)(channel, thread, by=by)]
            case "texts" | "transcript":
                return 200, getattr(slack, what)(channel, thread, by=by)
            case "whispers":
                return 200, slack.whispers(channel, by or channel.members[0])
            case "status":
                return 200, {"status": slack.status(channel, thread), "prompts": channel.prompts.get(thread)}
            case "triggered":
                return 200, slack.triggered(channel)
            case "wait":
                words, timeout = query.get("contains", ""), float(query.get("timeout", 10))
                more: JSON = {"thread": thread, "by": by, "timeout": timeout}
                count = int(query.get("count", 1))
                until = lambda texts: any(words in text for text in texts)  # noqa: E731
                return 200, await slack.replies(channel, count, until=until, **more)
        return 404, {"error": f"no such control: {what}"}

    async def _view(self, what: str, query: dict[str, str]) -> JSON:
        person = self._person(query["person"])
        view = person.home if what == "home" else self._slack.modal(person)
        if what == "modal" and query.get("wait"):
            view = await self._slack.modal_of(person, float(query["wait"]), title=query.get("title", ""))
        return {"id": view.id, "text": self._slack.modal_text(view), "view": view.wire()} if view else {}


_PLAIN: dict[str, Callable[["FakeSlack"], Any]] = {
    "stats": lambda slack: slack.stats(),
    "pending": lambda slack: [one.wire() for one in slack.deliveries.pending.values()],
    "lost": lambda slack: [one.wire() for one in slack.deliveries.lost],
    "channels": lambda slack: [one.wire(slack.bot) for one in slack.world.channels.values()],
    "people": lambda slack: [one.wire() for one in slack.world.people.values()],
    "tokens": lambda slack: {"bot": slack.bot_token, "app": slack.app_token, "secret": slack.signing_secret},
}
