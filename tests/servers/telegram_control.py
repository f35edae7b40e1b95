"""The control API under `/_control/`: a person's hands and eyes over HTTP, for a bench or a crash driver elsewhere.

POST takes a JSON object (`say` a list of them too), GET a query. A `chat` that doesn't exist is made: a positive
number is the private chat of the person with that id.

| request | fields | answer |
|---|---|---|
| POST chat | title, kind (`group`, `supergroup`, `channel`), members (ids), forum | chat |
| POST topic | chat, name | topic |
| POST say | chat, text, by, topic, reply_to, update_id | message |
| POST edit | chat, message, text | |
| POST press | chat, button, by, message | press |
| POST file | chat, kind, name, media_type, text or base64, caption, by | message |
| POST fault | kind (`drop_answers`, `fail`, `delay`, `refuse` with seconds, `clear`) and that method's arguments | |
| POST limits | any field of Limits | |
| POST restart_ids | first | |
| GET visible, history, texts, transcript | chat | messages, texts or a text |
| GET wait | chat, count, contains, timeout | texts; 408 after `timeout` seconds |
| GET press | press | its answer |
| GET journal | method, chat, since | calls |
| GET stats, pending, chats | | |
"""

import asyncio
import base64
from typing import TYPE_CHECKING, Any

from aiohttp.web import BaseRequest

from tests.servers.telegram_people import How
from tests.servers.telegram_sight import Shown
from tests.servers.telegram_world import JSON, Chat

if TYPE_CHECKING:
    from tests.servers.telegram import FakeTelegram


class Control:
    """Answers the control API."""

    def __init__(self, telegram: "FakeTelegram") -> None:
        self._telegram = telegram
        self._outage: asyncio.Task[None] | None = None
        self._posts = {
            "chat": self._make_chat,
            "topic": self._make_topic,
            "say": self._say,
            "edit": self._edit,
            "press": self._press,
            "file": self._send_file,
            "fault": self._fault,
            "limits": self._limits,
            "restart_ids": self._restart_ids,
        }

    async def answer(self, request: BaseRequest, what: str) -> tuple[int, Any]:
        """Return the status and the JSON value of the answer."""
        try:
            if request.method == "GET":
                return await self._look(what, dict(request.query))
            if what not in self._posts:
                return 404, {"error": f"no such control: {what}"}
            body = await request.json()
            if isinstance(body, list):
                return 200, [await self._posts[what](one) for one in body]
            return 200, await self._posts[what](body)
        except (LookupError, ValueError, TypeError, AttributeError) as error:
            return 400, {"error": f"{type(error).__name__}: {error}"}
        except TimeoutError as error:
            return 408, {"error": str(error)}

    def _chat(self, number: Any) -> Chat:
        telegram, number = self._telegram, int(number)
        if number in telegram.world.chats or number < 0:
            return telegram.world.chats[number]
        known = telegram.world.people.get(number)
        return telegram.private(known or telegram.person(f"Person {number}", id=number))

    def _how(self, chat: Chat, body: JSON) -> How:
        how: How = {}
        if body.get("by"):
            number, people = int(body["by"]), self._telegram.world.people
            how["by"] = people.get(number) or self._telegram.person(f"Person {number}", id=number)
        if body.get("topic"):
            how["topic"] = chat.topics[int(body["topic"])]
        if body.get("reply_to"):
            how["reply_to"] = chat.messages[int(body["reply_to"])]
        if body.get("update_id"):
            how["update_id"] = int(body["update_id"])
        return how

    async def _make_chat(self, body: JSON) -> JSON:
        telegram = self._telegram
        members = [self._how(Chat(0, "", ""), {"by": one})["by"] for one in body.get("members", ())]
        more = {"forum": True} if body.get("forum") else {}
        chat = telegram.group(body["title"], *members, kind=body.get("kind", "group"), **more)
        return {"chat": chat.id}

    async def _make_topic(self, body: JSON) -> JSON:
        return {"topic": self._telegram.topic(self._chat(body["chat"]), body["name"]).id}

    async def _say(self, body: JSON) -> JSON:
        chat = self._chat(body["chat"])
        message = await self._telegram.say(chat, body["text"], **self._how(chat, body))
        return {"message": message.id}

    async def _edit(self, body: JSON) -> JSON:
        await self._telegram.edit(self._chat(body["chat"]).messages[int(body["message"])], body["text"])
        return {}

    async def _press(self, body: JSON) -> JSON:
        chat = self._chat(body["chat"])
        message = chat.messages[int(body["message"])] if body.get("message") else None
        by = self._how(chat, body).get("by")
        press = await self._telegram.press(chat, body["button"], by=by, message=message)
        return {"press": press.id}

    async def _send_file(self, body: JSON) -> JSON:
        chat = self._chat(body["chat"])
        data = base64.b64decode(body["base64"]) if "base64" in body else body.get("text", "").encode()
        kind, name = body.get("kind", "document"), body.get("name", "file.bin")
        media_type, caption = body.get("media_type", "application/octet-stream"), body.get("caption", "")
        message = await self._telegram.send_file(
            chat, kind, data, name, media_type, caption=caption, **self._how(chat, body)
        )
        return {"message": message.id}

    async def _fault(self, body: JSON) -> JSON:
        arguments = {key: value for key, value in body.items() if key != "kind"}
        match body["kind"]:
            case "drop_answers":
                self._telegram.faults.drop_answers(**arguments)
            case "fail":
                self._telegram.faults.fail(**arguments)
            case "delay":
                self._telegram.faults.delay(**arguments)
            case "clear":
                self._telegram.faults.clear()
            case "refuse":
                self._outage = asyncio.create_task(self._refuse(float(arguments["seconds"])))
            case unknown:
                raise ValueError(f"no such fault: {unknown}")
        return {}

    async def _refuse(self, seconds: float) -> None:
        await asyncio.sleep(0.05)  # so that this very request is still answered
        await self._telegram.refuse()
        await asyncio.sleep(seconds)
        await self._telegram.accept()

    async def _limits(self, body: JSON) -> JSON:
        limits = self._telegram.flood.limits
        for name, value in body.items():
            getattr(limits, name)
            setattr(limits, name, value)
        return {name: getattr(limits, name) for name in limits.__slots__}

    async def _restart_ids(self, body: JSON) -> JSON:
        self._telegram.updates.restart_ids(int(body["first"]))
        return {}

    async def _look(self, what: str, query: dict[str, str]) -> tuple[int, Any]:
        telegram = self._telegram
        match what:
            case "visible" | "history":
                shown: list[Shown] = getattr(telegram, what)(self._chat(query["chat"]))
                return 200, [one.wire() for one in shown]
            case "texts" | "transcript":
                return 200, getattr(telegram, what)(self._chat(query["chat"]))
            case "wait":
                return 200, await self._wait(query)
            case "press":
                press = telegram.world.presses[query["press"]]
                return 200, {"answer": press.answer, "answers": press.answers}
            case "journal":
                methods = [query["method"]] if "method" in query else []
                number = int(query["chat"]) if "chat" in query else None
                found = telegram.journal.of(*methods, chat_id=number, since=int(query.get("since", 0)))
                return 200, [call.wire() for call in found]
            case "stats":
                return 200, telegram.stats()
            case "pending":
                return 200, [one.body for one in telegram.updates.pending]
            case "chats":
                return 200, [chat.wire() for chat in telegram.world.chats.values()]
        return 404, {"error": f"no such control: {what}"}

    async def _wait(self, query: dict[str, str]) -> list[str]:
        """Wait for replies: `count` of them, one of which contains `contains`."""
        words = query.get("contains", "")
        return await self._telegram.replies(
            self._chat(query["chat"]),
            int(query.get("count", 1)),
            until=lambda texts: any(words in text for text in texts),
            timeout=float(query.get("timeout", 10)),
        )
