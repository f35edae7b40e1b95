"""What goes wrong, answered in the look of every other page and in a sentence that says what to do."""

import logging
from http import HTTPStatus

from aiohttp import web

from bot.web.forms import Malformed, TooMuch
from bot.web.passwords import Overloaded
from bot.web.security import Handler
from bot.web.views import Views

log = logging.getLogger("prowex.web")

_SENTENCES = {
    400: ("That didn't arrive well", "What your browser sent can't be read. Please reload the page and try again."),
    401: ("Please sign in", "You are not signed in, or were not active for a while. Sign in and try again."),
    403: ("That is not allowed", "You may not do this here. Go back to the chat, or sign in as somebody who may."),
    404: ("There is no such page", "The address may be mistyped, or what was here is gone. Go back to the chat."),
    405: ("That doesn't work here", "This address can't be used in that way. Go back to the chat."),
    410: ("This link doesn't work any more", "Please ask for a new one."),
    413: ("That is too much", "What you sent is larger than this page takes. Please send less at once."),
    421: (
        "This is not the right address",
        "Open Prowex under the address that it printed when it started. Its operator can allow another one by "
        "setting PROWEX_PUBLIC_URL.",
    ),
    429: ("That was a little too fast", "Please wait a few seconds and try again."),
    500: ("Something broke on our side", "It was not your fault, and it was written to the log. Please try again."),
    503: ("Too much at once", "More people want in than can be let in at a time. Please try again in a few seconds."),
}
_REASONS = {
    "stale": "This page had been open for too long, so nothing was done. Please reload it and try again.",
    "foreign": (
        "Your browser did not say that this came from our own page, so nothing was done. Open the page under the "
        "address that Prowex printed when it started, over https or on this computer, and try again."
    ),
    "insecure": "This page is only safe over https. Please open its address with https:// in front.",
}


class Errors:
    """The outermost middleware."""

    def __init__(self, views: Views) -> None:
        self._views = views

    @web.middleware
    async def answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer what a handler raises."""
        try:
            return await handler(request)
        except TooMuch as error:
            return self._page(request, 413, str(error))
        except Malformed as error:
            return self._page(request, 400, str(error))
        except Overloaded:
            return self._page(request, 503, headers={"Retry-After": "5"})
        except web.RequestPayloadError:
            return self._page(request, 400)
        except web.HTTPException as error:
            if error.status < 400:
                raise
            return self._page(request, error.status, _REASONS.get(error.reason, ""), _kept(error))
        except Exception as error:  # the boundary of one request's task
            if isinstance(error, ConnectionResetError) and request.transport is None:
                return self._page(request, 400)  # whoever asked went away in mid-sentence
            log.exception("a web request failed", extra={"route": _route(request)})
            return self._page(request, 500)

    def _page(
        self, request: web.Request, status: int, sentence: str = "", headers: dict[str, str] | None = None
    ) -> web.StreamResponse:
        phrase = HTTPStatus(status).phrase
        title, usual = _SENTENCES.get(status, (phrase, "Please go back and try again."))
        response: web.Response
        if "application/json" in request.headers.get("Accept", ""):
            response = web.json_response({"error": sentence or usual}, status=status)
        else:
            response = self._views.page(request, "error.html", status=status, title=title, sentence=sentence or usual)
        response.headers.update(headers or {})
        return response


def _kept(error: web.HTTPException) -> dict[str, str]:
    return {name: error.headers[name] for name in ("Allow", "Retry-After") if name in error.headers}


def _route(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "(none)"
