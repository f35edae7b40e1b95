"""What is logged of a web request: method, route, status and time. Never its address, query or referrer."""

import logging

from aiohttp.abc import AbstractAccessLogger
from aiohttp.hdrs import METH_ALL
from aiohttp.web import BaseRequest, Request, StreamResponse

_log = logging.getLogger("prowex.access")


class AccessLogger(AbstractAccessLogger):
    """Give this class to aiohttp's runner as `access_log_class`."""

    @property
    def enabled(self) -> bool:
        """Whether anything is logged."""
        return _log.isEnabledFor(logging.INFO)

    def log(self, request: BaseRequest, response: StreamResponse, time: float) -> None:
        """Log one request; `time` is in seconds."""
        route = _route(request)
        method = request.method if request.method in METH_ALL else "(other)"
        _log.info("%s %s %d", method, route, response.status, extra={"ms": round(time * 1000, 1)})


def _route(request: BaseRequest) -> str:
    try:
        resource = request.match_info.route.resource if isinstance(request, Request) else None
    except AssertionError:  # aiohttp's own way to say that the request was too broken to be routed
        resource = None
    return resource.canonical if resource is not None else "(no route)"
