"""What stands before every page: which hosts we answer to, where a request came from, and what browsers may do."""

import ipaddress
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import cast
from urllib.parse import urlsplit

from aiohttp import web

from bot.web.forms import read_form
from bot.web.sessions import Sessions, SignedIn

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

SESSION = web.RequestKey("session", SignedIn)
FORM = web.RequestKey("form", dict[str, str])
TOKEN_FIELD = "form_token"  # noqa: S105 - a field's name
TOKEN_HEADER = "X-Form-Token"  # noqa: S105 - a header's name

MACHINES = ("/healthz", "/readyz", "/metrics")
"""Answered to anybody under any host: probes call by address."""

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class ForeignHost(web.HTTPException):
    """The request is for a host that we don't answer to (RFC 9110, 15.5.20)."""

    status_code = 421


class SignInFirst(web.HTTPUnauthorized):
    """Only for people who are signed in."""


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_wildcard(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False


def _name_of(host: str) -> str:
    """Return a Host header's name without its port."""
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return ""


@dataclass(frozen=True, slots=True)
class Site:
    """The addresses we are reached under.

    Args:
        host: listened on.
        public_url: what people use; "" if only `host`.
    """

    host: str
    public_url: str

    @property
    def _public_host(self) -> str:
        return _name_of(urlsplit(self.public_url).netloc) if self.public_url else ""

    @property
    def _public_https(self) -> bool:
        return self.public_url.lower().startswith("https://")

    def answers_to(self, request: web.Request) -> bool:
        """Return whether the Host header names us; a web page elsewhere may point its own name at our address."""
        name = _name_of(request.headers.get("Host", ""))
        if name and (_is_loopback(name) or name in (self.host.lower(), self._public_host)):
            return True
        return bool(name) and not self.public_url and _is_wildcard(self.host)

    def is_https(self, request: web.Request) -> bool:
        """Return whether the browser came over TLS. A proxy is believed only where the public address is https."""
        if not self._public_https:
            return False
        forwarded = request.headers.get("X-Forwarded-Proto", "").split(",")[0].strip().lower()
        if forwarded:
            return forwarded == "https"
        return _name_of(request.headers.get("Host", "")) == self._public_host

    def is_insecure(self, request: web.Request) -> bool:
        """Return whether the public address is https and a proxy let somebody in without."""
        forwarded = request.headers.get("X-Forwarded-Proto", "").split(",")[0].strip().lower()
        return self._public_https and forwarded == "http"

    def is_ours(self, request: web.Request) -> bool:
        """Return whether the request was made by one of our own pages.

        `Sec-Fetch-Site` can't be set by a page's script and settles it where a browser sends it. `Origin` has to be
        ours wherever it says something: under `no-referrer`, browsers send `null` with plain forms.
        """
        origin, site = request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site")
        if site is not None and site != "same-origin":
            return False
        if origin is None or origin == "null":
            return site == "same-origin"
        scheme = "https" if self.is_https(request) else "http"
        allowed = {f"{scheme}://{request.headers.get('Host', '')}".lower()}
        if self.public_url:
            parts = urlsplit(self.public_url)
            allowed.add(f"{parts.scheme}://{parts.netloc}".lower())
        return origin.lower() in allowed


class Guard:
    """Middleware and signals of the whole application.

    Args:
        early: routes whose form is sent before anybody is signed in, each with what tells whether its token is right.
        hooks: paths that other services call; they check who is calling by themselves.
    """

    def __init__(
        self,
        site: Site,
        sessions: Sessions,
        early: dict[str, Callable[[web.Request, str], bool]],
        hooks: frozenset[str],
    ) -> None:
        self._site = site
        self._sessions = sessions
        self._early = early
        self._hooks = hooks

    async def dress(self, request: web.Request, response: web.StreamResponse) -> None:
        """Put the security headers on every response."""
        response.headers["Server"] = "prowex"
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)
        if self._site.is_https(request):
            response.headers["Strict-Transport-Security"] = "max-age=31536000"

    @web.middleware
    async def check(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Let only requests through that are for us, and POSTs only from our own pages."""
        if request.path in MACHINES or request.path in self._hooks:
            return await handler(request)
        if not self._site.answers_to(request):
            raise ForeignHost
        if self._site.is_insecure(request):
            if request.method not in ("GET", "HEAD"):
                raise web.HTTPForbidden(reason="insecure")
            raise web.HTTPPermanentRedirect(self._site.public_url + request.raw_path)
        if not request.path.startswith("/static/"):
            await self._find_session(request)
        if request.method not in ("GET", "HEAD"):
            await self._check_post(request)
        return await handler(request)

    async def _find_session(self, request: web.Request) -> None:
        token = request.cookies.get(self._cookie(request))
        if token is None:
            return
        by_hand = request.path != "/chat/events"
        session = await self._sessions.find(token, touch=by_hand)
        if session is not None:
            request[SESSION] = session

    async def _check_post(self, request: web.Request) -> None:
        if request.match_info.http_exception is not None:
            return
        if not self._site.is_ours(request):
            raise web.HTTPForbidden(reason="foreign")
        given = request.headers.get(TOKEN_HEADER)
        if given is None:
            request[FORM] = await read_form(request)
            given = request[FORM].get(TOKEN_FIELD, "")
        resource = request.match_info.route.resource
        early = self._early.get(resource.canonical if resource else "")
        if early is not None:
            if not early(request, given):
                raise web.HTTPForbidden(reason="stale")
            return
        if not self._sessions.is_form_token(signed_in(request), given):
            raise web.HTTPForbidden(reason="stale")

    def _cookie(self, request: web.Request) -> str:
        return "__Host-session" if self._site.is_https(request) else "session"

    def sign_in(self, request: web.Request, response: web.StreamResponse, token: str) -> None:
        """Give the browser its session cookie; it lasts until the browser is closed."""
        response.set_cookie(
            self._cookie(request), token, path="/", secure=self._site.is_https(request), httponly=True,
            samesite="Strict",
        )  # fmt: skip

    def sign_out(self, request: web.Request, response: web.StreamResponse) -> None:
        """Take the session cookie back."""
        response.del_cookie(
            self._cookie(request), path="/", secure=self._site.is_https(request), httponly=True, samesite="Strict"
        )


def signed_in(request: web.Request) -> SignedIn:
    """Return the request's session.

    Raises:
        SignInFirst: there is none.
    """
    session = maybe_signed_in(request)
    if session is None:
        raise SignInFirst
    return session


def maybe_signed_in(request: web.Request) -> SignedIn | None:
    """Return the request's session, if there is one."""
    return cast(SignedIn | None, request.get(SESSION))


def comes_from_elsewhere(request: web.Request) -> bool:
    """Return whether another site led here: a strict cookie is not sent then, though the person may be signed in."""
    return request.headers.get("Sec-Fetch-Site") == "cross-site" and request.method == "GET"
