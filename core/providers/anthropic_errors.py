"""Anthropic's refusals and failures, as the port's errors with a clause that a person understands.

What the server wrote stays out of it, and out of the error's cause: it may repeat the key or the prompt.
Source: platform.claude.com, "Claude API errors".
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from core.providers.openai_errors import retry_after
from core.providers.port import ModelBusy, ModelError, ModelRefused, ModelTooLong

_BUSY = {408, 409, 425, 429}
_NO_CREDIT_WORDS = re.compile(r"credit balance is too low", re.I)
_SPENT_WORDS = re.compile(r"reached your specified|usage limits?|spend(ing)? limit", re.I)
_TOO_LONG_WORDS = re.compile(
    r"prompt is too long|too many tokens|context (length|window|limit|size)|request too large|exceeds the maximum size",
    re.I,
)
_PICTURE_WORDS = re.compile(r"\bimages?\b|\bPDF\b|\.document\b", re.I)
_SETTING_WORDS = re.compile(
    r"^\W*(this model does not support the )?(?P<field>thinking|output_config|effort|max_tokens|stop_sequences)\b", re.I
)
_SETTINGS = {"output_config": "effort", "max_tokens": "max_output_tokens", "stop_sequences": "stop"}
_CODE = re.compile(r"[a-z][a-z_]{2,39}")


def from_status(status: int, body: object, headers: Mapping[str, str], who: str) -> ModelError:
    """Return the error for an answer with a status of 300 or more, or for an error within an answer (status 200).

    Args:
        body: the answer's JSON value, or its text.
        who: the server's name for a person.
    """
    error = _mapping(_mapping(body).get("error"))
    if status < 300:
        return _within(error)
    if status < 400:
        return ModelRefused(f"{who} answers from another address ({status}); ANTHROPIC_BASE_URL may need a change")
    known = _from_words(error, status)
    if known is not None:
        return known
    if status == 529:
        return ModelBusy("it is overloaded (529)", retry_after(headers))
    if status == 429:
        return ModelBusy("it is getting more requests than it takes (429)", retry_after(headers))
    if status in _BUSY or status >= 500:
        return ModelBusy(f"it has trouble on its side ({status})", retry_after(headers))
    clauses = {
        401: f"{who} refused the key (401)",
        403: f"{who} does not allow it (403)",
        404: f"{who} does not know this model or address (404)",
    }
    code = _mapping(error.get("details")).get("error_code")
    told = f", {code}" if isinstance(code, str) and _CODE.fullmatch(code) else ""
    return ModelRefused(clauses.get(status, f"{who} did not accept the request ({status}{told})"))


def from_connection(error: BaseException, connect: float) -> ModelBusy:
    """Return the error for a connection that was not made, or broke. `connect`: seconds it had to be made."""
    import aiohttp

    for cause in _causes(error):
        if isinstance(cause, aiohttp.ClientConnectorError):
            return ModelBusy("it could not be reached")
        if isinstance(cause, aiohttp.ConnectionTimeoutError):
            return ModelBusy(f"it could not be reached within {connect:g} s")
    return ModelBusy("the connection to it broke")


def _within(error: Mapping[str, Any]) -> ModelError:
    known = _from_words(error, 0)
    if known is not None:
        return known
    if error.get("type") == "overloaded_error":
        return ModelBusy("it became overloaded while answering")
    return ModelBusy("it reported an error while answering")


def _from_words(error: Mapping[str, Any], status: int) -> ModelError | None:
    message = str(error.get("message") or "")[:2000]
    suffix = f" ({status})" if status else ""
    if status == 413 or (status in (0, 400, 422) and _TOO_LONG_WORDS.search(message)):
        return ModelTooLong("the conversation is too long for this model")
    if status == 402 or error.get("type") == "billing_error" or _NO_CREDIT_WORDS.search(message):
        return ModelRefused(f"the account has no credit left{suffix}")
    if status == 400 and _SPENT_WORDS.search(message):
        return ModelRefused(f"the account has reached its spending limit{suffix}")
    if status == 400 and _PICTURE_WORDS.search(message):
        return ModelRefused(f"it can't read one of the pictures or documents{suffix}")
    refused = _SETTING_WORDS.match(message) if status == 400 else None
    if refused is not None:
        field = refused["field"]
        return ModelRefused(f"this model does not take the setting {_SETTINGS.get(field, field)} as it is{suffix}")
    return None


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _causes(error: BaseException) -> Iterator[BaseException]:
    found: BaseException | None = error
    while found is not None:
        yield found
        found = found.__cause__ or found.__context__
