"""OpenAI's refusals and failures, as the port's errors with a clause that a person understands.

What the server wrote stays out of it, and out of the error's cause: it may repeat the key or the prompt.
"""

import math
import re
from collections.abc import Iterator, Mapping
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from core.providers.port import ModelBusy, ModelError, ModelRefused, ModelTooLong

if TYPE_CHECKING:
    import openai

_BUSY = {408, 409, 425, 429}
_NO_CREDIT = {"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"}
_FILTERED = {"content_filter", "content_policy_violation", "responsible_ai_policy_violation"}
_TOO_LONG = {"context_length_exceeded", "exceed_context_size_error", "string_above_max_length"}
_TOO_LONG_WORDS = re.compile(r"context (length|window|size)|too many tokens|request too large|prompt is too long", re.I)
_CODE = re.compile(r"[a-z][a-z_]{2,39}")


def from_status(error: "openai.APIStatusError", who: str) -> ModelError:
    """Return the error for an answer with a status of 300 or more. `who` is the server's name for a person."""
    status = error.status_code
    if status < 400:
        return ModelRefused(f"{who} answers from another address ({status}); OPENAI_BASE_URL may need a change")
    known = _from_code(error, f"({status})", status)
    if known is not None:
        return known
    if status == 429:
        return ModelBusy("it is getting more requests than it takes (429)", retry_after(error.response.headers))
    if status in _BUSY or status >= 500:
        return ModelBusy(f"it has trouble on its side ({status})", retry_after(error.response.headers))
    clauses = {
        401: f"{who} refused the key (401)",
        402: f"the account at {who} has no credit left (402)",
        403: f"{who} does not allow it (403)",
        404: f"{who} does not know this model or address (404)",
    }
    code = f", {error.code}" if error.code and _CODE.fullmatch(error.code) else ""
    return ModelRefused(clauses.get(status, f"{who} did not accept the request ({status}{code})"))


def from_stream(error: "openai.APIError") -> ModelError:
    """Return the error for an error that the server sent in the middle of its answer."""
    return _from_code(error, "", 0) or ModelBusy("it reported an error while answering")


def from_connection(error: "openai.APIConnectionError", connect: float) -> ModelBusy:
    """Return the error for a connection that was not made, or broke. `connect`: seconds it had to be made."""
    import aiohttp

    for cause in _causes(error):
        if isinstance(cause, aiohttp.ClientConnectorError):
            return ModelBusy("it could not be reached")
        if isinstance(cause, aiohttp.ConnectionTimeoutError):
            return ModelBusy(f"it could not be reached within {connect:g} s")
    return ModelBusy("the connection to it broke")


def retry_after(headers: Mapping[str, str]) -> float:
    """Return the seconds that `headers` ask us to wait, 0 if they don't say: RFC 9110, 10.2.3, and OpenAI's own."""
    for name, scale in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        value = headers.get(name, "")
        try:
            seconds = float(value) * scale
        except ValueError:
            continue
        return max(0.0, seconds) if math.isfinite(seconds) else 0.0
    try:
        wait = parsedate_to_datetime(headers["retry-after"]) - parsedate_to_datetime(headers["date"])
    except (KeyError, ValueError, TypeError):
        return 0.0
    return max(0.0, wait.total_seconds())


def _from_code(error: "openai.APIError", suffix: str, status: int) -> ModelError | None:
    names = {str(error.code), str(error.type)}
    if names & _NO_CREDIT:
        return ModelRefused(f"the account has no credit left {suffix}".strip())
    if names & _FILTERED:
        return ModelRefused(f"its safety rules refused this {suffix}".strip())
    too_long = status in (0, 400, 413, 422, 429) and _TOO_LONG_WORDS.search(error.message[:2000])
    if names & _TOO_LONG or status == 413 or too_long:
        return ModelTooLong("the conversation is too long for this model")
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    found: BaseException | None = error
    while found is not None:
        yield found
        found = found.__cause__ or found.__context__
