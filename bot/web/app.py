"""The web application: its routes, what stands before them, and how it is served."""

import errno
import logging
import socket
import warnings
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import cast

from aiohttp import BadContentDispositionHeader, BadContentDispositionParam, web
from aiohttp.http_exceptions import HttpProcessingError

from bot.access_log import AccessLogger
from bot.stop import Stop
from bot.web.assets import Assets
from bot.web.chat import ChatPages
from bot.web.errors import Errors
from bot.web.health import Health
from bot.web.pages import LOGIN, OPEN, Pages
from bot.web.passwords import Passwords
from bot.web.ports import Hook, WebDependencies
from bot.web.security import Guard, Site
from bot.web.sessions import Sessions
from bot.web.views import Views

log = logging.getLogger("prowex.web")

_HOOK_BYTES = 4 * 1024 * 1024
_LAST_REQUESTS_SECONDS = 5.0


def create_app(dependencies: WebDependencies) -> web.Application:
    """Build the application; it owns nothing until it is served."""
    for quotes_the_header in (BadContentDispositionHeader, BadContentDispositionParam):
        warnings.simplefilter("ignore", quotes_the_header)
    sessions = Sessions(dependencies.clock, dependencies.hmac)
    assets, passwords = Assets(), Passwords()
    views = Views(dependencies, sessions, assets)
    guard = _guard(dependencies, sessions)
    app = web.Application(
        middlewares=[Errors(views).answer, guard.check],
        client_max_size=_HOOK_BYTES,
    )
    app.on_response_prepare.append(guard.dress)

    async def close_pages(_: web.Application) -> None:
        dependencies.hub.close()

    async def close_passwords(_: web.Application) -> None:
        passwords.close()

    app.on_shutdown.append(close_pages)
    app.on_cleanup.append(close_passwords)
    _add_machines(app, Health(dependencies), dependencies.hooks)
    app.router.add_get("/static/{name}", assets.serve)
    _add_pages(app, Pages(dependencies, sessions, passwords, views, guard))
    _add_chat(app, ChatPages(dependencies, sessions, views))
    return app


def _guard(dependencies: WebDependencies, sessions: Sessions) -> Guard:
    early = {
        LOGIN: lambda request, given: sessions.is_early_token(LOGIN, given),
        "/open/{token}": lambda request, given: sessions.is_early_token(request.match_info["token"], given),
    }
    site = Site(dependencies.host, dependencies.public_url)
    return Guard(site, sessions, early, frozenset(dependencies.hooks))


def _add_machines(app: web.Application, health: Health, hooks: Mapping[str, Hook]) -> None:
    app.router.add_get("/healthz", health.alive)
    app.router.add_get("/readyz", health.ready)
    app.router.add_get("/metrics", health.metrics)
    for path, hook in hooks.items():
        app.router.add_post(path, hook)


def _add_pages(app: web.Application, pages: Pages) -> None:
    app.router.add_get("/", pages.start)
    app.router.add_get(OPEN, pages.show_link)
    app.router.add_post(OPEN, pages.use_link)
    app.router.add_get("/welcome", pages.welcome)
    app.router.add_get(LOGIN, pages.show_login)
    app.router.add_post(LOGIN, pages.login)
    app.router.add_post("/logout", pages.logout)
    app.router.add_get("/settings", pages.show_settings)
    app.router.add_post("/settings/password", pages.set_password)


def _add_chat(app: web.Application, chat: ChatPages) -> None:
    app.router.add_get("/chat", chat.page)
    app.router.add_get("/chat/events", chat.events, allow_head=False)
    app.router.add_get("/chat/messages", chat.earlier)
    app.router.add_post("/chat/messages", chat.send)
    app.router.add_get("/files/{id}", chat.file)


@asynccontextmanager
async def serve(app: web.Application, host: str, port: int) -> AsyncIterator[int]:
    """Serve `app` within the block; yield the port, which the system picks if `port` is 0.

    Raises:
        Stop: the address can't be listened on; says why and what to do.
    """
    logging.getLogger("aiohttp.server").addFilter(_is_no_junk)
    runner = web.AppRunner(app, access_log_class=AccessLogger, access_log=log, shutdown_timeout=_LAST_REQUESTS_SECONDS)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            raise Stop(_refused(error, host, port)) from error
        yield cast(int, runner.addresses[0][1])
    finally:
        await runner.cleanup()


def _is_no_junk(record: logging.LogRecord) -> bool:
    """Leave out what anybody can cause by sending what is no HTTP: the access log has its line."""
    return not isinstance(record.exc_info[1] if record.exc_info else None, HttpProcessingError)


def _refused(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} is in use by another program. Stop that program, or set PROWEX_PORT to a free port."
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"This user may not listen on port {port}. Set PROWEX_PORT to a port above 1023, such as 8080."
    if error.errno == errno.EADDRNOTAVAIL or isinstance(error, socket.gaierror):
        return f"This computer has no address {host}. Set PROWEX_HOST to one it has, such as 127.0.0.1."
    return f"Prowex can't listen on {host}, port {port}: {error.strerror}. Set PROWEX_HOST and PROWEX_PORT."
