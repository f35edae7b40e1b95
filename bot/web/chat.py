"""The chat: its page, its stream of events, and what a person sends."""

import asyncio
import logging
from collections import OrderedDict
from dataclasses import replace
from urllib.parse import quote
from uuid import UUID
from weakref import WeakValueDictionary

from aiohttp import web

from bot.web.forms import TEXT_CHARACTERS, Malformed, Multipart, TooMuch, clean, read_multipart
from bot.web.live import WINDOW, Feed
from bot.web.ports import WebDependencies
from bot.web.security import comes_from_elsewhere, maybe_signed_in, signed_in
from bot.web.sessions import Sessions, SignedIn
from bot.web.submissions import form_of, submission_of
from bot.web.views import Views
from channels.web import ACCOUNT, NAME, Changed, fingerprint
from core.envelopes import Attachment, Context, Inbound, Origin, Place
from core.inbox import Busy

log = logging.getLogger("prowex.web")

_MOST_PAGES = 20
_REMEMBERED = 200
_COMMAND_BYTES = 64


class ChatPages:
    """The routes under `/chat` and `/files`."""

    def __init__(self, dependencies: WebDependencies, sessions: Sessions, views: Views) -> None:
        self._dependencies = dependencies
        self._sessions = sessions
        self._views = views
        self._stored: OrderedDict[str, tuple[Attachment, ...]] = OrderedDict()
        self._position = 0
        self._one_by_one: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def page(self, request: web.Request) -> web.StreamResponse:
        """Show the chat as it stands."""
        session = maybe_signed_in(request)
        if session is None:
            if comes_from_elsewhere(request):
                return self._views.page(request, "onwards.html", address="/chat")
            raise web.HTTPSeeOther("/login")
        entries = await self._dependencies.transcript.entries(ACCOUNT, session.user_id, limit=WINDOW)
        return self._views.page(
            request,
            "chat.html",
            messages=[self._views.message(entry) for entry in entries],
            earlier=len(entries) >= WINDOW,
            suggestions=self._dependencies.suggestions,
        )

    async def earlier(self, request: web.Request) -> web.Response:
        """Answer with messages before the one that the page has, as JSON."""
        session, before = signed_in(request), request.query.get("before")
        if before is not None and not 0 < len(before) <= 100:
            raise Malformed("There is no such message.")
        entries = await self._dependencies.transcript.entries(ACCOUNT, session.user_id, limit=WINDOW, before=before)
        messages = [{"id": entry.id, "html": self._views.message(entry)} for entry in entries]
        return web.json_response({"messages": messages, "earlier": len(entries) >= WINDOW})

    async def events(self, request: web.Request) -> web.StreamResponse:
        """Stream everything, then every change, as server-sent events."""
        session = signed_in(request)
        hub = self._dependencies.hub
        if hub.pages(session.user_id) >= _MOST_PAGES:
            raise web.HTTPTooManyRequests(headers={"Retry-After": "10"})
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"})
        await response.prepare(request)
        feed = Feed(
            session.user_id,
            views=self._views,
            transcript=self._dependencies.transcript,
            hub=hub,
            clock=self._dependencies.clock,
            write=response.write,
            alive=lambda: self._sessions.alive(session),
        )
        try:
            async with hub.subscribe(session.user_id) as subscription:
                await feed.run(subscription)
        except (ConnectionError, TimeoutError):
            pass  # the page was closed, or no longer reads
        except Exception:  # the boundary of one page's stream; the page comes back by itself
            log.exception("a chat's stream of events failed")
        return response

    async def send(self, request: web.Request) -> web.Response:
        """Keep a message, the press of a button or a form; answer once it is safe. The page repeats until it is."""
        session = signed_in(request)
        sent = await read_multipart(request)
        message_id = _message_id(sent)
        if form_id := form_of(sent):
            inbound = await self._submission(session, message_id, form_id, sent)
            if inbound is None:
                sentence = "This form was sent already, so it was not sent again. Ask for it anew to change something."
                return web.json_response({"error": sentence}, status=409)
        else:
            inbound = self._message(session, message_id, sent)
        attachments = await self._attachments(session, inbound.event_id, sent)
        if attachments:
            inbound = replace(inbound, attachments=attachments)
        try:
            async with self._one_by_one.setdefault(session.user_id, asyncio.Lock()):
                await self._dependencies.accept.accept([self._placed(inbound)])
        except Busy:
            headers = {"Retry-After": "2"}
            sentence = "I have more to do than I can keep up with. Your message is sent again in a moment."
            return web.json_response({"error": sentence}, status=503, headers=headers)
        self._dependencies.hub.publish(session.user_id, Changed())
        return web.json_response({"id": inbound.message_id}, status=202)

    def _message(self, session: SignedIn, message_id: str, sent: Multipart) -> Inbound:
        text, button = clean(sent.fields.get("text", "")), sent.fields.get("button") == "1"
        if len(text) > TEXT_CHARACTERS:
            raise TooMuch(f"That is too long: a message may have {TEXT_CHARACTERS:,} characters. Send it as a file?")
        if not text.strip() and not sent.files:
            raise Malformed("The message is empty.")
        if button and len(text.encode()) > _COMMAND_BYTES:
            raise Malformed("There is no such button.")
        return replace(self._inbound(session, message_id), text=text, button=button)

    async def _submission(self, session: SignedIn, message_id: str, form_id: str, sent: Multipart) -> Inbound | None:
        """Return a filled-in form; None if it was sent already as another message."""
        asked = await self._dependencies.transcript.form(ACCOUNT, session.user_id, form_id)
        if asked is None:
            raise Malformed("This form is not there any more, so nothing was done. Please ask for it again.")
        if asked.sent_as not in ("", message_id):
            return None
        return replace(
            self._inbound(session, message_id, form_id),
            submission=submission_of(asked.form, sent),
            contexts=(Context("reply", "Assistant", asked.form.title),),
        )

    def _inbound(self, session: SignedIn, message_id: str, form_id: str = "") -> Inbound:
        return Inbound(
            origin=Origin(
                channel=NAME,
                account=ACCOUNT,
                chat=session.user_id,
                place=Place.PRIVATE,
                person=session.user_id,
                name=session.user.name,
            ),
            event_id=f"{session.user_id}:{message_id}",
            fingerprint=fingerprint(session.user_id, form_id),
            position=0,
            received_at=self._dependencies.clock.now(),
            message_id=message_id,
        )

    def _placed(self, inbound: Inbound) -> Inbound:
        """Return `inbound` after all that was kept before it, so that a chat is answered in the order that it shows."""
        now = self._dependencies.clock.now()
        self._position = max(self._position + 1, int(now.timestamp() * 1_000_000))
        return replace(inbound, position=self._position, received_at=now)

    async def _attachments(self, session: SignedIn, event_id: str, sent: Multipart) -> tuple[Attachment, ...]:
        """Store the files before the message; a message that is repeated keeps those of the first time."""
        if not sent.files:
            return ()
        stored = self._stored.get(event_id)
        if stored is None:
            made = []
            for file in sent.files:
                file_id = await self._dependencies.files.put(session.user_id, file.name, file.media_type, file.data)
                made.append(Attachment(f"stored:{file_id}", file.name, file.media_type, len(file.data)))
            stored = self._stored[event_id] = tuple(made)
            if len(self._stored) > _REMEMBERED:
                self._stored.popitem(last=False)
        return stored

    async def file(self, request: web.Request) -> web.Response:
        """Hand out a file to whom it belongs or whom an answer shows it; nobody else learns that there is one."""
        session = signed_in(request)
        try:
            file_id = str(UUID(request.match_info["id"]))
        except ValueError as error:
            raise web.HTTPNotFound from error
        files, transcript = self._dependencies.files, self._dependencies.transcript
        download = await files.get(file_id, session.user_id)
        if download is None and await transcript.shows_file(ACCOUNT, session.user_id, file_id):
            download = await files.shown(file_id)
        if download is None:
            raise web.HTTPNotFound
        headers = {"Content-Disposition": _attachment(download.name), "Content-Type": download.media_type}
        headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
        return web.Response(body=download.data, headers=headers)


def _message_id(sent: Multipart) -> str:
    try:
        return str(UUID(sent.fields.get("id", "")))
    except ValueError as error:
        raise Malformed("The message came without its number. Please reload the page and try again.") from error


def _attachment(name: str) -> str:
    """Return a Content-Disposition that saves under `name` (RFC 6266, RFC 8187)."""
    plain = "".join(c if c.isascii() and c.isprintable() and c not in '"\\' else "_" for c in name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='', errors='replace')}"
