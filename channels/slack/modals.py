"""Forms as modals: opened at once while Slack lets us, checked in the acknowledgement of what was filled in.

A modal that is open belongs to Slack and outlives a restart of ours: what it is about is in its private data.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

from pydantic import Field, ValidationError
from slack_sdk.web.async_client import AsyncWebClient

from channels.slack.client import translated
from channels.slack.inbound import Me, inbound_of_choice, inbound_of_form, origin_of
from channels.slack.menu import MENU, MENU_ANYWHERE, chosen, menu
from channels.slack.payloads import Interaction, Payload, View
from channels.text import slack as text
from core.channel import Gone, Refused, TryLater
from core.envelopes import FormView, Inbound, Origin, Submission
from storage.clock import Clock

__all__ = ["MENU", "MENU_ANYWHERE", "Accept", "Forms", "Modals"]

log = logging.getLogger("prowex.slack")

OPEN_SECONDS = 2.3
"""Slack takes a trigger for three seconds; what can't be opened by then is answered in the chat instead."""

Accept = Callable[[Sequence[Inbound]], Awaitable[None]]


class Forms(Protocol):
    """What is asked of a person before an operation can run. Quick: Slack waits."""

    async def wanted(self, inbound: Inbound) -> FormView | None:
        """Return the form for a command that lacks fields; None if it can run as it is, or must not."""

    async def checked(self, inbound: Inbound) -> FormView | None:
        """Return a submitted form with what is wrong or still missing; None if it can be accepted."""


class _Private(Payload):
    """What a modal is about: the chat (empty: the person's direct chat) and the fields that were given already."""

    chat: str = Field("", pattern=r"^([A-Z0-9]{2,40}(/[0-9]{1,11}\.[0-9]{1,9})?)?$")
    fixed: tuple[tuple[str, str], ...] = ()

    def to_json(self) -> str:
        return json.dumps({"chat": self.chat, "fixed": self.fixed}, ensure_ascii=False, separators=(",", ":"))


class Modals:
    """Opens modals and takes what people filled in.

    Args:
        commands: returns word and title of each command that a menu offers.
    """

    def __init__(
        self,
        *,
        client: AsyncWebClient,
        me: Me,
        accept: Accept,
        forms: Forms,
        commands: Callable[[], Sequence[tuple[str, str]]],
        clock: Clock,
    ) -> None:
        self._client = client
        self._me = me
        self._accept = accept
        self._forms = forms
        self._commands = commands
        self._clock = clock

    async def opened(self, inbound: Inbound, trigger_id: str) -> bool:
        """Open the form that a command wants; False if it wants none or can't be shown one, and has to be accepted."""
        try:
            async with asyncio.timeout(OPEN_SECONDS):
                view = await self._forms.wanted(inbound)
                return view is not None and await self._open(_modal(view, inbound.origin.chat), trigger_id)
        except (TimeoutError, ValueError) as error:
            log.info("a form could not be opened", extra={"error": type(error).__name__})
            return False

    async def open_menu(self, chat: str, trigger_id: str) -> None:
        """Open the menu of commands; what is chosen counts as written in `chat`, or in the person's direct chat."""
        private = _Private(chat=chat).to_json()
        try:
            async with asyncio.timeout(OPEN_SECONDS):
                await self._open(menu(self._commands(), private), trigger_id)
        except TimeoutError:
            log.info("a menu could not be opened")

    async def submitted(self, used: Interaction, view: View) -> dict[str, Any] | None:
        """Take what was filled in; return what Slack is to do with the modal.

        Raises:
            Busy: nothing was stored.
        """
        try:
            private = _Private.model_validate_json(view.private_metadata)
            values = text.answers(view.state)
        except (ValidationError, AttributeError, KeyError, TypeError):
            log.warning("a form of an unknown shape was passed over")
            return None
        origin = await self._origin(used, private.chat)
        if view.callback_id == MENU:
            return await self._chosen(view, origin, values)
        if origin is None:
            return None
        filled = tuple({**dict(private.fixed), **values}.items())
        submission = Submission(view.callback_id, filled)
        inbound = inbound_of_form(view, origin, submission, self._clock.now())
        wrong = await self._forms.checked(inbound)
        if wrong is not None:
            return _again(wrong, origin.chat, shown=set(values))
        await self._accept([inbound])
        return {"response_action": "clear"}

    async def _chosen(self, submitted: View, origin: Origin | None, values: dict[str, str]) -> dict[str, Any] | None:
        """Take the command that was chosen in the menu, or go on with its form."""
        if origin is None:
            return {"response_action": "errors", "errors": {"command": "Our direct chat can't be opened; try again."}}
        inbound = inbound_of_choice(submitted, origin, chosen(values), self._clock.now())
        view = await self._forms.wanted(inbound)
        if view is not None:
            return {"response_action": "update", "view": _modal(view, origin.chat)}
        await self._accept([inbound])
        return {"response_action": "clear"}

    async def _origin(self, used: Interaction, chat: str) -> Origin | None:
        """Return where what was filled in counts as written; None if the person's direct chat can't be had."""
        if not chat:
            try:
                async with asyncio.timeout(OPEN_SECONDS), translated(posting=False):
                    answer = await self._client.conversations_open(users=used.user.id)
            except (TryLater, Refused, Gone, TimeoutError):
                return None
            chat = str((answer["channel"] or {})["id"])
        channel, _, thread = chat.partition("/")
        return origin_of(used, self._me, channel, thread)

    async def _open(self, view: dict[str, Any], trigger_id: str) -> bool:
        try:
            async with translated(posting=False):
                await self._client.views_open(trigger_id=trigger_id, view=view)
        except (TryLater, Refused, Gone) as error:
            log.info("a modal could not be opened", extra={"error": type(error).__name__})
            return False
        return True


def _modal(view: FormView, chat: str) -> dict[str, Any]:
    return text.modal(view, _Private(chat=chat, fixed=view.fixed).to_json())


def _again(view: FormView, chat: str, *, shown: set[str]) -> dict[str, Any]:
    """Return what is wrong beside the fields; where that is not all there is to say, the form anew."""
    errors = text.errors(view)
    if errors and not view.problem and errors.keys() <= shown and {field.name for field in view.fields} == shown:
        return {"response_action": "errors", "errors": errors}
    return {"response_action": "update", "view": _modal(view, chat)}
