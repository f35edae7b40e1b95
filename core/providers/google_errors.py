"""Google's refusals and failures, as the port's errors with a clause that a person understands.

What the server wrote stays out of it, and out of the error's cause: it may repeat the key or the prompt. Its errors
are google.rpc.Status values; https://ai.google.dev/gemini-api/docs/troubleshooting names the usual ones.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from core.providers.openai_errors import retry_after
from core.providers.port import ModelBusy, ModelError, ModelRefused, ModelTooLong

_BUSY = {408, 409, 425, 429, 499}
_KEY = {"API_KEY_INVALID", "CREDENTIALS_MISSING", "ACCESS_TOKEN_TYPE_UNSUPPORTED"}
_BILLING = {"BILLING_DISABLED", "CONSUMER_SUSPENDED"}
_TOO_LONG_WORDS = re.compile(
    r"input token count|exceeds the maximum number of tokens|context (length|window|size)|payload size exceeds|"
    r"too many tokens|prompt is too long",
    re.I,
)
_NO_QUOTA = re.compile(r"\blimit: 0\b")
_STATUS = re.compile(r"[A-Z][A-Z_]{2,39}")
_DURATION = re.compile(r"\d{1,9}(\.\d{1,9})?s")


def from_status(status: int, body: object, headers: Mapping[str, str], who: str) -> ModelError:
    """Return the error for an answer with a status of 300 or more.

    Args:
        body: what the answer said, as JSON values.
        who: the server's name for a person.
    """
    if status < 400:
        return ModelRefused(f"{who} answers from another address ({status}); GOOGLE_BASE_URL may need a change")
    said = _Status(body)
    known = _known(said, who, status)
    if known is not None:
        return known
    if status == 429:
        return _over_quota(said, headers, who)
    if status in _BUSY or status >= 500:
        return ModelBusy(f"it has trouble on its side ({status})", _retry_after(said, headers))
    clauses = {
        401: f"{who} refused the key (401)",
        402: f"the account at {who} has no credit left (402)",
        403: f"{who} does not allow it (403); the key may be blocked, or lack the right to this model",
        404: f"{who} does not know this model or address (404)",
    }
    name = f", {said.name}" if said.name else ""
    return ModelRefused(clauses.get(status, f"{who} did not accept the request ({status}{name})"))


def from_stream(body: object, who: str) -> ModelError:
    """Return the error for an error that the server sent in the middle of its answer."""
    said = _Status(body)
    return _known(said, who, said.code) or ModelBusy("it reported an error while answering", _retry_after(said, {}))


def from_connection(error: Exception, connect: float) -> ModelError:
    """Return the error for a connection that was not made, or broke. `connect`: seconds it had to be made."""
    import aiohttp
    import httpx2

    if isinstance(error, aiohttp.ConnectionTimeoutError | httpx2.ConnectTimeout | httpx2.PoolTimeout):
        return ModelBusy(f"it could not be reached within {connect:g} s")
    if isinstance(error, aiohttp.ClientConnectorError | httpx2.ConnectError):
        return ModelBusy("it could not be reached")
    if isinstance(error, aiohttp.InvalidURL | aiohttp.NonHttpUrlClientError | httpx2.UnsupportedProtocol):
        return ModelRefused("GOOGLE_BASE_URL is no address that can be asked")
    return ModelBusy("the connection to it broke")


class _Status:
    """A google.rpc.Status, read leniently."""

    def __init__(self, body: object) -> None:
        if isinstance(body, list) and body:
            body = body[0]
        given: Any = body if isinstance(body, Mapping) else {}
        error = given.get("error", given)
        self._error: Mapping[str, Any] = error if isinstance(error, Mapping) else {}
        status, message, code = (self._error.get(name) for name in ("status", "message", "code"))
        self.name = status if isinstance(status, str) and _STATUS.fullmatch(status) else ""
        self.message = message[:2000] if isinstance(message, str) else ""
        self.code = code if isinstance(code, int) else 0
        self.reasons = {str(detail.get("reason")) for detail in self.of("ErrorInfo")}

    def of(self, kind: str) -> Iterator[Mapping[str, Any]]:
        """Yield the details of one kind, such as `ErrorInfo`."""
        details = self._error.get("details")
        for detail in details if isinstance(details, list) else ():
            if isinstance(detail, Mapping) and str(detail.get("@type")).endswith(f"google.rpc.{kind}"):
                yield detail

    def quotas(self) -> Iterator[Mapping[str, Any]]:
        """Yield the quotas that were exceeded."""
        for detail in self.of("QuotaFailure"):
            violations = detail.get("violations")
            yield from (one for one in violations if isinstance(one, Mapping)) if isinstance(violations, list) else ()


def _known(said: _Status, who: str, status: int) -> ModelError | None:
    if said.reasons & _KEY:
        return ModelRefused(f"{who} refused the key ({status})")
    if said.reasons & _BILLING or (status == 400 and said.name == "FAILED_PRECONDITION"):
        return ModelRefused(f"{who} wants billing set up for this key, or does not serve this region ({status})")
    if status == 413 or (status == 400 and _TOO_LONG_WORDS.search(said.message)):
        return ModelTooLong("the conversation is too long for this model")
    return None


def _over_quota(said: _Status, headers: Mapping[str, str], who: str) -> ModelError:
    quotas = list(said.quotas())
    if _NO_QUOTA.search(said.message) or any(str(quota.get("quotaValue")) == "0" for quota in quotas):
        return ModelRefused(f"the plan of this key at {who} does not include the model (429)")
    if any("PerDay" in str(quota.get("quotaId")) for quota in quotas):
        return ModelBusy("the day's requests of this key are used up (429)", _retry_after(said, headers))
    return ModelBusy("it is getting more requests than it takes (429)", _retry_after(said, headers))


def _retry_after(said: _Status, headers: Mapping[str, str]) -> float:
    """Return the seconds that google.rpc.RetryInfo or the header asks us to wait, 0 if neither says."""
    for detail in said.of("RetryInfo"):
        delay = detail.get("retryDelay")
        if isinstance(delay, str) and _DURATION.fullmatch(delay):
            return float(delay[:-1])
    return retry_after(headers)
