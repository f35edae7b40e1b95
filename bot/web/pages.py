"""The pages around the chat: start, sign in, sign out, settings."""

import math

from aiohttp import web

from bot.web import passwords
from bot.web.passwords import Passwords
from bot.web.ports import WebDependencies
from bot.web.security import FORM, Guard, comes_from_elsewhere, maybe_signed_in, signed_in
from bot.web.sessions import Locked, Sessions, SignedIn, operator
from bot.web.views import Sentence, Views
from storage.tables import User

LOGIN = "/login"
OPEN = r"/open/{token:[A-Za-z0-9_-]{1,100}}"
_WRONG = "That is not the password. If you have set none yet, use a one-time link."


class Pages:
    """The routes of people's pages, but for the chat."""

    def __init__(
        self,
        dependencies: WebDependencies,
        sessions: Sessions,
        passwords: Passwords,
        views: Views,
        guard: Guard,
    ) -> None:
        self._dependencies = dependencies
        self._sessions = sessions
        self._passwords = passwords
        self._views = views
        self._guard = guard

    async def start(self, request: web.Request) -> web.Response:
        """Say what this is and lead on."""
        return self._views.page(request, "start.html")

    # the one-time link

    async def show_link(self, request: web.Request) -> web.Response:
        """Show a form that uses the link up: whoever only looks at an address, like a mail scanner, uses up nothing."""
        token = self._sessions.early_token(request.match_info["token"])
        return self._views.page(request, "open.html", early_token=token)

    async def use_link(self, request: web.Request) -> web.StreamResponse:
        """Sign the bearer of a one-time link in."""
        token = await self._sessions.open_by_link(request.match_info["token"], maybe_signed_in(request))
        if token is None:
            return self._views.page(request, "used_link.html", status=410)
        response = _to(f"/welcome?proof={self._sessions.link_proof(token)}")
        self._guard.sign_in(request, response, token)
        return response

    async def welcome(self, request: web.Request) -> web.Response:
        """Offer to set a password, once somebody came in by a link."""
        session = signed_in(request)
        if not session.user.operator:
            return _to("/chat")
        return self._views.page(
            request,
            "welcome.html",
            proof=request.query.get("proof", ""),
            has_password=session.user.password_hash is not None,
            sentence=None,
        )

    # the password

    async def show_login(self, request: web.Request) -> web.Response:
        """Ask for the password."""
        if maybe_signed_in(request) is not None:
            return _to("/chat")
        if comes_from_elsewhere(request):
            return self._views.page(request, "onwards.html", address=LOGIN)
        return self._login(request)

    def _login(self, request: web.Request, problem: str = "", *, status: int = 200, wait: float = 0) -> web.Response:
        page = self._views.page(
            request,
            "login.html",
            status=status,
            early_token=self._sessions.early_token(LOGIN),
            sentence=Sentence(problem) if problem else None,
        )
        if wait:
            page.headers["Retry-After"] = str(math.ceil(wait))
        return page

    async def login(self, request: web.Request) -> web.Response:
        """Sign in with the password. A wrong one and one that was never set are answered alike."""
        password = request[FORM].get("password", "")
        user = await operator()
        if user is None:
            return self._login(request, _WRONG, status=403)
        try:
            right = await self._is_right(user, password)
        except Locked as locked:
            return self._login(request, _locked(locked), status=429, wait=locked.seconds)
        if not right:
            return self._login(request, _WRONG, status=403)
        token = await self._sessions.open_by_password(user, maybe_signed_in(request))
        response = _to("/chat")
        self._guard.sign_in(request, response, token)
        return response

    async def _is_right(self, user: User, password: str) -> bool:
        self._passwords.check_room()
        await self._sessions.count_try(user.id)
        stored = user.password_hash
        right = await self._passwords.verify(stored, password)
        if right and stored is not None and self._passwords.is_outdated(stored):
            await self._sessions.renew_hash(user, await self._passwords.hash(password))
        return right

    async def logout(self, request: web.Request) -> web.Response:
        """Sign this browser out."""
        await self._sessions.end(signed_in(request))
        response = _to("/")
        self._guard.sign_out(request, response)
        return response

    # settings

    async def show_settings(self, request: web.Request) -> web.Response:
        """Show what a person can set here."""
        session = maybe_signed_in(request)
        if session is None:
            if comes_from_elsewhere(request):
                return self._views.page(request, "onwards.html", address="/settings")
            return _to(LOGIN)
        return self._settings(request, session, None)

    def _settings(
        self, request: web.Request, session: SignedIn, sentence: Sentence | None, status: int = 200, wait: float = 0
    ) -> web.Response:
        page = self._views.page(
            request,
            "settings.html",
            status=status,
            may_have_password=session.user.operator,
            has_password=session.user.password_hash is not None,
            sentence=sentence,
        )
        if wait:
            page.headers["Retry-After"] = str(math.ceil(wait))
        return page

    async def set_password(self, request: web.Request) -> web.Response:
        """Set the password. Whoever has one shows it first, or came by a one-time link just now."""
        session, form = signed_in(request), request[FORM]
        if not session.user.operator:
            raise web.HTTPForbidden
        proof, password = form.get("proof", ""), form.get("password", "")
        problem, status, wait = passwords.problem(password), 400, 0.0
        if not problem and session.user.password_hash and not self._sessions.is_link_proof(session, proof):
            try:
                if not await self._is_right(session.user, form.get("current", "")):
                    problem, status = "That is not your current password, so nothing was changed.", 403
            except Locked as locked:
                problem, status, wait = _locked(locked), 429, locked.seconds
        if problem and proof:
            return self._views.page(
                request,
                "welcome.html",
                status=status,
                proof=proof,
                has_password=session.user.password_hash is not None,
                sentence=Sentence(problem),
            )
        if problem:
            return self._settings(request, session, Sentence(problem), status, wait)
        await self._sessions.set_password(session, await self._passwords.hash(password))
        if proof:
            return _to("/chat")
        await session.user.refresh_from_db()
        return self._settings(
            request, session, Sentence("Your password is set. Other browsers were signed out.", "good")
        )


def _to(address: str) -> web.Response:
    """Return a redirect to a page of ours."""
    return web.Response(status=303, headers={"Location": address})


def _locked(locked: Locked) -> str:
    minutes = math.ceil(locked.seconds / 60)
    when = "in a minute" if minutes <= 1 else f"in {minutes} minutes"
    return f"The password was wrong too often. Please try again {when}, or use a one-time link."
