"""Who is who in a workspace, and what was said in a thread before somebody turned to us."""

import asyncio
import logging
import re
from collections import OrderedDict
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from slack_sdk.web.async_client import AsyncWebClient

from channels.slack.client import translated
from channels.slack.inbound import Me, is_command, position_of, words_of
from channels.text.slack import to_plain
from core.channel import Gone, Refused, TryLater
from core.envelopes import Context, Target
from storage.clock import Clock

log = logging.getLogger("prowex.slack")

SECONDS = 5.0
"""How long an answer waits for what surrounds it."""
NAME_SECONDS = 3600.0
MOST_NAMES = 10_000
MOST_ASKED = 30
MOST_SAID = 50
MOST_PAGES = 5
PAGE = 200
_MENTION = re.compile(r"<@([A-Z0-9]{2,40})>")
_NOT_SAID = frozenset({"assistant_app_thread", "channel_join", "channel_leave", "group_join", "group_leave"})


class Names:
    """How people call themselves, kept for an hour; so is that somebody can't be looked up."""

    def __init__(self, client: AsyncWebClient, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._kept: OrderedDict[str, tuple[float, str]] = OrderedDict()

    async def of(self, users: Iterable[str]) -> dict[str, str]:
        """Return the names of those among `users` (ids without a workspace) who have one."""
        wanted = list(dict.fromkeys(users))
        missing = [user for user in wanted if not self._is_fresh(user)][:MOST_ASKED]
        async with asyncio.TaskGroup() as group:
            for user in missing:
                group.create_task(self._ask(user))
        return {user: self._kept[user][1] for user in wanted if user in self._kept and self._kept[user][1]}

    def _is_fresh(self, user: str) -> bool:
        kept = self._kept.get(user)
        return kept is not None and self._clock.monotonic() - kept[0] < NAME_SECONDS

    async def _ask(self, user: str) -> None:
        try:
            async with translated(posting=False):
                answer = await self._client.users_info(user=user)
        except TryLater:
            return
        except (Refused, Gone):
            name = ""
        else:
            name = _name_of(answer.get("user") or {})
        self._kept[user] = (self._clock.monotonic(), name)
        while len(self._kept) > MOST_NAMES:
            self._kept.popitem(last=False)


def _name_of(user: dict[str, Any]) -> str:
    profile = user.get("profile") or {}
    found = (profile.get("display_name"), profile.get("real_name"), user.get("real_name"), user.get("name"))
    return next((str(name) for name in found if name), "")


def users_in(texts: Iterable[str]) -> dict[str, str]:
    """Return whom texts mention: what stands for them there, and their ids."""
    return {found.group(0): found.group(1) for text in texts for found in _MENTION.finditer(text)}


async def said_in(
    client: AsyncWebClient, me: Me, names: Names, target: Target, known: Collection[str]
) -> tuple[Context, ...]:
    """Return what was said in the thread before the message that is answered, without `known`, oldest first.

    What we said before the first message that is known is among it: nobody here remembers it any more.
    """
    channel, _, thread = target.chat.partition("/")
    if not thread or target.answers == thread:
        return ()
    found: dict[str, dict[str, Any]] = {}  # a page may begin with the thread's first message again
    cursor = None
    async with translated(posting=False):
        for _ in range(MOST_PAGES):
            page = await client.conversations_replies(
                channel=channel, ts=thread, latest=target.answers or None, limit=PAGE, cursor=cursor
            )
            found |= {str(one.get("ts") or ""): one for one in page.get("messages") or ()}
            cursor = (page.get("response_metadata") or {}).get("next_cursor")
            if not cursor:
                break
    messages = [found[ts] for ts in sorted(filter(None, found), key=position_of)]
    first = next((str(one["ts"]) for one in messages if one["ts"] in known), "")
    unknown = [one for one in messages if _counts(one, me, target, known, first)][-MOST_SAID:]
    texts = [to_plain(str(one.get("text") or "")) for one in unknown]
    mentioned = users_in(texts)
    called = await names.of([*(str(one["user"]) for one in unknown if one.get("user")), *mentioned.values()])
    said = []
    for message, text in zip(unknown, texts, strict=True):
        for mention, user in mentioned.items():
            if user in called:
                text = text.replace(mention, f"@{called[user]}")
        said.append(Context("thread", _author(message, me, called), _with_files(text, message)))
    return tuple(one for one in said if one.text)


def _counts(message: dict[str, Any], me: Me, target: Target, known: Collection[str], first: str) -> bool:
    ts = str(message["ts"])
    if ts in known or message.get("subtype") in _NOT_SAID:
        return False
    if target.answers and position_of(ts) >= position_of(target.answers):
        return False
    if is_command(words_of(str(message.get("text") or ""), me)):
        return False
    return not (_is_ours(message, me) and first and position_of(ts) > position_of(first))


def _is_ours(message: dict[str, Any], me: Me) -> bool:
    return message.get("user") == me.user or bool(me.bot and message.get("bot_id") == me.bot)


def _author(message: dict[str, Any], me: Me, called: dict[str, str]) -> str:
    user = str(message.get("user") or "")
    if _is_ours(message, me):
        return "you"
    profile = message.get("bot_profile") or {}
    return called.get(user) or str(profile.get("name") or message.get("username") or "somebody")


def _with_files(text: str, message: dict[str, Any]) -> str:
    files = [f"[file: {file.get('name') or file.get('id')}]" for file in message.get("files") or ()]
    return "\n".join(filter(None, (text, *files)))


async def around(
    client: AsyncWebClient,
    me: Me,
    names: Names,
    target: Target,
    people: Sequence[str],
    texts: Sequence[str],
    known: Collection[str],
) -> tuple[dict[str, str], tuple[Context, ...]]:
    """Return names (by id on the channel and by mention) and what was said; what can't be had in time is left out."""
    called: dict[str, str] = {}
    said: tuple[Context, ...] = ()
    mentioned = users_in(texts)
    users = {person: person.rpartition(":")[2] for person in people}
    try:
        async with asyncio.timeout(SECONDS):
            found = await names.of([*users.values(), *mentioned.values()])
            called = {person: found[user] for person, user in users.items() if user in found}
            called |= {mention: f"@{found[user]}" for mention, user in mentioned.items() if user in found}
            said = await said_in(client, me, names, target, known)
    except (TryLater, Refused, Gone, TimeoutError) as error:
        log.info("a thread could not be looked at", extra={"error": type(error).__name__})
    return called, said
